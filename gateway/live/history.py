"""What has been said, for those who come back: the newest events in memory, older ones in the journal.

Both are read a little at a time. Whoever sends them on waits for the client in between, and nothing is held meanwhile.
"""

import asyncio
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable
from contextlib import aclosing, suppress
from itertools import islice
from typing import Self

import msgspec
from msgspec import Struct

from actors.runtime.bus import Bus, Recorded
from actors.runtime.replays import read_on
from bus_schemas.archive import DAYS_LEAVING, DaysLeaving
from bus_schemas.catalogue import topic_of
from bus_schemas.contract import UNDECODABLE, matches
from bus_schemas.erasure import ERASURE_CLEARED
from bus_schemas.names import Share
from gateway.live.events import SOURCES, LiveEvent, RoomEvent, room_events
from gateway.metrics import Metrics

KEPT = 10_000  # events of a room in memory
KEPT_BYTES = 16 * 1024 * 1024
PIECE = 256  # entries that are read at once, as many as the journal gives in one answer
PIECE_BYTES = 256 * 1024
READ_BYTES = 4 * 1024 * 1024  # of entries that are read for a piece, also of what the room says nothing: lists of leads
BYTES_OF_ENTRY = 1024  # what reading costs as much as an entry of the journal
LOOKED = 2_048  # entries that are looked at for a piece, and
PASSED = 8  # as many of them as cost as much as one that the room says something of
READERS = 4  # pieces of the journal that are read at the same time
AT_ONCE = 32  # entries that are worked on before others have their turn
EACH_SECOND = 4_000  # entries that one user has read for all their clients together ...
BURST_SECONDS = 0.5  # ... beside what was not used for so long
READERS_REMEMBERED = 10_000

_leaving = msgspec.json.Decoder(DaysLeaving).decode


def cost_of(entries: int, size: int) -> int:
    """What it costs to read so many, of `size` bytes together."""
    return entries + size // BYTES_OF_ENTRY


def bytes_in(some: Iterable[Recorded]) -> int:
    """How large entries are together."""
    return sum(len(one.data) for one in some)


class Piece(Struct, frozen=True):
    """What follows in one room. `until`: how far in the journal that goes. `cost`: how many entries were looked at,
    of which large ones count as several."""

    events: list[RoomEvent]
    until: int
    cost: int


class Turn:
    """A share's turn to read. Whoever has many clients reads for one of them at a time, and not faster than with one:
    others do not wait for that."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._paid = 0.0  # until when what was read has used up the user's share

    async def __aenter__(self) -> Self:
        await self._lock.acquire()
        try:
            await asyncio.sleep(max(self._paid - BURST_SECONDS - asyncio.get_running_loop().time(), 0.0))
        except BaseException:
            self._lock.release()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    def pay(self, cost: int) -> None:
        """Asking costs, too, also where nothing is found."""
        self._paid = max(self._paid, asyncio.get_running_loop().time()) + (AT_ONCE + cost) / EACH_SECOND


class Turns:
    """The turns of all shares."""

    def __init__(self) -> None:
        self._turns: OrderedDict[Share, Turn] = OrderedDict()

    def of(self, share: Share) -> Turn:
        turn = self._turns.setdefault(share, Turn())
        self._turns.move_to_end(share)
        if len(self._turns) > READERS_REMEMBERED:
            self._turns.popitem(last=False)
        return turn


class Recent:
    """The newest events of one room. `behind`: the last place in the journal that is no longer here."""

    def __init__(self, behind: int) -> None:
        self.events: deque[LiveEvent] = deque()
        self.bytes = 0
        self.behind = behind

    def add(self, event: LiveEvent) -> None:
        self.events.append(event)
        self.bytes += event.size
        while len(self.events) > KEPT or (self.bytes > KEPT_BYTES and len(self.events) > 1):
            gone = self.events.popleft()
            self.bytes -= gone.size
            self.behind = gone.seq

    def after(self, since: int, *, until: int) -> Piece:
        found: list[RoomEvent] = []
        count = size = 0
        first = bisect_right(self.events, since, key=lambda event: event.seq)
        for event in islice(self.events, first, None):
            size += event.size
            if found and (count >= PIECE or size > PIECE_BYTES):
                return Piece(found, since, count)
            found += event.rooms
            since = event.seq
            count += 1
        return Piece(found, until, count)


class History:
    """The events of one gateway. `seq`: of the newest entry that it has heard."""

    def __init__(self, *, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._metrics = metrics
        self._reading = asyncio.Semaphore(READERS)
        self._turns = Turns()
        self.seq = 0
        self._left = 0  # up to here something may have left the journal, and be told to nobody any more
        self._forget()

    def begin(self, seq: int, leaving: Recorded | None) -> None:
        """From here on every entry is heard. `leaving`: the last one that said what leaves."""
        self.seq = seq
        if leaving is not None:
            self._hear_what_leaves(leaving)
        self._forget()

    def _forget(self) -> None:
        """Have nothing of what was in memory: the journal has it."""
        self._recent = {room: Recent(self.seq) for room in SOURCES}

    def add(self, recorded: Recorded, events: list[RoomEvent]) -> None:
        """An entry was heard, and says this to the rooms."""
        self.seq = seq = recorded.seq
        if recorded.subject == DAYS_LEAVING.subject:
            self._hear_what_leaves(recorded)
        elif topic_of(recorded.subject) is ERASURE_CLEARED:  # it may say the person, the journal does not
            self._forget()
        for room in {event.kind.room: None for event in events}:
            self._recent[room].add(LiveEvent(seq, [event for event in events if event.kind.room == room]))

    def has_left(self, since: int) -> bool:
        """Whether something behind `since` may have left the journal."""
        return since < self._left

    def _hear_what_leaves(self, recorded: Recorded) -> None:
        with suppress(*UNDECODABLE):  # who made it did not go on with it then
            self._left = max(self._left, _leaving(recorded.data).up_to)

    def turn(self, share: Share) -> Turn:
        return self._turns.of(share)

    async def after(self, room: str, since: int) -> Piece:
        """What a room has heard behind `since`, or the beginning of it. Raises BusError."""
        recent = self._recent[room]
        if since < recent.behind:
            async with self._reading:
                return await self._from_journal(room, since, until=recent.behind)
        return recent.after(since, until=self.seq)

    async def _from_journal(self, room: str, since: int, *, until: int) -> Piece:
        found: list[RoomEvent] = []
        count = size = read = looked = 0
        async with aclosing(read_on(self._bus, after=since, until=until)) as entries:
            async for recorded in entries:
                looked, read, since = looked + 1, read + len(recorded.data), recorded.seq
                if any(matches(scope, recorded.subject) for scope in SOURCES[room]):
                    said = [event for event in room_events(recorded, self._metrics) if event.kind.room == room]
                    found += said
                    count += 1
                    size += sum(event.size for event in said)
                if count == PIECE or looked == LOOKED or size > PIECE_BYTES or read > READ_BYTES:
                    return Piece(found, since, cost_of(count + looked // PASSED, read))
                if looked % AT_ONCE == 0:
                    await asyncio.sleep(0)
        return Piece(found, until, cost_of(count + looked // PASSED, read))
