"""Operators in the ledger: one row for each, and one for each day on which they did something."""

from collections.abc import Iterable, Mapping
from operator import eq, ge, gt, le
from typing import Any, get_args

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel, sees
from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.page import from_cursor, page
from actors.runtime.context import Context
from actors.runtime.moments import must_be_a_day
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.operator import (
    ABSENT_OPERATOR,
    LIST_OPERATORS,
    OPERATOR,
    PAST_OPERATOR,
    REPORT_OPERATORS,
    AbsentOperator,
    GetOperator,
    ListOperators,
    OperatorAssigned,
    OperatorCall,
    OperatorConnected,
    OperatorDay,
    OperatorDisposed,
    OperatorEvent,
    OperatorFreed,
    OperatorReleased,
    OperatorReserved,
    OperatorStatus,
    OperatorView,
    ReportOperators,
    Spent,
    Turn,
)

S = OperatorStatus
CALLS = msgspec.json.Decoder(list[OperatorCall])
CAMPAIGNS = msgspec.json.Decoder(list[str])
NO_OPERATOR = RefusalTemplate(ErrorCode.NOT_FOUND, "No such operator.")
COUNTED: Mapping[OperatorStatus, str] = {
    S.READY: "ready", S.ON_CALL: "talk", S.WRAP_UP: "wrap_up", S.BREAK: "pause",
}  # fmt: skip


class OperatorRow(Struct, frozen=True, gc=False):
    """`seq`: of the first event, by which the list goes on. `calls`: OperatorCalls as JSON; `campaigns`: a list of ids
    as JSON, null: all; with them between blanks in `works_for`. Times of the day `day` in milliseconds."""

    user: str
    seq: int
    since: str
    status: str = str(S.OFFLINE)
    reason: str = ""
    next: str = str(S.OFFLINE)
    next_reason: str = ""
    until: str | None = None
    calls: str = "[]"
    campaigns: str | None = None
    works_for: str | None = None
    reserved_by: str | None = None
    reserved_until: str | None = None
    day: str = ""
    ready: int = 0
    talk: int = 0
    wrap_up: int = 0
    pause: int = 0


class DayRow(Struct, frozen=True, gc=False):
    """`key`: the user and the day; `seq`: of the first event of it. Times in milliseconds; `pause`: breaks."""

    key: str
    seq: int
    user: str
    day: str
    ready: int = 0
    talk: int = 0
    wrap_up: int = 0
    pause: int = 0
    calls: int = 0
    dispositions: int = 0


OPERATORS = sa.Table("operators", METADATA, *columns(OperatorRow, primary="user", unique="seq"))
# One event may begin several days, so its place alone does not tell them apart: the list goes on by place and day.
DAYS = sa.Table("operator_days", METADATA, *columns(DayRow, primary="key"), sa.Index("operator_days_day", "day", "key"))
C, D = OPERATORS.c, DAYS.c


# --- folding ------------------------------------------------------------------------------------------------------


def fold(row: OperatorRow | None, event: OperatorEvent, seq: int) -> OperatorRow:
    """The operator after an event."""
    row = row or OperatorRow(event.user, seq, event.at)
    match event:
        case OperatorReserved():
            return replace(row, reserved_by=event.campaign_id, reserved_until=event.until)
        case OperatorReleased():
            return replace(row, reserved_by=None, reserved_until=None)
        case OperatorAssigned():
            return replace(row, **_assigned(event.campaigns))
        case Turn():
            return _turned(row, event)
    return row


def _assigned(campaigns: tuple[str, ...] | None) -> dict[str, str | None]:
    if campaigns is None:
        return {"campaigns": None, "works_for": None}
    return {"campaigns": msgspec.json.encode(campaigns).decode(), "works_for": f" {' '.join(campaigns)} "}


def _turned(row: OperatorRow, turn: Turn) -> OperatorRow:
    goes_on = turn.status is turn.before and not turn.spent
    kept = turn.status is S.READY and goes_on
    row = replace(
        row, status=str(turn.status), reason=turn.reason, since=row.since if goes_on else turn.at, next=str(turn.next),
        next_reason=turn.next_reason, until=turn.until, calls=_calls(row.calls, turn),
        reserved_by=row.reserved_by if kept else None, reserved_until=row.reserved_until if kept else None,
    )  # fmt: skip
    for spent in turn.spent:
        row = _spent(row, turn.before, spent)
    return row


def _spent(row: OperatorRow, before: OperatorStatus, spent: Spent) -> OperatorRow:
    if spent.day > row.day:
        row = replace(row, day=spent.day, ready=0, talk=0, wrap_up=0, pause=0)
    column = COUNTED.get(before)
    if column is None or spent.day != row.day:
        return row
    return replace(row, **{column: getattr(row, column) + spent.ms})


def _calls(calls: str, turn: Turn) -> str:
    if not isinstance(turn, OperatorConnected | OperatorFreed):
        return calls
    known = CALLS.decode(calls)
    left = [call for call in known if call.call_id != turn.call_id]
    if isinstance(turn, OperatorConnected):
        at = next((call.at for call in known if call.call_id == turn.call_id), turn.at)
        left.append(OperatorCall(call_id=turn.call_id, at=at, campaign_id=turn.campaign_id, lead=turn.lead))
    return msgspec.json.encode(left).decode()


class Share(Struct, frozen=True, gc=False):
    """What an event says of one day."""

    key: str
    user: str
    day: str
    column: str
    more: int


