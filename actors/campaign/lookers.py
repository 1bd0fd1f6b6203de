"""What operators ask of leads before they are dialled, which takes a look at their lines: who has one dialled that none
of their lines can call is told so, and does not wait for it."""

import asyncio
from collections.abc import Mapping

from msgspec.structs import replace

from actors.campaign.actor import CampaignActor
from actors.campaign.carriage import LATER, NOBODY_KNOWS, Lack, There, Whose
from actors.campaign.explain import begun
from actors.campaign.orders import Begin, Show
from actors.campaign.outside import Outside
from actors.campaign.record import Campaign
from actors.campaign.standing import Standing
from actors.runtime.context import Context
from actors.runtime.host import Host
from bus_schemas.campaign import NO_CAMPAIGN
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.preview import BEGIN_PREVIEWED, PREVIEW_LEAD, BeginPreviewed, LeadPreview, PreviewLead

PATIENCE = 1.0  # seconds for which hosts are asked what lines there are


class Lookers:
    """Serves them for the campaigns of one shard."""

    def __init__(self, *, host: Host, outside: Outside) -> None:
        self._host = host
        self._outside = outside

    def serve(self) -> None:
        """Answer for campaigns of the shard."""
        self._host.serve_beside(PREVIEW_LEAD, self.show)
        self._host.serve_beside(BEGIN_PREVIEWED, self.begin)

    async def show(self, request: PreviewLead, context: Context) -> LeadPreview:
        """The lead that is next; of one that is to be dialled, what it waits for."""
        view = await self._host.order(CampaignActor, request.campaign_id, Show(), context)
        return await self._with_lack(view, context) if view.begun else view

    async def begin(self, request: BeginPreviewed, context: Context) -> LeadPreview:
        """Have it dialled. Raises Refusal where none of their lines can call it."""
        order = Begin(lead=request.lead)
        view = await self._host.order(CampaignActor, request.campaign_id, replace(order, looks=True), context)
        if view.begun:  # already
            return await self._with_lack(view, context)
        lack = await self._lack(view, context)
        if lack is not None and lack.reason not in LATER:
            words = f"None of your lines can call it now: {lack.words}."
            raise Refusal(ErrorCode.CONFLICT, words, lack=str(lack.reason), change=lack.change)
        view = await self._host.order(CampaignActor, request.campaign_id, order, context)
        return replace(view, waits=lack.words if lack is not None else None)

    async def _with_lack(self, view: LeadPreview, context: Context) -> LeadPreview:
        lack = await self._lack(view, context)
        return replace(view, waits=lack.words) if lack is not None else view

    async def _lack(self, view: LeadPreview, context: Context) -> Standing | None:
        """Why none of the asker's lines takes the lead's call at once. None: one does, or its call is made."""
        actor = self._actor(view.campaign_id)
        if actor.state is None or not actor.waits_for_line(context.user, view.lead):
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                there = await self._outside.survey(actor.state, Whose((context.user,)))
        except TimeoutError:
            there = NOBODY_KNOWS
        return _lack_of(self._actor(view.campaign_id), context.user, view.number, there)

    def _actor(self, id: str) -> CampaignActor:
        actor = self._host.get(CampaignActor, id)
        if actor is None:
            raise NO_CAMPAIGN()
        return actor


def begun_leads(actor: CampaignActor, campaign: Campaign, there: There, now: float) -> Mapping[int, Standing]:
    """What those leads wait for that operators have begun, by place. `there`: what lines all of them have; `now`:
    seconds since 1970."""
    crew = actor.team_crew()
    if crew is None or not actor.runs:
        return {}
    free, found = {*crew.free(campaign)}, dict[int, Standing]()
    for user, shown in crew.previews.all_begun(now).items():
        lack = _lack_of(actor, user, shown.number, there.of((user,)))
        found[shown.place] = begun(user, shown.until, ready=user in free, lack=lack)
    return found


def _lack_of(actor: CampaignActor, user: str, number: str, there: There) -> Standing | None:
    """Why none of an operator's lines takes a call at once. `there`: what there is of theirs. None: one does."""
    carriage = actor.carriage_for(user, there)
    if carriage.takes(number):
        return None
    lack = carriage.lack(number)
    if lack.reason not in LATER and not there.complete:
        return replace(lack, reason=Lack.UNKNOWN)
    return lack if lack.reason != Lack.ASKED else None
