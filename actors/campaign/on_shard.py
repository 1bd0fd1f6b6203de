"""What is asked of the campaigns of one shard, and of those that are not there yet."""


import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

import msgspec
from msgspec.structs import replace

from actors.campaign import machine
from actors.campaign.actor import CampaignActor
from actors.campaign.claims import claims_of
from actors.campaign.crm import added_by
from actors.campaign.explain import Explaining, left_alone, of_campaign, put_off
from actors.campaign.forecast import forecast, team_forecast
from actors.campaign.limits import CampaignLimits
from actors.campaign.lookers import begun_leads
from actors.campaign.looks import Explanations, Looks, in_turns
from actors.campaign.machine import CampaignDecision, stopping
from actors.campaign.orders import Add, Archive, Configure, Create, Mark, Pause, Resume, Run, Stop
from actors.campaign.outside import Outside
from actors.campaign.places import at
from actors.campaign.record import Campaign, size
from actors.campaign.standing import Standing, shown, standing
from actors.dialing.rules import DialRules
from actors.leads.given import texts_of
from actors.leads.lead import Accepted
from actors.leads.rows import Outcome, Rows
from actors.runtime.bus import BusError
from actors.runtime.clock import moment, parse_utc
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.shards import NOT_NOW, bring_here
from actors.runtime.wire import Page, ask, forward
from bus_schemas.campaign import (
    ADD_ON_SHARD,
    ARCHIVE_CAMPAIGN,
    CAMPAIGN,
    CAMPAIGN_ARCHIVED,
    CAMPAIGN_IS_ARCHIVED,
    CONFIGURE_CAMPAIGN,
    CREATE_ON_SHARD,
    EXPLAIN_LEAD,
    GET_CAMPAIGN,
    MARK_LEAD,
    NO_CAMPAIGN,
    PAUSE_CAMPAIGN,
    RESUME_CAMPAIGN,
    RUN_ON_SHARD,
    STOP_CAMPAIGN,
    AddOnShard,
    ArchiveCampaign,
    CampaignChanged,
    CampaignRun,
    ConfigureCampaign,
    CreateOnShard,
    GetCampaign,
    PauseCampaign,
    ResumeCampaign,
    RunOnShard,
    StopCampaign,
)
from bus_schemas.campaign_outlook import DRY_RUN, EXPLAIN_CAMPAIGN, CampaignExplained, DryRun, ExplainCampaign
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.lead import (
    GET_LEAD,
    NO_LEAD,
    PAST_LEAD,
    ExplainLead,
    GetLead,
    GivenLead,
    LeadMarked,
    LeadStanding,
    MarkLead,
)
from bus_schemas.operator import OPERATOR, PAST_OPERATOR, GetOperator

PIECE = 50  # leads that are looked at before others have their turn: some milliseconds


