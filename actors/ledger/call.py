"""What is asked of calls that are on record. The rows: `call_rows.py`."""

from functools import cache
from operator import eq, ge, lt
from typing import Any

import sqlalchemy as sa

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel, sees
from actors.ledger.call_rows import (
    CALLS,
    CAME_ABOUT,
    CHOSEN,
    ENDED,
    FAILED,
    IS_LIVE,
    NEWEST,
    NUMBERS,
    PROJECTION,
    C,
    CallRow,
)
from actors.ledger.model import Position, Query, given, made_of, unindexed
from actors.ledger.numbers import has_one_of, parts_in
from actors.ledger.page import fitting, from_cursor_of_two, page, with_moments, with_span
from actors.ledger.words import SHORTEST
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
from bus_schemas.permissions import Action

FEW = 3_000  # calls that are found and put in order in some milliseconds
MOST_OPEN_CALLS = 10_000  # in one answer; PAGE ends it before that
NO_CALL = RefusalTemplate(ErrorCode.NOT_FOUND, "No such call.")


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
                (unindexed(C.slot), eq, wanted.slot),  # by no index of those that are over
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
    wanted: ListCdrs, *, before: Position | None, user: str | None, parts: frozenset[str] | None, few: bool = False
) -> Query[tuple[Position, Cdr]]:
    """Ended calls of one user or of all that `wanted` asks for, newest first and one more than the page has, each with
    its key; times as `clock.utc` writes them. `parts`: what its number has one of in it, which `few` have: they are
    found by that and put in order, while of many a page is soon full."""
    narrow = few or wanted.slot is not None or wanted.user is not None  # what else is asked is looked at in its rows
    narrower = narrow or wanted.campaign is not None
    asked = given(
        (_plain(C.user, few), eq, wanted.user),
        (C.number, has_one_of, parts),
        (_plain(C.slot, few), eq, wanted.slot),
        (_plain(C.trunk, narrower), eq, wanted.trunk),
        (_plain(C.campaign, narrow), eq, wanted.campaign),
        (_plain(C.reason, narrower or wanted.trunk is not None), eq, wanted.reason),
        (_plain(C.start_time, few), ge, wanted.since),
        (_plain(C.start_time, few), lt, wanted.until),
        (C.answer_time, _came_out if few or _has_an_index(wanted) else _by_outcome, wanted.outcome),
    )
    found = sa.select(CALLS).where(IS_OVER, *NEWEST.behind(before), *asked)
    if parts and few:
        found = found.select_from(NUMBERS.rows).where(NUMBERS.hints(_groups(parts)), *given((C.user, is_of, user)))
        user = None
    return Query(_newest(found, wanted.limit, user), made_of(CallRow, lambda row: (NEWEST.key(row), _cdr(row))))


def how_many_have(parts: frozenset[str]) -> Query[int]:
    """About how many calls have one of these in their number, and no fewer; `FEW` and one where that is more."""
    asked = NUMBERS.about(has_one_of(C.number, parts), _groups(parts))
    some = sa.select(sa.literal(1)).select_from(NUMBERS.alone).where(asked)
    return Query(sa.select(sa.func.count().label("calls")).select_from(some.limit(FEW + 1).subquery()),
                 lambda row: int(row.calls))  # fmt: skip


def _groups(parts: frozenset[str]) -> list[tuple[str]]:
    return [(part,) for part in sorted(parts)]


def _plain(column: sa.Column[Any], so: bool) -> sa.ColumnElement[Any]:
    """The column, or where it is `so` one without an index."""
    found: sa.ColumnElement[Any] = unindexed(column) if so else column
    return found


def _has_an_index(wanted: ListCdrs) -> bool:
    """Whether something is asked that fewer calls have than an outcome, and an index finds."""
    fields = (wanted.user, wanted.slot, wanted.trunk, wanted.campaign, wanted.reason)
    return any(field is not None for field in fields)


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
    return sa.or_(unindexed(started_by) == user, unindexed(C.operator) == user)


def _came_out(answer_time: sa.Column[Any], outcome: CallState) -> sa.ColumnElement[bool]:
    """The condition for an outcome, as `state_of` has it."""
    chosen = C.reason.in_(CHOSEN)
    match outcome:
        case CallState.ENDED:
            return chosen | answer_time.is_not(None)
        case CallState.FAILED:
            return ~chosen & answer_time.is_(None)
    return sa.false()  # a record is of a call that is over


def _by_outcome(answer_time: sa.Column[Any], outcome: CallState) -> Any:  # any: a text is a condition, too
    """The same, in the words of the indexes of those."""
    return {CallState.ENDED: CAME_ABOUT, CallState.FAILED: FAILED}.get(outcome, sa.false())


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
        parts, few = parts_in(wanted.number, self.region), False
        if parts and min(map(len, parts)) >= SHORTEST:
            [count] = await self.read(context, how_many_have(parts))
            few = count <= FEW
        before = from_cursor_of_two(request.cursor)
        query = records(wanted, before=before, user=whose(context), parts=parts, few=few)
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
