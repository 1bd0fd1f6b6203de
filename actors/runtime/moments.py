"""Dates and times as people and programs give them. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from actors.runtime.clock import parse_utc, utc
from bus_schemas.errors import Refusal, misfit

FARTHEST = timedelta(days=366)  # of a time at which somebody wants to be called
# An offset whose `+` became a blank, as it does in an address where it is not written `%2B`.
_LOST_PLUS = re.compile(r"(T[0-9:.]+) ([0-9]{2}:?(?:[0-9]{2})?)\Z")


def moment(text: str | None, field: str, zones: Iterable[tzinfo] = (UTC,)) -> str | None:
    """A date or a time as the records write it, so that they compare as text; in `zones` where it has no offset, which
    must agree on it; of one that a clock shows twice the first. `field`: of the request that has it. Raises
    Refusal(INVALID_PARAMS), which names it, also for one that a clock leaves out."""
    if text is None:
        return None
    said = _said(text, field)
    if said.tzinfo is not None:
        return utc(said)
    on_clocks = [said.replace(tzinfo=zone) for zone in zones]
    try:
        found = {utc(local) for local in on_clocks}
    except OverflowError:  # the last hours that a calendar has, on a clock that is behind
        raise _no_moment(text, field) from None
    if len(found) != 1:
        why = "it needs an offset, like +02:00: nobody knows which clock it is meant on."
        raise misfit(field, why, given=text, could_be=sorted(found))
    for local in on_clocks:
        if (gap := _left_out(local)) is not None:
            raise misfit(field, f"the clock of {local.tzinfo} goes from {gap} then: there is no such time.", given=text)
    return found.pop()


def midnight(day: date, zone: tzinfo) -> datetime:
    """The moment at which a day begins on the clock of a zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def must_come(at: str, field: str, now: str) -> None:
    """Raise Refusal(INVALID_PARAMS) for a time, as the records write it, at which nobody will be called: it is over, or
    so far away that it is a slip."""
    if at <= now:
        raise misfit(field, "this time is over.", given=at)
    if parse_utc(at) - parse_utc(now) > FARTHEST:
        raise misfit(field, f"more than {FARTHEST.days} days away.", given=at)


def must_be_a_day(text: str | None, field: str) -> None:
    """Raise Refusal(INVALID_PARAMS) for a day like `2026-02-30`, which never comes. None: no day was given."""
    try:
        date.fromisoformat(text or "2026-01-01")
    except ValueError:
        raise misfit(field, "there is no such day.", given=text) from None


def is_local(text: str, field: str) -> bool:
    """Whether it says no offset. Raises Refusal(INVALID_PARAMS)."""
    return _said(text, field).tzinfo is None


def _left_out(local: datetime) -> str | None:
    """The times around those that its clock leaves out, in words, where this is one of them. None: it is not."""
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    if before is None or after is None or before >= after:
        return None
    early, late = ((local - offset).replace(tzinfo=UTC) for offset in (after, before))
    while late - early > timedelta(seconds=1):  # between them the clock is changed
        middle = early + (late - early) / 2
        early, late = (middle, late) if middle.astimezone(local.tzinfo).utcoffset() == before else (early, middle)
    first, last = (late.replace(microsecond=0) + offset for offset in (before, after))
    return f"{first:%H:%M} to {last:%H:%M}"


def _said(text: str, field: str) -> datetime:
    try:
        said = parse_utc(_LOST_PLUS.sub(r"\1+\2", text.upper()))  # RFC 3339 allows `t` and `z`
        utc(said if said.tzinfo is not None else said.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise _no_moment(text, field) from None
    return said


def _no_moment(text: str, field: str) -> Refusal:
    return misfit(field, "no date or time like 2025-11-15T10:30:00Z or 2025-11-15T12:30:00+02:00.", given=text)
