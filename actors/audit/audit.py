"""The audit's shell: takes actions from every door and writes those that wait together as one record of the chain.

Any host may write. The journal refuses a record that does not follow the newest one, so there is one chain, whoever
writes. What is asked again, since its answer was lost or its host has died, is known by its intent and written once;
without one it stands in the chain a second time, which is better than not at all. An entry of the chain that nobody can
read refuses no later action: the chain goes on from the newest readable record, and `ottb audit` names the entry, as
`problems()` does.

Doors announce actions before they are done. Every host hears that and keeps it in memory; what gets no outcome in time,
on any host, is written with the result UNKNOWN: its door has died.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from math import inf

import msgspec
import structlog
from msgspec import Struct

from actors.audit.chain import GENESIS, link
from actors.runtime.bus import Bus, BusError, BusUnavailable, Fenced, Message, Recorded, RequestTimeout, Unsubscribe
from actors.runtime.clock import Clock
from actors.runtime.context import Context
from actors.runtime.digest import must_be_digestible
from actors.runtime.ids import Ids
from actors.runtime.problems import Problem, Problems, of_entry
from actors.runtime.service import Service, serve
from actors.runtime.wire import answer
from bus_schemas.audit import (
    AUDIT_RECORDED,
    INTEND_AUDIT,
    RECORD_AUDIT,
    UNKNOWN,
    WITHDRAW_AUDIT,
    Audited,
    AuditEntry,
    AuditRecorded,
    IntendAudit,
    Intended,
    RecordAudit,
    WithdrawAudit,
)
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate

log = structlog.get_logger()

SCOPE = "ottb.v1.evt.audit.chain.*"
QUEUE = 1024  # entries that wait to be written
GROUP = 128  # entries in one record
LARGEST = 7 * 1024  # bytes of one entry: a whole group must fit into one message of the bus (1 MB)
LOOK_BACK = 1_000  # entries of the journal before an unreadable record that are read first for the one before it
GRACE = 30.0  # seconds for the outcome of an intent: longer than a request may take, with its audit
SWEEP = 5.0  # seconds between two looks for intents without an outcome
LEAVING = 2.0  # an intent that is older when this host stops is not waited for by anybody
OPEN = 50_000  # intents without an outcome; beyond, the oldest are written as UNKNOWN at once
REPEATED = 60.0  # seconds for which what was written before this host began may be asked for again
SETTLED = 10_000  # outcomes that are remembered, so that one that is sent again is written once
SLOW = 1.0  # seconds that a write may take before the log says so

FULL = RefusalTemplate(ErrorCode.UNAVAILABLE, "The audit has too much to write now. Try again.")
NOT_WRITTEN = RefusalTemplate(ErrorCode.UNAVAILABLE, "The audit cannot be written now. Try again.")
BROKEN = RefusalTemplate(ErrorCode.INTERNAL, "The audit could not be written. It is in the log.")


class Head(Struct, frozen=True, kw_only=True):
    """The end of the chain: the journal's sequence, the newest number and its record's hash."""

    seq: int = 0
    number: int = 0
    hash: str = GENESIS


class Outcome(Struct, frozen=True, kw_only=True):
    """Where an intent's entry is. `known`: it says how it went, so that nothing is left to be said."""

    number: int
    known: bool


class Waiting(Struct, frozen=True, kw_only=True):
    """An entry that is to be written, and who waits for its number. `since`: monotonic; `again`: another host may have
    written it."""

    entry: AuditEntry
    intent: str
    number: asyncio.Future[int]
    since: float
    again: bool


