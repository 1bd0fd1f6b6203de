"""What every start of a call shares, whatever line it goes out on: once per command, counted, on record before it goes.

A call's id is derived from who asks and the command's id, so a repeated command means the same call. A repeat is
answered from the journal, or from the records where its call has left that (`left.py`), before anything is held for it,
and refused where that call ended without a dial; the one that gets there too early is refused by the journal, since the
attempt claims its id over all lines and hosts.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import Struct

from actors.call.actor import CallActor
from actors.call.machine import line_of
from actors.call.settings import Calls
from actors.dialing.gate import Gate
from actors.dialing.left import left
from actors.dialing.limits import CallLimits
from actors.runtime.bus import BusError, Fenced, Recorded
from actors.runtime.clock import moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.runtime.tracing import call_span, span, wanted
from actors.runtime.wire import Page, forward
from actors.telephony.orders import Drop, Fence, Fences, Settle
from actors.telephony.past import NOT_READABLE
from actors.telephony.reports import DialFailed
from bus_schemas.call import CALL_DIALING, CALL_ENDED, CallDialing, CallEnded, CallView, EndReason, line_name
from bus_schemas.contract import ROOT, UNDECODABLE, Rpc, Topic
from bus_schemas.errors import JOURNAL_FULL, ErrorCode, Refusal, RefusalTemplate
from bus_schemas.host import AwaitDials, DialsOver, OfferedStarted

NOT_OURS_NOW = RefusalTemplate(ErrorCode.UNAVAILABLE, "This host is not sure that it owns its lines now. Try again.")
NOT_KNOWN = RefusalTemplate(ErrorCode.TIMEOUT, "The attempt could not be recorded in time. Ask before repeating.")
LEAVES = 0.02  # seconds between two looks whether an order has left
COME_BACK = 5  # seconds, for who wants a line that nobody serves
GIVEN_UP = RefusalTemplate(
    ErrorCode.CALL_FAILED, "This attempt was given up before it was dialled. Send a new command."
)


class Unowned(Exception):
    """Nobody owns the line that was asked, so that nothing was done. `host`: whose the records say it is."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class StartedCall(Struct, frozen=True, kw_only=True):
    """The attempt that is on record: this command's first. `seq`: its place in the journal."""

    attempt: CallDialing
    seq: int


Answer = Callable[[StartedCall], Any]  # what a start is answered with
Begin = Callable[[str], Coroutine[Any, Any, StartedCall]]  # begins the call of this id


def call_id_of(context: Context) -> str:
    """The one call that a command can begin."""
    return derived("c", context.user, context.command_id)


