"""What a campaign waits for that has begun what it can. Pure."""

from collections.abc import Collection, Iterable

from actors.campaign.lines import Ask, Held, asks
from actors.campaign.machine import LINE_COMES, NEXT, pause_until
from actors.campaign.selection import Selection
from actors.runtime.decision import Effect, SetTimer
from bus_schemas.carriers import Carriers

MOST_CHANNELS = 50  # that are asked for at once


class AskForLines(Effect, frozen=True, kw_only=True):
    """Have every host offer lines, up to so many each. `countries`: of which they must call one; None: any.
    `operators`: one of each of these; None: whichever. `joins`: channels whose calls wait for operators."""

    most: int
    countries: frozenset[str] | None = None
    operators: frozenset[str] | None = None
    joins: bool = False


class ReturnLines(Effect, frozen=True, kw_only=True):
    """Give back what is not needed: these, or all (None)."""

    lines: tuple[Held, ...] | None = None


class Survey(Effect, frozen=True, kw_only=True):
    """Find out."""


def asks_for(wanted: AskForLines, carriers: Carriers, hosts: Iterable[str], asked: Collection[Ask]) -> list[Ask]:
    """What is to be asked of hosts that was not asked for yet. Of operators for those of them of whom a line was not:
    who becomes free meanwhile does not wait."""
    found = []
    for ask in asks(carriers, hosts, wanted.countries):
        if wanted.operators is not None:
            same = [one.operators for one in asked if one._replace(operators=None) == ask]
            others = wanted.operators.difference(*(users for users in same if users is not None))
            ask = ask._replace(operators=others)
        ask = ask._replace(joins=wanted.joins)
        if ask not in asked and ask.operators != frozenset() and not (ask.joins and ask.trunks is None):
            found.append(ask)
    return found


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
    while. Lines are kept for a lead that is looked at again in a moment; whose line goes back may have another one that
    may call those for whom there was none."""
    until, parked = selection.next_time(), selection.parked()
    lacking = frozenset(free) - frozenset(have)
    if selection.any_due(now):
        return (AskForLines(most=len(lacking), operators=lacking),) if more and lacking else ()
    soon = until is not None and until - now <= 2 * LINE_COMES
    back = () if soon else (ReturnLines(),)
    whose = lacking if soon else frozenset(free)
    others = (AskForLines(most=len(whose), countries=parked, operators=whose),) if parked and whose else ()
    return (*back, *_look_at(until, now), *others)


def joins_wait_for(selection: Selection, now: float, wanted: int, *, held: int) -> tuple[Effect, ...]:
    """The same for one whose calls wait for operators. `wanted`: dials that are worth while beyond those begun; `held`:
    channels that are left."""
    until, parked = selection.next_time(), selection.parked()
    if wanted > 0 and selection.any_due(now):  # others are looked at yet for the channels that are left
        return (AskForLines(most=min(wanted - held, MOST_CHANNELS), joins=True),) if wanted > held else ()
    back = (ReturnLines(),) if held else ()
    lacks = parked and wanted > 0
    others = (AskForLines(most=min(wanted, MOST_CHANNELS), countries=parked, joins=True),) if lacks else ()
    return (*back, *_look_at(until, now), *others)


def _look_at(until: float | None, now: float) -> tuple[SetTimer, ...]:
    return (SetTimer(name=NEXT, seconds=pause_until(until, now)),) if until is not None else ()