class Open(Struct, frozen=True, kw_only=True):
    """An intent without an outcome. `received_at`: monotonic; `after`: no outcome is older than this sequence."""

    entry: AuditEntry
    received_at: float
    after: int


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
        self._open: OrderedDict[str, Open] = OrderedDict()
        self._settled: OrderedDict[str, Outcome] = OrderedDict()
        self._asked: dict[str, asyncio.Future[int]] = {}  # what is waited for, by its intent
        self._read = 0  # the journal's sequence up to which this host knows all of the chain
        self._looked_back = False  # also what was written shortly before it began
        self._sweeping: asyncio.Task[None] | None = None
        self._stops: list[Unsubscribe] = []
        self._service = Service(bus=bus, queue="audit", handlers=(serve(RECORD_AUDIT, self._record),))

    def problems(self) -> list[Problem]:
        """Why nothing can be written now, and the entries of the chain that nobody can read."""
        return self._problems.all()

    async def start(self) -> None:
        last = await self._bus.last(SCOPE)
        self._read = last.seq if last is not None else 0
        self._task = asyncio.get_running_loop().create_task(self._write_all())
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())
        self._stops.append(await self._bus.subscribe(INTEND_AUDIT.subject, self._hear))
        self._stops.append(await self._bus.subscribe(WITHDRAW_AUDIT.subject, self._hear_withdrawal))
        await self._service.start()

    async def stop(self) -> None:
        """Take no more, write what waits as far as that is possible in time, and refuse the rest."""
        for stop in self._stops:
            await stop()
        await self._service.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVING):
                await self._complete(LEAVING)
        tasks = [task for task in (self._task, self._sweeping) if task is not None]
        self._task = self._sweeping = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while not self._queue.empty():
            _refuse([self._queue.get_nowait()], NOT_WRITTEN)

    async def record(self, entry: AuditEntry, intent: str = "", *, again: bool = False) -> int:
        """Put an action on the audit and return its number, once it is written. `again`: it may be already, as the
        outcome of its intent. Raises Refusal: UNAVAILABLE (full, or
        the journal is not there), INVALID_PARAMS (too long)."""
        if len(msgspec.json.encode(entry)) > LARGEST:
            raise Refusal(ErrorCode.INVALID_PARAMS, f"An audit entry has at most {LARGEST} bytes.")
        if self._task is None:
            raise NOT_WRITTEN()
        number: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        since, again = self._clock.monotonic(), again and intent != ""
        try:
            self._queue.put_nowait(Waiting(entry=entry, intent=intent, number=number, since=since, again=again))
        except asyncio.QueueFull:
            raise FULL() from None
        if not intent or entry.result == UNKNOWN:
            return await number
        self._asked[intent] = number
        try:
            return await asyncio.shield(number)  # who asks again waits for it, too
        finally:
            self._asked.pop(intent, None)

    async def _record(self, request: RecordAudit, context: Context) -> Audited:
        said = self._settled.get(request.intent)
        if said is not None and said.known:
            return Audited(number=said.number)
        if (waiting := self._asked.get(request.intent)) is not None:
            return Audited(number=await asyncio.shield(waiting))
        return Audited(number=await self.record(request.entry, request.intent, again=not context.fresh))

    # --- intents

    async def _hear(self, message: Message) -> None:
        await answer(message, INTEND_AUDIT, self._intend)

    async def _intend(self, request: IntendAudit, context: Context) -> Intended:
        if request.intent not in self._settled:
            now = self._clock.monotonic()
            self._open[request.intent] = Open(entry=request.entry, received_at=now, after=self._read)
        return Intended()

    async def _hear_withdrawal(self, message: Message) -> None:
        await answer(message, WITHDRAW_AUDIT, self._withdraw)

    async def _withdraw(self, request: WithdrawAudit, context: Context) -> Intended:
        if self._open.pop(request.intent, None) is None:  # it came before what it withdraws
            self._remember(request.intent, Outcome(number=0, known=False))
        return Intended()

    def _settle(self, intent: str, number: int, entry: AuditEntry) -> None:
        if not intent:
            return
        self._open.pop(intent, None)
        self._remember(intent, Outcome(number=number, known=entry.result != UNKNOWN))

    def _remember(self, intent: str, outcome: Outcome) -> None:
        self._settled[intent] = outcome
        if len(self._settled) > SETTLED:
            self._settled.popitem(last=False)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            try:
                await self._complete(GRACE)
            except Exception:
                log.exception("actions without an outcome not looked through")

    async def _complete(self, grace: float) -> None:
        """Write what has had no outcome for `grace` seconds as UNKNOWN. What cannot be written now stays."""
        due = self._due(grace)
        if not due:
            return
        try:
            await self._read_on(min(self._open[intent].after for intent in due))
        except BusError as error:
            log.warning("actions without an outcome not written yet", open=len(self._open), error=repr(error))
            return
        for start in range(0, len(due), GROUP):
            await asyncio.gather(*(self._give_up(intent) for intent in due[start : start + GROUP]))

    async def _give_up(self, intent: str) -> None:
        """Write one intent as UNKNOWN, unless another host has settled it."""
        if (open := self._open.get(intent)) is None:
            return
        log.warning("an action without an outcome", entry=msgspec.to_builtins(open.entry))
        try:
            await self.record(open.entry, intent)
        except Refusal as refusal:
            log.warning("not written yet", intent=intent, error=refusal.message)
            if refusal.code is ErrorCode.INVALID_PARAMS:
                self._open.pop(intent, None)

    def _due(self, grace: float) -> list[str]:
        """The intents that have waited long enough, and those that are too many."""
        latest = self._clock.monotonic() - grace
        surplus = len(self._open) - OPEN
        return [
            intent for place, (intent, open) in enumerate(self._open.items())
            if open.received_at <= latest or place < surplus
        ]

    async def _read_on(self, after: int) -> None:
        """Learn which intents were settled by other hosts. Raises BusError."""
        async for entry in self._bus.replay(SCOPE, after=after):
            self._take(entry)
            self._read = max(self._read, entry.seq)

    def _take(self, entry: Recorded) -> None:
        if (recorded := self._record_in(entry)) is not None:
            for place, (intent, one) in enumerate(zip(recorded.intents, recorded.entries, strict=False)):
                self._settle(intent, recorded.first + place, one)

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
        refusal = NOT_WRITTEN
        try:
            await self._append(group)
        except (RequestTimeout, BusUnavailable) as error:
            log.warning("audit not written", entries=len(group), error=repr(error))
            self._problems.condition("write", repr(error))
        except Exception as error:
            log.exception("audit not written", entries=len(group))
            self._problems.condition("write", repr(error))
            refusal = BROKEN
        else:
            self._problems.settle("write")
        finally:
            if any(not waiting.number.done() for waiting in group):
                self._head = None  # it may have been written all the same
                _refuse(group, refusal)
        if (took := self._clock.monotonic() - began) > SLOW:
            log.warning("audit is slow", entries=len(group), seconds=round(took, 3))

    async def _append(self, group: Sequence[Waiting]) -> None:
        """Write the entries after the newest record, whoever wrote that, and answer them."""
        while True:
            head = self._head or await self._read_head()
            if any(map(self._may_be_said, group)):
                await self._look_back(group)
                if head.seq > self._read:
                    await self._read_on(self._read)
            left = [waiting for waiting in group if not self._is_said(waiting)]
            if not left:
                return
            entries, intents = [waiting.entry for waiting in left], [waiting.intent for waiting in left]
            recorded = link(head.number + 1, head.hash, entries, intents if any(intents) else ())
            headers = {"Nats-Msg-Id": self._ids.new()}
            data = must_be_digestible(AUDIT_RECORDED, recorded)
            try:
                seq = await self._bus.append(AUDIT_RECORDED.subject, data, headers, scope=SCOPE, expect=head.seq)
            except Fenced:  # another host was quicker: after its record, then
                self._head = None
                continue
            self._head = Head(seq=seq, number=head.number + len(entries), hash=recorded.hash)
            if head.seq <= self._read:
                self._read = seq
            for place, waiting in enumerate(left):
                self._settle(waiting.intent, recorded.first + place, waiting.entry)
                _answer(waiting, recorded.first + place)
            return

    def _may_be_said(self, waiting: Waiting) -> bool:
        """Whether another host may have written it: it was asked before us, or in our place."""
        late = self._clock.monotonic() - waiting.since >= (RECORD_AUDIT.asked_again or inf)
        return waiting.again or waiting.entry.result == UNKNOWN or (late and waiting.intent != "")

    async def _look_back(self, group: Sequence[Waiting]) -> None:
        """Learn once what was written shortly before this host began: whoever waited for that asks it now."""
        if not self._looked_back and any(waiting.again for waiting in group):
            async for entry in self._bus.replay(SCOPE, since=self._clock.now().timestamp() - REPEATED):
                self._take(entry)
            self._looked_back = True

    def _is_said(self, waiting: Waiting) -> bool:
        """Whether another host has said how it went, or that nobody knows, where we know no better."""
        said = self._settled.get(waiting.intent)
        if said is None or not (said.known or waiting.entry.result == UNKNOWN):
            return False
        _answer(waiting, said.number)
        return True

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
        except UNDECODABLE as error:
            if self._problems.fault(of_entry(recorded.seq), f"{recorded.subject}: {error}"):
                log.error("audit record not understood", seq=recorded.seq, error=str(error))
            return None


def _answer(waiting: Waiting, number: int) -> None:
    if not waiting.number.done():  # who asked may have gone
        waiting.number.set_result(number)


def _refuse(group: Sequence[Waiting], refusal: RefusalTemplate) -> None:
    for waiting in group:
        if not waiting.number.done():
            waiting.number.set_exception(refusal())
