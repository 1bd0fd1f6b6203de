"""The hours of a week in which calls are allowed, on the clocks of all zones in which a number may ring. Pure.

Right on both days on which clocks change: a local time that is left out never comes, one that comes twice counts twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import groupby
from typing import Any

from actors.dialing.rules import parse_window

DAY = 24 * 60  # minutes
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOSED = "closed"
HORIZON = timedelta(days=15)  # two weeks: one day of a week may lose its hours to a change of clocks
MINUTE = timedelta(minutes=1)

Span = tuple[int, int]  # minutes of a day: from, and until without


class Hours:
    """The spans of each day of a week, Monday first, in their order."""

    __slots__ = ("_hash", "days")

    def __init__(self, days: Iterable[Iterable[Span]]) -> None:
        self.days = tuple(_joined(spans) for spans in days)
        self._hash = hash(self.days)  # for each lead it is looked up by its hours

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hours) and self.days == other.days

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Hours({self})"

    def __str__(self) -> str:
        """For people: `08:00-21:00`, or `mon-fri 08:00-18:00; sat-sun closed`."""
        if len(set(self.days)) == 1:
            return _text(self.days[0])
        alike = (list(days) for _, days in groupby(range(7), key=self.days.__getitem__))
        return "; ".join(f"{_range(days)} {_text(self.days[days[0]])}" for days in alike)

    def __and__(self, other: "Hours") -> "Hours":
        """What both allow."""
        return Hours(
            [(max(a[0], b[0]), min(a[1], b[1])) for a in mine for b in others]
            for mine, others in zip(self.days, other.days, strict=True)
        )

    def wait(self, local: datetime) -> int:
        """Minutes that the clock has to go on to a moment that may be allowed. 0: now is."""
        minute = local.hour * 60 + local.minute
        for first, end in self.days[local.weekday()]:
            if minute < end:
                return max(first - minute, 0)
        return DAY - minute


def parse_hours(given: str | Mapping[str, str]) -> Hours:
    """Of every day (`08:00-21:00`, or `09:00-13:00, 14:00-18:00`; empty: all day), or of days and ranges of them
    (`{"mon-fri": "09:00-18:00", "sat": "10:00-14:00"}`; days that are not named are `closed`). Raises ValueError."""
    if isinstance(given, str):
        given = {"mon-sun": given}
    days: list[list[Span]] = [[] for _ in DAYS]
    for names, text in given.items():
        windows = _windows(text)
        for day in _days(names):
            for first, last in windows:
                if first < last:
                    days[day].append((first, last))
                else:  # over midnight
                    days[day].append((first, DAY))
                    days[(day + 1) % 7].append((0, last))
    return Hours(days)


def read_hours(kind: type, value: Any) -> Any:
    """Hours as they stand in a file, a text or texts by day, for msgspec. Raises ValueError."""
    texts = [value, *value.keys(), *value.values()] if isinstance(value, dict) else [value]
    if kind is not Hours or not all(isinstance(text, str | dict) for text in texts):
        raise ValueError("hours are a text like `08:00-21:00`, or such texts by day")
    return parse_hours(value)


def closed_in(hours: Hours, zones: Sequence[tzinfo], moment: datetime) -> list[tzinfo]:
    """The zones in which it is not allowed at this moment."""
    return [zone for zone in zones if hours.wait(moment.astimezone(zone))]


def next_open(hours: Hours, zones: Sequence[tzinfo], now: datetime) -> datetime | None:
    """The first moment from now on that is allowed in all zones, to the minute. None: there is none in two weeks."""
    last = now + HORIZON
    moment: datetime | None = now.astimezone(UTC)
    while moment is not None:
        before = moment
        for zone in zones:
            moment = moment and _next_in(hours, zone, moment, last)
        if moment == before:
            break
    return moment


def _next_in(hours: Hours, zone: tzinfo, moment: datetime, last: datetime) -> datetime | None:
    while moment <= last:
        wait = hours.wait(moment.astimezone(zone))
        if not wait:
            return moment
        moment = _later(moment, wait, zone)
    return None


def _later(moment: datetime, minutes: int, zone: tzinfo) -> datetime:
    """So many minutes later, or when the clock is changed, if that is before."""
    before = moment.replace(second=0, microsecond=0)
    after, offset = before + minutes * MINUTE, before.astimezone(zone).utcoffset()
    if after.astimezone(zone).utcoffset() == offset:
        return after
    while after - before > MINUTE:
        between = before + (after - before) // MINUTE // 2 * MINUTE
        if between.astimezone(zone).utcoffset() == offset:
            before = between
        else:
            after = between
    return after


def _range(days: Sequence[int]) -> str:
    return "-".join(dict.fromkeys((DAYS[days[0]], DAYS[days[-1]])))


def _days(names: str) -> list[int]:
    parts = names.split("-")
    if len(parts) > 2 or not {*parts} <= {*DAYS}:
        raise ValueError(f"`{names}` is no day and no range of days, like `mon` or `mon-fri`")
    begin, end = DAYS.index(parts[0]), DAYS.index(parts[-1])
    return [day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)]


def hours_of(window: tuple[time, time] | None) -> Hours:
    """The same window on each day, which may go over midnight. None: all day."""
    return parse_hours("-".join(f"{moment:%H:%M}" for moment in window) if window is not None else "")


def _windows(text: str) -> list[Span]:
    if text in ("", CLOSED):
        return [] if text else [(0, DAY)]
    found = []
    for part in text.split(","):
        if not part.strip():
            raise ValueError(f"`{text}` has a comma too many")
        window = parse_window(part.strip())
        if window is None:
            found.append((0, DAY))
            continue
        first, last = (moment.hour * 60 + moment.minute for moment in window)
        found.append((first, last or DAY))
    return found


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """In their order, those that touch or overlap as one, empty ones left out."""
    found: list[Span] = []
    for first, end in sorted(span for span in spans if span[0] < span[1]):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((first, end))
    return tuple(found)


def _text(spans: Sequence[Span]) -> str:
    times = (tuple(f"{minute // 60:02}:{minute % 60:02}" for minute in span) for span in spans)
    return ", ".join(f"{first}-{end}" for first, end in times) or CLOSED


ALWAYS = Hours([[(0, DAY)]] * 7)
