"""Calls in the ledger: one row a call, from its attempt on. The first end of a call is its record: nothing that comes
after it changes it, but what the PBX counted and what its operator says of it."""

from functools import cache
from operator import eq, ge, lt
from typing import Any, get_args

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel, sees
from actors.ledger.model import METADATA, Newest, Position, Projection, Query, columns, given, made_of
from actors.ledger.numbers import has_one_of, parts_in
from actors.ledger.page import fitting, from_cursor_of_two, page, with_moments, with_span
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.call import (
    CALL,
    CALLS_FEED,
    END_ABSENT,
    GET_CDR,
    GET_RECORDING,
    LIST_CDRS,
    OPEN_CALLS,
    PAST_CALL,
    CallAlerting,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    CallEnriched,
    CallEvent,
    CallJoined,
    CallsFeed,
    CallState,
    CallView,
    Cdr,
    EndCall,
    EndReason,
    GetCall,
    GetCdr,
    GetRecording,
    ListCdrs,
    OpenCall,
    OpenCalls,
    Phase,
    Recording,
    owners_of,
    state_of,
    status_of,
)
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.operator import OperatorDisposed
from bus_schemas.permissions import Action

DIALING, ALERTING, CONNECTED, ENDED = map(str, Phase)  # as they are in the table
MOST_OPEN_CALLS = 10_000  # in one answer; PAGE ends it before that
NO_CALL = RefusalTemplate(ErrorCode.NOT_FOUND, "No such call.")


class CallRow(Struct, frozen=True, gc=False):
    """`seq`: of the attempt, the order of the lists. `recording`: `<pbx>/<file>`."""

    seq: int
    call_id: str
    line: str
    slot: int | None
    number: str
    user: str
    start_time: str
    trace_id: str | None
    trunk: str | None
    phase: str
    campaign: str | None = None
    ring_time: str | None = None
    answer_time: str | None = None
    end_time: str | None = None
    duration: int | None = None
    ring_seconds: int | None = None
    reason: str | None = None
    cause: str | None = None
    ended_by: str | None = None
    ending: bool = False
    clock_suspect: bool = False
    recording: str | None = None
    disposition: str | None = None
    billable_seconds: int | None = None
    operator_disposition: str | None = None
    operator: str | None = None
    extension: str | None = None
    app: str | None = None


# Written out and not bound to a value, so that the database sees that the index is of these rows.
IS_LIVE = sa.text("phase <> 'ended'")

CALLS = sa.Table(
    "calls",
    METADATA,
    *columns(CallRow, primary="seq", unique="call_id"),
    sa.Index("calls_start", "start_time"),
    sa.Index("calls_user", "user", "start_time"),
    sa.Index("calls_operator", "operator", "start_time"),
    sa.Index("calls_slot", "slot", "start_time"),
    sa.Index("calls_trunk", "trunk", "start_time"),
    sa.Index("calls_campaign", "campaign", "start_time"),
    sa.Index("calls_reason", "reason", "start_time"),
    sa.Index("live_calls", "start_time", sqlite_where=IS_LIVE, postgresql_where=IS_LIVE),
)
C = CALLS.c
NEWEST = Newest(C.start_time, C.seq)


def fold(row: CallRow | None, event: CallEvent | OperatorDisposed, seq: int) -> CallRow | None:
    """The call after an event, of its own or of its operator's."""
    if row is None:
        return _dialed(event, seq) if isinstance(event, CallDialing) else None
    if isinstance(event, OperatorDisposed):
        return replace(row, operator_disposition=event.disposition)
    if row.phase == ENDED and not isinstance(event, CallEnriched):
        return row
    match event:  # what is most frequent, first
        case CallEnded():
            return _ended(row, event)
        case CallAlerting():
            return replace(row, phase=ALERTING, ring_time=event.at)
        case CallConnected():
            return replace(row, phase=CONNECTED, answer_time=event.at)
        case CallEnriched():
            return replace(row, disposition=event.disposition, billable_seconds=event.billable_seconds)
        case CallEnding():
            return replace(row, ending=True)
        case CallJoined():
            return replace(row, operator=event.operator, extension=event.extension)
    return row


def _dialed(event: CallDialing, seq: int) -> CallRow:
    return CallRow(
        seq=seq,
        call_id=event.call_id,
        line=event.line,
        slot=event.slot,
        number=event.number,
        user=event.user,
        start_time=event.at,
        trace_id=event.trace_id,
        trunk=event.trunk,
        phase=DIALING,
        campaign=event.campaign,
        operator=event.operator,
        app=event.app,
    )


def _ended(row: CallRow, event: CallEnded) -> CallRow:
    return replace(
        row,
        phase=ENDED,
        ring_time=event.ring_time,
        answer_time=event.answer_time,
        end_time=event.at,
        duration=event.duration,
        ring_seconds=event.ring_seconds,
        reason=str(event.reason),
        cause=event.cause,
        ended_by=event.ended_by,
        clock_suspect=event.clock_suspect,
        recording=event.recording,
        ending=False,
    )


