"""Following the journal into the store: whole, in order, and for as long as the process lives.

The follower of the bus is quick but may lose entries; the journal, when it is read anew, is the authority. So an entry
that does not come right after the last one is not taken: what lies between is read from the journal first. (Numbers
that are nowhere are of entries whose time was over: sessions have one.) What fails is tried again from what is folded.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import structlog
from msgspec import Struct

from actors.ledger.decode import Unreadable, decode
from actors.ledger.store import JournalEntry, Store, StoreDamaged, StoreFailed
from actors.runtime.bus import BusError, Recorded, Size, Stream, Unsubscribe
from actors.runtime.problems import Problem, Problems, of_entry
from bus_schemas.errors import ErrorCode, Refusal

log = structlog.get_logger()

SCOPE = "ottb.v1.evt.>"
QUEUE = 10_000  # entries heard and not yet folded; a full queue holds the hearing back
GROUP = 1_000  # entries in one transaction
CATCHING_UP = 10_000  # while nobody can ask yet: the row of a call is then mostly written once, after its end
GROUP_BYTES = 8_000_000
ROWS = 1_000  # rows in one, once all is in, unless one entry alone has more: who reads waits for the transaction
GATHER = 0.01  # seconds that what was heard waits for more, unless somebody waits for it: a transaction costs a thread
QUIET = 10.0  # seconds without an entry, after which the journal is asked whether there is none
FIRST_PAUSE, LAST_PAUSE = 0.05, 5.0  # seconds between tries

STORE, JOURNAL = "store", "journal"  # what can be in the way

Work = Callable[..., Awaitable[Any]]


class Health(Struct, frozen=True, kw_only=True):
    """How the ledger is. `ready`: all that was in the journal when it began is in. `behind`: entries known of and not
    folded. `error`: why it does not get on now."""

    ready: bool
    folded: int
    behind: int
    error: str | None


class Source(Struct, frozen=True, kw_only=True):
    """What is folded: a stream, as far as it is under `scope`, and what makes events of its entries (`decode.py`)."""

    stream: Stream
    scope: str = SCOPE
    decode: Callable[[Recorded], Any] = decode  # any: the events of all kinds; raises Unreadable
    name: str = "ledger"  # under which its problems are told
    renews: frozenset[type] = frozenset()  # events by which entries before them say something else now
    renewing: Callable[[], Awaitable[None]] | None = None  # what else is made anew then, before this is


OUTDATED = "entries that are in say something else now"


class Outdated(Exception):
    """Entries that are in say something else now."""


class Following:
    """The one who folds. `work` runs a method of the store, in its thread or here."""

    def __init__(self, *, source: Source, store: Store, work: Work) -> None:
        self._source = source
        self._stream = source.stream
        self._store = store
        self._work = work
        self._queue: asyncio.Queue[Recorded | None] = asyncio.Queue(maxsize=QUEUE)  # None: look at the journal
        self._position: int | None = None  # the last entry that is in; None: the store was not opened yet
        self._covered = 0  # up to here the journal has nothing that is not in
        self._newest = 0  # the newest that is known of
        self._begun = 0  # where the journal was when the store was begun by this process; 0: by an earlier one
        self._look = True  # the journal has to be read before anything heard counts
        self._damaged: str | None = None
        self._outdated = False  # that is why
        self._generation = 0
        self._ready = False
        self._error: str | None = None
        self._unfollow: Unsubscribe | None = None
        self._task: asyncio.Task[None] | None = None
        self._advanced = asyncio.Condition()
        self._wanted = asyncio.Event()  # somebody waits for what was heard
        self._problems = Problems(source.name)

    @property
    def folded(self) -> int:
        """The last sequence of the journal that is in."""
        return self._position or 0

    @property
    def generation(self) -> int:
        """Which store this is: it counts how often it was dropped."""
        return self._generation

    @property
    def health(self) -> Health:
        return Health(
            ready=self._ready,
            folded=self.folded,
            behind=max(self._newest - max(self.folded, self._covered), 0),
            error=self._error,
        )

    def problems(self) -> list[Problem]:
        """What is in the way, and the entries that were left out."""
        found = self._problems.all()
        if not self._ready:
            reason = f"not ready: read up to entry {self.folded} of {self._newest}"
            found.insert(0, Problem(kind=self._source.name, id="rebuild", reason=reason))
        return found

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._unfollow is not None:
            await self._unfollow()

    async def until_settled(self) -> bool:
        """Wait until all is in, or until it is known that something is in the way. True: all is in."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self._ready or self._error is not None)
        return self._ready

    async def until_ready(self) -> None:
        async with self._advanced:
            await self._advanced.wait_for(lambda: self._ready)

    async def until(self, seq: int, *, deadline: float) -> None:
        """Wait until an entry is in. Raises Refusal(UNAVAILABLE)."""
        if self._has(seq):
            return
        self._wanted.set()
        try:
            async with asyncio.timeout(deadline), self._advanced:
                await self._advanced.wait_for(lambda: self._has(seq))
        except TimeoutError:
            self.look()
            raise Refusal(ErrorCode.UNAVAILABLE, "The records are behind. Try again.") from None

    def look(self) -> None:
        """Somebody knows of an entry that was not heard: read the journal."""
        if not self._queue.full():
            self._queue.put_nowait(None)

    def damaged(self, generation: int, reason: str) -> None:
        """Somebody could not read the store of that generation: it is dropped and rebuilt."""
        if generation == self._generation and self._damaged is None:
            self._damaged, self._ready = reason, False
            self.look()

    async def anew(self) -> None:
        """Have the store dropped, and wait until it is: it is made anew from what the stream says now."""
        generation, self._outdated = self._generation, True
        self.damaged(generation, OUTDATED)
        async with self._advanced:
            await self._advanced.wait_for(lambda: self._generation != generation)

    def _has(self, seq: int) -> bool:
        return self._ready and seq <= max(self.folded, self._covered)

    # --- hearing

    async def _hear(self, recorded: Recorded) -> None:
        self._newest = max(self._newest, recorded.seq)
        await self._queue.put(recorded)

    # --- folding

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._advance()
            except StoreDamaged as error:
                await self._failed(STORE, error.kind, error)
                self._damaged, self._ready = str(error), False
            except StoreFailed as error:
                await self._failed(STORE, error.kind, error)
            except BusError as error:
                await self._failed(JOURNAL, "journal not readable", error)
            except Outdated as why:
                self._damaged, self._outdated, self._ready = str(why), True, False
                continue
            except Exception as error:
                log.exception("ledger failed")
                await self._failed(STORE, "failed inside", error)
            else:
                pause = FIRST_PAUSE if self._ready else pause
                self._works()
                continue
            self._look = True  # what was taken from the queue is read again
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE)

    async def _failed(self, what: str, kind: str, error: Exception) -> None:
        reason = f"{kind}: {error}"
        if self._problems.condition(what, f"{reason} ({self.health.behind} entries behind)") or self._error != reason:
            log.error("ledger does not get on", kind=kind, error=str(error), folded=self.folded)
        async with self._advanced:
            self._error = reason
            self._advanced.notify_all()

    def _works(self) -> None:
        if self._error is not None and self._damaged is None:
            self._error = None
            self._problems.settle(STORE)
            self._problems.settle(JOURNAL)
            log.info("ledger gets on again", folded=self.folded)

    async def _advance(self) -> None:
        """One step: open or drop the store, read the journal, or fold what was heard."""
        if self._damaged is not None:
            await self._begin_anew()
        elif self._position is None:
            await self._open()
        elif self._look:
            await self._catch_up()
        elif self._unfollow is None:
            self._unfollow = await self._stream.follow(self._source.scope, self._hear, after=self.folded)
        else:
            await self._take(await self._next_group())

    async def _open(self) -> None:
        position: int = await self._work(self._store.sequence)
        last = await self._stream.last_seq()
        if position > last:  # what is on record there is not of this journal
            log.error("the records are of another journal and are rebuilt", folded=position, journal=last)
            await self._work(self._store.drop, aside=True)
            position = await self._work(self._store.sequence)
        known = await self._work(self._store.left_out)
        self._begun = last if position == 0 else 0
        self._problems.restore({of_entry(one.seq): one.reason for one in known}, known[0].number - 1 if known else 0)
        self._position = position

    async def _begin_anew(self) -> None:
        say = log.info if self._outdated else log.error
        say("the records are dropped and rebuilt", reason=self._damaged, source=self._source.name)
        if self._outdated:
            if self._source.renewing is not None:
                await self._source.renewing()
            await self._work(self._store.forget_aside)
        await self._work(self._store.drop)
        self._position = await self._work(self._store.sequence)
        self._begun = await self._stream.last_seq()
        self._generation += 1
        self._damaged, self._outdated, self._covered, self._look = None, False, 0, True
        async with self._advanced:
            self._advanced.notify_all()

    async def _catch_up(self) -> None:
        """Read the journal from what is folded up to where it is now."""
        while True:
            size = await self._stream.size()
            newest = await self._stream.last(self._source.scope)
            self._newest = max(self._newest, size.last_seq)
            if newest is None or newest.seq <= self.folded:
                break
            if await self._read() == 0:
                raise BusError(f"entries after {self.folded} are not given")
        if not self._ready:
            await self._count(size)
        self._look = False
        async with self._advanced:
            self._covered = max(self._covered, size.last_seq)  # what is not in is not in the journal either
            self._ready = True
            self._advanced.notify_all()

    async def _count(self, size: Size) -> None:
        """Compare the number of entries that are in with the stream's own. Raises StoreDamaged when some are missing.

        There may be more in: some had their time since then. Those that came since then are not counted, and those
        that were erased since `size` was asked for are not missing.
        """
        entries: int = await self._work(self._store.entries)
        if entries < self._there(size):
            size = await self._stream.size()
        if entries < (there := self._there(size)):
            raise StoreDamaged("incomplete", f"{entries} of {there} entries were read")

    def _there(self, size: Size) -> int:
        """How many of the stream's entries are to be in."""
        return size.entries - max(size.last_seq - self.folded, 0)

    async def _read(self) -> int:
        """Fold what the journal has after what is in. Returns how many entries."""
        group: list[Recorded] = []
        size = count = 0
        async for recorded in self._stream.replay(self._source.scope, after=self.folded):
            group.append(recorded)
            size += len(recorded.data)
            count += 1
            if len(group) >= (GROUP if self._ready else CATCHING_UP) or size >= GROUP_BYTES:
                await self._fold(group)
                group, size = [], 0
        if group:
            await self._fold(group)
        return count

    async def _next_group(self) -> Sequence[Recorded]:
        """What was heard, as much as goes into one group. After a long silence, or when asked to, look as well."""
        try:
            async with asyncio.timeout(QUIET):
                first = await self._queue.get()
        except TimeoutError:
            first = None
        if first is not None:
            await self._gather()
        group: list[Recorded] = []
        size = 0
        while first is not None:
            group.append(first)
            size += len(first.data)
            if len(group) >= GROUP or size >= GROUP_BYTES or self._queue.empty():
                return group
            first = self._queue.get_nowait()
        self._look = True
        return group

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(GATHER):
                await self._wanted.wait()
        except TimeoutError:
            pass
        self._wanted.clear()

    async def _take(self, heard: Sequence[Recorded]) -> None:
        """Fold what comes right after what is in; look at the journal when something is missing before the rest."""
        group: list[Recorded] = []
        last = self.folded
        for recorded in heard:
            if recorded.seq <= last:
                continue
            if recorded.seq != max(last, self._covered) + 1:
                log.warning("entries of the journal were not heard", after=last, before=recorded.seq)
                self._look = True
                break
            group.append(recorded)
            last = recorded.seq
        if group:
            await self._fold(group)

    async def _fold(self, group: Sequence[Recorded]) -> None:
        entries = [_entry(recorded, self._source.decode) for recorded in group]
        for one in entries:
            if type(one.event) in self._source.renews and one.seq > self._begun:
                raise Outdated(f"{OUTDATED}: {one.seq} says so")
        for batch in _by_rows(entries) if self._ready else (entries,):
            for left_out in await self._work(self._store.fold, batch):
                if self._problems.fault(of_entry(left_out.seq), left_out.reason):
                    log.error("event left out of the records", seq=left_out.seq, reason=left_out.reason)
            async with self._advanced:
                self._position = batch[-1].seq
                self._advanced.notify_all()


def _by_rows(entries: Sequence[JournalEntry]) -> Iterator[Sequence[JournalEntry]]:
    """The same in several parts: of some events each has hundreds of leads."""
    part, room = list[JournalEntry](), ROWS
    for entry in entries:
        leads = getattr(entry.event, "leads", ())
        rows = max(len(leads), 1) if isinstance(leads, tuple) else 1
        if part and rows > room:
            yield part
            part, room = [], ROWS
        part.append(entry)
        room -= rows
    if part:
        yield part


def _entry(recorded: Recorded, decode: Callable[[Recorded], Any]) -> JournalEntry:
    seq, subject = recorded.seq, recorded.subject
    try:
        return JournalEntry(seq=seq, event=decode(recorded), subject=subject)
    except Unreadable as error:
        return JournalEntry(seq=seq, event=None, subject=subject, unreadable=str(error) or "unreadable")
