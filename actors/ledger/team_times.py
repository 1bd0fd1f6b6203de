"""What the times of operators were for a campaign, in the ledger: stretches of time, which a report lays over each
other.

Talk: calls of the campaign. Wrap-up: after one of them. Idle: ready, and working for the campaign, while it runs with a
team; where its calls wait for an operator, also reached by the PBX. Times are in milliseconds since 1970, so that a
database can reckon with them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.model import INTEGER, METADATA, Projection, Query, columns
from actors.runtime.clock import parse_utc
from bus_schemas.campaign import (
    OVERDIALING,
    CampaignConfigured,
    CampaignCreated,
    CampaignDraining,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    CampaignStopped,
    Operators,
)
from bus_schemas.operator import (
    OperatorActivated,
    OperatorAssigned,
    OperatorChanged,
    OperatorConnected,
    OperatorFreed,
    OperatorStatus,
    Turn,
)
from bus_schemas.user import UserChanged, UserCreated, UserDeleted, UserStatus

S = OperatorStatus
HOUR = 3_600_000
FAR = 2**60  # what still goes on ends there
Said = TypeVar("Said", bound=Struct)
RUNS, TEAM, WAITS = "runs", "team", "waits"  # what a period of a campaign says


def ms_of(at: str) -> int:
    """A moment on record, in milliseconds since 1970."""
    return round(parse_utc(at).timestamp() * 1000)


def as_said(row: Struct | None, part: Said, seq: int) -> Said:
    """The row of what is said once, or anew as a whole."""
    return part


# --- calls of operators


class CallRow(Struct, frozen=True, gc=False):
    """A call that an operator was on. `key`: user and call. `over` 0: it is up. `wraps`: wrap-up came after it."""

    key: str
    user: str
    begun: int
    campaign: str | None
    over: int = 0
    wraps: bool = False


class CallPart(Struct, frozen=True, gc=False):
    key: str
    said: OperatorConnected | OperatorFreed


def of_calls(event: OperatorConnected | OperatorFreed) -> Iterator[CallPart]:
    yield CallPart(f"{event.user}/{event.call_id}", event)


def fold_call(row: CallRow | None, part: CallPart, seq: int) -> CallRow | None:
    """The call after an event. It may be said later for which campaign it is."""
    match part.said:
        case OperatorConnected() as up if row is None:
            return CallRow(part.key, up.user, ms_of(up.at), up.campaign_id)
        case OperatorConnected() as up if row is not None:
            return replace(row, campaign=up.campaign_id)
        case OperatorFreed() as freed if row is not None:
            return replace(row, over=ms_of(freed.at), wraps=freed.status is S.WRAP_UP)
    return row


# --- ready, and wrap-up


class StretchRow(Struct, frozen=True, gc=False):
    """A piece of the time of an operator in a status, within an hour: `begun` to `over`. `key`: user and `begun`.
    `since`: from when the status was on."""

    key: str
    user: str
    status: str
    since: int
    begun: int
    over: int


def of_stretches(event: Turn) -> Iterator[StretchRow]:
    """The time before an event, by the hours into which it falls, without that in which the site was down."""
    if event.before not in (S.READY, S.WRAP_UP):
        return
    over, down = ms_of(event.at), [(ms_of(one.begun), ms_of(one.over)) for one in event.down]
    begun = since = over - sum(one.ms for one in event.spent) - sum(up - last for last, up in down)
    for last, up in (*down, (over, over)):
        while begun < last:
            stop = min(last, (begun // HOUR + 1) * HOUR)
            yield StretchRow(f"{event.user}/{begun}", event.user, str(event.before), since, begun, stop)
            begun = stop
        begun = up


# --- for whom operators work


class WorkRow(Struct, frozen=True, gc=False):
    """From `begun` on an operator works for these campaigns (between blanks; null: all), until the next such row."""

    key: str
    user: str
    begun: int
    works_for: str | None


def of_works(event: OperatorActivated | OperatorAssigned) -> Iterator[WorkRow]:
    """Who begins works for all."""
    if isinstance(event, OperatorActivated):
        yield WorkRow(f"{event.user}/0", event.user, 0, None)
        return
    begun = ms_of(event.at)
    works_for = f" {' '.join(event.campaigns)} " if event.campaigns is not None else None
    yield WorkRow(f"{event.user}/{begun}", event.user, begun, works_for)


# --- whom the PBX reaches


class DeskRow(Struct, frozen=True, gc=False):
    """From `begun` on a user has an extension, or none (`holds`), until the next such row."""

    key: str
    user: str
    begun: int
    holds: bool


def of_desks(event: UserCreated | UserChanged | UserDeleted) -> Iterator[DeskRow]:
    """What an event says of a user's extension."""
    begun = ms_of(event.at)
    there = not isinstance(event, UserChanged) or event.status is UserStatus.ACTIVE
    holds = there and not isinstance(event, UserDeleted) and event.extension is not None
    yield DeskRow(f"{event.user}/{begun}", event.user, begun, holds)


