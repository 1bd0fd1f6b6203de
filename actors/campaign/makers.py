"""Whose campaigns run: those of who has no account any more are paused, since their calls are that user's."""

import structlog

from actors.campaign.actor import CampaignActor
from actors.campaign.orders import Pause
from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.names import is_reserved
from bus_schemas.user import FIND_EXTENSION, FindExtension

log = structlog.get_logger()

LOOK = 10.0  # seconds between two looks


async def look_after(host: Host, ids: Ids) -> None:
    """Look, for as long as this host of a shard is there, whether the makers of its running campaigns are."""
    while True:
        await host.pause(LOOK)
        running = [actor for actor in host.all(CampaignActor) if actor.runs]
        makers = {actor.state.by for actor in running if actor.state is not None}
        for maker in sorted(maker for maker in makers if not is_reserved(maker)):
            if await _is_gone(host.bus, maker, ids):
                for actor in running:
                    if actor.state is not None and actor.state.by == maker:
                        await _pause(host, actor.id, ids)


async def _is_gone(bus: Bus, user: str, ids: Ids) -> bool:
    """Whether a user is deleted or disabled. While nobody can say it, they are there."""
    try:
        found = await ask(bus, FIND_EXTENSION, FindExtension(user=user), Context(command_id=ids.new()), retry=False)
    except Refusal as refusal:
        return refusal.code is ErrorCode.NOT_FOUND
    return not found.active


async def _pause(host: Host, campaign: str, ids: Ids) -> None:
    try:
        await host.order(CampaignActor, campaign, Pause(), Context(command_id=ids.new()))
        log.warning("campaign paused: its maker has no account any more", campaign=campaign)
    except Refusal as refusal:  # it does not run any more, or is not here
        log.info("campaign not paused", campaign=campaign, why=refusal.message)
