"""A campaign's shell: puts on record what its machine decides, and has the calls made.

It dials on lines that hosts offer it (`actors/dialing/offers.py`): while a lead may be called it asks every host for
some, and waits. So a slot that becomes idle is dialled on as soon as its host says so, and nothing is asked in vain.
"""

from collections import deque
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from actors.campaign import editing, machine, previewing, words
from actors.campaign.answered import Answered, GiveUp, TakeCall
from actors.campaign.carriage import Carriage, There, Whose
from actors.campaign.claims import BeginCall, CallOver, Claim, EndCall, FindCall, Joined, NotBegun, claims_at
from actors.campaign.crew import Crew
from actors.campaign.desks import Desks
from actors.campaign.dispositions import Settled
from actors.campaign.figures import Figures
from actors.campaign.hope import Hope
from actors.campaign.limits import CampaignLimits
from actors.campaign.lines import Ask, Held, HeldLines
from actors.campaign.list_news import ListNews, ListsChanged, Watch
from actors.campaign.machine import NEXT, CampaignDecision, Ran
from actors.campaign.on_record import CampaignOnRecord
from actors.campaign.once import Once
from actors.campaign.orders import (
    Add,
    Archive,
    Assign,
    Begin,
    Change,
    Configure,
    Create,
    Mark,
    Pause,
    Resume,
    Run,
    Show,
    Stop,
    named,
)
from actors.campaign.outside import Dialled, Outside
from actors.campaign.pacing import Pace, pace_without_team
from actors.campaign.places import at
from actors.campaign.previews import NO_PREVIEW
from actors.campaign.record import Campaign, Skipped, tried, under_way
from actors.campaign.reports import CallAnswered, Ended, Offered, OperatorRefused, Report, Surveyed, TeamChanged
from actors.campaign.rest import Rest
from actors.campaign.rulebook import Elsewhere, RuleBook
from actors.campaign.selection import Selection
from actors.campaign.standing import may_still_be_called
from actors.campaign.taking_over import taken_in
from actors.campaign.team import MemberChange, Team
from actors.campaign.team_claims import claim_for_team
from actors.campaign.waiting import AskForLines, ReturnLines, Survey, asks_for, waits_for
from actors.campaign.words import Word
from actors.dialing.in_whose_name import must_dial_for
from actors.runtime.clock import Moment, moment, parse_utc
from actors.runtime.commands import Outcome, by_type, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Decision, Effect, SetTimer, TimerFired
from actors.runtime.host import Host
from actors.runtime.telling import Telling
from actors.runtime.wire import Page
from bus_schemas.call import CallConnected
from bus_schemas.campaign import (
    CAMPAIGN,
    NO_CAMPAIGN,
    CampaignActivated,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignConfigured,
    CampaignEvent,
    CampaignFinished,
    CampaignStatus,
    Mode,
    Operators,
    StopMode,
)
from bus_schemas.campaign_telemetry import CAMPAIGN_TELEMETRY
from bus_schemas.errors import Refusal
from bus_schemas.host import Line
from bus_schemas.lead import NO_LEAD
from bus_schemas.preview import SKIP_PREVIEWED, LeadPreview, LeadSkipped, SkipPreviewed

MOST_LINES = 50  # that are asked for at once
KEEP_ARCHIVED = 5.0  # seconds, until the records answer for it
TOLD_EVERY, TOLD_AGAIN = 0.5, 10.0  # seconds between two tellings of the counts; and where they stay the same

MakeSettled = Callable[["CampaignActor"], Settled]


