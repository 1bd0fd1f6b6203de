"""How many dials a campaign starts now, and why not more. Pure: what is going on comes in, a number and its reason out.

It is asked when something ends or begins and, to look ahead, also when nothing does: operators free as time passes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from math import inf
from typing import NamedTuple

from msgspec import Struct

from actors.campaign.durations import NONE, Counts
from actors.campaign.learning import Learnt, answer_rate
from actors.campaign.lookahead import Chances, Flight, Outlook, most_dials
from actors.campaign.tally import Tally, allowed_share, room, totals
from bus_schemas.campaign import Mode

SMALLEST_TEAM = 2  # operators; alone one gains nothing by looking ahead (decision 32)


class Limit(StrEnum):
    """Why no more dials are started."""

    OPERATORS_DECIDE = "operators_decide"  # each dial is begun by an operator
    NO_OPERATORS = "no_operators"  # nobody is logged in and not on a break
    NO_OPERATOR_READY = "no_operator_ready"
    READY_ARE_DIALLED_FOR = "ready_are_dialled_for"  # as many calls are in flight as the mode has for ready ones
    ABANDONED_SHARE = "abandoned_share"  # with one more, too many would be expected to be abandoned
    CARRIERS_FULL = "carriers_full"
    RESTS = "rests"  # calls were refused on end


class Fallback(StrEnum):
    """Why a campaign dials progressively although its mode could abandon calls."""

    OWN_LINES = "own_lines"  # a call on an operator's phone can be given to nobody else
    TEAM_TOO_SMALL = "team_too_small"  # nobody, or one to look ahead for
    TOO_FEW_ANSWERS = "too_few_answers"  # one abandoned call would be more than the cap
    CAP_REACHED = "cap_reached"  # one more would be


class Plan(Struct, frozen=True, kw_only=True):
    """The settings. `ratio`: dials for each ready operator, 1 or more (power). `cap`: abandoned share of 30 days.
    `smallest_team`: operators from which on it looks ahead (predictive). `joins`: whichever operator is ready can take
    whichever call."""

    mode: Mode = Mode.PROGRESSIVE
    ratio: float = 2.0
    cap: float = 0.03
    smallest_team: int = SMALLEST_TEAM
    joins: bool = True


class Snapshot(Struct, frozen=True, kw_only=True):
    """What is going on. `idle`: operators that are ready. `talking`, `wrapping`: the others, by for how long
    (`durations.binned`). `ringing`: dials that were not answered yet, by list, and by how long ago they began.
    `waiting`: answered calls that no operator has taken yet. `capacity`: calls that carriers would still take.
    `next_list`: the one that is dialled now. `hour`: of the day, 0 to 23. `day`: a count of days."""

    idle: int
    talking: Counts = NONE
    wrapping: Counts = NONE
    ringing: Mapping[str, Counts] = {}
    waiting: int = 0
    capacity: int
    next_list: str
    hour: int
    day: int

    @property
    def operators(self) -> int:
        return self.idle + sum(self.talking) + sum(self.wrapping)

    @property
    def in_flight(self) -> int:
        return sum(map(sum, self.ringing.values())) + self.waiting


class Pace(Struct, frozen=True, kw_only=True):
    """`dials` to start now, and what keeps it from more. `mode`: the one in effect; `fallback`: why, if it is not the
    plan's. With these dials `expected_share` of the answers to calls in flight is expected to be abandoned;
    `allowed_share` may be. `no_extension`: operators to whom no call could be taken."""

    dials: int
    limit: Limit
    mode: Mode
    fallback: Fallback | None = None
    expected_share: float | None = None
    allowed_share: float | None = None
    no_extension: tuple[str, ...] = ()


class Way(NamedTuple):
    """How a campaign dials: by which mode, and why it is another one than it wants."""

    mode: Mode
    fallback: Fallback | None = None


def without_team(mode: Mode) -> Way:
    """Where all lines are its own operators, and each is used; in preview mode nobody is there who could begin."""
    if mode is Mode.PREVIEW:
        return Way(mode)
    return Way(Mode.PROGRESSIVE, None if mode is Mode.PROGRESSIVE else Fallback.OWN_LINES)


def pace_without_team(mode: Mode, lines: int, *, rests: bool) -> Pace:
    """The same, with so many lines."""
    found = without_team(mode)
    if found.mode is Mode.PREVIEW:
        return Pace(dials=0, limit=Limit.OPERATORS_DECIDE, mode=mode)
    limit = Limit.RESTS if rests else Limit.CARRIERS_FULL
    return Pace(dials=lines, limit=limit, mode=found.mode, fallback=found.fallback)


def way(plan: Plan, operators: int, tally: Tally, day: int) -> Way:
    """With so many operators there, and these answered calls until a day."""
    if plan.mode is Mode.PREVIEW:
        return Way(plan.mode)
    fallback = _fallback(plan, operators, tally, day)
    return Way(plan.mode) if fallback is None else Way(Mode.PROGRESSIVE, fallback)


def pace(plan: Plan, now: Snapshot, learnt: Learnt, ahead: Outlook) -> Pace:
    """How many dials to start now. `ahead`: the outlook of what is learnt, from the last minute."""
    if plan.mode is Mode.PREVIEW:
        return Pace(dials=0, limit=_in_preview(now), mode=plan.mode)
    mode, fallback = way(plan, now.operators, learnt.tally, now.day)
    if now.operators == 0:
        return Pace(dials=0, limit=Limit.NO_OPERATORS, mode=mode, fallback=fallback)
    if mode is Mode.PROGRESSIVE:
        return _by_ratio(now, 1.0, mode, fallback)
    if plan.mode is Mode.POWER:
        return _by_ratio(now, plan.ratio, plan.mode, spare=room(learnt.tally, now.day, plan.cap))
    return _looking_ahead(plan, now, learnt, ahead)


def _in_preview(now: Snapshot) -> Limit:
    """Who could begin a dial, or why nobody can."""
    if now.operators == 0:
        return Limit.NO_OPERATORS
    if now.idle == 0:
        return Limit.NO_OPERATOR_READY
    return Limit.READY_ARE_DIALLED_FOR if now.in_flight >= now.idle else Limit.OPERATORS_DECIDE


def _fallback(plan: Plan, operators: int, tally: Tally, day: int) -> Fallback | None:
    if plan.mode is Mode.PROGRESSIVE or (plan.mode is Mode.POWER and plan.ratio <= 1):
        return None
    if not plan.joins:
        return Fallback.OWN_LINES
    if operators < (plan.smallest_team if plan.mode is Mode.PREDICTIVE else 1):
        return Fallback.TEAM_TOO_SMALL
    if room(tally, day, plan.cap) >= 1:
        return None
    _, abandoned = totals(tally, day)
    return Fallback.CAP_REACHED if abandoned or plan.cap == 0 else Fallback.TOO_FEW_ANSWERS


def _by_ratio(
    now: Snapshot, ratio: float, mode: Mode, fallback: Fallback | None = None, *, spare: float = inf
) -> Pace:
    """So many for each operator who is ready; `spare`: of those beyond one for each, which may all be answered, the cap
    bears no more."""
    wanted, most = max(int(ratio * now.idle) - now.in_flight, 0), now.idle + max(spare, 0) - now.in_flight
    if ratio > 1 and most < min(wanted, now.capacity):
        return Pace(dials=max(int(most), 0), limit=Limit.ABANDONED_SHARE, mode=mode, fallback=fallback)
    if wanted > now.capacity:
        return Pace(dials=now.capacity, limit=Limit.CARRIERS_FULL, mode=mode, fallback=fallback)
    limit = Limit.READY_ARE_DIALLED_FOR if now.idle else Limit.NO_OPERATOR_READY
    return Pace(dials=wanted, limit=limit, mode=mode, fallback=fallback)


def _looking_ahead(plan: Plan, now: Snapshot, learnt: Learnt, ahead: Outlook) -> Pace:
    """The most dials with which the expected abandoned share of all calls in flight is allowed, which grows with each
    dial; never fewer than progressively, which costs nobody anything."""
    allowed = allowed_share(learnt.tally, now.day, plan.cap)
    certain = max(now.idle - now.in_flight, 0)
    rate = answer_rate(learnt, now.next_list, now.hour)
    flight = Flight(now.idle, _frees(now, ahead), _answers(now, learnt, ahead), rate)
    more = range(certain + 1, int(min(_enough(flight, allowed), now.capacity + 1)) + 1)
    dials, expectations = most_dials(flight, allowed, more)
    limit = Limit.ABANDONED_SHARE if dials <= now.capacity else Limit.CARRIERS_FULL
    dials = min(dials, now.capacity)
    share = expectations.share(dials)
    return Pace(dials=dials, limit=limit, mode=plan.mode, expected_share=share, allowed_share=allowed)


def _enough(flight: Flight, allowed: float) -> float:
    """Dials with which more are surely abandoned than is allowed: at least all answers beyond who may be expected to be
    ready are."""
    if allowed >= 1:
        return inf
    return max((flight.ready() / (1 - allowed) - flight.answered(0)) // flight.rate, 0) + 2


def _frees(now: Snapshot, ahead: Outlook) -> Chances:
    """Of busy operators: how many are ready in time with which probability."""
    found = Counter[float]()
    for counts, chances in ((now.talking, ahead.talking), (now.wrapping, ahead.wrapping)):
        _add(found, counts, chances)
    return found


def _answers(now: Snapshot, learnt: Learnt, ahead: Outlook) -> Chances:
    """Of calls in flight: how many are, or have been, answered with which probability."""
    found = Counter({1.0: now.waiting})
    for of_list, counts in now.ringing.items():
        _add(found, counts, ahead.answer_chances(answer_rate(learnt, of_list, now.hour)))
    return found


def _add(found: Counter[float], counts: Counts, chances: Iterable[float]) -> None:
    for count, chance in zip(counts, chances, strict=True):
        if count:
            found[chance] += count