# --- when a campaign runs, and with whom


class PeriodRow(Struct, frozen=True, gc=False):
    """From `begun` on a campaign runs, or has a team, or one for which calls wait (`what`), or no longer (`holds`),
    until the next such row."""

    key: str
    campaign: str
    what: str
    begun: int
    holds: bool


_RUNS: Mapping[type, bool] = {
    CampaignStarted: True, CampaignResumed: True, CampaignPaused: False, CampaignDraining: False,
    CampaignStopped: False, CampaignFinished: False,
}  # fmt: skip


def of_periods(event: Any) -> Iterator[PeriodRow]:
    """What an event says of a campaign's periods."""
    begun = ms_of(event.at)

    def row(what: str, holds: bool) -> PeriodRow:
        return PeriodRow(f"{event.campaign}/{what}/{begun}", event.campaign, what, begun, holds)

    if isinstance(event, CampaignCreated | CampaignConfigured):
        settings, team = event.settings, event.settings.operators is Operators.TEAM
        yield row(TEAM, team)
        wait = settings.mode in OVERDIALING and settings.carriers.trunks is not None
        yield row(WAITS, team and wait)
    else:
        yield row(RUNS, _RUNS[type(event)])


CALLS = sa.Table(
    "operator_calls", METADATA, *columns(CallRow, primary="key"),
    sa.Index("operator_calls_over", "campaign", "over", "user"),
)  # fmt: skip
STRETCHES = sa.Table(
    "operator_stretches", METADATA, *columns(StretchRow, primary="key"), sa.Index("operator_stretches_begun", "begun")
)
WORKS = sa.Table(
    "operator_works", METADATA, *columns(WorkRow, primary="key"), sa.Index("operator_works_begun", "user", "begun")
)
DESKS = sa.Table(
    "operator_desks", METADATA, *columns(DeskRow, primary="key"), sa.Index("operator_desks_begun", "user", "begun")
)
PERIODS = sa.Table(
    "campaign_periods", METADATA, *columns(PeriodRow, primary="key"),
    sa.Index("campaign_periods_begun", "campaign", "what", "begun"),
)  # fmt: skip

PROJECTIONS: tuple[Projection[Any], ...] = (
    Projection(
        table=CALLS, row=CallRow, key="key", events=(OperatorConnected, OperatorFreed), parts=of_calls, fold=fold_call,
        once=frozenset({"key", "user", "begun"}),
    ),
    Projection(
        table=STRETCHES, row=StretchRow, key="key", events=(OperatorChanged, OperatorConnected, OperatorFreed),
        parts=of_stretches, fold=as_said, once=frozenset({"key", "user", "begun"}),
    ),
    Projection(
        table=WORKS, row=WorkRow, key="key", events=(OperatorActivated, OperatorAssigned), parts=of_works,
        fold=as_said, once=frozenset({"key", "user", "begun"}),
    ),
    Projection(
        table=DESKS, row=DeskRow, key="key", events=(UserCreated, UserChanged, UserDeleted), parts=of_desks,
        fold=as_said, once=frozenset({"key", "user", "begun"}),
    ),
    Projection(
        table=PERIODS, row=PeriodRow, key="key", events=(CampaignCreated, CampaignConfigured, *_RUNS),
        parts=of_periods, fold=as_said, once=frozenset({"key", "campaign", "what", "begun"}), version=2,
    ),
)  # fmt: skip


# --- the report ---------------------------------------------------------------------------------------------------


class TeamHour(NamedTuple):
    """Milliseconds of all operators for one campaign in one hour of a day (0 to 23). `what`: talk, wrap_up, idle."""

    hour: int
    what: str
    ms: int


def times_of(campaign: str, day: str, *, joins: bool = False) -> Query[TeamHour]:
    """The times of operators for a campaign on a day, UTC, by hour. What still goes on is counted when it is over.
    `joins`: calls of this site can wait for operators, who are reached at extensions of their own."""
    first = ms_of(f"{day}T00:00:00.000Z")
    idle = _idle(campaign, first)
    pieces = {"talk": _talk(campaign, first), "wrap_up": _wrap_up(campaign, first)}
    pieces["idle"] = _reached(idle, campaign) if joins else idle
    whole = sa.union_all(*(_by_hour(what, found, first) for what, found in pieces.items())).subquery()
    return Query(sa.select(whole), lambda row: TeamHour(row.hour, row.what, int(row.ms)))


