"""The archive's shell: what is sealed by the journal's word, files that are read and checked, and days that are sealed.

Nothing is locked. A day is named by a write that is fenced by the last event of the archive as it was before the day
was read; a file never changes, and what no event names is nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.archive.record import Book, Segment, evolve
from actors.archive.segment import (
    Damaged,
    Head,
    Line,
    Packing,
    Unpacking,
    check,
    day_of,
    digest_of,
    entries_of,
    name_of,
)
from actors.archive.store import Draft, NotKept, SegmentStore
from actors.runtime.bus import ID, Bus, Fenced, Recorded
from actors.runtime.clock import Clock, utc
from actors.runtime.digest import must_be_digestible
from actors.runtime.ids import Ids
from actors.runtime.turns import Turns
from bus_schemas.archive import (
    DAY_SEALED,
    DAYS_LEAVING,
    DAYS_REWRITTEN,
    ArchiveEvent,
    DaySealed,
    DaysLeaving,
    DaysRewritten,
    RewrittenDay,
)
from bus_schemas.contract import ROOT, UNDECODABLE, Topic, verb_of

ALL, SCOPE = f"{ROOT}.evt.>", f"{ROOT}.evt.archive.days.*"
GRACE = timedelta(hours=1)  # after the end of a day, until it is sealed
GROUP, GROUP_BYTES = 1_000, 4 * 2**20  # entries that are packed at once, and what they come to: one may have a megabyte
COPIED = 2**20  # bytes at once
DAY = len("2026-03-01")  # of a file's name
FORGOTTEN = 2 * 24 * 3600.0  # seconds after which nobody is still at work on a file that no event names

EVENTS: Mapping[str, type[ArchiveEvent]] = {
    topic.verb: topic.event for topic in (DAY_SEALED, DAYS_REWRITTEN, DAYS_LEAVING)
}

Done = TypeVar("Done")
Told = TypeVar("Told", bound=Struct)
Said = tuple[bytes, dict[str, str]]
Change = Callable[[Recorded], Said | None]  # what an entry is to say, and its headers; None: what it says


class NotAnArchive(Exception):
    """The archive's own events cannot be read: nothing is sealed on top of that."""