class OnShard:
    """What is asked of campaigns of one shard that takes longer than an inbox should wait, or makes one."""

    def __init__(self, *, host: Host, rules: DialRules, outside: Outside, looks: Looks, limits: CampaignLimits) -> None:
        self._host = host
        self._rules = rules
        self._outside = outside
        self._looks = looks
        self._limits = limits
        self._explanations = Explanations(host.clock)
        self._looking: dict[str, asyncio.Task[CampaignExplained]] = {}  # by campaign

    def serve(self) -> None:
        """Answer for the campaigns that are here, and those that come to be."""
        self._host.serve_beside(CREATE_ON_SHARD, self.create)
        self._host.serve_beside(RUN_ON_SHARD, self.run)
        self._host.serve_beside(ADD_ON_SHARD, self.add)
        self._host.serve_beside(STOP_CAMPAIGN, self.stop)
        self._host.serve_beside(PAUSE_CAMPAIGN, self.pause)
        self._host.serve_beside(RESUME_CAMPAIGN, self.resume)
        self._host.serve_beside(ARCHIVE_CAMPAIGN, self.archive)
        self._host.serve_beside(CONFIGURE_CAMPAIGN, self.configure)
        self._host.serve_beside(MARK_LEAD, self.mark)
        self._host.serve_beside(GET_LEAD, self.lead)
        self._host.serve_beside(EXPLAIN_CAMPAIGN, self.explain)
        self._host.serve_beside(EXPLAIN_LEAD, self.explain_lead)
        self._host.serve_beside(DRY_RUN, self.dry_run)

    async def create(self, request: CreateOnShard, context: Context) -> Page:
        id, now = request.campaign_id, moment(self._host.clock)
        await self._must_not_be_archived(id, context, machine.EXISTS)
        self._must_be_made(id, lambda: machine.create(id, None, request.settings, context.user, now), context)
        await bring_here(self._host, CampaignActor, request.campaign_id)
        return await self._changed(request.campaign_id, Create(settings=request.settings), context)

    async def run(self, request: RunOnShard, context: Context) -> Page:
        await self._must_not_be_archived(request.campaign_id, context, NO_CAMPAIGN)
        given = await self._read(request)
        id, now = request.campaign_id, moment(self._host.clock)
        self._must_be_made(id, lambda: machine.run(id, None, None, given, context.user, now).decision, context)
        await bring_here(self._host, CampaignActor, request.campaign_id)
        before = await self._added_by(context.command_id, request) if self._may_be_in(id, given, context) else 0
        order = Run(given=given, goes_on=request.goes_on or before > 0, after=request.after, by_asker=True)
        page = await self._host.order(CampaignActor, request.campaign_id, order, context)
        answer = msgspec.convert(page.body, CampaignRun)
        if context.fresh or not answer.duplicates:
            return page
        told = await self._altogether(answer, context.command_id, request)
        return replace(page, body=told, changed=page.changed or told.accepted > 0)

    def _may_be_in(self, id: str, given: Iterable[Outcome], context: Context) -> bool:
        """Whether some of these rows may have been brought in by this command before."""
        actor = None if context.fresh else self._host.get(CampaignActor, id)
        leads = (row.lead.id for row in given if isinstance(row, Accepted))
        return actor is not None and any(actor.place_of(lead) is not None for lead in leads)

    async def _must_not_be_archived(self, id: str, context: Context, unseen: RefusalTemplate) -> None:
        """Raise Refusal for one that is, `unseen` for who does not see it. To find that out by bringing it here would
        have all its leads read back into memory."""
        if self._host.get(CampaignActor, id) is not None:
            return
        try:
            if await self._host.bus.last(CAMPAIGN_ARCHIVED.subject.format(campaign=id), certain=True) is None:
                return
        except BusError:
            raise NOT_NOW() from None
        asking = Context(command_id=context.command_id, user=context.user, actions=CAMPAIGN.all_of_it)
        found = await ask(self._host.bus, GET_CAMPAIGN, GetCampaign(campaign_id=id), asking)
        seen = CAMPAIGN.visible(found.by, user=context.user, actions=context.actions)
        raise (CAMPAIGN_IS_ARCHIVED if seen else unseen)()

    def _must_be_made(self, id: str, made: Callable[[], CampaignDecision], context: Context) -> None:
        """Raise Refusal where a campaign that is not here would be refused as a new one: whatever is brought here once
        is on record, and comes back at each start."""
        if self._host.get(CampaignActor, id) is None:
            self._limits.check(id, None, context.user, made().events)

    async def add(self, request: AddOnShard, context: Context) -> CampaignRun:
        """Of what may have been done before, the journal says what came of it: a repeat finds its own leads there."""
        _, campaign = self._campaign(request.campaign_id)
        before = 0 if context.fresh else await self._added_by(context.command_id, request)
        if not request.leads:
            return CampaignRun(
                campaign_id=campaign.campaign, status=campaign.status, accepted=before, duplicates=0, invalid=()
            )
        self._host.written.check(context.share)
        given = tuple(Accepted(row=one.row, lead=one.lead) for one in request.leads)
        goes_on = request.goes_on or before > 0
        order = Run(given=given, goes_on=goes_on, after=request.after) if request.run else Add(given=given)
        page = await self._host.order(CampaignActor, request.campaign_id, order, context)
        answer = msgspec.convert(page.body, CampaignRun)
        return answer if context.fresh else await self._altogether(answer, context.command_id, request)

    async def _altogether(self, answer: CampaignRun, command: str, request: AddOnShard | RunOnShard) -> CampaignRun:
        """What came of a command that was sent before, too, of which this is the last answer."""
        accepted = await self._added_by(command, request)  # also by one that was under way beside
        return replace(answer, accepted=accepted, duplicates=answer.duplicates + answer.accepted - accepted)

    async def _added_by(self, command: str, request: AddOnShard | RunOnShard) -> int:
        """How many leads are in by a command. Raises Refusal(UNAVAILABLE)."""
        id, after = request.campaign_id, request.after or 0
        return len([lead async for lead in added_by(self._host, command, id, after=after)])

    async def stop(self, request: StopCampaign, context: Context) -> Page:
        """Nothing is dialled any more, once this is answered: from the record of the stop on no order to dial leaves,
        and one that was on its way by then has come to its end."""
        actor, campaign, changed = await self._end(request.campaign_id, Stop(mode=request.mode), context)
        return Page(body=stopping(campaign), seq=actor.seq, changed=changed)

    async def pause(self, request: PauseCampaign, context: Context) -> Page:
        """The same, until it is resumed."""
        actor, campaign, changed = await self._end(request.campaign_id, Pause(), context)
        return self._said(actor, campaign, changed=changed)

    async def _end(self, id: str, order: Stop | Pause, context: Context) -> tuple[CampaignActor, Campaign, bool]:
        self._seen_by(context, id)
        changed = await self._host.order(CampaignActor, id, order, context)
        _, campaign = self._campaign(id)
        await self._outside.await_dials(claims_of(campaign))
        return *self._campaign(id), changed

    async def resume(self, request: ResumeCampaign, context: Context) -> Page:
        return await self._changed(request.campaign_id, Resume(), context)

    async def archive(self, request: ArchiveCampaign, context: Context) -> Page:
        return await self._changed(request.campaign_id, Archive(), context)

    async def configure(self, request: ConfigureCampaign, context: Context) -> Page:
        return await self._changed(request.campaign_id, Configure(request=request), context)

    async def _changed(self, id: str, order: Resume | Archive | Configure | Create, context: Context) -> Page:
        """What it is after an order that is carried out once by its command."""
        has = await self._host.order(CampaignActor, id, order, context)
        return self._said(*self._campaign(id), changed=has)

    def _said(self, actor: CampaignActor, campaign: Campaign, *, changed: bool) -> Page:
        said = CampaignChanged(campaign_id=actor.id, status=campaign.status, settings=campaign.settings)
        return Page(body=said, seq=actor.seq, changed=changed)

    async def mark(self, request: MarkLead, context: Context) -> Page:
        """A callback to an operator is to one that there is."""
        if request.operator is not None:
            asking = Context(command_id=context.command_id, user=context.user, actions=OPERATOR.all_of_it)
            try:
                await ask(self._host.bus, PAST_OPERATOR, GetOperator(user=request.operator), asking)
            except Refusal as refusal:
                if refusal.code is not ErrorCode.NOT_FOUND:
                    raise
                raise misfit("operator", "nobody of this name has been an operator.") from None
        id = request.campaign_id
        changed = await self._host.order(CampaignActor, id, Mark(request=request), context)
        said = LeadMarked(campaign_id=id, lead=request.lead, status=request.status)
        return Page(body=said, seq=self._campaign(id)[0].seq, changed=changed)

    async def lead(self, request: GetLead, context: Context) -> Page:
        """What the records say of a lead, also to an operator who looks at it: of that they say nothing."""
        actor, _ = self._campaign(request.campaign_id)
        crew, now = actor.team_crew(), moment(self._host.clock).seconds
        if crew is not None and crew.previews.shows(context.user, request.lead, now):
            context = replace(context, actions=CAMPAIGN.all_of_it)
        return await forward(self._host.bus, PAST_LEAD, request, context)

    async def _read(self, request: RunOnShard) -> tuple[Outcome, ...]:
        """The rows of a request."""
        rows, found = Rows(self._rules), list[Outcome]()
        for row, lead in _paused(request.leads):
            if lead is None:
                await asyncio.sleep(0)
            else:
                found.append(rows.take(request.first + row, texts_of(lead)))
        return tuple(found)

    # --- why, and what would be

    async def explain(self, request: ExplainCampaign, context: Context) -> CampaignExplained:
        """Beside others', and the same as a moment ago where it takes long. A look goes on when nobody waits for it any
        more, and is the answer of all who ask meanwhile."""
        id = request.campaign_id
        _, campaign = self._seen_by(context, id)
        if id in self._looking and self._explanations.of(campaign) is None:
            await self._look(campaign)
        if (known := self._known(id, context)) is not None:
            return known
        async with self._looks.turn(context.user, size(campaign)):
            known = self._known(id, context)  # somebody has asked meanwhile
            return known if known is not None else await self._look(campaign)

    def _known(self, id: str, context: Context) -> CampaignExplained | None:
        _, campaign = self._seen_by(context, id)
        return self._explanations.of(campaign)

    async def _look(self, campaign: Campaign) -> CampaignExplained:
        return await self._host.share(self._looking, campaign.campaign, lambda: self._explain(campaign))

    async def _explain(self, campaign: Campaign) -> CampaignExplained:
        actor, campaign = self._campaign(campaign.campaign)
        there = await self._outside.survey(campaign, actor.whose_lines())
        actor, campaign = self._campaign(campaign.campaign)
        began, now = self._host.clock.monotonic(), parse_utc(moment(self._host.clock).at)
        explaining, ready = Explaining(campaign, actor.pace(), actor.carriage(there)), actor.ready()
        begun = begun_leads(actor, campaign, there, now.timestamp())

        def look(place: int) -> None:
            explaining.count(_standing(actor, campaign, place, now, ready, begun))

        await in_turns(size(campaign), look, self._host.clock)
        said = explaining.said(now)
        self._explanations.keep(campaign, said, began)
        return said

    async def explain_lead(self, request: ExplainLead, context: Context) -> LeadStanding:
        actor, campaign = self._seen_by(context, request.campaign_id)
        if actor.place_of(request.lead) is None:
            raise NO_LEAD()
        there = await self._outside.survey(campaign, actor.whose_lines())
        actor, campaign = self._campaign(request.campaign_id)
        now, place = parse_utc(moment(self._host.clock).at), actor.place_of(request.lead)
        if place is None:
            raise NO_LEAD()
        begun = begun_leads(actor, campaign, there, now.timestamp())
        found = _standing(actor, campaign, place, now, actor.ready(), begun)
        return shown(request.lead, of_campaign(campaign, found, actor.pace(), actor.carriage(there)))

    async def dry_run(self, request: DryRun, context: Context) -> Page:
        async with self._looks.turn(context.user):
            actor, campaign = self._seen_by(context, request.campaign_id)
            there = await self._outside.survey(campaign, actor.whose_lines())
            actor, campaign = self._campaign(request.campaign_id)
            now = parse_utc(moment(self._host.clock).at)
            if (crew := actor.team_crew()) is not None:
                told = await team_forecast(campaign, actor.book, request, crew=crew, now=now, there=there)
                return Page(body=told, changed=False)
            own = campaign.open + actor.pace().dials
            lines = request.lines or max(own + there.idle(campaign.settings.carriers), 1)
            found = await forecast(campaign, actor.book, request, lines=lines, now=now, there=there)
            return Page(body=found, changed=False)

    def _campaign(self, id: str) -> tuple[CampaignActor, Campaign]:
        actor = self._host.get(CampaignActor, id)
        if actor is None or actor.state is None:
            raise NO_CAMPAIGN()
        return actor, actor.state

    def _seen_by(self, context: Context, id: str) -> tuple[CampaignActor, Campaign]:
        actor, _ = self._campaign(id)
        return actor, actor.seen_by(context)


def _standing(
    actor: CampaignActor, campaign: Campaign, place: int, now: datetime, ready: list[str] | None,
    begun: Mapping[int, Standing],
) -> Standing:  # fmt: skip
    """How it is with a lead, also where it was put off for what is over by now. `ready`: its operators who are.
    `begun`: what those wait for that operators have begun."""
    found = standing(campaign, place, actor.book, now, ready)
    if found.number is not None and place in begun:
        return begun[place]
    if found.number is not None and (skipped := actor.skipped(place)) is not None:
        return left_alone(skipped)
    until = actor.put_off(place) if found.number is not None and actor.runs and ready is None else None
    if until is None:
        return found
    numbers = at(campaign.leads, place).numbers.split(" ")
    return put_off(found, until, [tried for number in numbers for tried in actor.book.elsewhere(number)], now)


def _paused(leads: tuple[GivenLead, ...]) -> Iterator[tuple[int, GivenLead | None]]:
    """Leads with their rows, from 1; None: others have their turn."""
    for row, lead in enumerate(leads, 1):
        if row % PIECE == 0:
            yield row, None
        yield row, lead
