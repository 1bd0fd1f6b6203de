"""What a campaign waits for that has begun what it can. Pure."""

from collections.abc import Collection

from actors.campaign.lines import Held
from actors.campaign.machine import LINE_COMES, NEXT, pause_until
from actors.campaign.selection import Selection
from actors.runtime.decision import Effect, SetTimer


class AskForLines(Effect, frozen=True, kw_only=True):
    """Have every host offer lines, up to so many each. `countries`: of which they must call one; None: any.
    `operators`: one of each of these; None: whichever."""

    most: int
    countries: frozenset[str] | None = None
    operators: frozenset[str] | None = None


class ReturnLines(Effect, frozen=True, kw_only=True):
    """Give back what is not needed: these, or all (None)."""

    lines: tuple[Held, ...] | None = None


class Survey(Effect, frozen=True, kw_only=True):
    """Find out."""


def waits_for(selection: Selection, now: float, most: int, *, spare: bool) -> tuple[Effect, ...]:
    """What a campaign waits for: lines, where a lead could be called, also those that may call leads for whom there was
    none; else until one can."""
    until = selection.next_time()
    if selection.any_due(now):
        return () if spare else (AskForLines(most=max(most, 1)),)
    back = (ReturnLines(),) if spare else ()
    parked = selection.parked()
    lacks = (AskForLines(most=max(most, 1), countries=parked),) if parked else ()
    return (*back, *_look_at(until, now), *lacks)


def team_waits_for(
    selection: Selection, now: float, free: Collection[str], have: Collection[str], *, more: bool
) -> tuple[Effect, ...]:
    """The same for a campaign with operators: lines of those who are `free` and `have` none, if `more` dials are worth
    while. Lines are kept for a lead that is looked at again in a moment."""
    until, parked = selection.next_time(), selection.parked()
    lacking = frozenset(free) - frozenset(have)
    if selection.any_due(now):
        return (AskForLines(most=len(lacking), operators=lacking),) if more and lacking else ()
    soon = until is not None and until - now <= 2 * LINE_COMES
    back = () if soon else (ReturnLines(),)
    others = (AskForLines(most=len(lacking), countries=parked, operators=lacking),) if parked and lacking else ()
    return (*back, *_look_at(until, now), *others)


def _look_at(until: float | None, now: float) -> tuple[SetTimer, ...]:
    return (SetTimer(name=NEXT, seconds=pause_until(until, now)),) if until is not None else ()
