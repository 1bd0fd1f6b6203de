"""What a campaign waits for that has begun what it can. Pure."""

from actors.campaign.machine import NEXT, pause_until
from actors.campaign.selection import Selection
from actors.runtime.decision import Effect, SetTimer


class AskForLines(Effect, frozen=True, kw_only=True):
    """Have every host offer lines, up to so many each. `countries`: of which they must call one; None: any."""

    most: int
    countries: frozenset[str] | None = None


class ReturnLines(Effect, frozen=True, kw_only=True):
    """Give back what is not needed."""


class Survey(Effect, frozen=True, kw_only=True):
    """Find out."""


def waits_for(selection: Selection, now: float, most: int, *, spare: bool) -> tuple[Effect, ...]:
    """What a campaign waits for: lines, where a lead could be called, also those that may call leads for whom there was
    none; else until one can."""
    until = selection.next_time()
    if selection.any_ready() or (until is not None and until <= now):
        return () if spare else (AskForLines(most=max(most, 1)),)
    back = (ReturnLines(),) if spare else ()
    later = (SetTimer(name=NEXT, seconds=pause_until(until, now)),) if until is not None else ()
    parked = selection.parked()
    lacks = (AskForLines(most=max(most, 1), countries=parked),) if parked else ()
    return (*back, *later, *lacks)

