"""Which part of the past somebody asks for, and in which steps it is known. Pure."""

from datetime import UTC, datetime, timedelta

from actors.runtime.clock import parse_utc, utc
from actors.runtime.moments import moment
from bus_schemas.errors import misfit
from bus_schemas.monitor import METRICS, MINUTE, MINUTES_KEPT, QUARTER, QUARTERS_KEPT, HistoryOf, names_of

DAY, BY_MINUTES, LONGEST = (timedelta(seconds=span) for span in (24 * 3600, MINUTES_KEPT, QUARTERS_KEPT))
FROM, TO = "from", "to"


def wanted(kind: str, id: str, metric: str, since: str | None, until: str | None, now: datetime) -> HistoryOf:
    """The question to the records. Nothing given: the last day. Raises Refusal(INVALID_PARAMS): no such metric, no
    moment, a span in which nothing is, or one that is longer than anything is kept."""
    if (kind, metric) not in METRICS:
        known = names_of(kind)
        raise misfit("metric", f"a {kind} has no such metric; there are {', '.join(known)}.", known=known)
    end = _moment(until, TO) or now
    begin = _moment(since, FROM) or _day_before(end)
    if begin >= end:
        raise misfit(FROM, f"it is not before `{TO}`: there is nothing in between.")
    if end - begin > LONGEST:
        raise misfit(FROM, f"no more than {LONGEST.days} days at once.")
    step = MINUTE if begin >= now - BY_MINUTES else QUARTER
    first = _start_of_step(begin, step)
    return HistoryOf(kind=kind, id=id, metric=metric, since=utc(first), until=utc(end), step=step)


def _moment(text: str | None, field: str) -> datetime | None:
    read = moment(text, field)
    return None if read is None else parse_utc(read)


def _day_before(end: datetime) -> datetime:
    try:
        return end - DAY
    except OverflowError:
        raise misfit(TO, "there is no day before it.") from None


def _start_of_step(at: datetime, step: int) -> datetime:
    """The beginning of the step that a moment is in."""
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % step, UTC)