class CampaignActor(CampaignOnRecord):
    """One campaign. `book`: its rules. `team`: all operators of the site; `desks`: their extensions, to which trunks
    that are `joining` can take calls."""

    def __init__(
        self, *, id: str, host: Host, outside: Outside, book: RuleBook, words: MakeSettled, watch: Watch, team: Team,
        desks: Desks, joining: frozenset[str], limits: CampaignLimits,
    ) -> None:  # fmt: skip
        super().__init__(id=id, host=host)
        self._lists = ListNews(owner=self, watch=watch)
        self._words = words(self)
        self.book = book
        self._outside = outside
        self._team = team
        self._desks, self._joining = desks, joining
        self._answered = Answered()  # that wait for an operator
        self._limits = limits
        self._crew: Crew | None = None
        self._team_has_changed = False
        self._selection: Selection | None = None
        self._figures: Figures | None = None
        self._lines = HeldLines()  # that are offered
        self._ended: deque[CallOver | NotBegun] = deque()  # beside the inbox: a thousand calls may end at once
        self._nobody_left: int | None = None  # the last entry with which nobody was left to be called
        self._rest = Rest()
        self._asked: set[Ask] = set()  # that wait for an answer
        self._claimed: dict[int, int] = {}  # the entry of each claim whose call was not asked for yet, by place
        self._surveying = False
        self._hope = Hope()
        self._once = Once()
        self._telling = Telling(
            actor=self, host=host, every=TOLD_EVERY, tell=self._tell, again=TOLD_AGAIN, goes_on=lambda: self.runs
        )

    # --- commands

    def _resumed(self, context: Context, now: Moment) -> CampaignDecision:
        campaign = self.dialling_for(context)
        if self._nobody_left == self.seq:  # else whoever asks on end has all leads passed over each time
            raise machine.NOBODY_LEFT(status=campaign.status)
        try:
            decision = machine.resume(campaign, context.user, now)
        except Refusal as refusal:
            self._nobody_left = self.seq if machine.NOBODY_LEFT.made(refusal) else None
            raise
        self._limits.check(self.id, self.state, context.user, decision.events)
        return decision

    def _configured(self, order: Configure, context: Context, now: Moment) -> CampaignDecision:
        campaign = self.dialling_for(context)
        settings = replace(campaign.settings, **named(order.request, campaign.settings))
        must_dial_for(campaign.by, settings, context)
        return machine.configure(campaign, settings, context.user, now)

    def preview(self, order: Show, context: Context, now: Moment) -> Outcome[LeadPreview]:
        return previewing.show(self._seen_from(context))

    def begin_previewed(self, order: Begin, context: Context, now: Moment) -> Outcome[LeadPreview]:
        return previewing.begin(self._seen_from(context), order.lead, looks=order.looks)

    def skip_previewed(self, request: SkipPreviewed, context: Context) -> Outcome[LeadSkipped]:
        return previewing.skip(self._seen_from(context), request.lead)

    def _seen_from(self, context: Context) -> previewing.PreviewRequest:
        """The campaign as an operator of its finds it who asks for a lead, whoever made it. Raises Refusal."""
        campaign, crew = self._campaign(), self.team_crew()
        if crew is None or not self._team.has(context.user, self.id):
            self.seen_by(context)
        if crew is None or self._selection is None or campaign.settings.mode is not Mode.PREVIEW:
            raise NO_PREVIEW()
        if campaign.status is not CampaignStatus.RUNNING:
            raise machine.NOT_RUNNING()
        return previewing.PreviewRequest(
            context.user, context.command_id, campaign, crew, self._selection, self.book, self._now()
        )

    def team_crew(self) -> Crew | None:
        """Its operators, if it has any."""
        team = self.state is not None and self.state.settings.operators is Operators.TEAM
        return self._crew if team else None

    commands = by_verb(command(SKIP_PREVIEWED, skip_previewed))

    def run(self, order: Run, context: Context, now: Moment) -> Outcome[Page]:
        if order.by_asker and self.state is not None:  # it may have become somebody's meanwhile
            self.dialling_for(context)
        late = order.after is not None and order.after < self.halted
        by, goes_on = context.user, order.goes_on or late
        ran = machine.run(self.id, self.state, self._selection, order.given, by, now, goes_on=goes_on)
        return self._ran(ran, context)

    def add(self, order: Add, context: Context, now: Moment) -> Outcome[Page]:
        return self._ran(machine.add(self._campaign(), self._selection, order.given, context.user, now), context)

    def _ran(self, ran: Ran, context: Context) -> Outcome[Page]:
        self._limits.check(self.id, self.state, context.user, ran.decision.events)
        changed = bool(ran.decision.events)
        return Outcome(
            decision=ran.decision, reply=lambda: Page(body=ran.answer, seq=self.seq, changed=changed)
        )

    def create(self, order: Create, context: Context, now: Moment) -> Outcome[bool]:
        if self.state is not None and not self._is_seen_by(context):
            raise machine.EXISTS()
        return self._do(context, lambda: machine.create(self.id, self.state, order.settings, context.user, now))

    def stop_it(self, order: Stop, context: Context, now: Moment) -> Outcome[bool]:
        return self._do(context, lambda: machine.stop(self._campaign(), order.mode, context.user, now))

    def pause(self, order: Pause, context: Context, now: Moment) -> Outcome[bool]:
        return self._do(context, lambda: machine.pause(self._campaign(), context.user, now))

    def go_on(self, order: Resume, context: Context, now: Moment) -> Outcome[bool]:
        return self._do(context, lambda: self._resumed(context, now))

    def archive(self, order: Archive, context: Context, now: Moment) -> Outcome[bool]:
        return self._do(context, lambda: machine.archive(self.seen_by(context), context.user, now))

    def configure(self, order: Configure, context: Context, now: Moment) -> Outcome[bool]:
        return self._do(context, lambda: self._configured(order, context, now))

    def _do(self, context: Context, decide: Callable[[], CampaignDecision]) -> Outcome[bool]:
        return self._once.make(context.command_id, self._answer_to(context.command_id), decide)

    def mark(self, order: Mark, context: Context, now: Moment) -> Outcome[bool]:
        request, campaign = order.request, self.seen_by(context)
        if (place := self.place_of(request.lead)) is None:
            raise NO_LEAD()
        return self._do(context, lambda: editing.mark(campaign, place, request, context.user, now))

    def change(self, order: Change, context: Context, now: Moment) -> Outcome[bool | None]:
        if self._selection is None:
            raise NO_LEAD()
        if order.known_at < self.edited:
            return Outcome(decision=NOTHING, reply=None)
        decision = order.decide(self._campaign(), self._selection, now)
        return Outcome(decision=decision, reply=bool(decision.events))

    def assign(self, order: Assign, context: Context, now: Moment) -> Outcome[int]:
        places = [place for lead in order.leads if (place := self.place_of(lead)) is not None]
        decision = editing.assign(self._campaign(), places, order.seller, context.user, now)
        return Outcome(decision=decision, reply=editing.assigned(decision.events))

    orders = by_type(
        Run.by(run), Add.by(add), Create.by(create), Stop.by(stop_it), Pause.by(pause), Mark.by(mark),
        Change.by(change), Assign.by(assign), Show.by(preview), Begin.by(begin_previewed),
        Resume.by(go_on), Archive.by(archive), Configure.by(configure),
    )  # fmt: skip

    def _campaign(self) -> Campaign:
        if self.state is None:
            raise NO_CAMPAIGN()
        return self.state

    def seen_by(self, context: Context) -> Campaign:
        """The campaign, for who sees it. Raises Refusal(NOT_FOUND)."""
        if not self._is_seen_by(context):
            raise NO_CAMPAIGN()
        return self._campaign()

    def _is_seen_by(self, context: Context) -> bool:
        return CAMPAIGN.visible(self._campaign().by, user=context.user, actions=context.actions)

    def dialling_for(self, context: Context) -> Campaign:
        """The campaign, for who may have it dial. Raises Refusal."""
        campaign = self.seen_by(context)
        must_dial_for(campaign.by, campaign.settings, context)
        return campaign

    def owners(self, state: Campaign | None) -> tuple[str | None, ...]:
        return (state.by,) if state is not None else ()

    # --- the machine's place

    def barrier(self, now: Moment, epoch: int) -> CampaignActivated:
        return CampaignActivated(campaign=self.id, at=now.at, host=self._host.name, epoch=epoch)

    async def take_over(self) -> None:
        """What is on record, in the order in which it is called; and what the others have tried."""
        if self.state is not None:
            self._follow(*await taken_in(self.state, self._new_crew()))
        await self._outside.elsewhere.others_are_known(self.id)
        self._save_if_due()

    @property
    def taken_over(self) -> bool:
        return self._selection is not None

    def resume(self, now: Moment) -> CampaignDecision:
        return machine.taken_over(self.state, now) if self.state is not None else NOTHING

    def recorded(self, event: CampaignEvent) -> None:
        super().recorded(event)
        if self.state is None:
            return
        if self._selection is None or self._figures is None or self._crew is None:
            if not isinstance(event, CampaignActivated):
                self._follow(Selection(self.state), Figures(self.state), self._new_crew())
            return
        self._selection.follow(self.state, event)
        self._figures.follow(self.state, event)
        self._crew.follow(self.state, event)
        if isinstance(event, CampaignAttemptClaimed):
            self._claimed[event.place] = self.seq
        if isinstance(event, CampaignConfigured):  # some may be of a carrier that is not wanted any more
            self._return(self._lines.drain())
        if isinstance(event, CampaignAttemptEnded):
            self._answered.drop(event.place)
        if isinstance(event, CampaignConfigured | CampaignFinished):
            self._hope.begin_anew()
        self._telling.soon()

    def _new_crew(self) -> Crew:
        return Crew(self._team, self._desks, self._joining)

    def _follow(self, selection: Selection, figures: Figures, crew: Crew) -> None:
        self._selection, self._figures, self._crew = selection, figures, crew
        self._team.watch(id(self), self._hear_of_operators)
        self._words.begin()
        self._lists.begin()
        self._telling.soon()

    def _hear_of_operators(self, heard: MemberChange) -> None:
        """An operator is another now: all of them are looked at, in this campaign's turn."""
        if (crew := self.team_crew()) is None or not heard.concerns(self.id):
            return
        if heard.wrapped_up is not None and heard.member.works_for(self.id):
            crew.wrapped_up(heard.wrapped_up)
        if self._answered:  # who waits for an operator does so for seconds
            self._look_at_operators()
        else:
            self._team.soon(id(self), self._look_at_operators)

    def _look_at_operators(self) -> None:
        """Once for all that is heard before it is looked at."""
        if self.alive and not self._team_has_changed:
            self._team_has_changed = True
            self.tell(TeamChanged())

    def state_changed(self) -> None:
        self._limits.follow(self.id, self.state)
        if self.state is not None and self.state.status is CampaignStatus.ARCHIVED:
            self._host.retire(self, KEEP_ARCHIVED)

    def observe(self, report: Report | TimerFired, now: Moment) -> CampaignDecision:
        campaign = self.state
        match report:
            case Offered():
                self._take_in(report)
            case TeamChanged():
                self._team_has_changed = False
                self._telling.soon()
            case CallAnswered():
                self._answered.add(report.claim, report.call)
            case OperatorRefused():
                self._answered.refused(report.claim)
            case Joined():
                self._answered.drop(report.place)
                return machine.joined(campaign, report, now) if campaign is not None else NOTHING
        if isinstance(report, Ended):
            return self._settle_next(now)
        if campaign is None or self._selection is None:
            return NOTHING
        if isinstance(report, Word):
            return words.heard(campaign, report, now)
        self._note(report, campaign, self._selection, now)
        seated = self._seated(campaign, now)
        if seated.events:  # and what they change is looked at next
            return replace(seated, effects=(*seated.effects, SetTimer(name=NEXT, seconds=0.0)))
        decision = self._claim(campaign, self._selection, now)
        decision = replace(decision, effects=(*decision.effects, *seated.effects))
        lacks = isinstance(report, Offered) and report.ask.countries is not None and not report.lines
        return replace(decision, effects=(*decision.effects, Survey())) if lacks else decision

    def _note(self, report: Report | TimerFired, campaign: Campaign, selection: Selection, now: Moment) -> None:
        """What is known beside the record is another."""
        match report:
            case TeamChanged() if self._crew is not None:
                self._crew.take_back_previews(campaign, selection, now)
            case ListsChanged():
                selection.look_again(campaign, self._lists.take())
            case Surveyed():
                self._hope.follow(report.there, selection, now.mono)

    def _seated(self, campaign: Campaign, now: Moment) -> CampaignDecision:
        """Operators for those who have answered and wait."""
        if not self._answered or self._crew is None:
            return NOTHING
        self._crew.look_up(campaign, now)  # also while it drains
        return self._answered.next(campaign, self._crew.free(campaign), now)

    def _settle_next(self, now: Moment) -> CampaignDecision:
        """What follows from the end of an attempt."""
        report, campaign = self._ended.popleft(), self.state
        if self._ended:
            self.tell(Ended())
        if isinstance(report, NotBegun) and not report.of_number:
            self._rest.refused(now.mono)
        if campaign is None:
            return NOTHING
        if isinstance(report, CallOver) and self._crew is not None:
            self._crew.call_over(campaign, report)
        return machine.ended(campaign, report, self.book, now)

    def _claim(self, campaign: Campaign, selection: Selection, now: Moment) -> CampaignDecision:
        """Claim as many leads as there are lines, and say what there has to be for more."""
        if campaign.status is not CampaignStatus.RUNNING:
            return Decision(effects=(ReturnLines(),))
        if (rest := self._rest.left(now.mono)) > 0:
            return Decision(effects=(ReturnLines(), SetTimer(name=NEXT, seconds=rest)))
        self._lines.expire(now.mono)
        hopeless = self._hope.is_lost(now.mono)
        if (crew := self.team_crew()) is not None:
            return claim_for_team(
                crew, campaign, selection, self.book, self._lines, self._answered.places, now, hopeless=hopeless
            )
        if campaign.settings.mode is Mode.PREVIEW:
            looked = machine.look_through(campaign, selection, self.book, now)
            return replace(looked, effects=(*looked.effects, ReturnLines()))
        lines = self._lines
        decision = machine.claim(campaign, selection, self.book, len(lines), now, lines=lines, hopeless=hopeless)
        most = min(selection.left, 1 if self._rest.comes else MOST_LINES)
        more = waits_for(selection, now.seconds, most, spare=len(lines) > 0)
        return Decision(events=decision.events, effects=(*decision.effects, *more))

    # --- effects

    def perform(self, effect: Effect) -> None:
        match effect:
            case BeginCall(claim=claim, line=line) if line is not None:
                self.spawn(self._outside.dial(self, claim, line, self._claimed.pop(claim.place)))
            case FindCall(claim=claim):
                self.spawn(self._outside.find(self, claim))
            case EndCall(claim=claim):
                self.spawn(self._outside.end(self, claim))
            case TakeCall(claim=claim, call=call):
                self.spawn(self._outside.take(self, claim, call))
            case GiveUp(claim=claim, call=call):
                self.spawn(self._outside.give_up(self, claim, call))
            case AskForLines():
                for ask in asks_for(effect, self._campaign().settings.carriers, self._outside.hosts(), self._asked):
                    self._asked.add(ask)
                    self.spawn(self._ask(ask, effect.most))
            case ReturnLines(lines=lines):
                self._return(self._lines.drain() if lines is None else lines)
            case Survey() if not self._surveying:
                self._surveying = True
                self.spawn(self._survey())

    async def _ask(self, ask: Ask, most: int) -> None:
        lines = await self._outside.lines(self._campaign(), ask, most, self._host.clock.monotonic)
        self.tell(Offered(ask=ask, lines=lines))

    async def _survey(self) -> None:
        try:
            self.tell(Surveyed(there=await self._outside.survey(self._campaign(), self.whose_lines())))
        finally:
            self._surveying = False

    def _take_in(self, offered: Offered) -> None:
        """Lines of a carrier that the settings no longer want go back."""
        self._asked.discard(offered.ask)
        crew, state = self.team_crew(), self.state
        joins = crew is not None and state is not None and crew.joins(state)
        if state is not None and offered.ask.is_of(state.settings.carriers, team=crew is not None, joins=joins):
            self._lines.add(offered.lines)
        else:
            self._return(offered.lines)

    def began(self) -> None:
        """A call was begun: lines take calls."""
        self._rest.over()

    def ended(self, report: CallOver | NotBegun) -> None:
        """An attempt is over."""
        self._ended.append(report)
        if len(self._ended) == 1:
            self.tell(Ended())

    def answered(self, claim: Claim, call: CallConnected) -> None:
        """Somebody has answered whose call waits for an operator."""
        self.tell(CallAnswered(claim=claim, call=call))

    def refused(self, claim: Claim) -> None:
        """The operator to whom a call was offered is not free."""
        self.tell(OperatorRefused(claim=claim))

    def joined(self, claim: Claim, call_id: str) -> None:
        """An operator has taken the call of an attempt."""
        assert claim.operator is not None
        self.tell(Joined(place=claim.place, attempt=claim.attempt, user=claim.operator, call_id=call_id))

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

    def is_joined(self, claim: Claim) -> bool:
        """Whether an operator has taken the call of an attempt."""
        seat = self._campaign().crew.get(claim.place)
        return seat is not None and seat.joined

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

    def whose(self, number: str) -> int | None:
        """The place of the lead that has a number, or had it first."""
        return self._selection.whose(self._campaign(), number) if self._selection is not None else None

    def place_with(self, number: str) -> int | None:
        """The place of the lead that has a number."""
        return self._selection.place_with(self._campaign(), number) if self._selection is not None else None

    def pace(self) -> Pace:
        """How many dials it would begin now. Without a team all lines are its own operators, and each is used."""
        if (crew := self.team_crew()) is not None:
            now = parse_utc(self._now().at)
            return crew.pace(self._campaign(), now, self._answered.places, held=len(self._lines))
        rests = self._rest.left(self._now().mono) > 0
        return pace_without_team(self._campaign().settings.mode, len(self._lines), rests=rests)

    def awaited(self) -> list[tuple[str, str]]:
        """Take the operators for whom callbacks wait, with the leads, as far as they were found since."""
        return self._selection.awaited(self._campaign()) if self._selection is not None else []

    def put_off(self, place: int) -> float | None:
        """When a lead is looked at again, in seconds since 1970. None: it waits for no time."""
        return self._selection.waits_until(place) if self._selection is not None else None

    def skipped(self, place: int) -> Skipped | None:
        """Which operator has skipped the lead at a place, while nobody gets it for that."""
        found = self._campaign().skipped.get(place)
        return found if found is not None and found.until > self._now().seconds * 1000 else None

    def whose_lines(self) -> Whose:
        """Whose lines carry its calls."""
        return crew.whose(self._campaign()) if (crew := self.team_crew()) is not None else Whose()

    def carriage(self, there: There) -> Carriage:
        """How its numbers could be called. `there`: what lines there are, of those whose lines carry its calls."""
        free, crew, campaign = None, self.team_crew(), self._campaign()
        if crew is not None and there.whose.operators is not None:
            free = {*crew.free(campaign)}.difference(self._lines.users)
        return Carriage(campaign.settings.carriers, there, self._lines, free)

    def carriage_for(self, user: str, there: There) -> Carriage:
        """How an operator could call. `there`: what there is of their lines."""
        return Carriage(self._campaign().settings.carriers, there, self._lines.of(user), {user})

    def waits_for_line(self, user: str, lead: str) -> bool:
        """Whether an operator looks at a lead of which no call is under way for them."""
        crew = self.team_crew()
        called = any(claim.lead == lead for claim in claims_at(self._campaign(), user))
        return not called and crew is not None and crew.previews.shows(user, lead, self._now().seconds)

    def ready(self) -> list[str] | None:
        """The operators who are ready; None: it has none."""
        return crew.ready(self._campaign()) if (crew := self.team_crew()) is not None else None

    # --- its counts

    async def _tell(self) -> None:
        if self.state is not None and self._figures is not None:
            said = self._figures.said(self.state, self._now().at, self.team_crew(), self.book)
            await self._host.feeds.publish(CAMPAIGN_TELEMETRY, said, self.owners(self.state))

    async def terminate(self) -> None:
        await super().terminate()
        self._outside.forget(self)
        self._limits.forget(self.id, self.state)
        self._words.end()
        self._lists.end()
        self._team.forget(id(self))

    def _now(self) -> Moment:
        return moment(self._host.clock)
