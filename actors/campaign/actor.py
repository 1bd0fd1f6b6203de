"""A campaign's shell: puts on record what its machine decides, and has the calls made.

It dials on lines that hosts offer it (`actors/dialing/offers.py`): while a lead may be called it asks every host for
some, and waits. So a slot that becomes idle is dialled on as soon as its host says so, and nothing is asked in vain.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Never

from msgspec import UNSET, Struct
from msgspec.structs import replace

from actors.campaign import machine, words
from actors.campaign.carriage import Carriage, There
from actors.campaign.dispositions import Settled
from actors.campaign.figures import Figures
from actors.campaign.lines import Ask, Held, HeldLines, asks
from actors.campaign.list_news import ListNews, ListsChanged, Watch
from actors.campaign.machine import (
    NEXT,
    BeginCall,
    CallOver,
    CampaignDecision,
    Claim,
    EndCall,
    FindCall,
    NotBegun,
    Ran,
)
from actors.campaign.orders import Add, Create, Pause, Run, Stop
from actors.campaign.outside import Dialled, Outside
from actors.campaign.pacing import Limit, Pace
from actors.campaign.places import at
from actors.campaign.record import Campaign, evolve, tried, under_way
from actors.campaign.rulebook import Elsewhere, RuleBook
from actors.campaign.rules import Candidate, zones_for
from actors.campaign.selection import Selection
from actors.campaign.standing import may_still_be_called
from actors.campaign.waiting import AskForLines, ReturnLines, Survey, waits_for
from actors.campaign.words import Word
from actors.runtime.actor import Actor
from actors.runtime.bus import Recorded
from actors.runtime.clock import Moment, moment, parse_utc
from actors.runtime.commands import Outcome, by_type, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Decision, Effect, SetTimer, TimerFired
from actors.runtime.host import Host
from actors.runtime.moments import moment as given_moment
from actors.runtime.telling import Telling
from actors.runtime.wire import Page
from bus_schemas.campaign import (
    ARCHIVE_CAMPAIGN,
    CAMPAIGN,
    CAMPAIGN_PAUSED,
    CAMPAIGN_STOPPED,
    CAMPAIGN_TELEMETRY,
    CONFIGURE_CAMPAIGN,
    MARK_LEAD,
    RESUME_CAMPAIGN,
    ArchiveCampaign,
    CampaignActivated,
    CampaignAttemptClaimed,
    CampaignChanged,
    CampaignConfigured,
    CampaignEvent,
    CampaignPaused,
    CampaignSettings,
    CampaignStatus,
    CampaignStopped,
    ConfigureCampaign,
    Mode,
    ResumeCampaign,
    StopMode,
)
from bus_schemas.catalogue import topics_of
from bus_schemas.contract import verb_of
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.host import Line
from bus_schemas.lead import LeadMarked, MarkLead

NO_CAMPAIGN = RefusalTemplate(ErrorCode.NOT_FOUND, "No such campaign.")
NO_LEAD = RefusalTemplate(ErrorCode.NOT_FOUND, "No such lead in this campaign.")
MOST_LINES = 50  # that are asked for at once
KEEP_ARCHIVED = 5.0  # seconds, until the records answer for it
PATIENT, REST, LONGEST_REST = 5, 0.5, 60.0  # refused calls on end until it rests, and for how many seconds
GIVE_UP = 300.0  # seconds without a line that may call those who are left, busy or not, until it finishes
TOLD_EVERY = 0.5  # seconds between two tellings of the counts




class Offered(Struct, frozen=True, kw_only=True):
    """What a host keeps for the campaign. None: it had none for a while."""

    ask: Ask
    lines: tuple[Held, ...] = ()


class Ended(Struct, frozen=True, kw_only=True):
    """Attempts have ended: the next of them is to be looked at."""


class Surveyed(Struct, frozen=True, kw_only=True):
    """What lines there are, busy or not."""

    there: There


class LookOn(Effect, frozen=True, kw_only=True):
    """More have."""


Report = Offered | Ended | Surveyed | Word | ListsChanged
MakeSettled = Callable[["CampaignActor"], Settled]


class CampaignActor(Actor[Campaign, CampaignEvent, Never, Report]):
    """One campaign. `book`: its rules."""

    kind: ClassVar[str] = "campaign"
    state_type = Campaign
    topics = topics_of("campaign")

    def __init__(
        self, *, id: str, host: Host, outside: Outside, book: RuleBook, words: MakeSettled, watch: Watch
    ) -> None:
        super().__init__(id=id, host=host)
        self._lists = ListNews(owner=self, watch=watch)
        self._words = words(self)
        self.book = book
        self._outside = outside
        self._selection: Selection | None = None
        self._figures: Figures | None = None
        self._lines = HeldLines()  # that are offered
        self._ended: deque[CallOver | NotBegun] = deque()  # beside the inbox: a thousand calls may end at once
        self._halted = 0  # where the journal says that it was last paused, or stopped
        self._refused = 0  # calls on end that no line took
        self._rests_until = 0.0
        self._asked: set[Ask] = set()  # that wait for an answer
        self._claimed: dict[int, int] = {}  # the entry of each claim whose call was not asked for yet, by place
        self._surveying = False
        self._hopeless_since: float | None = None  # there is no line for those who lack one
        self._telling = Telling(actor=self, host=host, every=TOLD_EVERY, tell=self._tell)

    # --- commands

    def go_on(self, request: ResumeCampaign, context: Context) -> Outcome[CampaignChanged]:
        return self._changed(machine.resume(self.seen_by(context), context.user, self._now()))

    def archive(self, request: ArchiveCampaign, context: Context) -> Outcome[CampaignChanged]:
        return self._changed(machine.archive(self.seen_by(context), context.user, self._now()))

    def configure(self, request: ConfigureCampaign, context: Context) -> Outcome[CampaignChanged]:
        campaign = self.seen_by(context)
        settings = replace(campaign.settings, **_named(request, campaign.settings))
        return self._changed(machine.configure(campaign, settings, context.user, self._now()))

    def mark(self, request: MarkLead, context: Context) -> Outcome[LeadMarked]:
        campaign, place = self.seen_by(context), self.place_of(request.lead)
        if place is None:
            raise NO_LEAD()
        entry = at(campaign.leads, place)
        there = Candidate(number=entry.numbers.split(" ")[0], timezone=entry.timezone)
        callback = given_moment(request.callback, "callback", zones_for(there))
        decision = machine.mark(
            campaign, place, request.status, context.user, self._now(), callback=callback,
            operator=request.operator, disposition=request.disposition,
        )  # fmt: skip
        reply = LeadMarked(campaign_id=self.id, lead=request.lead, status=request.status)
        return Outcome(decision=decision, reply=reply)

    commands = by_verb(
        command(RESUME_CAMPAIGN, go_on),
        command(ARCHIVE_CAMPAIGN, archive),
        command(CONFIGURE_CAMPAIGN, configure),
        command(MARK_LEAD, mark),
    )

    def run(self, order: Run, context: Context, now: Moment) -> Outcome[Page]:
        late = order.after is not None and order.after < self._halted
        by, goes_on = context.user, order.goes_on or late
        ran = machine.run(self.id, self.state, self._selection, order.given, by, now, goes_on=goes_on)
        return self._ran(ran)

    def add(self, order: Add, context: Context, now: Moment) -> Outcome[Page]:
        return self._ran(machine.add(self._campaign(), self._selection, order.given, context.user, now))

    def _ran(self, ran: Ran) -> Outcome[Page]:
        changed = bool(ran.decision.events)
        return Outcome(
            decision=ran.decision, reply=lambda: Page(body=ran.answer, seq=self.seq, changed=changed)
        )

    def create(self, order: Create, context: Context, now: Moment) -> Outcome[CampaignChanged]:
        return self._changed(machine.create(self.id, self.state, order.settings, context.user, now))

    def stop_it(self, order: Stop, context: Context, now: Moment) -> Outcome[bool]:
        decision = machine.stop(self._campaign(), order.mode, context.user, now)
        return Outcome(decision=decision, reply=bool(decision.events))

    def pause(self, order: Pause, context: Context, now: Moment) -> Outcome[bool]:
        decision = machine.pause(self._campaign(), context.user, now)
        return Outcome(decision=decision, reply=bool(decision.events))

    orders = by_type(Run.by(run), Add.by(add), Create.by(create), Stop.by(stop_it), Pause.by(pause))

    def _changed(self, decision: CampaignDecision) -> Outcome[CampaignChanged]:
        def reply() -> CampaignChanged:
            campaign = self._campaign()
            return CampaignChanged(campaign_id=self.id, status=campaign.status, settings=campaign.settings)

        return Outcome(decision=decision, reply=reply)

    def _campaign(self) -> Campaign:
        if self.state is None:
            raise NO_CAMPAIGN()
        return self.state

    def seen_by(self, context: Context) -> Campaign:
        """The campaign, for who sees it. Raises Refusal(NOT_FOUND)."""
        campaign = self._campaign()
        if not CAMPAIGN.visible(campaign.by, user=context.user, actions=context.actions):
            raise NO_CAMPAIGN()
        return campaign

    def owners(self, state: Campaign | None) -> tuple[str | None, ...]:
        return (state.by,) if state is not None else ()

    # --- the machine's place

    evolve = staticmethod(evolve)

    def barrier(self, now: Moment, epoch: int) -> CampaignActivated:
        return CampaignActivated(campaign=self.id, at=now.at, host=self._host.name, epoch=epoch)

    async def take_over(self) -> None:
        """What is on record, in the order in which it is called; and what the others have tried."""
        if self.state is not None:
            self._know(self.state)
        await self._outside.elsewhere.others_are_known(self.id)

    def _know(self, campaign: Campaign) -> None:
        self._selection, self._figures = Selection(campaign), Figures(campaign)
        self._words.begin()
        self._lists.begin()

    def newest(self, verb: str) -> int | None:
        return self._halted if verb == CAMPAIGN_PAUSED.verb and self._selection is not None else None

    def resume(self, now: Moment) -> CampaignDecision:
        return machine.taken_over(self.state, now) if self.state is not None else NOTHING

    def replayed(self, recorded: Recorded) -> None:
        if verb_of(recorded.subject) in (CAMPAIGN_PAUSED.verb, CAMPAIGN_STOPPED.verb):
            self._halted = recorded.seq

    def recorded(self, event: CampaignEvent) -> None:
        if isinstance(event, CampaignPaused | CampaignStopped):
            self._halted = self.seq
        if self.state is None:
            return
        if self._selection is None or self._figures is None:
            if not isinstance(event, CampaignActivated):
                self._know(self.state)
            return
        self._selection.follow(self.state, event)
        self._figures.follow(self.state, event)
        if isinstance(event, CampaignAttemptClaimed):
            self._claimed[event.place] = self.seq
        if isinstance(event, CampaignConfigured):  # some may be of a carrier that is not wanted any more
            self._return(self._lines.drain())
        self._telling.soon()

    def state_changed(self) -> None:
        if self.state is not None and self.state.status is CampaignStatus.ARCHIVED:
            self._host.retire(self, KEEP_ARCHIVED)

    def observe(self, report: Report | TimerFired, now: Moment) -> CampaignDecision:
        campaign = self.state
        if isinstance(report, Offered):
            self._take_in(report)
        if isinstance(report, Ended):
            return self._settle_next(now)
        if campaign is None or self._selection is None:
            return NOTHING
        if isinstance(report, Word):
            return words.heard(campaign, report, now)
        if isinstance(report, ListsChanged):
            self._selection.look_again(campaign, self._lists.take())
        if isinstance(report, Surveyed):
            self._surveyed(report.there, self._selection, now)
        decision = self._claim(campaign, self._selection, now)
        lacks = isinstance(report, Offered) and report.ask.countries is not None and not report.lines
        return replace(decision, effects=(*decision.effects, Survey())) if lacks else decision

    def _settle_next(self, now: Moment) -> CampaignDecision:
        """What follows from the end of an attempt."""
        report, campaign = self._ended.popleft(), self.state
        more = (LookOn(),) if self._ended else ()
        if isinstance(report, NotBegun) and not report.of_number:
            self._rest(now)
        if campaign is None:
            return Decision(effects=more)
        decision = machine.ended(campaign, report, self.book, now)
        return Decision(events=decision.events, effects=(*decision.effects, *more))

    def _claim(self, campaign: Campaign, selection: Selection, now: Moment) -> CampaignDecision:
        """Claim as many leads as there are lines, and say what there has to be for more."""
        if campaign.status is not CampaignStatus.RUNNING:
            return Decision(effects=(ReturnLines(),))
        if (rest := self._rests_until - now.mono) > 0:
            return Decision(effects=(ReturnLines(), SetTimer(name=NEXT, seconds=rest)))
        self._lines.expire(now.mono)
        hopeless = self._hopeless_since is not None and now.mono - self._hopeless_since >= GIVE_UP
        decision = machine.claim(
            campaign, selection, self.book, len(self._lines), now, lines=self._lines, hopeless=hopeless
        )
        most = min(selection.left, MOST_LINES if self._refused < PATIENT else 1)
        more = waits_for(selection, parse_utc(now.at).timestamp(), most, spare=len(self._lines) > 0)
        return Decision(events=decision.events, effects=(*decision.effects, *more))

    def _surveyed(self, there: There, selection: Selection, now: Moment) -> None:
        if not selection.lacking or any(there.reaches(home) for home in selection.homes()):
            self._hopeless_since = None
        elif self._hopeless_since is None:
            self._hopeless_since = now.mono

    def _rest(self, now: Moment) -> None:
        """Where no line takes a call, longer each time: claims and refusals without end would fill the journal."""
        self._refused += 1
        times = min(self._refused - PATIENT, 10)
        self._rests_until = now.mono + min(REST * 2**times, LONGEST_REST) if times >= 0 else 0.0

    # --- effects

    def perform(self, effect: Effect) -> None:
        match effect:
            case BeginCall(claim=claim, line=line) if line is not None:
                self.spawn(self._outside.dial(self, claim, line, self._claimed.pop(claim.place)))
            case FindCall(claim=claim):
                self.spawn(self._outside.find(self, claim))
            case EndCall(claim=claim):
                self.spawn(self._outside.end(self, claim))
            case AskForLines(most=most, countries=countries):
                carriers = self._campaign().settings.carriers
                for ask in asks(carriers, self._outside.hosts(), countries):
                    if ask not in self._asked:
                        self._asked.add(ask)
                        self.spawn(self._ask(ask, most))
            case ReturnLines():
                self._return(self._lines.drain())
            case Survey() if not self._surveying:
                self._surveying = True
                self.spawn(self._survey())
            case LookOn():
                self.tell(Ended())

    async def _ask(self, ask: Ask, most: int) -> None:
        lines = await self._outside.lines(self._campaign(), ask, most, self._host.clock.monotonic)
        self.tell(Offered(ask=ask, lines=lines))

    async def _survey(self) -> None:
        try:
            self.tell(Surveyed(there=await self._outside.survey(self._campaign())))
        finally:
            self._surveying = False

    def _take_in(self, offered: Offered) -> None:
        """Lines of a carrier that the settings no longer want go back."""
        self._asked.discard(offered.ask)
        if self.state is not None and offered.ask.is_of(self.state.settings.carriers):
            self._lines.add(offered.lines)
        else:
            self._return(offered.lines)

    def began(self) -> None:
        """A call was begun: lines take calls."""
        self._refused, self._rests_until = 0, 0.0

    def ended(self, report: CallOver | NotBegun) -> None:
        """An attempt is over."""
        self._ended.append(report)
        if len(self._ended) == 1:
            self.tell(Ended())

    def _return(self, not_needed: Iterable[Held]) -> None:
        lines: dict[str, list[Line]] = {}
        for held in not_needed:
            lines.setdefault(held.host, []).append(held.line)
        for host, its in lines.items():
            self.spawn(self._outside.give_back(self.id, host, its))

    # --- what those who dial for it ask

    def dialled(self, claim: Claim) -> Dialled:
        """How it is with an attempt now."""
        campaign = self._campaign()
        entry = at(campaign.leads, claim.place)
        if not under_way(entry) or tried(entry) != claim.attempt:
            return Dialled.OVER
        may = campaign.status is CampaignStatus.RUNNING and self.alive and self._host.may_act
        if not may:
            return Dialled.TO_BE_ENDED if campaign.mode is StopMode.HANGUP else Dialled.NOT_NOW
        return Dialled.WANTED

    def may_call(self, claim: Claim, elsewhere: Elsewhere) -> bool:
        """Whether the rules allow the call still, by all that was claimed before it. `elsewhere`: by other campaigns,
        some of which was heard only after the claim."""
        return may_still_be_called(
            self._campaign(), claim.place, claim.number, self.book, elsewhere, parse_utc(self._now().at)
        )

    def ring_seconds(self, claim: Claim) -> float:
        """For which its call has to ring, at least."""
        return self.book.rules_for(claim.number, self._campaign().settings).ring_seconds

    @property
    def runs(self) -> bool:
        return self.state is not None and self.state.status is CampaignStatus.RUNNING

    def place_of(self, lead: str) -> int | None:
        """The place of a lead, by its id."""
        return self._selection.place_of(self._campaign(), lead) if self._selection is not None else None

    def place_with(self, number: str) -> int | None:
        """The place of the lead that has a number."""
        return self._selection.place_with(self._campaign(), number) if self._selection is not None else None

    def pace(self) -> Pace:
        """How many dials it would begin now. All lines are its own operators, and each that is there is used."""
        return Pace(dials=len(self._lines), limit=Limit.CARRIERS_FULL, mode=Mode.PROGRESSIVE)

    def carriage(self, there: There) -> Carriage:
        """How its numbers could be called. `there`: what lines there are."""
        return Carriage(self._campaign().settings.carriers, there, self._lines.copy())

    # --- its counts

    async def _tell(self) -> None:
        if self.state is not None and self._figures is not None:
            await self._host.publish(
                CAMPAIGN_TELEMETRY, self._figures.said(self.state, self._now().at), self.owners(self.state)
            )

    async def terminate(self) -> None:
        await super().terminate()
        self._outside.forget(self)
        self._words.end()
        self._lists.end()

    def _now(self) -> Moment:
        return moment(self._host.clock)


def _named(request: ConfigureCampaign, known: CampaignSettings) -> dict[str, Any]:
    """The settings that a request names; of the waits that are `known` it changes those that it names."""
    given = {name: getattr(request, name) for name in CampaignSettings.__struct_fields__}
    if request.retry_minutes is not UNSET:
        given["retry_minutes"] = {**known.retry_minutes, **request.retry_minutes}
    return {name: value for name, value in given.items() if value is not UNSET}