class Attempts:
    """The attempts of one host."""

    def __init__(self, *, host: Host, gate: Gate, limits: CallLimits, calls: Calls) -> None:
        self._host = host
        self._gate = gate
        self.limits = limits
        self._calls = calls
        self._starting: dict[str, asyncio.Task[Page]] = {}

    async def once(self, context: Context, answer: Answer, start: Begin, *, limited: bool = True) -> Page:
        """Start a call, or give the answer that this command had the first time. Under way twice, it is one start.
        `limited`: by how many calls its user may have."""
        call_id = call_id_of(context)
        return await self._host.share(
            self._starting, call_id, lambda: self._run(call_id, context, answer, start, limited=limited)
        )

    async def _run(self, call_id: str, context: Context, answer: Answer, start: Begin, *, limited: bool) -> Page:
        first = None if context.fresh else await self.first(call_id, context.campaign)
        if first is not None:
            return Page(body=answer(first), seq=first.seq)
        if not self._host.may_act:
            raise NOT_OURS_NOW()
        if self._host.nearly_full:
            raise JOURNAL_FULL()
        self.limits.let_in(call_id, context.user, moment(self._host.clock), limited=limited)
        started: StartedCall | None = None
        try:
            started = await start(call_id)
        finally:
            if started is None:
                self.limits.withdraw(call_id, context.user)
        return Page(body=answer(started), seq=started.seq)

    async def at_its_owner(
        self, rpc: Rpc[Any, Any], request: Any, context: Context, answer: Answer, *, retry: bool
    ) -> Page:
        """Have the owner of a line start a call. Where there is none, a repeat of what was done gets its answer all the
        same; else raises Unowned. `retry`: there may be one in a moment."""
        try:
            return await forward(self._host.bus, rpc, request, context, retry=retry)
        except Refusal as refusal:
            nobody = refusal.code is ErrorCode.UNAVAILABLE
            host = (refusal.details or {}).get("host") if nobody else None  # named where nobody owns the line
            if host is None and refusal.code is not ErrorCode.NOT_FOUND:
                raise
            first = await self.first(call_id_of(context), context.campaign)  # it may have been theirs to see, then
            if first is not None:
                return Page(body=answer(first), seq=first.seq)
            if host is None:
                raise
            raise Unowned(host) from None

    async def first(self, call_id: str, campaign: str | None) -> StartedCall | None:
        """The attempt that is on record for a call, by the word of the journal's leader; where it has left the journal,
        by the records'. That of a `campaign` leaves it once the campaign, which asks no more then, has on record what
        came of it. Raises Refusal, also for an attempt that ended without a dial: it would be no answer that the call
        has started."""
        recorded = await self._on_record(call_id, CALL_DIALING)
        if recorded is None and campaign is not None:
            return None
        if recorded is None:  # there was none, or it has left
            past = await left(self._host.bus, call_id, self._host.ids.new())
            return _started(past) if past is not None else None
        try:
            event = msgspec.json.decode(recorded.data, type=CallDialing)
        except UNDECODABLE:
            raise NOT_READABLE() from None
        if (ended := await self._on_record(call_id, CALL_ENDED)) is not None:
            _must_have_dialled(call_id, ended)
        return StartedCall(attempt=event, seq=recorded.seq)

    async def _on_record(self, call_id: str, topic: Topic[Any]) -> Recorded | None:
        try:
            return await self._host.bus.last(f"{ROOT}.evt.call.*.{call_id}.{topic.verb}", certain=True)
        except BusError:
            raise NOT_READABLE() from None

    async def await_dials(self, request: AwaitDials, context: Context) -> DialsOver:
        """Wait until none of these calls is being dialled here."""
        calls = [call for id in request.calls if (call := self._host.get(CallActor, id)) is not None]
        while any(call.is_being_dialled and call.alive for call in calls):
            await self._host.pause(LEAVES)
        return DialsOver()

    def attempt(
        self,
        call_id: str,
        context: Context,
        *,
        slot: int | None,
        number: str,
        trunk: str | None = None,
        after_ref: str | None = None,
        recording: str | None = None,
        ring_at_least: float = 0.0,
        operator: str | None = None,
        app: str | None = None,
        run: str | None = None,
    ) -> CallDialing:
        """What is known of a call from its beginning, as it is put on record: said here and nowhere else."""
        now = moment(self._host.clock)
        return CallDialing(
            line=line_name(slot, trunk),
            call_id=call_id,
            slot=slot,
            user=context.user,
            number=number,
            at=now.at,
            mono=now.mono,
            boot=now.boot,
            command_id=context.command_id,
            ring_timeout=max(self._calls.ring_timeout, ring_at_least),
            max_duration=self._calls.max_duration,
            after_ref=after_ref,
            trace_id=context.trace_id,
            traced=wanted(context),
            trunk=trunk,
            recording=recording,
            campaign=context.campaign,
            ring_at_least=ring_at_least,
            operator=operator,
            app=app,
            run=run,
        )

    async def place(
        self, attempt: CallDialing, fences: Fences, context: Context, unless: Fence | None = None
    ) -> StartedCall:
        """Put an attempt of now on record; its line, which is held for it, then dials. `unless`: see `Dial`. Raises
        Refusal."""
        with span("call", context, id=call_span(attempt.call_id), about=attempt.call_id) as context:
            return await self._place(attempt, fences, context, unless)

    async def _place(
        self, attempt: CallDialing, fences: Fences, context: Context, unless: Fence | None
    ) -> StartedCall:
        call = self._host.make(CallActor, attempt.call_id)
        line = line_of(attempt)
        written = False
        try:
            await call.claim(attempt, fences, context, unless)
            written = True
            await self._host.install(call)
        except Fenced:  # the command is on record already: here, on another line, or as given up
            self._host.tell_by_name(*line, Drop(id=attempt.call_id))
            self.limits.withdraw(attempt.call_id, attempt.user)
            self.limits.withdraw_line(attempt.line, attempt.call_id)
            first = await self.first(attempt.call_id, attempt.campaign)
            if first is None:
                raise GIVEN_UP() from None
            return first
        except BaseException as error:  # nobody knows whether it is on record: the line finds out
            self._host.tell_by_name(*line, Settle(id=attempt.call_id))
            if isinstance(error, BusError) and not written:
                raise NOT_KNOWN() from None
            raise
        hindrance = await self._gate.hindrance(attempt.number, context.campaign)
        if hindrance is not None:
            rule, cause = hindrance
            call.tell(DialFailed(cause=cause, reason=EndReason.NOT_DIALED))
            raise _not_dialled(attempt.call_id, cause, rule=rule)
        call.go_on()
        return StartedCall(attempt=attempt, seq=call.seq)


def offer_taken(started: StartedCall) -> OfferedStarted:
    """What the start of a call on a line that was offered is answered with."""
    return OfferedStarted(call_id=started.attempt.call_id)


def _must_have_dialled(call_id: str, recorded: Recorded) -> None:
    """Raise Refusal(CALL_FAILED) where a call's end says that it was never dialled."""
    try:
        ended = msgspec.json.decode(recorded.data, type=CallEnded)
    except UNDECODABLE:  # it began, and no more can be told
        return
    if ended.reason is EndReason.NOT_DIALED:
        raise _not_dialled(call_id, ended.cause)


def _started(past: CallView) -> StartedCall:
    """What the records have of an attempt that has left the journal. Raises Refusal(CALL_FAILED)."""
    if past.reason is EndReason.NOT_DIALED:
        raise _not_dialled(past.call_id, past.cause)
    attempt = CallDialing(
        line=line_name(past.slot, past.trunk), call_id=past.call_id, slot=past.slot, user=past.user,
        number=past.number, at=past.start_time, mono=0.0, boot="", command_id="", ring_timeout=0.0, max_duration=0.0,
        trace_id=past.trace_id, trunk=past.trunk, operator=past.operator, app=past.app,
    )  # fmt: skip
    return StartedCall(attempt=attempt, seq=0)


def _not_dialled(call_id: str, cause: str | None, **details: str) -> Refusal:
    return Refusal(
        ErrorCode.CALL_FAILED,
        f"This attempt ended before it was dialled: {cause}. Send a new command.",
        call_id=call_id,
        reason=EndReason.NOT_DIALED.value,
        cause=cause,
        **details,
    )
