"""The audit's shell: takes deeds from every door and writes those that wait together as one record of the chain.

Any host may write. The journal refuses a record that does not follow the newest one, so there is one chain, whoever
writes. An answer that was lost is refused as not done: its repeat stands in the chain a second time, with the same
request id, which is better than not at all. An entry of the chain that nobody can read refuses no later deed: the
chain goes on from the newest readable record, and `ottb audit` names the entry, as `problems()` does.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog
from msgspec import Struct

from actors.audit.chain import GENESIS, link
from actors.runtime.bus import Bus, BusUnavailable, Fenced, NoAnswer, Recorded
from actors.runtime.clock import Clock
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.problems import Problem, Problems
from actors.runtime.service import Service
from bus_schemas.audit import AUDIT_RECORDED, RECORD_AUDIT, Audited, AuditEntry, AuditRecorded, RecordAudit
from bus_schemas.errors import ErrorCode, Refusal

log = structlog.get_logger()

SCOPE = "ottb.v1.evt.audit.chain.*"
QUEUE = 1024  # entries that wait to be written
GROUP = 128  # entries in one record
LARGEST = 7 * 1024  # bytes of one entry: a whole group must fit into one message of the bus (1 MB)
LOOK_BACK = 1_000  # entries of the journal before an unreadable record that are read first for the one before it
SLOW = 1.0  # seconds that a write may take before the log says so


class Head(Struct, frozen=True, kw_only=True):
    """The end of the chain: the journal's sequence, the newest number and its record's hash."""

    seq: int = 0
    number: int = 0
    hash: str = GENESIS


class Waiting(Struct, frozen=True, kw_only=True):
    """An entry that is to be written, and who waits for its number."""

    entry: AuditEntry
    number: asyncio.Future[int]


def _full() -> Refusal:
    return Refusal(ErrorCode.UNAVAILABLE, "The audit has too much to write now. Try again.")


def _not_written() -> Refusal:
    return Refusal(ErrorCode.UNAVAILABLE, "The audit cannot be written now. Try again.")


class Audit:
    """The audit's writer of one host."""

    def __init__(self, *, bus: Bus, clock: Clock, ids: Ids) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue(maxsize=QUEUE)
        self._head: Head | None = None  # None: not known, to be read
        self._task: asyncio.Task[None] | None = None
        self._problems = Problems("audit")
        self._service = Service(bus=bus, queue="audit", handlers={RECORD_AUDIT: self._record})

    def problems(self) -> list[Problem]:
        """Why nothing can be written now, and the entries of the chain that nobody can read."""
        return self._problems.all()

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._write_all())
        await self._service.start()

    async def stop(self) -> None:
        """Take no more, write what waits as far as that is possible in time, and refuse the rest."""
        await self._service.stop()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        while not self._queue.empty():
            _refuse([self._queue.get_nowait()], _not_written())

    async def record(self, entry: AuditEntry) -> int:
        """Put a deed on the audit and return its number, once it is written. Raises Refusal: UNAVAILABLE (full, or the
        journal is not there), INVALID_PARAMS (too long)."""
        if len(msgspec.json.encode(entry)) > LARGEST:
            raise Refusal(ErrorCode.INVALID_PARAMS, f"An audit entry has at most {LARGEST} bytes.")
        if self._task is None:
            raise _not_written()
        number: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(Waiting(entry=entry, number=number))
        except asyncio.QueueFull:
            raise _full() from None
        return await number

    async def _record(self, request: RecordAudit, context: Context) -> Audited:
        return Audited(number=await self.record(request.entry))

    # --- writing

    async def _write_all(self) -> None:
        while True:
            group = [await self._queue.get()]
            while len(group) < GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            await self._write(group)

    async def _write(self, group: Sequence[Waiting]) -> None:
        """Write one group and answer all of it, whatever happens."""
        began = self._clock.monotonic()
        refusal = _not_written()
        try:
            first = await self._append([waiting.entry for waiting in group])
        except (NoAnswer, BusUnavailable) as error:
            log.warning("audit not written", entries=len(group), error=repr(error))
            self._problems.condition("write", repr(error))
        except Exception as error:
            log.exception("audit not written", entries=len(group))
            self._problems.condition("write", repr(error))
            refusal = Refusal(ErrorCode.INTERNAL, "The audit could not be written. It is in the log.")
        else:
            self._problems.settle("write")
            _answer(group, first)
        finally:
            if any(not waiting.number.done() for waiting in group):
                self._head = None  # it may have been written all the same
                _refuse(group, refusal)
        if (took := self._clock.monotonic() - began) > SLOW:
            log.warning("audit is slow", entries=len(group), seconds=round(took, 3))

    async def _append(self, entries: Sequence[AuditEntry]) -> int:
        """Write the entries after the newest record, whoever wrote that. Returns the number of the first."""
        while True:
            head = self._head or await self._read_head()
            recorded = link(head.number + 1, head.hash, entries)
            headers = {"Nats-Msg-Id": self._ids.new()}
            data = msgspec.json.encode(recorded)
            try:
                seq = await self._bus.append(AUDIT_RECORDED.subject, data, headers, scope=SCOPE, expect=head.seq)
            except Fenced:  # another host was quicker: after its record, then
                self._head = None
                continue
            self._head = Head(seq=seq, number=head.number + len(entries), hash=recorded.hash)
            return recorded.first

    async def _read_head(self) -> Head:
        last = await self._bus.last(SCOPE)
        if last is None:
            return Head()
        record = self._record_in(last) or await self._newest_before(last.seq)
        if record is None:
            return Head(seq=last.seq)
        return Head(seq=last.seq, number=record.first + len(record.entries) - 1, hash=record.hash)

    async def _newest_before(self, seq: int) -> AuditRecorded | None:
        """The newest record that can be read, when the one at `seq` cannot."""
        back = LOOK_BACK
        while True:
            newest = None
            async for recorded in self._bus.replay(SCOPE, after=max(seq - back, 0)):
                newest = self._record_in(recorded) or newest
            if newest is not None or back >= seq:
                return newest
            back *= 10

    def _record_in(self, recorded: Recorded) -> AuditRecorded | None:
        try:
            return msgspec.json.decode(recorded.data, type=AuditRecorded)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if self._problems.fault(f"entry {recorded.seq}", f"{recorded.subject}: {error}"):
                log.error("audit record not understood", seq=recorded.seq, error=str(error))
            return None


def _answer(group: Sequence[Waiting], first: int) -> None:
    for place, waiting in enumerate(group):
        if not waiting.number.done():  # who asked may have gone
            waiting.number.set_result(first + place)


def _refuse(group: Sequence[Waiting], refusal: Refusal) -> None:
    for waiting in group:
        if not waiting.number.done():
            waiting.number.set_exception(refusal)
