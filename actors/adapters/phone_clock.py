"""How long ago something was, by a phone's own clock, which may be set forward or back at any moment. Pure.

A phone tells the times of its calls as times of day, without a date. What it cannot have meant is not believed: ages
run backwards along a call's events, none is longer than the phone is up, and nothing comes from the future. What one
look has seen keeps its place on the phone's uptime, which nobody sets and which counts sleep; what is new in the next
look has happened in between.
"""

import calendar
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

DAY, HALF_A_DAY = 86400.0, 43200.0
READING = 10.0  # seconds; no look takes as long
JITTER = 1.0  # seconds by which two clocks may differ, read one after the other
SET_BY = 2.0  # seconds; what the network corrects in smaller pieces is no step
LONGEST_WAIT = 600.0  # seconds between two events of a call that is not answered; networks give up long before

_TIMES = re.compile(
    r"\s*([0-9]{2}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,6})?)\S*"  # an old `date` prints `%N` as it stands
    r"(?: ([0-9]{2}) ([0-9]{6,10}))?(?:[^\S\n]*\n\s*([0-9]{1,9}\.[0-9]{1,12}) )?"  # times that can be reckoned with
)
_NUMBER = re.compile(r"[0-9:]+")


class Clock(Struct, frozen=True, kw_only=True):
    """A phone's clocks at one moment: its time of day, its day of the month, seconds since 1970 by its date, and
    seconds since it started. None: not told."""

    time_of_day: float
    day: int | None = None
    epoch: float | None = None
    uptime: float | None = None


class Memory(Struct, frozen=True, kw_only=True):
    """What a look has left for the next one of the same boot: the clocks at it, and of each call the moments of its
    events, in seconds of uptime. `doubtful`: calls of which a moment is not certain."""

    clock: Clock
    moments: Mapping[str, tuple[float, ...]]
    doubtful: frozenset[str] = frozenset()


class Aged(Struct, frozen=True, kw_only=True):
    """How many seconds ago each of a call's events was, in their order, and whether that is in doubt."""

    ages: tuple[float, ...]
    suspect: bool


def clock_of(text: str) -> Clock | None:
    """From what `date '+%H:%M:%S.%N %d %s'; cat /proc/uptime` prints. None: no time."""
    match = _TIMES.match(text)
    if match is None:
        return None
    second = float(match[3])
    return Clock(
        time_of_day=int(match[1]) * 3600 + int(match[2]) * 60 + second,
        day=int(match[4]) if match[4] else None,
        epoch=int(match[5]) + second % 1 if match[5] else None,
        uptime=float(match[6]) if match[6] else None,
    )


def set_by(before: Clock, now: Clock) -> float:
    """By how many seconds the clock was set between two looks of one boot; 0: not, or nobody can tell."""
    if before.epoch is None or before.uptime is None or now.epoch is None or now.uptime is None:
        return 0.0
    by = (now.epoch - now.uptime) - (before.epoch - before.uptime)
    return by if abs(by) > SET_BY else 0.0


def ages_of(call: str, events: Sequence[tuple[str, float]], date: str, clock: Clock, memory: Memory | None) -> Aged:
    """The ages of a call's events, given in their order with the time of day of each.

    `date`: the phone's words for when the call began; where nothing can be read from them, it is less than half a day
    old. `memory`: of the look before, if there was one.
    """
    days = _days_since(date, events[0][1], clock) if events else None
    answered = next((number for number, (name, _) in enumerate(events) if name == "SET_ACTIVE"), len(events))
    known = memory.moments.get(call, ()) if memory is not None and memory.clock.uptime is not None else ()
    suspect = memory is not None and call in memory.doubtful
    ages: list[float] = []
    for number in reversed(range(len(events))):
        later = ages[-1] if ages else 0.0
        if number < len(known) and clock.uptime is not None:
            age, doubt = max(clock.uptime - known[number], 0.0), False
        else:
            age, doubt = _age(events[number][1], days, clock, memory)
        if age < later:
            doubt, age = doubt or age < later - JITTER, later
        elif number < answered and ages and age - later > LONGEST_WAIT:
            doubt, age = True, later
        suspect = suspect or doubt
        ages.append(age)
    return Aged(ages=tuple(reversed(ages)), suspect=suspect or not events)


def _age(time_of_day: float, days: int | None, clock: Clock, memory: Memory | None) -> tuple[float, bool]:
    """Seconds since a time of day, and whether that is in doubt. The dump is made after the clock was read: what seems
    to come is just now."""
    age = (clock.time_of_day - time_of_day) % DAY
    if age > DAY - READING:
        return 0.0, False
    if memory is not None and memory.clock.uptime is not None and clock.uptime is not None:
        return _age_of_news(age, set_by(memory.clock, clock), clock.uptime - memory.clock.uptime + READING)
    if days is not None and days > 0:
        age += DAY * days
    from_the_future = age > HALF_A_DAY and (days is None or days < 0)
    if from_the_future or (clock.uptime is not None and age > clock.uptime + READING):
        return 0.0, True
    return age, False


def _age_of_news(age: float, by: float, at_most: float) -> tuple[float, bool]:
    """The age of what the look before did not show yet. `by`: the clock was set since; what cannot have been before
    that is certain."""
    before_it_was_set = (age - by) % DAY
    if age <= at_most:
        return age, abs(before_it_was_set - age) > JITTER and before_it_was_set <= at_most
    return (before_it_was_set, True) if by and before_it_was_set <= at_most else (0.0, True)


def _days_since(date: str, time_of_day: float, clock: Clock) -> int | None:
    """How many whole days ago a call began; -1: on a day, or at a time of this one, that is still to come. Of a date in
    the phone's own language only the day of the month can be read, and that not always (None)."""
    numbers = [word for word in _NUMBER.findall(date) if ":" not in word and len(word) <= 2]
    candidates = {int(word) for word in numbers if 1 <= int(word) <= 31}
    if clock.day is None or clock.epoch is None or not candidates:
        return None
    if clock.day in candidates:
        days = 0
    elif len(candidates) == 1:
        days = clock.day - candidates.pop()
        if days < -1:
            days += _length_of_the_month_before(clock.epoch)
    else:
        return None
    return days - (time_of_day > clock.time_of_day + READING)


def _length_of_the_month_before(epoch: float) -> int:
    last = datetime.fromtimestamp(epoch, UTC).replace(day=1) - timedelta(days=1)
    return calendar.monthrange(last.year, last.month)[1]
