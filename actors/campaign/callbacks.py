"""Callbacks to operators who have no account any more: they are anybody's of the team, else nobody would ever call."""

from datetime import timedelta

import structlog

from actors.campaign.actor import CampaignActor
from actors.campaign.makers import LOOK
from actors.campaign.orders import Mark
from actors.runtime.accounts import is_gone
from actors.runtime.clock import moment, parse_utc, utc
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.rendezvous import shard_of
from bus_schemas.campaign import CAMPAIGN
from bus_schemas.errors import Refusal
from bus_schemas.lead import LeadStatus, MarkLead

log = structlog.get_logger()

SOON = timedelta(seconds=1)  # a callback is at a time that comes


async def give_on(host: Host, ids: Ids) -> None:
    """Look, for as long as this host is there, whether those are whom callbacks wait for in the campaigns that run on
    its shards."""
    while True:
        await host.pause(LOOK)
        waiting = {campaign: of for campaign, of in _waiting(host).items() if of}
        for user in sorted({user for of in waiting.values() for user, _ in of}):
            if await is_gone(host.bus, user, ids):
                for campaign, of in waiting.items():
                    for lead in (lead for whose, lead in of if whose == user):
                        await _give(host, campaign, lead, ids)


def _waiting(host: Host) -> dict[str, list[tuple[str, str]]]:
    """By campaign: the operators for whom callbacks wait, with the leads."""
    actors = (actor for shard in host.shards.values() for actor in shard.all(CampaignActor))
    return {actor.id: actor.awaited() for actor in actors if actor.runs}


async def _give(host: Host, campaign: str, lead: str, ids: Ids) -> None:
    shard = host.shards.get(shard_of(campaign))
    if shard is None:
        return
    soon = utc(parse_utc(moment(host.clock).at) + SOON)
    request = MarkLead(campaign_id=campaign, lead=lead, status=LeadStatus.CALLBACK, callback=soon)
    try:
        await shard.order(
            CampaignActor, campaign, Mark(request=request), Context(command_id=ids.new(), actions=CAMPAIGN.all_of_it)
        )
        log.info("callback given to anybody: its operator has no account any more", campaign=campaign, lead=lead)
    except Refusal as refusal:  # it does not run any more, or is not here
        log.info("callback not given on", campaign=campaign, lead=lead, why=refusal.message)