PROJECTION = Projection(
    table=CALLS,
    row=CallRow,
    key="call_id",
    events=(*get_args(CallEvent), OperatorDisposed),
    fold=fold,
    once=frozenset({"seq", "call_id", "line", "slot", "number", "user", "start_time", "trace_id", "trunk", "campaign"}),
    version=3,
)


# --- queries ------------------------------------------------------------------------------------------------------


def one(call_id: str) -> Query[CallView]:
    return Query(sa.select(CALLS).where(C.call_id == call_id), made_of(CallRow, _view))


def feed(wanted: CallsFeed, *, before: Position | None, user: str | None) -> Query[tuple[Position, CallView]]:
    """Calls of one user or of all, newest first and one more than the page has, each with its key."""
    found = sa.select(CALLS).where(*NEWEST.behind(before))
    if not wanted.all:  # by the index of live calls, and not by those of all that a user ever had
        found, user = found.where(IS_LIVE, *given((C.user, is_of, user))), None
    return Query(_newest(found, wanted.limit, user), made_of(CallRow, lambda row: (NEWEST.key(row), _view(row))))


def still_open(wanted: OpenCalls) -> Query[OpenCall]:
    """Calls that are not over, oldest first; `before` as `clock.utc` writes it."""
    found = (
        sa.select(C.call_id, C.line, C.slot, C.user, C.trunk, C.start_time)
        .where(IS_LIVE)
        .where(
            *given(
                (C.slot + 0, eq, wanted.slot),  # by no index of those that are over
                (C.line, sa.Column.in_, wanted.lines),
                (C.start_time, lt, wanted.before),
            )
        )
        .order_by(C.start_time, C.seq)
        .limit(MOST_OPEN_CALLS)
    )
    return Query(found, lambda row: OpenCall(**row._mapping))


def record(call_id: str) -> Query[Cdr]:
    return Query(sa.select(CALLS).where(C.call_id == call_id, IS_OVER), made_of(CallRow, _cdr))


def records(
    wanted: ListCdrs, *, before: Position | None, user: str | None, parts: frozenset[str] | None
) -> Query[tuple[Position, Cdr]]:
    """Ended calls of one user or of all that `wanted` asks for, newest first and one more than the page has, each with
    its key; times as `clock.utc` writes them. `parts`: what its number has one of in it."""
    found = (
        sa.select(CALLS)
        .where(IS_OVER, *NEWEST.behind(before))
        .where(
            *given(
                (C.user, eq, wanted.user),
                (C.number, has_one_of, parts),
                (C.slot, eq, wanted.slot),
                (C.trunk, eq, wanted.trunk),
                (C.campaign, eq, wanted.campaign),
                (C.reason, eq, wanted.reason),
                (C.start_time, ge, wanted.since),
                (C.start_time, lt, wanted.until),
                (C.answer_time, _came_out, wanted.outcome),
            )
        )
    )
    return Query(_newest(found, wanted.limit, user), made_of(CallRow, lambda row: (NEWEST.key(row), _cdr(row))))


def recording(call_id: str) -> Query[str | None]:
    """Where the recording of a call is."""
    return Query(sa.select(C.recording).where(C.call_id == call_id, IS_OVER), lambda row: row.recording)


IS_OVER = C.phase == ENDED


def _newest(found: sa.Select[Any], limit: int, user: str | None) -> sa.Select[Any]:
    """The newest of them that are `user`'s (`owners_of`), or anybody's. Those that they have started and those that
    they were given are each found by their own index: one condition for both has all that somebody ever had sorted."""
    if user is None:
        return NEWEST.page(found, limit)
    started, had = found.where(C.user == user), found.where(C.operator == user, C.user != user)
    halves = (sa.select(NEWEST.page(half, limit).subquery()) for half in (started, had))
    return NEWEST.page(sa.select(sa.union_all(*halves).subquery()), limit)


def is_of(started_by: sa.Column[Any], user: str) -> sa.ColumnElement[bool]:
    """Whether a live call is one's own: by no index of those that one ever had."""
    return sa.or_(started_by.concat("") == user, C.operator.concat("") == user)


def _came_out(answer_time: sa.Column[Any], outcome: CallState) -> sa.ColumnElement[bool]:
    """The condition for an outcome, as `state_of` has it."""
    chosen = C.reason.in_([EndReason.HANGUP_LOCAL, EndReason.HANGUP_REMOTE])
    match outcome:
        case CallState.ENDED:
            return chosen | answer_time.is_not(None)
        case CallState.FAILED:
            return ~chosen & answer_time.is_(None)
    return sa.false()  # a record is of a call that is over


_PHASE = {str(phase): phase for phase in Phase}
_REASON = {str(reason): reason for reason in EndReason}


