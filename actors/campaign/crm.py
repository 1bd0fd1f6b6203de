"""What is done with single leads of the campaigns of one shard."""

from collections.abc import AsyncIterator

import msgspec
from msgspec.structs import replace

from actors.campaign.actor import CampaignActor
from actors.campaign.orders import Add
from actors.campaign.places import at
from actors.campaign.record import Campaign
from actors.dialing.rules import DialRules
from actors.leads.given import texts_of
from actors.leads.lead import Accepted, InvalidRow
from actors.leads.rows import Outcome, Rows
from actors.runtime.bus import BusError
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.journalled import COMMAND_HEADER
from actors.runtime.shards import NOT_NOW
from actors.runtime.wire import Page
from bus_schemas.campaign import CAMPAIGN_LEADS_ADDED, NO_CAMPAIGN, CampaignLeadsAdded, CampaignRun
from bus_schemas.contract import ROOT
from bus_schemas.crm import CREATE_LEAD, CreateLead
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from bus_schemas.lead import CrmLead, Lead, LeadStatus

IS_THERE = RefusalTemplate(ErrorCode.CONFLICT, "A lead of this campaign has this number already.")

LEADS_ADDED = msgspec.json.Decoder(CampaignLeadsAdded).decode


async def added_by(host: Host, command: str, campaign: str, *, after: int = 0) -> AsyncIterator[Lead]:
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
        if not context.fresh:
            async for lead in added_by(self._host, context.command_id, id):
                return Page(body=_new(id, lead), seq=actor.seq, changed=False)
        place = actor.place_with(wanted.numbers[0])
        raise IS_THERE(**{} if place is None else {"lead": at(campaign.leads, place).id})

    def _campaign(self, id: str) -> tuple[CampaignActor, Campaign]:
        actor = self._host.get(CampaignActor, id)
        if actor is None or actor.state is None:
            raise NO_CAMPAIGN()
        return actor, actor.state


def _read(outcome: Outcome) -> Lead:
    """The lead of a row of which no other stands before it. Raises Refusal(INVALID_PARAMS)."""
    if isinstance(outcome, InvalidRow):
        raise misfit(outcome.field or "number", f"{outcome.reason.removesuffix('.')}.", rule=outcome.code)
    assert isinstance(outcome, Accepted)
    return outcome.lead


def _new(campaign: str, lead: Lead) -> CrmLead:
    return CrmLead(campaign_id=campaign, lead=lead, status=LeadStatus.NEW)
