"""Whose campaigns run: those of who has no account any more are paused, since their calls are that user's."""

import structlog

from actors.campaign.actor import CampaignActor
from actors.campaign.orders import Pause
from actors.runtime.accounts import is_gone
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.rendezvous import shard_of
from bus_schemas.errors import Refusal
from bus_schemas.names import is_a_part

log = structlog.get_logger()

LOOK = 10.0  # seconds between two looks


async def look_after(host: Host, ids: Ids) -> None:
    """Look, for as long as this host is there, whether the makers of the campaigns that run on its shards are."""
    while True:
        await host.pause(LOOK)
        makers = {maker for _, maker in _running(host)}
        for maker in sorted(maker for maker in makers if not is_a_part(maker)):
            if await is_gone(host.bus, maker, ids):
                for campaign in [campaign for campaign, its in _running(host) if its == maker]:
                    await _pause(host, campaign, ids)


def _running(host: Host) -> list[tuple[str, str]]:
    """The campaigns that run here now, with their makers."""
    actors = (actor for shard in host.shards.values() for actor in shard.all(CampaignActor))
    return [(actor.id, actor.state.by) for actor in actors if actor.runs and actor.state is not None]


async def _pause(host: Host, campaign: str, ids: Ids) -> None:
    shard = host.shards.get(shard_of(campaign))
    if shard is None:
        return
    try:
        await shard.order(CampaignActor, campaign, Pause(), Context(command_id=ids.new()))
        log.warning("campaign paused: its maker has no account any more", campaign=campaign)
    except Refusal as refusal:  # it does not run any more, or is not here
        log.info("campaign not paused", campaign=campaign, why=refusal.message)
