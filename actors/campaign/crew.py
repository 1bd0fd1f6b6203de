"""The operators of one campaign: who is free for a dial, how many dials are worth while, and what is learnt of calls.

What is learnt is not on record: a new owner learns the rates again from the attempts that it has, and how long talks
last from what follows. The abandoned calls are on record, and the cap holds over all owners.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from actors.campaign import machine
from actors.campaign.learning import (
    Learnt,
    dial_answered,
    dial_counted,
    dial_unanswered,
    talk_ended,
    wrap_ended,
)
from actors.campaign.lines import HeldLines
from actors.campaign.lookahead import KEPT, Outlook, outlook
from actors.campaign.pacing import Pace, Plan, Ringing, Snapshot, pace
from actors.campaign.places import at, each
from actors.campaign.previews import Previews
from actors.campaign.record import NOT_DIALED, Campaign, tries_of
from actors.campaign.rulebook import RuleBook
from actors.campaign.team import Member, Team
from actors.runtime.clock import Moment
from actors.runtime.decision import Decision
from bus_schemas.campaign import ABANDONED, ANSWERED, OUTCOMES, CampaignAttemptEnded
from bus_schemas.operator import OperatorStatus

RELEARNT = 2000  # attempts of late
MOST = 1000  # dials at once: lines of operators are as many as there are
S = OperatorStatus


class Crew:
    """Who talks for a campaign."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._learnt: Learnt | None = None  # nobody has asked yet: of a campaign without a team nobody does
        self._ahead: tuple[float, Outlook] | None = None
        self.previews = Previews()

    # --- who is there

    def ready(self, campaign: Campaign) -> list[str]:
        """Operators who are ready for a call of the campaign, and are in none."""
        joined = {seat.user for seat in campaign.crew.values() if seat.joined}
        return [member.user for member in self._idle(campaign) if member.user not in joined]

    def free(self, campaign: Campaign) -> list[str]:
        """Those of them for whom nothing is dialled."""
        taken = {seat.user for seat in campaign.crew.values()}
        return [user for user in self.ready(campaign) if user not in taken]

    def by_status(self, campaign: Campaign) -> Mapping[str, int]:
        """How many are there, by their status."""
        return dict(Counter(str(one.status) for one in self._team.working_for(campaign.campaign)))

    def _idle(self, campaign: Campaign) -> list[Member]:
        return [one for one in self._team.working_for(campaign.campaign) if one.free_for(campaign.campaign)]

    # --- leads that operators look at

    def begin_wanted(
        self, campaign: Campaign, book: RuleBook, lines: HeldLines, now: Moment
    ) -> tuple[machine.CampaignDecision, frozenset[str]]:
        """The dials that operators want, for whom a line is there; and who waits for one."""
        begun = self.previews.begun(self.free(campaign), now.seconds)
        have = [user for user in lines.users if user in begun]
        places = {self.previews.over(user).place: user for user in have}  # of a lead one attempt at a time
        decisions = [machine.begin(campaign, book, place, user, now, lines) for place, user in places.items()]
        events = tuple(event for decision in decisions for event in decision.events)
        effects = tuple(effect for decision in decisions for effect in decision.effects)
        return Decision(events=events, effects=effects), frozenset(begun) - frozenset(have)

    # --- how many dials

    def pace(self, campaign: Campaign, now: datetime) -> Pace:
        """How many dials are to be begun, and why not more."""
        settings = campaign.settings
        plan = Plan(mode=settings.mode, ratio=settings.ratio, cap=settings.abandoned_share, joins=False)
        if self._learnt is None:
            self._learnt = relearnt(campaign)
        ahead = self._outlook(self._learnt, now.timestamp())
        return pace(plan, self._snapshot(campaign, now), replace(self._learnt, tally=campaign.tally), ahead)

    def _snapshot(self, campaign: Campaign, now: datetime) -> Snapshot:
        there, seconds, ready = self._team.working_for(campaign.campaign), now.timestamp(), self.ready(campaign)
        are_ready = {*ready}
        busy = [one for one in there if one.user not in are_ready]
        entries = [at(campaign.leads, place) for place, seat in campaign.crew.items() if not seat.joined]
        return Snapshot(
            idle=len(ready),
            talking=tuple(max(seconds - one.since, 0.0) for one in busy if one.status is not S.WRAP_UP),
            wrapping=tuple(max(seconds - one.since, 0.0) for one in busy if one.status is S.WRAP_UP),
            ringing=tuple(
                Ringing(max(seconds - tries_of(entry)[-1].began / 1000, 0.0), entry.source) for entry in entries
            ),
            capacity=MOST, next_list="", hour=now.hour, day=now.toordinal(),
        )  # fmt: skip

    def _outlook(self, learnt: Learnt, now: float) -> Outlook:
        if self._ahead is None or not 0 <= now - self._ahead[0] < KEPT:
            self._ahead = now, outlook(learnt)
        return self._ahead[1]

    # --- what is learnt

    def follow(self, campaign: Campaign, event: CampaignAttemptEnded) -> None:
        """An attempt has ended, and the campaign is this now."""
        if self._learnt is None:  # it is on record for who asks first
            return
        entry = at(campaign.leads, event.place)
        made = tries_of(entry)[-1]
        hour, rang = _hour(made.began), max((made.ended - made.began) / 1000 - event.talk_seconds, 0.0)
        if event.outcome in (ANSWERED, ABANDONED):  # the tally is the campaign's own, which is on record
            self._learnt = dial_answered(self._learnt, of_list=entry.source, hour=hour, day=0, ring=rang)
        elif event.outcome != NOT_DIALED:
            self._learnt = dial_unanswered(self._learnt, of_list=entry.source, hour=hour, ring=rang)
        if event.outcome == ANSWERED:
            self._learnt = talk_ended(self._learnt, float(event.talk_seconds))

    def wrapped_up(self, seconds: float) -> None:
        """An operator was ready so long after a talk."""
        if self._learnt is not None:
            self._learnt = wrap_ended(self._learnt, seconds)


def relearnt(campaign: Campaign) -> Learnt:
    """What the last attempts on record say of how many are answered."""
    made = sorted(
        (one.began, OUTCOMES[one.outcome - 1], entry.source)
        for entry in each(campaign.leads) for one in tries_of(entry) if one.outcome
    )[-RELEARNT:]  # fmt: skip
    learnt = Learnt()
    for began, outcome, source in made:
        if outcome != NOT_DIALED:
            learnt = dial_counted(learnt, of_list=source, hour=_hour(began), answered=outcome in (ANSWERED, ABANDONED))
    return learnt


def _hour(milliseconds: int) -> int:
    return milliseconds // 3_600_000 % 24
