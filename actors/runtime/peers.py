"""The other hosts of a site, by what each says of itself every two seconds; and how one of them is asked."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog

from actors.runtime.bus import BusError, Message, Unsubscribe
from actors.runtime.clock import moment
from actors.runtime.host import Host
from actors.runtime.problems import Problem
from actors.runtime.storage import Storage
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.host import HOST_TELEMETRY, HostTelemetry, PartVersions, Quarantined

log = structlog.get_logger()

SAID_EVERY = 2.0  # seconds
SAID_AT_MOST = 0.02  # seconds between two sayings of news
FORGOTTEN_AFTER = 7.0
MOST_NAMED = 100  # actors that are named, and as many other things
LONGEST = 500  # characters of a reason


class Peers:
    """Says how this host is, and hears the others. `problems`: what is wrong in it beside its actors; `storage`: how
    full the streams are, as it sees them."""

    def __init__(
        self, *, host: Host, problems: Callable[[], Iterable[Problem]] = list, storage: Storage | None = None
    ) -> None:
        self._host = host
        self._storage = storage
        self._problems = problems
        self._heard: dict[str, float] = {}
        self._said: dict[str, HostTelemetry] = {}
        self._news = asyncio.Event()
        self._stop: Unsubscribe | None = None
        self.on_shards: Callable[[], None] | None = None  # called when another host serves other shards than before
        self.operators: Callable[[], Mapping[str, int]] = dict  # how many there are here of each status
        self.versions: Callable[[], PartVersions | None] = lambda: None  # of what the host works with

    async def start(self) -> None:
        self._stop = await self._host.bus.subscribe(HOST_TELEMETRY.pattern, self._hear)
        self._host.spawn(self._run())

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    def others(self) -> list[str]:
        """The hosts beside this one that have been heard lately, by name."""
        since = self._host.clock.monotonic() - FORGOTTEN_AFTER
        return sorted(name for name, heard in self._heard.items() if heard > since)

    def must_be_there(self, host: str) -> None:
        """Raises Refusal: it is none of the hosts that are there, which are named."""
        if host not in (there := sorted({self._host.name, *self.others()})):
            message = f"No such host is there now. There are: {', '.join(there)}."
            raise Refusal(ErrorCode.NOT_FOUND, message, host=host, known=there)

    def quarantine(self, kind: str, id: str) -> str | None:
        """Why a thing is left alone, where this host or one that was heard lately says so."""
        here = self._host.left_alone().get((kind, id))
        there = (one for host in self.others() for one in self._said[host].quarantined)
        return here or next((one.reason for one in there if (one.kind, one.id) == (kind, id)), None)

    def why_unowned(self, kind: str, id: str, host: str) -> str:
        """Why nobody owns a thing that the records give to a host."""
        if (why := self.quarantine(kind, id)) is not None:
            return f"it is quarantined: {why}"
        here = host in (self._host.name, *self.others())
        return f"its host {host} does not serve it" if here else f"its host {host} is away"

    async def _hear(self, message: Message) -> None:
        try:
            telemetry = msgspec.json.decode(message.data, type=HostTelemetry)
        except UNDECODABLE as error:
            log.warning("telemetry not understood", subject=message.subject, error=str(error))
            return
        if telemetry.host == self._host.name:
            return
        before = self._said.get(telemetry.host)
        self._heard[telemetry.host] = self._host.clock.monotonic()
        self._said[telemetry.host] = telemetry
        if self.on_shards is not None and (before is None or before.shards != telemetry.shards):
            self.on_shards()

    def say_soon(self) -> None:
        """There is news of this host."""
        self._news.set()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            await self.say()
            await self._host.pause(SAID_AT_MOST)
            due = self._host.clock.call_later(SAID_EVERY, self._news.set)
            try:
                await self._news.wait()
            finally:
                due.cancel()

    async def say(self) -> None:
        """Say how this host is now."""
        try:
            await self._host.feeds.publish(HOST_TELEMETRY, self._telemetry())
        except BusError as error:
            log.debug("telemetry not sent", error=repr(error))
        except Exception:
            log.exception("telemetry not sent")

    def _telemetry(self) -> HostTelemetry:
        actors = [(kind, id, reason) for (kind, id), reason in self._host.left_alone().items()]
        storage = self._storage
        found = [*(storage.problems() if storage is not None else ()), *self._problems()]
        coming = [(kind, "start", f"not ready: {one.there} of {one.of}") for kind, one in self._host.coming.items()]
        others = [*coming, *((problem.kind, problem.id, problem.reason) for problem in found)]
        named = [*actors[:MOST_NAMED], *others[:MOST_NAMED]]
        trouble = self._host.bus.healthy() or (storage.trouble if storage is not None else None)
        return HostTelemetry(
            host=self._host.name,
            at=moment(self._host.clock).at,
            quarantined=[Quarantined(kind=kind, id=id, reason=reason[:LONGEST]) for kind, id, reason in named],
            trouble=trouble,
            streams=storage.found if storage is not None else [],
            shards=sorted(self._host.shards) if self.on_shards is not None else None,
            operators=self.operators(),
            versions=self.versions(),
        )
