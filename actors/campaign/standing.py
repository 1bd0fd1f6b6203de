"""How it is with a lead: whether it may be called now, and if not, why, until when, and what would change it. Pure.

A claim asks here, and so does whoever asks why nothing is dialled: both get the same answer.
"""

from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import inf

from msgspec import Struct

from actors.campaign.places import at
from actors.campaign.record import CALLABLE, Campaign, Entry, attempts_of, moment_of, not_dialled, under_way
from actors.campaign.rulebook import Elsewhere, RuleBook
from actors.campaign.rules import Attempt, Candidate, Reason, best, verdict
from actors.runtime.clock import utc
from bus_schemas.campaign import CampaignSettings
from bus_schemas.lead import LeadStanding, LeadStatus

AGAIN = timedelta(minutes=1)  # until one is tried again whose call reached nothing; each further time twice as long
PATIENT = 6  # times that it doubles
SOON = timedelta(seconds=10)  # until it is asked again who is ready


Reach = Callable[[str], bool]  # of a number: whether a line may call it


class Stand(StrEnum):
    """What a campaign says of a lead beside what the rules of calling people say (`Reason`), and its status."""

    READY = "ready"
    EARLIER_RUN = "earlier_run"
    NOT_DIALED = "not_dialed"
    SITE_HOURS = "site_hours"
    OPERATOR = "operator_not_ready"


_SAID = {
    LeadStatus.DONE: ("it is done", "a callback"),
    LeadStatus.DO_NOT_CALL: ("it does not want to be called", "its status"),
    LeadStatus.INVALID: ("none of its numbers can be called", "another number"),
}


class Standing(Struct, frozen=True, kw_only=True):
    """`number`: the one to call; None: none now. Else as `LeadStanding`."""

    reason: str
    words: str
    number: str | None = None
    until: datetime | None = None
    change: str = ""


def standing(
    campaign: Campaign, place: int, book: RuleBook, now: datetime, ready: Collection[str] | None = None, *,
    reach: Reach | None = None,
) -> Standing:  # fmt: skip
    """How it is with the lead at a place. `ready`: the operators who are; None: nobody asks who talks to it. Of numbers
    that may be called, one that a line can `reach` goes before the others."""
    entry = at(campaign.leads, place)
    if under_way(entry):
        return Standing(reason=Reason.UNDER_WAY, words="a call to the lead is under way", change="its end")
    if place < campaign.earlier:
        return Standing(reason=Stand.EARLIER_RUN, words="it is of a run that is over", change="another campaign")
    if entry.status not in CALLABLE:
        words, change = _SAID[entry.status]
        if (merged := campaign.merged.get(place)) is not None:
            words, change = f"it was merged into {at(campaign.leads, merged.into).id}", "that is undone"
        return Standing(reason=entry.status, words=words, change=change)
    waits = _wish(entry, now, ready) or _failing(entry, now)
    return waits or _by_the_rules(entry, book, campaign.settings, now, reach)


def shown(lead: str, found: Standing) -> LeadStanding:
    """As it is said to people."""
    until = utc(found.until) if found.until is not None else None
    return LeadStanding(
        lead=lead, reason=found.reason, words=found.words, number=found.number, until=until, change=found.change
    )


def _wish(entry: Entry, now: datetime, ready: Collection[str] | None) -> Standing | None:
    wished = moment_of(entry.callback)
    if wished > now:
        words = "it wants to be called at a time"
        return Standing(reason=LeadStatus.CALLBACK, words=words, until=wished, change="another time")
    if entry.operator is None or ready is None or entry.operator in ready:
        return None
    words = "the operator who is to call back is not ready"
    return Standing(reason=Stand.OPERATOR, words=words, until=now + SOON, change="that operator, or any")


def _failing(entry: Entry, now: datetime) -> Standing | None:
    """The pause after a call that was wanted and that no line took."""
    times, last = not_dialled(entry)
    if not times:
        return None
    until = moment_of(last) + AGAIN * 2 ** min(times - 1, PATIENT)
    if until <= now:
        return None
    words = f"a call was wanted, and nothing was dialled: {entry.why}".removesuffix(": ")
    return Standing(reason=Stand.NOT_DIALED, words=words, until=until, change="a line that takes it")


def _by_the_rules(
    entry: Entry, book: RuleBook, settings: CampaignSettings, now: datetime, reach: Reach | None
) -> Standing:
    numbers = _in_turn(entry)
    attempts = [*attempts_of(entry), *(each for number in numbers for each in book.elsewhere(number))]
    held = {each: end for each in numbers if (end := book.held_until(each)) and end > now.timestamp()}
    verdicts = {
        number: verdict(_candidate(entry, number, attempts), book.rules_for(number, settings), now)
        for number in numbers
        if number not in held
    }
    released = _first(held.values()) if held else None
    if not verdicts:
        words = "its numbers are on the do-not-call list"
        return Standing(reason=LeadStatus.DO_NOT_CALL, words=words, until=released, change="the list")
    number, found = best(verdicts)
    if found.allowed:
        if not (dials := book.site_dials(now)).allowed:
            words, change = f"the site dials nobody {dials.words}", "longer `hours` of `[dial]`"
            return Standing(reason=Stand.SITE_HOURS, words=words, until=dials.until, change=change)
        if reach is not None and len(verdicts) > 1:
            may = (number for number, found in verdicts.items() if found.allowed and reach(number))
            number = next(may, number)
        return Standing(reason=Stand.READY, words="it may be called", number=number)
    until = now + AGAIN if found.reason is Reason.UNDER_WAY else found.until  # of another campaign, which tells nothing
    until = min(filter(None, (until, released)), default=None)
    return Standing(reason=found.reason or "", words=found.words, until=until, change=found.change)


def _in_turn(entry: Entry) -> list[str]:
    """A lead's numbers, those first on which it was tried less here: else the first would be called over and over where
    nothing waits after its outcome. Who wants to be called back is, on the first that may be."""
    numbers = entry.numbers.split(" ")
    if len(numbers) == 1 or entry.callback:
        return numbers
    tried = Counter(attempt.number for attempt in attempts_of(entry))
    return sorted(numbers, key=tried.__getitem__)


def _first(seconds: Collection[float]) -> datetime | None:
    """The first of these moments. None: there is none, ever."""
    first = min(seconds)
    return datetime.fromtimestamp(first, UTC) if first < inf else None


def may_still_be_called(
    campaign: Campaign, place: int, number: str, book: RuleBook, elsewhere: Elsewhere, now: datetime
) -> bool:
    """Whether the rules allow an attempt that is claimed and not dialled yet. `elsewhere`: as by now."""
    entry = at(campaign.leads, place)
    attempts = [*attempts_of(entry)[:-1], *(each for one in entry.numbers.split(" ") for each in elsewhere(one))]
    rules = book.rules_for(number, campaign.settings)
    listed = book.held_until(number) > now.timestamp()
    return not listed and verdict(_candidate(entry, number, attempts), rules, now).allowed


def _candidate(entry: Entry, number: str, attempts: list[Attempt]) -> Candidate:
    return Candidate(
        number=number, timezone=entry.timezone, consent=entry.consent, wished=entry.callback != 0, attempts=attempts
    )