def _state(row: CallRow) -> CallState:
    return _state_of(row.phase, row.answer_time is not None, row.reason)


@cache
def _state_of(phase: str, answered: bool, reason: str | None) -> CallState:
    return state_of(_PHASE[phase], answered=answered, reason=_REASON[reason] if reason else None)


def _view(row: CallRow) -> CallView:
    state = _state(row)
    return CallView(
        call_id=row.call_id,
        slot=row.slot,
        number=row.number,
        status=status_of(state),
        start_time=row.start_time,
        end_time=row.end_time,
        duration=row.duration,
        user=row.user,
        state=state,
        phase=_PHASE[row.phase],
        answer_time=row.answer_time,
        reason=_REASON[row.reason] if row.reason else None,
        cause=row.cause,
        ending=row.ending,
        trace_id=row.trace_id,
        trunk=row.trunk,
        operator=row.operator,
        extension=row.extension,
        app=row.app,
    )


def _cdr(row: CallRow) -> Cdr:
    """The record of a call that is over: the end has set what is None before."""
    assert row.end_time is not None and row.ring_seconds is not None and row.duration is not None
    assert row.reason is not None and row.cause is not None
    return Cdr(
        call_id=row.call_id,
        user=row.user,
        slot=row.slot,
        number=row.number,
        start_time=row.start_time,
        ring_time=row.ring_time,
        answer_time=row.answer_time,
        end_time=row.end_time,
        ring_seconds=row.ring_seconds,
        talk_seconds=row.duration,
        outcome=_state(row),
        reason=_REASON[row.reason],
        cause=row.cause,
        ended_by=row.ended_by,
        clock_suspect=row.clock_suspect,
        trace_id=row.trace_id,
        trunk=row.trunk,
        recording=f"/api/pbx/recordings/{row.call_id}" if row.recording else None,
        disposition=row.disposition,
        billable_seconds=row.billable_seconds,
        operator_disposition=row.operator_disposition,
        campaign=row.campaign,
        operator=row.operator,
        extension=row.extension,
        app=row.app,
    )


# --- answers ------------------------------------------------------------------------------------------------------


class CallAnswers(Answers):
    """What is asked of calls that are on record."""

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(PAST_CALL, self.past_call),
            serve(END_ABSENT, self.end_absent),
            serve(CALLS_FEED, self.calls_feed),
            serve(GET_CDR, self.get_cdr),
            serve(LIST_CDRS, self.list_cdrs),
            serve(OPEN_CALLS, self.open_calls),
            serve(GET_RECORDING, self.get_recording),
        )

    async def past_call(self, request: GetCall, context: Context) -> CallView:
        found = await self.one(context, one(request.call_id))
        if found is None or not sees(context, CALL, *owners_of(found.user, found.operator)):
            raise NO_CALL()
        return found

    async def end_absent(self, request: EndCall, context: Context) -> Page:
        found = await self.past_call(GetCall(call_id=request.call_id), context)
        if found.phase is not Phase.ENDED:
            raise OWNER_AWAY()
        return Page(body=found, changed=False)

    async def calls_feed(self, request: CallsFeed, context: Context) -> Page:
        query = feed(request, before=from_cursor_of_two(request.cursor), user=whose(context))
        placed = await self.read_placed(context, query, short=not request.all)
        return page(placed.found, limit=request.limit, seq=placed.seq)

    async def get_cdr(self, request: GetCdr, context: Context) -> Cdr:
        found = await self.one(context, record(request.call_id))
        if found is None or not sees(context, CALL, *owners_of(found.user, found.operator)):
            raise Refusal(ErrorCode.NOT_FOUND, "No record: there is no such call, or it has not ended.")
        return found

    async def list_cdrs(self, request: ListCdrs, context: Context) -> Page:
        wanted = with_span(request)
        parts = parts_in(wanted.number, self.region)
        query = records(wanted, before=from_cursor_of_two(request.cursor), user=whose(context), parts=parts)
        return page(await self.read(context, query), limit=request.limit)

    async def open_calls(self, request: OpenCalls, context: Context) -> list[OpenCall]:
        wanted = with_moments(request, "before")
        return fitting(await self.read(context, still_open(wanted), short=True))

    async def get_recording(self, request: GetRecording, context: Context) -> Recording:
        await self.past_call(GetCall(call_id=request.call_id), context)
        where = await self.one(context, recording(request.call_id))
        if where is None:
            raise Refusal(ErrorCode.NOT_FOUND, "This call was not recorded.")
        pbx, _, file = where.partition("/")
        return Recording(call_id=request.call_id, pbx=pbx, file=file)


def whose(context: Context) -> str | None:
    """Whose calls the asker sees. None: everybody's."""
    return None if Action.CALL_VIEW_ANY in context.actions else context.user


READ_MODEL = ReadModel(topics=topics_of("call"), projections=(PROJECTION,), answers=CallAnswers)
