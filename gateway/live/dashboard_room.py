"""The room `dashboard`: its figures, whole, when one has changed, and at most once a second.

They are asked of the records, once for all clients who see the same: an entry of the journal says that something has
happened, and not what a sum is after it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from actors.runtime.bus import Bus, BusError
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.dashboard import GET_DASHBOARD, SEES, Dashboard, GetDashboard
from bus_schemas.errors import Refusal
from gateway.auth import Caller
from gateway.live.client import LiveClient
from gateway.live.said import event_said
from gateway.live.transports import Transports
from gateway.metrics import Metrics
from gateway.reads import Reads
from gateway.surface.dashboard import ROOM

NAME = ROOM.kind.room
PAUSE = 1.0  # seconds between two looks
QUIET = 10  # looks without an entry of the journal, after which phones may still have changed, or the day
MOST = 50  # questions of one look; who sees something else is looked for in the next
Sight = tuple[str, frozenset[str]]  # what decides on the figures: whose they are, and what those may see of others'


class DashboardRoom:
    """Of one gateway. `clients`: all that are connected; `seq`: of the newest entry of the journal that was heard."""

    def __init__(
        self, *, bus: Bus, transports: Transports, metrics: Metrics, clients: Mapping[str, LiveClient],
        seq: Callable[[], int], reads: Reads,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._reads = reads
        self._transports = transports
        self._metrics = metrics
        self._clients = clients
        self._seq = seq
        self._due: deque[Sight] = deque()
        self._looked, self._quiet = -1, 0
        self._metrics.events.labels(NAME)

    async def subscribe(self, client: LiveClient, still: Callable[[], None]) -> dict[str, Any]:
        """Tell the figures, and from then on what they become. `still`: raises Refusal when nobody wants it any more.
        Raises Refusal, BusError."""
        async with self._reads.turn(client.caller.share):  # as over HTTP: it is a sum of much
            still()
            found = await self._ask(client.caller)
        still()
        client.rooms.add(NAME)
        client.dashboard = None
        self._tell(client, found)
        return {"error": False, "seq": self._seq()}

    async def look(self) -> None:
        """Ask for everybody who is in the room, if something may have changed, and tell whom it concerns."""
        here = [client for client in self._clients.values() if NAME in client.rooms]
        if not self._due:
            self._quiet += 1
            if not here or (self._seq() == self._looked and self._quiet < QUIET):
                return
            self._looked, self._quiet = self._seq(), 0
            self._due.extend(dict.fromkeys(sight_of(client.caller) for client in here))
        for _ in range(min(MOST, len(self._due))):
            await self._look_for(self._due.popleft())

    async def _look_for(self, sight: Sight) -> None:
        asking = next(self._who_see(sight), None)
        if asking is None:
            return
        try:
            found = await self._ask(asking.caller)
        except (Refusal, BusError):  # another look comes
            self._looked = -1
            return
        for client in list(self._who_see(sight)):
            self._tell(client, found)

    def _who_see(self, sight: Sight) -> Iterator[LiveClient]:
        return (one for one in self._clients.values() if NAME in one.rooms and sight_of(one.caller) == sight)

    async def _ask(self, caller: Caller) -> Dashboard:
        may = caller.actions & GET_DASHBOARD.needed
        context = Context(command_id=NAME, user=caller.user, actions=may, after=self._seq())
        return await ask(self._bus, GET_DASHBOARD, GetDashboard(), context)

    def _tell(self, client: LiveClient, found: Dashboard) -> None:
        figures = replace(found, timestamp="")
        if client.dashboard == figures:
            return
        client.dashboard = figures
        self._metrics.events.labels(NAME).inc()
        payload = {"event": ROOM.event, "data": found, "seq": self._seq()}
        self._transports.write(client.transport, event_said(ROOM.event, payload))


def sight_of(caller: Caller) -> Sight:
    """Who sees everything sees the same, whoever they are."""
    may = caller.actions & SEES
    return ("" if may == SEES else caller.user, may)
