"""The room `log`: the platform's log, whose `seq` is that of its own stream.

An event that is written while a client reads what it has missed is among that: the client is in the room only once
there is nothing more to catch up with.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from msgspec import Struct

from actors.runtime.bus import Recorded
from bus_schemas.errors import misfit
from bus_schemas.fields import CallId, SlotId
from bus_schemas.log import ListLogs, LogRecord, Module, Severity, SoughtText, TraceId, fits
from gateway.live.client import LiveClient
from gateway.live.fields import Seq
from gateway.live.history import History, bytes_in, cost_of
from gateway.live.said import Said, event_said
from gateway.live.transports import Transports
from gateway.log_feed import MISSED, LogFeed, sees, some_of, understood
from gateway.metrics import Metrics
from gateway.surface.log import ROOM

NAME = ROOM.kind.room


class SubscribeLog(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client wants to hear of: as in the list. `since`: the last `seq` that it has seen."""

    since: Seq | None = None
    module: Module | None = None
    severity: Severity | None = None
    text: SoughtText | None = None
    slot: SlotId | None = None
    call_id: CallId | None = None
    trace_id: TraceId | None = None

    @property
    def wanted(self) -> ListLogs:
        narrowed = {name: getattr(self, name) for name in self.__struct_fields__ if name != "since"}
        return ListLogs(**narrowed)


class LogRoom:
    """Of one gateway. `clients`: all that are connected."""

    def __init__(
        self, *, feed: LogFeed, transports: Transports, history: History, metrics: Metrics,
        clients: Mapping[str, LiveClient],
    ) -> None:  # fmt: skip
        self._feed = feed
        self._transports = transports
        self._history = history
        self._metrics = metrics
        self._clients = clients
        self._metrics.events.labels(NAME)

    def start(self) -> Callable[[], None]:
        """Tell what is written from now on. Gives the end of that."""
        return self._feed.listen(self._hear)

    async def subscribe(self, client: LiveClient, asked: SubscribeLog, still: Callable[[], None]) -> dict[str, Any]:
        """Send what was missed, then what comes. `still`: raises Refusal when nobody wants it any more. Raises Refusal,
        BusError."""
        await self._feed.begin()
        since, wanted, seq = asked.since, asked.wanted, self._feed.seq
        missed = 0 if since is None else seq - since
        if missed < 0:
            raise misfit("since", "it is ahead of the log.", seq=seq)
        if since is not None and missed <= MISSED:
            await self._catch_up(client, wanted, since, still)
        still()
        client.log = wanted
        client.rooms.add(NAME)
        answer: dict[str, Any] = {"error": False, "seq": self._feed.seq}
        return answer | {"snapshot_needed": True} if missed > MISSED else answer

    async def _catch_up(self, client: LiveClient, wanted: ListLogs, since: int, still: Callable[[], None]) -> None:
        """A piece after the other, as fast as the client takes them. Each user reads in turn and so much a second."""
        turn = self._history.turn(client.caller.share)
        while since < (until := self._feed.seq):
            async with aclosing(self._feed.entries(since, until)) as entries:
                more = True
                while more:
                    async with turn:
                        still()
                        some, more = await some_of(entries)
                        turn.pay(cost_of(len(some), bytes_in(some)))
                    still()
                    self._tell(client, wanted, some)
                    await self._transports.taken(client.transport)
            since = until

    def _hear(self, record: LogRecord) -> None:
        self._metrics.events.labels(NAME).inc()
        said: Said | None = None
        for client in list(self._clients.values()):
            if NAME in client.rooms and sees(client.caller, record) and fits(client.log, record):
                said = said or _said(record)
                self._transports.write(client.transport, said)

    def _tell(self, client: LiveClient, wanted: ListLogs, entries: Iterable[Recorded]) -> None:
        for record in filter(None, map(understood, entries)):
            if sees(client.caller, record) and fits(wanted, record):
                self._transports.write(client.transport, _said(record))


def _said(record: LogRecord) -> Said:
    return event_said(ROOM.event, {"event": ROOM.event, "data": record, "seq": record.id})
