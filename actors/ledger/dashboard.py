"""What calls came to, in the ledger: counts for each quarter of an hour in which calls began, each hour and, of what
is compared with others of its kind, each day of UTC, so that an answer costs the same however many calls there were.

Counted is a call that is over, once: its end is on record once. It counts for all calls, for whoever sees it as theirs,
and for its operator, campaign, trunk and slot. Zones differ from UTC by whole quarters of an hour, so a day of any
clock is made of them, and of hours where those are its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import ReadModel, sees
from actors.ledger.call import is_of, whose
from actors.ledger.call_rows import CALLS, IS_LIVE
from actors.ledger.model import METADATA, Projection, Query, columns
from actors.ledger.slot import HearsSlots, RecordedSlot, all_slots
from actors.runtime.clock import parse_utc, utc
from actors.runtime.context import Context
from actors.runtime.moments import midnight, moment
from actors.runtime.service import Served, serve
from bus_schemas.call import CallEnded, EndReason, owners_of
from bus_schemas.campaign import CampaignId
from bus_schemas.dashboard import (
    ANSWERED,
    DAYS,
    FAILURES,
    GET_BREAKDOWN,
    GET_DASHBOARD,
    GET_SERIES,
    Bucket,
    By,
    Dashboard,
    GetBreakdown,
    GetDashboard,
    GetSeries,
    Series,
    Share,
    Step,
)
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from bus_schemas.fields import SlotId, TrunkName, Username
from bus_schemas.slot import SLOT, SlotStatus

QUARTER = 900  # seconds
HOUR, DAY = 4, 96  # quarters
BREAKDOWN_DAYS = 31
ALL, WHOSE = "all", "whose"  # calls; other words for what a row counts the calls of are those of `By`
NAMES: Mapping[By, Any] = {"operator": Username, "campaign": CampaignId, "trunk": TrunkName, "slot": SlotId}
NOT_ANYBODYS = RefusalTemplate(
    ErrorCode.PERMISSION_DENIED, "Who has no `call.view_any` gets one sum of their own calls."
)


class CountRow(Struct, frozen=True, gc=False):
    """Calls that began in `long` quarters (1, HOUR or DAY) from `quarter` on, counted since 1970, and are over. `of`
    and `value`: whose. The fields after `ring_seconds` are the reasons for which calls ended that nobody answered."""

    key: str
    of: str
    value: str
    long: int
    quarter: int
    calls: int = 0
    answered: int = 0
    failed: int = 0
    talk_seconds: int = 0
    ring_seconds: int = 0
    hangup_local: int = 0
    hangup_remote: int = 0
    busy: int = 0
    no_answer: int = 0
    rejected: int = 0
    invalid_number: int = 0
    unreachable: int = 0
    network: int = 0
    phone_lost: int = 0
    phone_asks_for_sim: int = 0
    trunk_lost: int = 0
    trunk_refused: int = 0
    extension_failed: int = 0
    not_dialed: int = 0
    unknown: int = 0


COUNTS = CountRow.__struct_fields__[5:]
REASONS = CountRow.__struct_fields__[10:]
assert tuple(map(str, EndReason)) == REASONS

CALL_COUNTS = sa.Table(
    "call_counts", METADATA, *columns(CountRow, primary="key"), sa.Index("call_counts_of", "of", "long", "quarter")
)
C = CALL_COUNTS.c


class Part(Struct, frozen=True, gc=False):
    """One of the rows in which ends count, and what they add to it, by the names of COUNTS."""

    key: str
    of: str
    value: str
    long: int
    quarter: int
    counts: Mapping[str, int]


def quarter_of(at: str) -> int:
    """The quarter of an hour, since 1970, of a moment on record."""
    return int(parse_utc(at).timestamp()) // QUARTER


def key_of(of: str, value: str, long: int, quarter: int) -> str:
    """Of a row; they sort by whose and how long, then by time."""
    return f"{of}\t{value}\t{long}\t{quarter:010}"


def of_counts(ends: Iterable[CallEnded]) -> Iterator[Part]:
    """Each row in which one of the ends counts."""
    found: dict[tuple[str, str, int, int], dict[str, int]] = {}
    for end in ends:
        quarter, counted = quarter_of(end.start_time), _counts_of(end)
        for of, value, lengths in _of_whom(end):
            for long in lengths:
                counts = found.setdefault((of, value, long, quarter - quarter % long), {})
                for name, more in counted:
                    counts[name] = counts.get(name, 0) + more
    for row, counts in found.items():
        yield Part(key_of(*row), *row, counts)


def _counts_of(end: CallEnded) -> list[tuple[str, int]]:
    counts = [("calls", 1), ("talk_seconds", end.duration), ("ring_seconds", end.ring_seconds)]
    counts.append((ANSWERED if end.answer_time is not None else str(end.reason), 1))
    if end.reason in FAILURES:
        counts.append(("failed", 1))
    return counts


def _of_whom(end: CallEnded) -> list[tuple[str, str, tuple[int, ...]]]:
    whose = [(ALL, "", (1, HOUR)), *((WHOSE, user, (1, HOUR)) for user in owners_of(end.user, end.operator))]
    by = ("operator", end.operator), ("campaign", end.campaign), ("trunk", end.trunk), ("slot", end.slot)
    return [*whose, *((of, str(value), (1, HOUR, DAY)) for of, value in by if value is not None)]


def fold(row: CountRow | None, part: Part, seq: int) -> CountRow:
    """The counts with more ends."""
    row = row or CountRow(part.key, part.of, part.value, part.long, part.quarter)
    return replace(row, **{name: getattr(row, name) + more for name, more in part.counts.items()})


PROJECTION = Projection(
    table=CALL_COUNTS, row=CountRow, key="key", events=(CallEnded,), summed=of_counts, fold=fold,
    once=frozenset({"key", "of", "value", "long", "quarter"}),
)  # fmt: skip


# --- time ---------------------------------------------------------------------------------------------------------


class Span(NamedTuple):
    """Quarters from `since` until before `until`."""

    since: int
    until: int


def day_of(now: datetime, zone: tzinfo) -> datetime:
    """The moment at which a day began there."""
    return midnight(now.astimezone(zone).date(), zone)


def edges(span: Span, step: Step, zone: tzinfo) -> list[int]:
    """Where the steps of a clock there begin in a span; then its end."""
    found, at = list[int](), span.since
    while at < span.until:
        found.append(at)
        at = _next(at, step, zone)
    return [*found, span.until]


def _next(quarter: int, step: Step, zone: tzinfo) -> int:
    if step == "quarter":
        return quarter + 1
    there = _moment(quarter).astimezone(zone)
    if step == "hour":
        return quarter + HOUR - there.minute * 60 // QUARTER
    tomorrow = midnight(there.date() + timedelta(days=1), zone)
    return int(tomorrow.timestamp()) // QUARTER


def _moment(quarter: int) -> datetime:
    return datetime.fromtimestamp(quarter * QUARTER, UTC)


def pieces_of(span: Span, lengths: Sequence[int] = (DAY, HOUR, 1)) -> Iterator[tuple[int, Span]]:
    """The longest rows that a span is made of: how long they are, and from when until when."""
    long, *shorter = lengths
    first, last = -(-span.since // long) * long, span.until // long * long
    if first < last:
        yield long, Span(first, last)
    for rest in (Span(span.since, min(first, span.until)), Span(max(last, first), span.until)):
        if rest.since < rest.until and shorter:
            yield from pieces_of(rest, shorter)


# --- queries ------------------------------------------------------------------------------------------------------

SUMS = [sa.func.sum(C[name]).label(name) for name in COUNTS]


class Counts(NamedTuple):
    """Of a bucket, or of a value. `counts`: by the names of COUNTS."""

    of: int | str
    counts: Mapping[str, int]


def _counted(row: sa.Row[Any]) -> Counts:
    of, *counts = tuple[Any, ...](row)
    return Counts(of, dict(zip(COUNTS, map(int, counts), strict=True)))


def series(of: str, value: str, starts: Sequence[int]) -> Query[Counts]:
    """The counts of each bucket between two of `starts`, by its place; of none where nothing was."""
    runs, place = list[sa.Select[Any]](), 0
    for length, run in groupby(pairwise(starts), key=lambda pair: pair[1] - pair[0]):
        pairs = [*run]
        first, last = pairs[0][0], pairs[-1][1]
        long = 1 if first % HOUR or length % HOUR else HOUR
        bucket = (place + (C.quarter - first) // length).label("bucket")
        within = sa.and_(C.key >= key_of(of, value, long, first), C.key < key_of(of, value, long, last))
        if long == length:  # each row is a bucket
            runs.append(sa.select(bucket, *(C[name] for name in COUNTS)).where(within))
        else:
            runs.append(sa.select(bucket, *SUMS).where(within).group_by(sa.text("bucket")))
        place += len(pairs)
    return Query(sa.select(sa.union_all(*runs).subquery()), _counted)


def breakdown(of: str, span: Span, limit: int) -> Query[Counts]:
    """The counts by value, of those with most calls."""
    pieces = [
        sa.select(C.value, *SUMS)
        .where(C.of == of, C.long == long, C.quarter >= piece.since, C.quarter < piece.until)
        .group_by(C.value)
        for long, piece in pieces_of(span)
    ]
    p = sa.union_all(*pieces).subquery().c
    found = sa.select(p.value, *(sa.func.sum(p[name]) for name in COUNTS)).group_by(p.value)
    return Query(found.order_by(sa.func.sum(p.calls).desc(), p.value).limit(limit), _counted)


class Today(NamedTuple):
    """How many calls are not over (`live`); of them, how many began since a moment; and those that are over of the
    quarters since."""

    live: int
    began: int
    over: int
    failed: int


def today(of: str, value: str, span: Span, user: str | None) -> Query[Today]:
    """All at one moment, so that no call is counted as both or neither. `user`: whose live calls; None: anybody's."""
    call = CALLS.c
    whose = sa.true() if user is None else is_of(call.user, user)
    began = sa.func.sum(sa.case((call.start_time >= utc(_moment(span.since)), 1), else_=0))
    within = sa.and_(C.key >= key_of(of, value, 1, span.since), C.key < key_of(of, value, 1, span.until))
    live = sa.select(sa.func.count().label("live"), began.label("began")).where(IS_LIVE, whose).subquery()
    over = sa.select(sa.func.sum(C.calls).label("over"), sa.func.sum(C.failed).label("failed")).where(within).subquery()
    found = sa.select(live, over).select_from(live.join(over, sa.true()))
    return Query(found, lambda row: Today(*(int(count or 0) for count in row)))


