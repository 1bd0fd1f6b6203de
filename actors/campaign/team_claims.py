"""Which dials a campaign begins for its operators: on their own lines, or on channels whose calls wait for whoever is
ready. Pure."""

from collections.abc import Collection
from datetime import datetime

from actors.campaign import machine
from actors.campaign.crew import Crew, untaken
from actors.campaign.lines import HeldLines
from actors.campaign.machine import NEXT, CampaignDecision
from actors.campaign.places import at
from actors.campaign.record import Campaign
from actors.campaign.rulebook import RuleBook
from actors.campaign.seats import Seats
from actors.campaign.selection import Selection
from actors.campaign.waiting import AskForLines, ReturnLines, joins_wait_for, team_waits_for
from actors.runtime.clock import Moment, parse_utc
from actors.runtime.decision import NOTHING, Decision, SetTimer
from bus_schemas.campaign import CampaignSettings, Mode

PACE, PACED = "pace", 1.0  # the timer after which it is asked again how many dials are worth while, and its seconds


def claim_for_team(
    crew: Crew, campaign: Campaign, selection: Selection, book: RuleBook, lines: HeldLines, waiting: Collection[int],
    now: Moment, *, hopeless: bool = False,
) -> CampaignDecision:  # fmt: skip
    """Claim as many leads as are worth while, and say what there has to be for more. `waiting`: the places of calls
    that were answered and wait. `hopeless`: as `machine.claim` has it."""
    if crew.joins(campaign):
        return _for_whoever(crew, campaign, selection, book, lines, waiting, now, hopeless=hopeless)
    ready = crew.ready(campaign)
    free = untaken(campaign, ready)
    others = lines.drop_of_others(free)
    back = (ReturnLines(lines=tuple(others)),) if others else ()
    if campaign.settings.mode is Mode.PREVIEW:
        decision, wanted = crew.begin_wanted(campaign, book, lines, now)
        looked = NOTHING if decision.events else machine.look_through(campaign, selection, book, now)
        ask = (AskForLines(most=len(wanted), operators=wanted),) if wanted else ()
        return Decision(
            events=(*decision.events, *looked.events),
            effects=(*decision.effects, *looked.effects, *back, *ask),
        )
    pace, have = crew.pace(campaign, _date(now)), lines.users
    dials = min(pace.dials, len(have))
    decision = machine.claim(campaign, selection, book, dials, now, ready=ready, lines=lines, hopeless=hopeless)
    later = team_waits_for(selection, now.seconds, _not_used(free, have, lines), have, more=pace.dials > len(have))
    return Decision(events=decision.events, effects=(*decision.effects, *later, *back))


def _for_whoever(
    crew: Crew, campaign: Campaign, selection: Selection, book: RuleBook, lines: HeldLines, waiting: Collection[int],
    now: Moment, *, hopeless: bool,
) -> CampaignDecision:  # fmt: skip
    """On channels whose calls wait. Where a dial is for one operator who is ready, that one is kept for it, so that
    nobody is abandoned."""
    crew.look_up(campaign, now)
    _hold_to_caps(crew, campaign, selection, book, now)
    pace, ready = crew.pace(campaign, _date(now), waiting), crew.ready(campaign)
    kept = pace.mode is Mode.PROGRESSIVE or (pace.mode is Mode.POWER and campaign.settings.ratio <= 1)
    caps = _Caps(crew, campaign.settings, book)
    seats = Seats(untaken(campaign, ready), kept=kept, bears=caps.bear)
    dials = min(pace.dials, len(lines))
    decision = machine.claim(
        campaign, selection, book, dials, now, ready=ready, lines=lines, seats=seats, hopeless=hopeless
    )
    later = joins_wait_for(selection, now.seconds, pace.dials - len(decision.events), held=len(lines))
    again = (SetTimer(name=PACE, seconds=PACED),) if selection.any_due(now.seconds) else ()
    soon = (SetTimer(name=NEXT, seconds=0.0),) if caps.fallen else ()
    return Decision(events=decision.events, effects=(*decision.effects, *later, *again, *soon))


class _Caps:
    """Whether the cap by which this turn's dials were counted is as low as that of each number that is dialled. Else
    this one holds from now on, and nobody more is dialled before the dials were counted by it."""

    def __init__(self, crew: Crew, settings: CampaignSettings, book: RuleBook) -> None:
        self._crew = crew
        self._settings = settings
        self._book = book
        self.fallen = False

    def bear(self, number: str) -> bool:
        """Whether the number may be dialled."""
        cap = self._book.plan_for(number, self._settings).cap
        if cap < self._crew.cap_by(self._settings):
            self._crew.hold_to(cap, self._settings)
            self.fallen = True
        return not self.fallen


def _not_used(free: Collection[str], have: Collection[str], lines: HeldLines) -> list[str]:
    """Those of `free` for whom nothing was begun on the line that they had."""
    used = {*have}.difference(lines.users)
    return [user for user in free if user not in used]


def _hold_to_caps(crew: Crew, campaign: Campaign, selection: Selection, book: RuleBook, now: Moment) -> None:
    """The strictest cap of site, presets and campaign, by the lead that is next. The claim gives it back."""
    place = selection.take(campaign, now.seconds)
    for number in at(campaign.leads, place).numbers.split(" ") if place is not None else ():
        crew.hold_to(book.plan_for(number, campaign.settings).cap, campaign.settings)


def _date(now: Moment) -> datetime:
    return parse_utc(now.at)