def of_days(event: OperatorEvent) -> Iterable[Share]:
    """The days that an event is about."""

    def share(day: str, column: str, more: int) -> Share:
        return Share(f"{event.user}/{day}", event.user, day, column, more)

    if isinstance(event, Turn) and (column := COUNTED.get(event.before)) is not None:
        yield from (share(spent.day, column, spent.ms) for spent in event.spent)
    if isinstance(event, OperatorFreed) and event.spent:
        yield share(event.spent[-1].day, "calls", 1)
    if isinstance(event, OperatorDisposed) and not event.corrects and event.day:
        yield share(event.day, "dispositions", 1)


def fold_day(row: DayRow | None, share: Share, seq: int) -> DayRow:
    """The day after a share of an event."""
    row = row or DayRow(share.key, seq, share.user, share.day)
    return replace(row, **{share.column: getattr(row, share.column) + share.more})


PROJECTIONS: tuple[Projection[Any], ...] = (
    Projection(
        table=OPERATORS, row=OperatorRow, key="user", events=get_args(OperatorEvent), fold=fold,
        once=frozenset({"user", "seq"}),
    ),
    Projection(
        table=DAYS, row=DayRow, key="key", events=get_args(OperatorEvent), parts=of_days, fold=fold_day,
        once=frozenset({"key", "seq", "user", "day"}),
    ),
)  # fmt: skip


# --- queries ------------------------------------------------------------------------------------------------------


def one(user: str) -> Query[OperatorView]:
    return Query(sa.select(OPERATORS).where(C.user == user), made_of(OperatorRow, _view))


def operators(request: ListOperators, *, after: int | None, user: str | None) -> Query[tuple[int, OperatorView]]:
    """Those that `request` asks for, in the order in which they came and one more than the page has, each with its
    key."""
    conditions = given(
        (C.seq, gt, after), (C.user, eq, user), (C.status, eq, request.status), (C.works_for, _has, request.campaign_id)
    )
    found = sa.select(OPERATORS).where(*conditions).order_by(C.seq).limit(request.limit + 1)
    return Query(found, made_of(OperatorRow, lambda row: (row.seq, _view(row))))


def days(request: ReportOperators, *, skip: int, user: str | None) -> Query[tuple[int, OperatorDay]]:
    """Days that `request` asks for, by day and user and one more than the page has, each with how many come before."""
    conditions = given(
        (D.user, eq, user), (D.user, eq, request.user), (D.day, ge, request.since), (D.day, le, request.until)
    )
    place = sa.func.row_number().over(order_by=(D.day, D.key)).label("place")
    found = sa.select(DAYS, place).where(*conditions).order_by(D.day, D.key).offset(skip).limit(request.limit + 1)
    return Query(found, _day)


def _has(works_for: sa.Column[Any], campaign: str) -> sa.ColumnElement[bool]:
    return works_for.is_(None) | works_for.contains(f" {campaign} ", autoescape=True)


def _view(row: OperatorRow) -> OperatorView:
    planned = row.status in (S.ON_CALL, S.WRAP_UP) or row.reserved_by is not None
    return OperatorView(
        user=row.user, status=OperatorStatus(row.status), since=row.since, reason=row.reason,
        next=OperatorStatus(row.next) if planned else None, next_reason=row.next_reason if planned else "",
        until=row.until, calls=CALLS.decode(row.calls),
        campaigns=CAMPAIGNS.decode(row.campaigns) if row.campaigns is not None else None,
        reserved_by=row.reserved_by, reserved_until=row.reserved_until, day=row.day,
        ready_seconds=_seconds(row.ready), talk_seconds=_seconds(row.talk), wrap_up_seconds=_seconds(row.wrap_up),
        break_seconds=_seconds(row.pause),
    )  # fmt: skip


def _seconds(ms: int) -> int:
    return round(ms / 1000)


def _day(found: sa.Row[Any]) -> tuple[int, OperatorDay]:
    row = found._mapping
    return row["place"], OperatorDay(
        user=row["user"], day=row["day"], ready_seconds=_seconds(row["ready"]), talk_seconds=_seconds(row["talk"]),
        wrap_up_seconds=_seconds(row["wrap_up"]), break_seconds=_seconds(row["pause"]), calls=row["calls"],
        dispositions=row["dispositions"],
    )  # fmt: skip


# --- answers ------------------------------------------------------------------------------------------------------


class OperatorAnswers(Answers):
    """What is asked of all operators, and of those whom nobody owns now."""

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(PAST_OPERATOR, self.past_operator),
            serve(ABSENT_OPERATOR, self.absent_operator),
            serve(LIST_OPERATORS, self.list_operators),
            serve(REPORT_OPERATORS, self.report_operators),
        )

    async def past_operator(self, request: GetOperator, context: Context) -> OperatorView:
        found = await self.one(context, one(request.user))
        if found is None or not sees(context, OPERATOR, found.user):
            raise NO_OPERATOR()
        return found

    async def absent_operator(self, request: AbsentOperator, context: Context) -> OperatorView:
        if await self.one(context, one(request.user)) is None:
            raise NO_OPERATOR()
        raise OWNER_AWAY()

    async def list_operators(self, request: ListOperators, context: Context) -> Page:
        query = operators(request, after=from_cursor(request.cursor), user=_whose(context))
        placed = await self.read_placed(context, query)
        return page(placed.found, limit=request.limit, seq=placed.seq)

    async def report_operators(self, request: ReportOperators, context: Context) -> Page:
        for field in ("since", "until"):
            must_be_a_day(getattr(request, field), field)
        query = days(request, skip=from_cursor(request.cursor) or 0, user=_whose(context))
        return page(await self.read(context, query), limit=request.limit)


def _whose(context: Context) -> str | None:
    """Whom the asker sees. None: everybody."""
    return None if OPERATOR.view_any in context.actions else context.user


READ_MODEL = ReadModel(topics=topics_of("operator"), projections=PROJECTIONS, answers=OperatorAnswers)