def _by_hour(what: str, pieces: sa.Subquery, first: int) -> sa.Select[Any]:
    """The sums of pieces of time that are each within an hour."""
    hour, ms = ((pieces.c.begun - first) // HOUR).label("hour"), (pieces.c.over - pieces.c.begun).label("ms")
    each = sa.select(hour, ms).subquery().c
    sums = sa.select(each.hour, sa.literal_column(f"'{what}'").label("what"), sa.func.sum(each.ms).label("ms"))
    return sums.group_by(each.hour)


def _talk(campaign: str, first: int) -> sa.Subquery:
    c = CALLS.c
    calls = sa.select(c.user, c.begun, c.over).where(
        c.campaign == campaign, c.over > first, c.begun < first + 24 * HOUR
    )
    each = (sa.literal(first + hour * HOUR, INTEGER).label("begun") for hour in range(24))
    hours = sa.union_all(*(sa.select(begun, (begun + HOUR).label("over")) for begun in each)).subquery()
    call = calls.subquery()
    meets = sa.and_(hours.c.begun < call.c.over, hours.c.over > call.c.begun)
    return _common(call, hours, hours.c.begun, hours.c.over, meets)


def _wrap_up(campaign: str, first: int) -> sa.Subquery:
    t, c = STRETCHES.c, CALLS.c
    after = sa.exists().where(c.campaign == campaign, c.over == t.since, c.user == t.user, c.wraps)
    return _stretches(S.WRAP_UP, first).where(after).subquery()


def _idle(campaign: str, first: int) -> sa.Subquery:
    """Of the time in which operators were ready, what falls into periods in which they worked for the campaign, and it
    ran, and had a team."""
    w = WORKS.c.works_for
    for_it = sa.or_(w.is_(None), w.contains(f" {campaign} ", autoescape=True))
    pieces = _stretches(S.READY, first).subquery()
    pieces = _while(pieces, WORKS, for_it, user=pieces.c.user)
    for what in (RUNS, TEAM):
        pieces = _while(pieces, PERIODS, PERIODS.c.holds, campaign=campaign, what=what)
    return pieces


def _reached(pieces: sa.FromClause, campaign: str) -> sa.Subquery:
    """What of them is no time in which calls waited for operators and somebody had no extension."""
    p, of = PERIODS.c, {"campaign": campaign, "what": WAITS}
    pieces = sa.select(pieces).cte("idle_pieces")  # which are made once, and used more often
    others = _while(pieces, PERIODS, sa.not_(p.holds), **of)
    waited = _while(pieces, PERIODS, p.holds, **of)
    reached = _while(waited, DESKS, DESKS.c.holds, user=waited.c.user)
    return sa.union_all(sa.select(others), sa.select(reached)).subquery()


def _while(pieces: sa.FromClause, periods: sa.Table, holds: sa.ColumnElement[bool], **of: Any) -> sa.Subquery:
    """What of pieces of time is in periods in which something holds. Of each piece the period in which it begins is
    looked up, and those that begin within it: each piece with each period would be millions where somebody has changed
    something often."""

    def begun(found: Any, *when: Callable[[sa.Column[Any]], sa.ColumnElement[bool]]) -> sa.ColumnElement[int]:
        other = periods.alias().c
        same = (other[name] == value for name, value in of.items())
        return sa.select(found(other.begun)).where(*same, *(each(other.begun) for each in when)).scalar_subquery()

    p, piece = periods.c, pieces.c
    first = sa.func.coalesce(begun(sa.func.max, lambda at: at <= piece.begun), 0)
    over = sa.func.coalesce(begun(sa.func.min, lambda at: at > p.begun), FAR)
    meets = sa.and_(*(p[name] == value for name, value in of.items()), p.begun >= first, p.begun < piece.over, holds)
    return _common(pieces, periods, p.begun, over, meets)


def _common(
    pieces: sa.FromClause, times: sa.FromClause, begun: sa.ColumnElement[int], over: sa.ColumnElement[int],
    meets: sa.ColumnElement[bool],
) -> sa.Subquery:  # fmt: skip
    """What pieces of time have in common with the other times that they meet."""
    piece = pieces.c
    later = sa.case((piece.begun > begun, piece.begun), else_=begun).label("begun")
    earlier = sa.case((piece.over < over, piece.over), else_=over).label("over")
    return sa.select(piece.user, later, earlier).select_from(pieces).join(times, meets).subquery()


def _stretches(status: OperatorStatus, first: int) -> sa.Select[Any]:
    t = STRETCHES.c
    return sa.select(t.user, t.begun, t.over).where(
        t.status == str(status), t.begun >= first, t.begun < first + 24 * HOUR
    )