class Archive:
    """The archive of a site, as one host does with it. `threads=False`: files are written and read on the loop, as
    simulated time needs it."""

    def __init__(self, *, bus: Bus, clock: Clock, ids: Ids, store: SegmentStore, threads: bool = True) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self.store = store
        self._threads = threads

    async def book(self) -> Book:
        """What is sealed now. Raises NotAnArchive, BusError."""
        book = Book()
        async for entry in self._bus.replay(SCOPE):
            book = _after(book, entry)
        return book

    async def known(self) -> tuple[Book, dict[int, str]]:
        """What is sealed as far as it can be read, and what is wrong with entries that cannot: of days behind the first
        of these nothing is known, but up to where entries may be gone. Raises BusError."""
        book, bad = Book(), dict[int, str]()
        async for entry in self._bus.replay(SCOPE):
            try:
                after = _after(book, entry)
            except NotAnArchive as error:
                bad[entry.seq] = str(error)
                continue
            book = replace(after, days=book.days) if bad else after
        return book, bad

    async def seal(self, host: str) -> Segment | None:
        """Seal the next day that is over. None: there is none. Raises Fenced (another one has sealed it), NotKept,
        Damaged, NotAnArchive, BusError; nothing has changed then."""
        book = await self.book()
        if book.days and not self._is_over(_next(book.days[-1].day)):  # nothing needs to be read
            return None
        entries = self._bus.replay(ALL, after=book.last)
        first = await anext(entries, None)
        if first is None or not self._is_over(day := self._closes(first, book)):
            return None
        packing = Packing(Head(day=day, first=book.last + 1, previous=book.link))
        with await self._do(self.store.draft) as draft:
            await self._pack(packing, draft, [first], entries)
            name = name_of(day, packing.digest)
            await self._do(lambda: draft.keep(name))
        return await self._name(book, packing, host)

    async def _pack(
        self, packing: Packing, draft: Draft, begun: Sequence[Recorded], entries: AsyncIterator[Recorded]
    ) -> None:
        """Write the entries of the day. Raises NotKept, BusError."""
        group, today = list(begun), self._today()
        size = 0
        async for entry in entries:
            if packing.head.day < day_of(entry.at) <= today:
                break
            group.append(entry)
            size += len(entry.data)
            if len(group) >= GROUP or size >= GROUP_BYTES:
                await self._do(partial(_write, draft, packing, group))
                group.clear()
                size = 0
        await self._do(partial(_write, draft, packing, group))
        await self._do(lambda: draft.write(packing.end()))

    async def _name(self, book: Book, packing: Packing, host: str) -> Segment:
        """Look at the whole file once more, and have it be the day's."""
        event = DaySealed(
            day=packing.head.day, at=utc(self._clock.now()), host=host, first=packing.head.first, last=packing.last,
            entries=packing.entries, size=packing.size, digest=packing.digest, previous=packing.head.previous,
        )  # fmt: skip
        after = evolve(book, event, 0)
        await self.check(after.days[-1])
        await self._say(DAY_SEALED, event, book)
        return after.days[-1]

    async def _say(self, topic: Topic[Told], event: Told, book: Book) -> None:
        """Put an event on record right behind what is in the book. Raises Fenced, BusError."""
        data, headers = must_be_digestible(topic, event), {ID: self._ids.new()}
        await self._bus.append(topic.subject, data, headers, scope=SCOPE, expect=book.seq)

    async def check(self, segment: Segment) -> None:
        """Read a segment's file, whole, where nobody else can take it away. Raises Damaged, NotThere, NotKept."""
        await self._do(lambda: self._check(segment))

    def _check(self, segment: Segment) -> None:
        self.store.must_be_ours()
        with self.store.open(segment.name) as file, _reading(segment.name):
            check(file, head=segment.head, entries=segment.entries, last=segment.last, digest=segment.digest)

    async def take_back(self, segment: Segment, source: SegmentStore) -> bool:
        """Have a segment's file again, from another place that has it whole. False: the day says something else by
        now, as somebody was erased meanwhile. Raises Damaged, NotThere, NotKept, NotAnArchive, BusError."""
        await self._do(lambda: self._copy(segment, source))
        await self.check(segment)
        if segment in (await self.book()).days:  # who names another one after this deletes it
            return True
        await self._do(lambda: self.store.delete(segment.name))
        return False

    def _copy(self, segment: Segment, source: SegmentStore) -> None:
        with source.open(segment.name) as file, _reading(segment.name):
            check(file, head=segment.head, entries=segment.entries, last=segment.last, digest=segment.digest)
            file.seek(0)
            with self.store.draft() as draft:
                while piece := file.read(COPIED):
                    draft.write(piece)
                draft.keep(segment.name)

    async def entries(self, segment: Segment) -> AsyncIterator[list[Recorded]]:
        """What is in a segment, in order, some at once; nothing of one whose file is another than it should be. Raises
        Damaged, NotThere, NotKept."""
        await self._do(lambda: self._compare(segment))
        with await self._do(lambda: self.store.open(segment.name)) as file:
            pieces = Unpacking(file).pieces()
            while (found := await self._do(lambda: _entries(pieces))) is not None:
                yield found

    def _compare(self, segment: Segment) -> None:
        with self.store.open(segment.name) as file, _reading(segment.name):
            if digest_of(file) != segment.digest:
                raise Damaged(f"{segment.name}: its checksum is another one")

    async def rewrite(self, erasure: str, change: Change) -> int:
        """Have all days say what `change` makes of their entries, and nothing be left of the files that said more. To
        be asked once the journal says it: what is read of it from then on may be sealed. Returns how many entries have
        changed. Raises NotKept, Damaged, NotAnArchive, BusError; again does the rest."""
        done, count = dict[str, RewrittenDay | None](), 0
        _, bad = await self.known()
        if bad and not await self._do(self.store.kept):  # nothing was sealed, nor is on top of that
            return 0
        while True:
            book, before = await self.book(), await self._do(self.store.kept)
            for one in book.days:
                if one.digest not in done:
                    done[one.digest], changed = await self._rewritten(one, change)
                    count += changed
            days = tuple(file for one in book.days if (file := done[one.digest]) is not None)
            event = DaysRewritten(at=utc(self._clock.now()), erasure=erasure, days=days)
            try:
                await self._say(DAYS_REWRITTEN, event, book)
            except Fenced:  # a day was sealed meanwhile, of what the journal said before, perhaps
                continue
            # What was there before that event, and is not named after it, nobody can name any more.
            named = {one.name for one in evolve(book, event, 0).days}
            # Those of the book too: one that was missing before may have been restored since.
            for old in sorted(({one.name for one in before} | {one.name for one in book.days}) - named):
                await self._do(partial(self.store.delete, old))
            return count

    async def _rewritten(self, segment: Segment, change: Change) -> tuple[RewrittenDay | None, int]:
        """A segment's new file, if it needs one, and how many of its entries have changed."""
        packing, count, turns = Packing(segment.head), 0, Turns()
        with await self._do(self.store.draft) as draft:
            async for piece in self.entries(segment):
                group = list[Recorded]()
                for entry in piece:
                    await turns.after(len(entry.data))
                    said = change(entry)
                    count += said is not None
                    group.append(replace(entry, data=said[0], headers=said[1]) if said is not None else entry)
                await self._do(partial(_write, draft, packing, group))
            await self._do(lambda: draft.write(packing.end()))
            if not count:
                return None, 0
            after = replace(segment, size=packing.size, digest=packing.digest)
            await self._do(lambda: draft.keep(after.name))
        await self.check(after)
        return RewrittenDay(after.day, after.size, after.digest), count

    async def leave(self, book: Book, up_to: int, host: str) -> None:
        """Say that entries up to there may be gone from now on. Raises Fenced, BusError."""
        if book.leaving < up_to:
            await self._say(DAYS_LEAVING, DaysLeaving(at=utc(self._clock.now()), host=host, up_to=up_to), book)

    async def tidy(self) -> list[str]:
        """Delete files that no event names and nobody can still be at work on. Those of days that the journal knows
        nothing of stay: it may be an older one, which was restored. Returns their names. Raises NotKept, NotAnArchive,
        BusError."""
        found = await self._do(self.store.kept)
        book = await self.book()  # after the files: what is named since is known
        named, sealed = {one.name for one in book.days}, book.days[-1].day if book.days else ""
        old = [
            one.name for one in found
            if one.name not in named and one.age > FORGOTTEN and (one.draft or one.name[:DAY] <= sealed)
        ]  # fmt: skip
        for name in old:
            await self._do(partial(self.store.delete, name))
        return old

    # --- which day

    def _today(self) -> str:
        return self._clock.now().astimezone(UTC).date().isoformat()

    def _closes(self, first: Recorded, book: Book) -> str:
        """The day of the next segment, by its first entry. Days only go up: a server's clock that was set back, or
        was ahead, makes a day of its neighbour's entries."""
        day = day_of(first.at)
        if day > self._today():  # of a clock that was ahead: it says nothing
            day = _next(book.days[-1].day) if book.days else _before(self._today())
        return max(day, _next(book.days[-1].day)) if book.days else day

    def _is_over(self, day: str) -> bool:
        end = datetime.combine(date.fromisoformat(_next(day)), datetime.min.time(), UTC)
        return self._clock.now() >= end + GRACE

    async def _do(self, work: Callable[[], Done]) -> Done:
        return await asyncio.to_thread(work) if self._threads else work()


def _after(book: Book, entry: Recorded) -> Book:
    """Raises NotAnArchive."""
    kind = EVENTS.get(verb_of(entry.subject))
    if kind is None:
        raise NotAnArchive(f"entry {entry.seq} ({entry.subject}) is of a later version")
    try:
        after = evolve(book, msgspec.json.decode(entry.data, type=kind), entry.seq)
    except UNDECODABLE as error:
        raise NotAnArchive(f"entry {entry.seq} ({entry.subject}) cannot be read: {error}") from None
    return replace(after, at=entry.at)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotKept(f"{name}: {error.strerror or error}") from None


def _entries(pieces: Iterator[list[Line]]) -> list[Recorded] | None:
    """The next ones; None: there are no more."""
    return next(map(entries_of, pieces), None)


def _write(draft: Draft, packing: Packing, entries: Sequence[Recorded]) -> None:
    draft.write(packing.add(entries))


def _next(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
