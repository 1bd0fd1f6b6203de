"""What has been said, for those who come back: the newest events in memory, older ones in the journal.

Both are read a little at a time. Whoever sends them on waits for the client in between, and nothing is held meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from msgspec import Struct

from actors.runtime.bus import Bus, Recorded
from gateway.live.events import SOURCES, LiveEvent, RoomEvent, room_events
from gateway.metrics import Metrics

KEPT = 10_000  # events in memory
KEPT_BYTES = 32 * 1024 * 1024
PIECE = 256  # entries that are read at once, as many as the journal gives in one answer
PIECE_BYTES = 256 * 1024
READERS = 4  # pieces of the journal that are read at the same time


class Piece(Struct, frozen=True):
    """What follows in one room. `until`: how far in the journal that goes."""

    events: list[RoomEvent]
    until: int


class History:
    """The events of one gateway. `seq`: of the newest entry that it has heard."""

    def __init__(self, *, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._metrics = metrics
        self._kept: deque[LiveEvent] = deque()
        self._bytes = 0
        self._reading = asyncio.Semaphore(READERS)
        self.seq = 0

    def add(self, seq: int, events: list[RoomEvent]) -> None:
        """Entry `seq` was heard, and says this to the rooms."""
        self.seq = seq
        if not events:
            return
        self._kept.append(LiveEvent(seq, events))
        self._bytes += self._kept[-1].size
        while len(self._kept) > KEPT or (self._bytes > KEPT_BYTES and len(self._kept) > 1):
            self._bytes -= self._kept.popleft().size

    async def after(self, room: str, since: int) -> Piece:
        """What a room has heard behind `since`, or the beginning of it. Raises BusError."""
        oldest = self._kept[0].seq if self._kept else self.seq + 1
        if since + 1 < oldest:
            async with self._reading:
                return await self._from_journal(room, since, until=oldest - 1)
        return self._from_memory(room, since)

    def _from_memory(self, room: str, since: int) -> Piece:
        found: list[RoomEvent] = []
        size = 0
        for kept in self._kept:
            if kept.seq <= since:
                continue
            events = [event for event in kept.rooms if event.kind.room == room]
            size += sum(event.size for event in events)
            if found and (len(found) >= PIECE or size > PIECE_BYTES):
                return Piece(found, since)
            found += events
            since = kept.seq
        return Piece(found, self.seq)

    async def _from_journal(self, room: str, since: int, *, until: int) -> Piece:
        found: list[RoomEvent] = []
        count = size = 0
        async with aclosing(replay_all(self._bus, SOURCES[room], after=since, until=until)) as entries:
            async for recorded in entries:
                count, size = count + 1, size + len(recorded.data)
                if count > 1 and (count > PIECE or size > PIECE_BYTES):
                    return Piece(found, since)
                found += [event for event in room_events(recorded, self._metrics) if event.kind.room == room]
                since = recorded.seq
        return Piece(found, until)


async def replay_all(bus: Bus, scopes: Iterable[str], *, after: int, until: int) -> AsyncGenerator[Recorded, None]:
    """The entries from behind `after` up to `until` under any of the filters, which must not overlap. Raises
    BusError."""
    sources = [bus.replay(scope, after=after) for scope in sorted(scopes)]
    waiting = [(await anext(source, None), source) for source in sources]
    while ready := [(entry, source) for entry, source in waiting if entry is not None and entry.seq <= until]:
        entry, source = min(ready, key=lambda one: one[0].seq)
        yield entry
        waiting = [*(one for one in ready if one[1] is not source), (await anext(source, None), source)]
