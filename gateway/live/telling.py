"""Who in a room is told what, and when.

What comes while the last group still rests goes as the next, in one write for each client; the first is told at once.
A board, which shows how things are, rests a fifth of a second, and of what an update says whole, its group has the
newest alone. All other rooms together rest once telling takes half of the time, so that others have their turns however
many clients hear of however much: where few do, it never does. Nothing of a room overtakes what waits there, or a
client that comes back with the last `seq` it has seen would miss that.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from gateway.live.client import LiveClient
from gateway.live.events import RoomEvent
from gateway.live.said import Said
from gateway.live.transports import Transports
from gateway.metrics import Metrics
from gateway.surface import ROOMS

APART = 0.2  # seconds between two groups of a board
SHARE, AHEAD = 0.5, 0.02  # of the time that goes into telling at most, and seconds that it may be ahead of that
LONGEST = 1.0  # seconds of a rest: groups of MOST may take more than that share, and nobody waits for it for ever
MOST = 100  # events of a group; more do not wait
Numbered = tuple[int, RoomEvent, str]  # and its room
BOARDS = tuple(row.kind.room for row in ROOMS if row.board)


class Groups:
    """What waits of a board, or of all other rooms. `tell`: tells a group, whose events have numbers. `apart`: seconds
    between two groups at least. `count`: the number of the last event; `waiting`: those that are not told yet."""

    def __init__(self, *, tell: Callable[[Mapping[int, RoomEvent]], None], apart: float = 0.0) -> None:
        self._tell = tell
        self._apart = apart
        self.waiting: dict[int, RoomEvent] = {}
        self._whole: dict[object, int] = {}  # which of them is all that is to be said of a thing
        self._timer: asyncio.TimerHandle | None = None
        self._used = 0.0  # until when (perf_counter) its share of the time is used up
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
            began = time.perf_counter()
            self._tell(group)
            now = time.perf_counter()
            self._used = min(max(self._used, began) + (now - began) / SHARE, now + LONGEST)
            rest = max(self._apart, self._used - now - AHEAD)
            self._timer = asyncio.get_running_loop().call_later(rest, self._flush)


class Telling:
    """Of one gateway. `clients`: all that are connected."""

    def __init__(self, *, transports: Transports, metrics: Metrics, clients: Mapping[str, LiveClient]) -> None:
        self._transports = transports
        self._metrics = metrics
        self._clients = clients
        self._others = Groups(tell=self._tell_group)
        self._boards = {room: Groups(tell=self._tell_group, apart=APART) for room in BOARDS}

    def stop(self) -> None:
        for groups in (self._others, *self._boards.values()):
            groups.stop()

    def enter(self, client: LiveClient, room: str) -> None:
        """From here on a client is told what is said in a room; what waits there was said before."""
        client.rooms.add(room)
        client.entered[room] = self._groups(room).count

    def leave(self, client: LiveClient, room: str) -> None:
        """A client has been told all that was said until here, and is told no more."""
        self._tell_since_entered(client, [one for one in _numbered(self._groups(room).waiting) if one[2] == room])
        client.rooms.discard(room)

    def say(self, events: Iterable[RoomEvent]) -> None:
        """Tell the rooms, now or with the next group."""
        for event in events:
            room = event.kind.room
            self._metrics.events.labels(room).inc()
            self._groups(room).add(event)

    def _groups(self, room: str) -> Groups:
        return self._boards.get(room, self._others)

    def tell(self, client: LiveClient, events: Iterable[RoomEvent]) -> None:
        """Tell one client what of a room is for it, at once."""
        heard = [event.heard_by(client.caller, client.narrowed[event.kind.room]) for event in events]
        if said := [one for one in heard if one is not None]:
            self._transports.write(client.transport, *said)

    def _tell_group(self, group: Mapping[int, RoomEvent]) -> None:
        numbered = _numbered(group)
        rooms = {room for _, _, room in numbered}
        for client in [client for client in self._clients.values() if not rooms.isdisjoint(client.rooms)]:
            self._tell_since_entered(client, numbered)

    def _tell_since_entered(self, client: LiveClient, group: Iterable[Numbered]) -> None:
        said: list[Said] = []
        rooms, since, caller, narrowed = client.rooms, client.entered, client.caller, client.narrowed
        for number, event, room in group:  # as often as there are clients: a loop costs half of what calls do
            if room in rooms and number > since.get(room, number):
                heard = event.heard_by(caller, narrowed[room])
                if heard is not None:
                    said.append(heard)
        if said:
            self._transports.write(client.transport, *said)


def _numbered(group: Mapping[int, RoomEvent]) -> list[Numbered]:
    return [(number, event, event.kind.room) for number, event in group.items()]
