"""The operators of one campaign: who is free for a dial, how many dials are worth while, and what is learnt of calls.

What is learnt is not on record: a new owner learns the rates again from the attempts that it has, and how long talks
last from what follows. The abandoned calls are on record, and the cap holds over all owners.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import heappush, heappushpop

from msgspec.structs import replace

from actors.campaign import machine
from actors.campaign.carriage import Whose
from actors.campaign.claims import CallOver
from actors.campaign.durations import binned_since, mean_of
from actors.campaign.learning import (
    Learnt,
    dial_answered,
    dial_counted,
    dial_unanswered,
    known_as,
    talk_ended,
    wrap_ended,
)
from actors.campaign.lines import HeldLines
from actors.campaign.lookahead import KEPT, Outlook, outlook
from actors.campaign.pacing import Pace, Plan, Snapshot, Way, pace, way
from actors.campaign.places import at, each
from actors.campaign.played_team import Operators, PlayedDesks, PlayedTeam
from actors.campaign.previews import Previews
from actors.campaign.record import NOT_DIALED, Campaign, tries_of
from actors.campaign.roster import Extensions, Roster
from actors.campaign.rulebook import RuleBook
from actors.campaign.selection import Selection
from actors.campaign.standing import standing
from actors.runtime.clock import Moment, parse_utc
from actors.runtime.decision import Decision
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    ANSWERED,
    BY_SOMEBODY,
    OUTCOMES,
    OVERDIALING,
    CampaignAttemptEnded,
    CampaignConfigured,
    CampaignEvent,
    CampaignSettings,
    Mode,
)
from bus_schemas.lead import CampaignLeadSkipped

RELEARNT = 2000  # attempts of late
PIECE = 500  # leads, or attempts, of one step: some milliseconds
STANDS = 0.9  # seconds for which a pace is good enough where only time has passed: less than a turn (team_claims.PACED)
MOST = 1000  # dials at once: lines of operators are as many as there are


class Crew:
    """Who talks for a campaign. `joining`: the trunks of the site whose calls can be taken to operators' extensions."""

    def __init__(self, team: Operators, desks: Extensions, joining: frozenset[str]) -> None:
        self._team = team
        self._desks = desks
        self._joining = joining
        self._cap: tuple[CampaignSettings, float] | None = None
        self._learnt: Learnt | None = None  # nobody has asked yet: of a campaign without a team nobody does
        self._ahead: tuple[float, Outlook] | None = None
        self._paced: tuple[float, tuple[object, ...], Pace] | None = None  # when, of what, how
        self.previews = Previews()

    def played(self, campaign: Campaign) -> "tuple[Crew, PlayedTeam]":
        """Who is there for the campaign now, as a crew of their own that knows the same, for who asks what would be."""
        there = self._team.working_for(campaign.campaign).there
        team = PlayedTeam(there)
        crew = Crew(team, PlayedDesks({one.user: self._desks.of(one.user) for one in there}), self._joining)
        crew._cap, crew._learnt, crew.previews = self._cap, self._learnt, self.previews.copy()
        return crew, team

    @property
    def wrap_up(self) -> float:
        """How long somebody wraps up, as far as is known."""
        return mean_of((self._learnt or Learnt()).wrap)

    # --- who is there

    def joins(self, campaign: Campaign) -> bool:
        """Whether its calls wait for whoever is ready: its mode dials more than there are, and a trunk of its carriers
        can take them to operators."""
        settings, trunks = campaign.settings, campaign.settings.carriers.trunks
        if settings.mode not in OVERDIALING or trunks is None:
            return False
        return not self._joining.isdisjoint(trunks.trunks) if trunks.trunks else bool(self._joining)

    def whose(self, campaign: Campaign) -> Whose:
        """Whose lines carry its calls, also of those who are away."""
        return Whose(joins=True) if self.joins(campaign) else Whose(self._team.of_campaign(campaign.campaign))

    def look_up(self, campaign: Campaign, now: Moment) -> None:
        """Have it asked where the PBX reaches those who are there."""
        self._team.working_for(campaign.campaign).look_up(self._desks, now.mono)

    def call_over(self, campaign: Campaign, over: CallOver) -> None:
        """The call of an attempt has ended: the extension of its operator may not have taken it. Those of slots rest
        where the trunk is."""
        seat, failed = campaign.crew.get(over.place), over.reason is EndReason.EXTENSION_FAILED
        if failed and seat is not None and seat.joined and seat.user is not None and self.joins(campaign):
            self._desks.failed(seat.user)

    def _there(self, campaign: Campaign) -> Roster:
        """Who works for it now, and can be given its calls."""
        there = self._team.working_for(campaign.campaign)
        return there.at_desks(self._desks) if self.joins(campaign) else there

    def ready(self, campaign: Campaign) -> list[str]:
        """Operators who are ready for a call of the campaign, and are in none, the longest first."""
        joined, ready = {seat.user for seat in campaign.crew.values() if seat.joined}, self._there(campaign).ready
        return [one.user for one in ready if one.free_for(campaign.campaign) and one.user not in joined]

    def free(self, campaign: Campaign) -> list[str]:
        """Those of them for whom nothing is dialled."""
        return untaken(campaign, self.ready(campaign))

    def by_status(self, campaign: Campaign) -> Mapping[str, int]:
        """How many are there to whom it can give calls, by their status."""
        return self._there(campaign).by_status

    # --- leads that operators look at

    def take_back_previews(self, campaign: Campaign, selection: Selection, now: Moment) -> None:
        """Leads of those who are not its operators any more are anybody's."""
        for shown in self.previews.drop_of_others(lambda user: self._team.has(user, campaign.campaign)):
            selection.put(shown.place, now.seconds)

    def begin_wanted(
        self, campaign: Campaign, book: RuleBook, lines: HeldLines, now: Moment
    ) -> tuple[machine.CampaignDecision, frozenset[str]]:
        """The dials that operators want, for whom a line is there; and who waits for one."""
        begun = self.previews.begun(self.free(campaign), now.seconds)
        have = [user for user in lines.users if user in begun]
        places = {begun[user]: user for user in have}  # of a lead one attempt at a time
        found = {user: machine.begin(campaign, book, place, user, now, lines) for place, user in places.items()}
        for user in have:
            unmade = user in found and not found[user].events
            if unmade and standing(campaign, begun[user], book, parse_utc(now.at), (user,)).number is not None:
                self.previews.wait(user)
            else:
                self.previews.over(user)
        events = tuple(event for decision in found.values() for event in decision.events)
        effects = tuple(effect for decision in found.values() for effect in decision.effects)
        return Decision(events=events, effects=effects), frozenset(begun) - frozenset(have)

    # --- how many dials

    def pace(
        self, campaign: Campaign, now: datetime, waiting: Collection[int] = (), *, held: int | None = None
    ) -> Pace:
        """How many dials are to be begun, and why not more. `waiting`: the places of calls that wait for somebody.
        `held`: no more than it holds lines; None: it asks for as many as are wanted."""
        matters = self._matters(campaign, now, waiting, held)
        if self._paced is None or self._paced[1] != matters or not 0 <= now.timestamp() - self._paced[0] < STANDS:
            self._paced = now.timestamp(), matters, self._pace(campaign, now, waiting, held)
        return self._paced[2]

    def way(self, campaign: Campaign, now: datetime) -> Way:
        """How it dials, whatever the number."""
        return way(self._plan(campaign), len(self._there(campaign).there), campaign.tally, now.toordinal())

    def _matters(
        self, campaign: Campaign, now: datetime, waiting: Collection[int], held: int | None
    ) -> tuple[object, ...]:
        """What has to be the same for as many dials to be worth while a moment later."""
        there, ready = len(self._there(campaign).there), self.ready(campaign)
        cap, hour = self.cap_by(campaign.settings), now.replace(minute=0, second=0, microsecond=0)
        return campaign.settings, cap, campaign.crew, campaign.tally, there, ready, frozenset(waiting), held, hour

    def _pace(self, campaign: Campaign, now: datetime, waiting: Collection[int], held: int | None) -> Pace:
        if self._learnt is None:
            for _ in self.learning(campaign):
                pass
        learnt = self._learnt
        assert learnt is not None
        joins, ahead = self.joins(campaign), self._outlook(learnt, now.timestamp())
        capacity = MOST if held is None else held
        there = replace(self._snapshot(learnt, campaign, now, waiting), capacity=capacity)
        found = pace(self._plan(campaign), there, replace(learnt, tally=campaign.tally), ahead)
        if not joins or held is None:
            return found
        without = self._desks.without(one.user for one in self._team.working_for(campaign.campaign).there)
        return replace(found, no_extension=without)

    def _plan(self, campaign: Campaign) -> Plan:
        settings = campaign.settings
        return Plan(
            mode=settings.mode, ratio=settings.ratio, cap=self.cap_by(settings), joins=self.joins(campaign)
        )

    def hold_to(self, cap: float, settings: CampaignSettings) -> None:
        """A lead is next for whom the rules want this cap: the lowest of all holds, until there are other settings."""
        self._cap = settings, min(cap, self.cap_by(settings))

    def cap_by(self, settings: CampaignSettings) -> float:
        """The one that holds now, as far as leads have been next."""
        known = self._cap is not None and self._cap[0] is settings
        return self._cap[1] if self._cap is not None and known else settings.abandoned_share

    def _snapshot(self, learnt: Learnt, campaign: Campaign, now: datetime, waiting: Collection[int]) -> Snapshot:
        there, seconds, ready = self._there(campaign), now.timestamp(), {*self.ready(campaign)}
        kept = [one.since for one in there.ready if one.user not in ready]  # by others, or just in a call
        open_to = [place for place, seat in campaign.crew.items() if not seat.joined]
        ringing, rings = dict[str, list[float]](), [place for place in open_to if place not in waiting]
        for entry in (at(campaign.leads, place) for place in rings):
            ringing.setdefault(known_as(learnt, entry.source), []).append(tries_of(entry)[-1].began / 1000)
        return Snapshot(
            waiting=len(open_to) - len(rings),
            idle=len(ready),
            talking=binned_since(sorted([*there.talking, *kept]), seconds),
            wrapping=binned_since(there.wrapping, seconds),
            ringing={source: binned_since(sorted(began), seconds) for source, began in ringing.items()},
            capacity=MOST, next_list="", hour=now.hour, day=now.toordinal(),
        )  # fmt: skip

    def _outlook(self, learnt: Learnt, now: float) -> Outlook:
        if self._ahead is None or not 0 <= now - self._ahead[0] < KEPT:
            self._ahead = now, outlook(learnt)
        return self._ahead[1]

    # --- what is learnt

    def learning(self, campaign: Campaign) -> Iterator[None]:
        """Learn from the last attempts on record how many are answered, a piece at each step."""
        newest = list[tuple[int, int, str]]()  # a heap
        for place, entry in enumerate(each(campaign.leads)):
            for one in tries_of(entry) if entry.tries else ():
                if one.outcome:
                    keep = heappush if len(newest) < RELEARNT else heappushpop
                    keep(newest, (one.began, one.outcome, entry.source))
            if place % PIECE == PIECE - 1:
                yield
        learnt = Learnt()
        for number, (began, outcome, source) in enumerate(sorted(newest)):
            learnt = _counted(learnt, began, OUTCOMES[outcome - 1], source)
            if number % PIECE == PIECE - 1:
                yield
        self._learnt = learnt

    def follow(self, campaign: Campaign, event: CampaignEvent) -> None:
        """Something is on record, and the campaign is this now."""
        match event:
            case CampaignAttemptEnded():
                self._learn(campaign, event)
            case CampaignLeadSkipped():
                self.previews.skipped(event.by, event.lead)
            case CampaignConfigured() if campaign.settings.mode is not Mode.PREVIEW:
                self.previews.end()

    def _learn(self, campaign: Campaign, event: CampaignAttemptEnded) -> None:
        """An attempt has ended."""
        if self._learnt is None:  # it is on record for who asks first
            return
        entry = at(campaign.leads, event.place)
        made = tries_of(entry)[-1]
        hour, rang = _hour(made.began), max((made.ended - made.began) / 1000 - event.talk_seconds, 0.0)
        if event.outcome in BY_SOMEBODY:  # the tally is the campaign's own, which is on record
            self._learnt = dial_answered(self._learnt, of_list=entry.source, hour=hour, day=0, ring=rang)
        elif event.outcome != NOT_DIALED:
            self._learnt = dial_unanswered(self._learnt, of_list=entry.source, hour=hour, ring=rang)
        if event.outcome == ANSWERED:
            self._learnt = talk_ended(self._learnt, float(event.talk_seconds))

    def wrapped_up(self, seconds: float) -> None:
        """An operator was ready so long after a talk."""
        if self._learnt is not None:
            self._learnt = wrap_ended(self._learnt, seconds)


def untaken(campaign: Campaign, ready: Iterable[str]) -> list[str]:
    """Those of them for whom nothing is dialled."""
    taken = {seat.user for seat in campaign.crew.values()}
    return [user for user in ready if user not in taken]


def _counted(learnt: Learnt, began: int, outcome: str, source: str) -> Learnt:
    if outcome == NOT_DIALED:
        return learnt
    return dial_counted(learnt, of_list=source, hour=_hour(began), answered=outcome in BY_SOMEBODY)


def _hour(milliseconds: int) -> int:
    return milliseconds // 3_600_000 % 24
