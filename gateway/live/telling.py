"""Who in a room is told what, and when.

Most rooms tell every event at once. A board, which shows how things are, tells its changes in groups, five times a
second at most: the first at once, what comes meanwhile together, in one write for each client. Of what an update says
whole, a group has the newest alone. Nothing of a room overtakes what waits there, or a client that comes back with
the last `seq` it has seen would miss that.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from gateway.live.client import LiveClient
from gateway.live.events import RoomEvent
from gateway.live.transports import Transports
from gateway.metrics import Metrics
from gateway.surface import ROOMS

APART = 0.2  # seconds between two groups of a board
MOST = 1_000  # events of a group; more do not wait
BOARDS = tuple(row.kind.room for row in ROOMS if row.board)


class Board:
    """What waits of one room. `tell`: tells a group, whose events have numbers. `count`: the number of the last;
    `waiting`: those that are not told yet."""

    def __init__(self, *, tell: Callable[[Mapping[int, RoomEvent]], None]) -> None:
        self._tell = tell
        self.waiting: dict[int, RoomEvent] = {}
        self._whole: dict[object, int] = {}  # which of them is all that is to be said of a thing
        self._timer: asyncio.TimerHandle | None = None
        self.count = 0

    def add(self, event: RoomEvent) -> None:
        self.count += 1
        if event.whole is not None:
            before = self._whole.get(event.whole)
            if before is not None and event.reaches_all(self.waiting[before]):
                del self.waiting[before]
            self._whole[event.whole] = self.count
        self.waiting[self.count] = event
        if self._timer is None or len(self.waiting) >= MOST:
            self._flush()

    def stop(self) -> None:
        """Tell nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        self.stop()
        self._timer = None
        if self.waiting:
            group, self.waiting, self._whole = self.waiting, {}, {}
            self._timer = asyncio.get_running_loop().call_later(APART, self._flush)
            self._tell(group)


class Telling:
    """Of one gateway. `clients`: all that are connected."""

    def __init__(self, *, transports: Transports, metrics: Metrics, clients: Mapping[str, LiveClient]) -> None:
        self._transports = transports
        self._metrics = metrics
        self._clients = clients
        self._boards = {room: Board(tell=partial(self._tell_group, room)) for room in BOARDS}

    def stop(self) -> None:
        for board in self._boards.values():
            board.stop()

    def enter(self, client: LiveClient, room: str) -> None:
        """From here on a client is told what is said in a room; what waits there was said before."""
        client.rooms.add(room)
        if (board := self._boards.get(room)) is not None:
            client.entered[room] = board.count

    def leave(self, client: LiveClient, room: str) -> None:
        """A client has been told all that was said until here, and is told no more."""
        if room in client.rooms and room in self._boards:
            self._tell_since_entered(client, room, self._boards[room].waiting)
        client.rooms.discard(room)

    def say(self, events: Iterable[RoomEvent]) -> None:
        """Tell the rooms, now or with the next group."""
        for event in events:
            room = event.kind.room
            self._metrics.events.labels(room).inc()
            if room in self._boards:
                self._boards[room].add(event)
                continue
            for client in self._in(room):
                self.tell(client, (event,))

    def tell(self, client: LiveClient, events: Iterable[RoomEvent]) -> None:
        """Tell one client what of a room is for it, at once."""
        said = [
            event.said_to(client.caller)
            for event in events
            if event.fits(client.narrowed[event.kind.room]) and event.is_for(client.caller)
        ]
        if said:
            self._transports.write(client.transport, *said)

    def _tell_group(self, room: str, group: Mapping[int, RoomEvent]) -> None:
        for client in self._in(room):
            self._tell_since_entered(client, room, group)

    def _tell_since_entered(self, client: LiveClient, room: str, group: Mapping[int, RoomEvent]) -> None:
        entered = client.entered[room]
        self.tell(client, (event for number, event in group.items() if number > entered))

    def _in(self, room: str) -> list[LiveClient]:
        return [client for client in self._clients.values() if room in client.rooms]
