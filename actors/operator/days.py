"""Time spent, by the days of a zone. Pure."""

from datetime import datetime, time, timedelta, tzinfo

from actors.runtime.clock import parse_utc
from bus_schemas.operator import Spent


def day_of(at: str, zone: tzinfo) -> str:
    """The day of a moment on that zone's clock."""
    return parse_utc(at).astimezone(zone).date().isoformat()


def spent(since: str, until: str, zone: tzinfo) -> tuple[Spent, ...]:
    """The time between two moments, by days. A day has as many hours as its clock has: 23 and 25, twice a year."""
    found: list[Spent] = []
    begin, end = parse_utc(since), parse_utc(until)
    while begin < end:
        day = begin.astimezone(zone).date()
        midnight = datetime.combine(day + timedelta(days=1), time(), zone)
        stop = min(end, midnight.astimezone(begin.tzinfo))
        found.append(Spent(day=day.isoformat(), ms=round((stop - begin).total_seconds() * 1000)))
        begin = stop
    return tuple(found)
