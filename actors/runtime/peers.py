"""The other hosts of a site, by what each says of itself every two seconds; and how one of them is asked."""

from collections.abc import Callable, Iterable

import msgspec
import structlog

from actors.runtime.bus import BusError, Message, Unsubscribe
from actors.runtime.clock import moment
from actors.runtime.host import Host
from actors.runtime.problems import Problem
from actors.runtime.storage import Storage
from bus_schemas.contract import UNDECODABLE
from bus_schemas.host import HOST_TELEMETRY, HostTelemetry, Quarantined

log = structlog.get_logger()

SAID_EVERY = 2.0  # seconds
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
        self._said: dict[str, list[Quarantined]] = {}
        self._stop: Unsubscribe | None = None

    async def start(self) -> None:
        self._stop = await self._host.bus.subscribe(HOST_TELEMETRY.pattern, self._hear)
        self._host.spawn(self._say())

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    def others(self) -> list[str]:
        """The hosts beside this one that have been heard lately, by name."""
        since = self._host.clock.monotonic() - FORGOTTEN_AFTER
        return sorted(name for name, heard in self._heard.items() if heard > since)

    def quarantine(self, kind: str, id: str) -> str | None:
        """Why a thing is left alone, where this host or one that was heard lately says so."""
        here = self._host.quarantined.get((kind, id))
        there = (one for host in self.others() for one in self._said[host] if (one.kind, one.id) == (kind, id))
        return here or next((one.reason for one in there), None)

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
        if telemetry.host != self._host.name:
            self._heard[telemetry.host] = self._host.clock.monotonic()
            self._said[telemetry.host] = telemetry.quarantined

    async def _say(self) -> None:
        while True:
            try:
                await self._host.publish(HOST_TELEMETRY, self._telemetry())
            except BusError as error:
                log.debug("telemetry not sent", error=repr(error))
            except Exception:
                log.exception("telemetry not sent")
            await self._host.pause(SAID_EVERY)

    def _telemetry(self) -> HostTelemetry:
        actors = [(kind, id, reason) for (kind, id), reason in self._host.quarantined.items()]
        storage = self._storage
        found = [*(storage.problems() if storage is not None else ()), *self._problems()]
        others = [(problem.kind, problem.id, problem.reason) for problem in found]
        named = [*actors[:MOST_NAMED], *others[:MOST_NAMED]]
        trouble = self._host.bus.healthy() or (storage.trouble if storage is not None else None)
        return HostTelemetry(
            host=self._host.name,
            at=moment(self._host.clock).at,
            quarantined=[Quarantined(kind=kind, id=id, reason=reason[:LONGEST]) for kind, id, reason in named],
            trouble=trouble,
            streams=storage.found if storage is not None else [],
        )
