"""The rules of calling people: whether a number of a lead may be called now, and if not, why and until when. Pure.

Of the rules of the site, of presets and of a campaign the strictest hold, each for itself (`strictest`). The dial rules
(`actors/dialing/rules.py`) hold besides: they say which numbers may be called at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache, reduce
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from actors.campaign.hours import ALWAYS, Hours, closed_in, next_open
from actors.telephony.zones import NotAZone, zone, zones_of
from bus_schemas.campaign import ABANDONED, OUTCOMES, Count, Minutes

DAY, MONTH = timedelta(hours=24), timedelta(days=30)
KNOWN = 4096  # answers of clocks that are kept: many leads have their zones, their hours and the minute in common

Bound = TypeVar("Bound", int, float)


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds; what is not given allows everything. `hours`: on the lead's own clock. `ring_seconds`: at least.
    `abandoned_share`: of answered calls, at most, over 30 days. Attempts count over all campaigns: of a lead, on any of
    its numbers, ever, in 24 hours and in 30 days, as they roll; and on one number. `pause_minutes`: after any attempt
    on the lead; `retry_minutes`: after one on the number that ended so; `quiet_hours`: after a call that was abandoned.
    `final`: outcomes after which the number is not called again. `consent`: only leads who have given it."""

    hours: Hours = ALWAYS
    ring_seconds: Annotated[float, Meta(ge=0, le=120)] = 0
    abandoned_share: Annotated[float, Meta(ge=0, le=1)] | None = None
    attempts_per_lead: Count | None = None
    attempts_per_number: Count | None = None
    attempts_per_day: Count | None = None
    attempts_per_30_days: Count | None = None
    pause_minutes: Minutes = 0
    retry_minutes: Mapping[str, Minutes] = {}
    quiet_hours: Annotated[int, Meta(ge=0, le=24 * 365)] = 0
    final: frozenset[str] = frozenset()
    consent: bool = False

    def __post_init__(self) -> None:
        for field, outcomes in (("retry_minutes", self.retry_minutes), ("final", self.final)):
            for outcome in outcomes:
                if outcome not in OUTCOMES:
                    raise ValueError(f"{field}: `{outcome}` is no outcome of a call: {', '.join(sorted(OUTCOMES))}")


class Attempt(Struct, frozen=True, kw_only=True):
    """A call to a number of the lead, of whatever campaign. `ended`, `outcome`: None while it is under way."""

    number: str
    at: datetime
    ended: datetime | None = None
    outcome: str | None = None


class Candidate(Struct, frozen=True, kw_only=True):
    """A number of a lead, and what the rules ask of the lead. `timezone`: None: all that the number may ring in count.
    `wished`: the lead wants to be called now, so that no wait after an outcome holds. `attempts`: on any of the lead's
    numbers."""

    number: str
    timezone: str | None = None
    consent: bool | None = None
    wished: bool = False
    attempts: Sequence[Attempt] = ()


