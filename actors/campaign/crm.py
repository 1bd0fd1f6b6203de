"""What is done with single leads of the campaigns of one shard."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from actors.campaign import editing, merging
from actors.campaign.actor import CampaignActor
from actors.campaign.machine import CampaignDecision
from actors.campaign.orders import Add, Assign, Change
from actors.campaign.places import at
from actors.campaign.record import Campaign, text_of
from actors.campaign.selection import Selection
from actors.dialing.in_whose_name import must_dial_for
from actors.dialing.rules import DialRules
from actors.leads.given import changes_of, texts_of
from actors.leads.lead import Accepted, InvalidRow, Unfit
from actors.leads.rows import Outcome, Rows
from actors.runtime.bus import Bus, BusError
from actors.runtime.clock import Moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.journalled import COMMAND_HEADER
from actors.runtime.shards import NOT_NOW
from actors.runtime.wire import Page, ask
from bus_schemas.campaign import CAMPAIGN_LEADS_ADDED, NO_CAMPAIGN, CampaignLeadsAdded, CampaignRun
from bus_schemas.contract import ROOT
from bus_schemas.crm import (
    ASSIGN_IN_CAMPAIGN,
    CREATE_LEAD,
    EDIT_LEAD,
    FIND_LEAD_CAME,
    GET_CRM_LEAD,
    MERGE_LEAD,
    UNMERGE_LEAD,
    AssignedInCampaign,
    AssignInCampaign,
    CreateLead,
    EditLead,
    MergeLead,
    UnmergeLead,
)
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.lead import NO_LEAD, CrmLead, GetLead, Lead, LeadStatus
from bus_schemas.permissions import Action
from bus_schemas.user import FIND_EXTENSION, FindExtension

Known = TypeVar("Known")
Decide = Callable[[Campaign, Selection, Moment], CampaignDecision]
Look = Callable[[Campaign, int], Awaitable[tuple[Decide, Known]]]

LOOKS = 5  # at what is known of a lead while others change it

IS_THERE = RefusalTemplate(ErrorCode.CONFLICT, "A lead of this campaign has this number already.")

LEADS_ADDED = msgspec.json.Decoder(CampaignLeadsAdded).decode


async def added_by(host: Host, command: str, campaign: str, *, after: int) -> AsyncIterator[Lead]:
    """The leads that are in a campaign by a command, of what is on record behind `after`. Raises
    Refusal(UNAVAILABLE)."""
    scope = f"{ROOT}.evt.campaign.{campaign}.{CAMPAIGN_LEADS_ADDED.verb}"
    try:
        async for entry in host.bus.replay(scope, after=after):
            if entry.headers.get(COMMAND_HEADER) == command:
                for lead in LEADS_ADDED(entry.data).leads:
                    yield lead
    except BusError:
        raise NOT_NOW() from None


class LeadsOnShard:
    """Leads of the campaigns of one shard, one by one."""

    def __init__(self, *, host: Host, rules: DialRules) -> None:
        self._host = host
        self._rules = rules

    def serve(self) -> None:
        """Answer for the campaigns that are here."""
        self._host.serve_beside(CREATE_LEAD, self.create)
        self._host.serve_beside(EDIT_LEAD, self.edit)
        self._host.serve_beside(MERGE_LEAD, self.merge)
        self._host.serve_beside(UNMERGE_LEAD, self.unmerge)
        self._host.serve_beside(ASSIGN_IN_CAMPAIGN, self.assign)

    async def create(self, request: CreateLead, context: Context) -> Page:
        """As a list of one row would bring it in. A repeat finds its own in the journal."""
        id = request.campaign_id
        actor, _ = self._campaign(id)
        actor.dialling_for(context)
        self._host.written.check(context.share)
        lead = _read(Rows(self._rules).take(1, texts_of(request)))
        page = await self._host.order(CampaignActor, id, Add(given=(Accepted(row=1, lead=lead),)), context)
        said = msgspec.convert(page.body, CampaignRun)
        for row in said.invalid:
            raise misfit(row.field, f"{row.reason}.", rule="taken")
        if said.duplicates:
            return await self._created_before(id, lead, context)
        actor, campaign = self._campaign(id)
        place = actor.place_of(lead.id)
        numbers = at(campaign.leads, place).numbers.split(" ") if place is not None else lead.numbers
        return Page(body=_new(id, replace(lead, numbers=tuple(numbers))), seq=page.seq)

    async def _created_before(self, id: str, wanted: Lead, context: Context) -> Page:
        """The lead that this very command has brought in. Raises Refusal(CONFLICT), which names the one that has the
        number, where it was another."""
        actor, campaign = self._campaign(id)
        if not context.fresh and (lead := await self._brought_in_by(context.command_id, id, wanted.id)) is not None:
            return Page(body=_new(id, lead), seq=actor.seq, changed=False)
        place = actor.whose(wanted.numbers[0])
        raise IS_THERE(**{} if place is None else {"lead": at(campaign.leads, place).id})

    async def _brought_in_by(self, command: str, id: str, lead: str) -> Lead | None:
        """A lead as this command has brought it in. One that came with others is of another command. One entry of the
        journal is read: who repeats this is refused, so nothing counts it, and a campaign may have a million leads."""
        if self._campaign(id)[0].place_of(lead) is None:
            return None
        wanted = GetLead(campaign_id=id, lead=lead)
        came = await ask(self._host.bus, FIND_LEAD_CAME, wanted, Context(command_id=command))
        if came.seq is None:
            return None
        try:
            entry = await self._host.bus.entry(came.seq)
        except BusError:
            raise NOT_NOW() from None
        if entry is None or entry.headers.get(COMMAND_HEADER) != command:
            return None
        return next((one for one in LEADS_ADDED(entry.data).leads if one.id == lead), None)

    async def edit(self, request: EditLead, context: Context) -> Page:
        """Change a lead that the asker sees. What is known of it the records say, up to all that the owner has written;
        where another change comes between, they are asked again."""
        if isinstance(request.assigned_seller, str):
            await must_be_a_user(self._host.bus, request.assigned_seller, context)
        id = request.campaign_id

        async def look(campaign: Campaign, known_at: int) -> tuple[Decide, tuple[CrmLead, Lead]]:
            seen = await self._seen(id, request.lead, context, known_at)
            wanted = self._wanted(seen.lead, request)
            if wanted.numbers != seen.lead.numbers:  # which the campaign calls
                must_dial_for(campaign.by, campaign.settings, context)
            return partial(_edited, request, seen.lead, wanted, context.user), (seen, wanted)

        changed, (seen, wanted) = await self._change(id, context, look)
        actor, campaign = self._campaign(id)
        return Page(body=_as_it_is(seen, wanted, actor, campaign), seq=actor.seq, changed=changed)

    async def merge(self, request: MergeLead, context: Context) -> Page:
        """Two leads that the asker sees are one. What is known of them the records say, as where one is changed."""
        id = request.campaign_id

        async def look(campaign: Campaign, known_at: int) -> tuple[Decide, None]:
            known = await self._seen(id, request.lead, context, known_at)
            other = await self._seen(id, request.duplicate, context, known_at)
            must_dial_for(campaign.by, campaign.settings, context)  # which calls other numbers then
            return partial(_merged, known.lead, other.lead, context.user), None

        return await self._after(id, request.lead, context, look)

    async def unmerge(self, request: UnmergeLead, context: Context) -> Page:
        """A lead that the asker sees is one of its own again. The other one need not be theirs to see any more."""
        id = request.campaign_id

        async def look(campaign: Campaign, known_at: int) -> tuple[Decide, None]:
            back = await self._seen(id, request.lead, context, known_at)
            into = await self._seen(id, back.merged_into or request.lead, _of_all(context), known_at)
            must_dial_for(campaign.by, campaign.settings, context)  # which calls other numbers then
            return partial(_unmerged, into.lead, back.lead, context.user), None

        return await self._after(id, request.lead, context, look)

    async def _after(self, id: str, lead: str, context: Context, look: Look[None]) -> Page:
        """Change several leads, and answer what a lead is then."""
        changed, _ = await self._change(id, context, look)
        seq = self._campaign(id)[0].seq
        return Page(body=await self._seen(id, lead, _of_all(context), seq), seq=seq, changed=changed)

    async def _change(self, id: str, context: Context, look: Look[Known]) -> tuple[bool, Known]:
        """Change leads by what the records know up to all that the owner has written, as `look` finds it. Says whether
        anything was changed, and what was known."""
        for _ in range(LOOKS):
            actor, campaign = self._campaign(id)
            known_at = actor.seq
            decide, known = await look(campaign, known_at)
            changed = await self._host.order(CampaignActor, id, Change(decide=decide, known_at=known_at), context)
            if changed is not None:
                return changed, known
        raise NOT_NOW()

    async def assign(self, request: AssignInCampaign, context: Context) -> Page:
        """Leads that the asker sees: whoever asks has looked."""
        id = request.campaign_id
        self._campaign(id)
        order = Assign(leads=request.leads, seller=request.assigned_seller)
        changed = await self._host.order(CampaignActor, id, order, context)
        return Page(body=AssignedInCampaign(changed=changed), seq=self._campaign(id)[0].seq, changed=changed > 0)

    async def _seen(self, id: str, lead: str, context: Context, seq: int) -> CrmLead:
        """Raises Refusal(NOT_FOUND) where there is none, or the asker does not see it."""
        asking = replace(context, after=max(context.after, seq), actions=context.actions | {Action.LEAD_VIEW})
        wanted = GetLead(campaign_id=id, lead=lead)
        return await ask(self._host.bus, GET_CRM_LEAD, wanted, asking)

    def _wanted(self, lead: Lead, request: EditLead) -> Lead:
        """Raises Refusal(INVALID_PARAMS), which names the field."""
        custom = {} if request.custom is UNSET else request.custom
        numbers = None if request.numbers is UNSET else request.numbers
        try:
            return Rows(self._rules).renewed(lead, changes_of(request), custom, numbers)
        except Unfit as unfit:
            raise _unfit(unfit.field or "custom", str(unfit), unfit.code) from None

    def _campaign(self, id: str) -> tuple[CampaignActor, Campaign]:
        actor = self._host.get(CampaignActor, id)
        if actor is None or actor.state is None:
            raise NO_CAMPAIGN()
        return actor, actor.state


def _of_all(context: Context) -> Context:
    """Whose leads they are is not asked."""
    return replace(context, actions=context.actions | {Action.LEAD_VIEW_ANY})


def _edited(
    request: EditLead, known: Lead, wanted: Lead, by: str, campaign: Campaign, selection: Selection, now: Moment
) -> CampaignDecision:
    place = _place(campaign, selection, known)
    return editing.edit(campaign, place, known, wanted, request, by, now, partial(selection.whose, campaign))


def _merged(
    known: Lead, duplicate: Lead, by: str, campaign: Campaign, selection: Selection, now: Moment
) -> CampaignDecision:
    place, other = (_place(campaign, selection, one) for one in (known, duplicate))
    return merging.merge(campaign, place, other, known, duplicate, by, now)


def _unmerged(
    known: Lead, back: Lead, by: str, campaign: Campaign, selection: Selection, now: Moment
) -> CampaignDecision:
    other = _place(campaign, selection, back)
    return merging.unmerge(campaign, other, known, back, by, now)


def _place(campaign: Campaign, selection: Selection, lead: Lead) -> int:
    """Raises Refusal(NOT_FOUND)."""
    if (place := selection.place_of(campaign, lead.id)) is None:
        raise NO_LEAD()
    return place


def _unfit(field: str, reason: str, code: str) -> Refusal:
    """What a list says of a bad row, of one lead."""
    return misfit(field, f"{reason.removeprefix(f'`{field}`: ').removesuffix('.')}.", rule=code)


def _read(outcome: Outcome) -> Lead:
    """The lead of a row of which no other stands before it. Raises Refusal(INVALID_PARAMS)."""
    if isinstance(outcome, InvalidRow):
        raise _unfit(outcome.field or "number", outcome.reason, outcome.code)
    assert isinstance(outcome, Accepted)
    return outcome.lead


def _as_it_is(seen: CrmLead, wanted: Lead, actor: CampaignActor, campaign: Campaign) -> CrmLead:
    place = actor.place_of(wanted.id)
    if place is None:
        return seen
    entry = at(campaign.leads, place)
    callback = text_of(entry.callback) if entry.callback else None
    return replace(
        seen, lead=wanted, status=entry.status, assigned_seller=entry.operator or entry.seller, callback=callback
    )


async def must_be_a_user(bus: Bus, user: str, context: Context) -> None:
    """Raise Refusal(INVALID_PARAMS) where there is none of this name."""
    try:
        await ask(bus, FIND_EXTENSION, FindExtension(user=user), Context(command_id=context.command_id))
    except Refusal as refusal:
        if refusal.code is not ErrorCode.NOT_FOUND:
            raise
        raise misfit("assigned_seller", "there is no user of this name.") from None


def _new(campaign: str, lead: Lead) -> CrmLead:
    return CrmLead(campaign_id=campaign, lead=lead, status=LeadStatus.NEW)