# --- answers ------------------------------------------------------------------------------------------------------


def said(counts: Mapping[str, int]) -> dict[str, Any]:
    """The fields of CallCounts."""
    calls, answered = counts["calls"], counts["answered"]
    outcomes = {ANSWERED: answered, **{reason: counts[reason] for reason in REASONS}}
    dialed = calls - counts[EndReason.NOT_DIALED]
    return {
        **{name: counts[name] for name in COUNTS if name not in REASONS},
        "outcomes": {name: count for name, count in outcomes.items() if count},
        "answer_rate": round(answered / dialed, 4) if dialed else None,
        "mean_talk": round(counts["talk_seconds"] / answered, 1) if answered else None,
    }


NOTHING = dict.fromkeys(COUNTS, 0)


def total(all_counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Their sum."""
    return {name: sum(counts[name] for counts in all_counts) for name in COUNTS}


class DashboardAnswers(HearsSlots):
    """What is asked of the dashboard."""

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(GET_DASHBOARD, self.dashboard),
            serve(GET_SERIES, self.series),
            serve(GET_BREAKDOWN, self.breakdown),
        )

    async def dashboard(self, request: GetDashboard, context: Context) -> Dashboard:
        now = self.wall()
        day = day_of(now, self.zone)
        user = whose(context)
        of, value = _scope(user)
        [found] = await self.read(context, today(of, value, _span(day, now), user), short=True)
        slots = await self.read(context, all_slots(), short=True)
        return Dashboard(
            active_calls=found.live,
            active_slots=sum(self._is_active(row) for row in slots if sees(context, SLOT, row.config.user)),
            today_calls=found.over + found.began,
            failed_calls=found.failed,
            timestamp=utc(now),
        )

    def _is_active(self, row: RecordedSlot) -> bool:
        """Whether a slot is in a call, or could take one."""
        told = self._telemetry.get(row.config.id)
        able = told is None or (not told.external_call and told.network.in_service is not False)
        return row.call_id is not None or (row.status is SlotStatus.ONLINE and able)

    async def series(self, request: GetSeries, context: Context) -> Series:
        span = self._asked(request.since, request.until, DAYS[request.step])
        starts = edges(span, request.step, self.zone)
        if (request.by is None) is not (request.value is None):
            raise misfit("value", "of one thing: `by` says what it is, `value` which one.")
        of, value = request.by or ALL, _value(request)
        if (user := whose(context)) is not None:
            if request.by is not None:
                raise NOT_ANYBODYS()
            of, value = _scope(user)
        found = {at.of: at.counts for at in await self.read(context, series(of, value, starts))}
        buckets = [
            Bucket(at=utc(_moment(start)), **said(found.get(place, NOTHING))) for place, start in enumerate(starts[:-1])
        ]
        most = max(buckets, key=lambda bucket: bucket.calls)
        return Series(
            since=utc(_moment(span.since)), until=utc(_moment(span.until)), timezone=str(self.zone), step=request.step,
            busiest=most.at if most.calls else None, buckets=buckets, **said(total([*found.values()])),
        )  # fmt: skip

    async def breakdown(self, request: GetBreakdown, context: Context) -> list[Share]:
        if whose(context) is not None:
            raise NOT_ANYBODYS()
        span = self._asked(request.since, request.until, BREAKDOWN_DAYS)
        found = await self.read(context, breakdown(request.by, span, request.limit))
        return [Share(value=str(one.of), **said(one.counts)) for one in found]

    def _asked(self, since: str | None, until: str | None, days: int) -> Span:
        """The span of a request; today where it says none. Raises Refusal(INVALID_PARAMS)."""
        now = self.wall()
        first, last = moment(since, "since"), moment(until, "until")
        end = parse_utc(last) if last is not None else now
        begin = parse_utc(first) if first is not None else day_of(min(end, now), self.zone)
        if begin >= end:
            raise misfit("until", "not after `since`." if since is not None else "before today: say `since`, too.")
        if end - begin > timedelta(days=days):
            raise misfit("since", f"more than {days} days before `until`.")
        return _span(begin, end)


def _span(begin: datetime, end: datetime) -> Span:
    """Wider by what is missing of a quarter of an hour."""
    first = int(begin.timestamp()) // QUARTER
    return Span(first, max(-int(-end.timestamp() // QUARTER), first + 1))


def _value(request: GetSeries) -> str:
    """Whose a series is, by name. Raises Refusal(INVALID_PARAMS) where nothing of its sort has a name like it."""
    if request.by is None:
        return ""
    try:
        return str(msgspec.convert(request.value, NAMES[request.by], strict=False))
    except msgspec.ValidationError:
        raise misfit("value", f"no {request.by} has a name like this.") from None


def _scope(user: str | None) -> tuple[str, str]:
    return (ALL, "") if user is None else (WHOSE, user)


READ_MODEL = ReadModel(topics=(), projections=(PROJECTION,), answers=DashboardAnswers)