class Reason(StrEnum):
    """Why a lead is not called now."""

    UNDER_WAY = "under_way"
    CONSENT = "consent"
    FINAL = "final_outcome"
    LEAD_ATTEMPTS = "attempts_per_lead"
    NUMBER_ATTEMPTS = "attempts_per_number"
    ZONE_UNKNOWN = "zone_unknown"
    NO_HOURS = "no_common_hours"
    DAY_ATTEMPTS = "attempts_per_day"
    MONTH_ATTEMPTS = "attempts_per_30_days"
    PAUSE = "pause"
    RETRY = "retry"
    QUIET = "quiet_after_abandoned"
    HOURS = "hours"


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether a number may be called. If not: `words`: why; `until`: the first moment at which it may, if nothing else
    happens, None: time alone does not change it; `change`: what would."""

    allowed: bool
    reason: Reason | None = None
    words: str = ""
    until: datetime | None = None
    change: str = ""


class _Bar(Struct, frozen=True):
    """One rule that forbids it. `until`: None: for good."""

    reason: Reason
    words: str
    until: datetime | None
    change: str


ALLOWED = Verdict(allowed=True)


def strictest(*rules: Rules) -> Rules:
    """Rules that allow what all of these allow."""
    return reduce(_both, rules, Rules())


def verdict(candidate: Candidate, rules: Rules, now: datetime) -> Verdict:
    """Whether the number may be called now. Of several rules that forbid it, the one is named that does so longest."""
    zones = zones_for(candidate)
    clock = _by_the_clock(zones, rules.hours, _minute(now))
    every = (*_for_good(candidate, rules), *_for_a_time(candidate, rules), *clock)
    bars = [bar for bar in every if bar.until is None or bar.until > now]
    if not bars:
        return ALLOWED
    return _named(max(bars, key=lambda bar: (bar.until is None, bar.until or now)), zones, rules.hours)


def open_by(zones: tuple[tzinfo, ...], hours: Hours, now: datetime) -> Verdict:
    """Whether it is allowed by these hours alone, on all these clocks."""
    bars = _by_the_clock(zones, hours, _minute(now))
    return _named(bars[0], zones, hours) if bars else ALLOWED


def best(verdicts: Mapping[str, Verdict]) -> tuple[str, Verdict]:
    """Of the verdicts on a lead's numbers, in their order, the one that counts for the lead: the first that is allowed,
    else the one that is soonest."""
    return min(verdicts.items(), key=lambda item: _rank(item[1]))


def zones_for(candidate: Candidate) -> tuple[tzinfo, ...]:
    """The zones whose clocks count. Empty: nobody knows, or one of them is not known here."""
    return _zones((candidate.timezone,) if candidate.timezone else zones_of(candidate.number))


@lru_cache(maxsize=KNOWN)
def _zones(names: tuple[str, ...]) -> tuple[tzinfo, ...]:
    try:
        return tuple(map(zone, names))
    except NotAZone:
        return ()


def _named(bar: _Bar, zones: tuple[tzinfo, ...], hours: Hours) -> Verdict:
    until = bar.until and _next_open(hours, zones, bar.until)
    return Verdict(allowed=False, reason=bar.reason, words=bar.words, until=until, change=bar.change)


def _rank(found: Verdict) -> tuple[bool, bool, float]:
    return not found.allowed, found.until is None, found.until.timestamp() if found.until else 0.0


def _for_good(candidate: Candidate, rules: Rules) -> Iterable[_Bar]:
    attempts, here = candidate.attempts, _on(candidate)
    if any(attempt.ended is None for attempt in attempts):
        yield _Bar(Reason.UNDER_WAY, "a call to the lead is under way", None, "its end")
    if candidate.consent is False or (rules.consent and candidate.consent is None):
        refused = candidate.consent is False
        said = "has refused" if refused else "has not given consent, and the rules ask for it"
        anew = "another campaign with the lead's"  # in this one it is on record as it was given
        change = f"{anew} consent" if refused else f"rules without `consent`, or {anew}"
        yield _Bar(Reason.CONSENT, f"the lead {said}", None, change)
    for outcome in sorted({attempt.outcome or "" for attempt in here} & rules.final):
        yield _Bar(Reason.FINAL, f"a call to the number ended with `{outcome}`", None, "another number")
    for reason, made, most in (
        (Reason.LEAD_ATTEMPTS, len(attempts), rules.attempts_per_lead),
        (Reason.NUMBER_ATTEMPTS, len(here), rules.attempts_per_number),
    ):
        if most is not None and made >= most:
            yield _Bar(reason, f"{_counted(made)} made, {most} allowed", None, f"a higher `{reason}`")


def _for_a_time(candidate: Candidate, rules: Rules) -> Iterable[_Bar]:
    """Rules that let go by themselves, some of them by now. Attempts that are later than now count too: a clock may
    have been set back."""
    attempts, here = candidate.attempts, _on(candidate)
    for reason, most, window in (
        (Reason.DAY_ATTEMPTS, rules.attempts_per_day, DAY),
        (Reason.MONTH_ATTEMPTS, rules.attempts_per_30_days, MONTH),
    ):
        if most is not None and len(attempts) >= most:
            until = sorted(attempt.at for attempt in attempts)[-most] + window
            within = "a day" if window == DAY else f"{window.days} days"
            yield _Bar(reason, f"{_counted(most)} allowed in {within}", until, f"a higher `{reason}`")
    pause = timedelta(minutes=rules.pause_minutes)
    for attempt in attempts:
        ended = attempt.ended or attempt.at
        yield _Bar(Reason.PAUSE, "the pause after an attempt", ended + pause, "a shorter `pause_minutes`")
        if attempt.outcome == ABANDONED:
            until = ended + timedelta(hours=rules.quiet_hours)
            yield _Bar(Reason.QUIET, "quiet after an abandoned call", until, "a shorter `quiet_hours`")
    for attempt in () if candidate.wished else here:
        until = (attempt.ended or attempt.at) + timedelta(minutes=rules.retry_minutes.get(attempt.outcome or "", 0))
        yield _Bar(Reason.RETRY, f"the wait after `{attempt.outcome}`", until, "a shorter `retry_minutes`")


def _counted(attempts: int) -> str:
    return f"{attempts} attempt{'s' if attempts != 1 else ''}"


@lru_cache(maxsize=KNOWN)
def _by_the_clock(zones: tuple[tzinfo, ...], hours: Hours, minute: datetime) -> tuple[_Bar, ...]:
    """The rules of the hours, which are the same for a whole minute."""
    if hours == ALWAYS:
        return ()
    if not zones:
        words = "nobody knows what time it is for the lead"
        return (_Bar(Reason.ZONE_UNKNOWN, words, None, "the lead's time zone"),)
    closed, until = closed_in(hours, zones, minute), next_open(hours, zones, minute)
    change = "longer `hours`" + (", or the lead's time zone" if zones[1:] and any(hours.days) else "")
    if until is None:
        words = f"at no time it is {hours} in {_all_of(zones)}"
        words = words if any(hours.days) else "no day has hours in which calls are allowed"
        return (_Bar(Reason.NO_HOURS, words, None, change),)
    if not closed:
        return ()
    there = minute.astimezone(closed[0])
    more = f", and {len(closed) - 1} more zones" if closed[1:] else ""
    words = f"outside {hours}: it is {there:%a %H:%M} in {closed[0]}{more}"
    return (_Bar(Reason.HOURS, words, until, change),)


def _all_of(zones: Sequence[tzinfo]) -> str:
    return f"all {len(zones)} zones of the number" if zones[1:] else str(zones[0])


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _next_open(hours: Hours, zones: tuple[tzinfo, ...], moment: datetime) -> datetime | None:
    if hours == ALWAYS:
        return moment
    minute = _minute(moment)
    opens = _opening(hours, zones, minute)
    return moment if opens == minute else opens


@lru_cache(maxsize=KNOWN)
def _opening(hours: Hours, zones: tuple[tzinfo, ...], minute: datetime) -> datetime | None:
    return next_open(hours, zones, minute)


def _on(candidate: Candidate) -> list[Attempt]:
    return [attempt for attempt in candidate.attempts if attempt.number == candidate.number]


def _both(one: Rules, other: Rules) -> Rules:
    outcomes = one.retry_minutes.keys() | other.retry_minutes.keys()
    waits = {
        outcome: max(one.retry_minutes.get(outcome, 0), other.retry_minutes.get(outcome, 0)) for outcome in outcomes
    }
    return Rules(
        hours=one.hours & other.hours,
        ring_seconds=max(one.ring_seconds, other.ring_seconds),
        abandoned_share=_least(one.abandoned_share, other.abandoned_share),
        attempts_per_lead=_least(one.attempts_per_lead, other.attempts_per_lead),
        attempts_per_number=_least(one.attempts_per_number, other.attempts_per_number),
        attempts_per_day=_least(one.attempts_per_day, other.attempts_per_day),
        attempts_per_30_days=_least(one.attempts_per_30_days, other.attempts_per_30_days),
        pause_minutes=max(one.pause_minutes, other.pause_minutes),
        retry_minutes=waits,
        quiet_hours=max(one.quiet_hours, other.quiet_hours),
        final=one.final | other.final,
        consent=one.consent or other.consent,
    )


def _least(*bounds: Bound | None) -> Bound | None:
    return min((bound for bound in bounds if bound is not None), default=None)
