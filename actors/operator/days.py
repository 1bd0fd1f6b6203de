"""Time spent, by the days of a zone. Pure."""

from collections.abc import Iterable
from datetime import timedelta, tzinfo

from actors.runtime.clock import parse_utc
from actors.runtime.moments import midnight
from bus_schemas.operator import Down, Spent


def day_of(at: str, zone: tzinfo) -> str:
    """The day of a moment on that zone's clock."""
    return parse_utc(at).astimezone(zone).date().isoformat()


def down_within(down: Iterable[Down], since: str, until: str) -> tuple[Down, ...]:
    """What of such times, which are in order, is between two moments."""
    found = (Down(begun=max(one.begun, since), over=min(one.over, until)) for one in down)
    return tuple(one for one in found if one.begun < one.over)


def spent(since: str, until: str, zone: tzinfo, down: Iterable[Down] = ()) -> tuple[Spent, ...]:
    """The time between two moments, by days, without those within it in which there was no site. A day has as many
    hours as its clock has: 23 and 25, twice a year."""
    found: dict[str, int] = {}
    for one in (*down, Down(begun=until, over=until)):
        for day, ms in _by_day(since, one.begun, zone):
            found[day] = found.get(day, 0) + ms
        since = one.over
    return tuple(Spent(day=day, ms=ms) for day, ms in found.items())


def _by_day(since: str, until: str, zone: tzinfo) -> Iterable[tuple[str, int]]:
    begin, end = parse_utc(since), parse_utc(until)
    while begin < end:
        day = begin.astimezone(zone).date()
        stop = min(end, midnight(day + timedelta(days=1), zone))
        yield day.isoformat(), round((stop - begin).total_seconds() * 1000)
        begin = stop
