"""Campaigns in a world of two hosts and three phones, in simulated time, as somebody at a gateway sees them."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from actors.campaign.actor import CampaignActor
from actors.campaign.rules import Rules
from actors.runtime.context import Context
from actors.runtime.ids import derived
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.campaign import (
    CONFIGURE_CAMPAIGN,
    CREATE_CAMPAIGN,
    GET_CAMPAIGN,
    RUN_CAMPAIGN,
    STOP_CAMPAIGN,
    CampaignRun,
    CampaignSettings,
    CampaignStopping,
    CampaignView,
    ConfigureCampaign,
    CreateCampaign,
    GetCampaign,
    RunCampaign,
    StopCampaign,
    StopMode,
)
from bus_schemas.campaign_outlook import EXPLAIN_CAMPAIGN, CampaignExplained, ExplainCampaign
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import GivenLead
from bus_schemas.permissions import BUILT_IN_ROLES, resolve
from simulators.device.chronicle import DeviceCall
from simulators.time.loop import SimLoop, run
from simulators.world.schedule import small
from simulators.world.world import SLOTS_OF, Life, World, with_slot

ALL = resolve(BUILT_IN_ROLES["admin"])
ANY = Rules()
SLOTS = [slot for slots in SLOTS_OF.values() for slot in slots]


class Campaigns:
    """What is asked of campaigns in a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.commands = 0

    async def run(self, campaign: str, numbers: Sequence[str], **more: Any) -> CampaignRun:
        leads = tuple(GivenLead(number=number, **more) for number in numbers)
        return await self.until_done(RUN_CAMPAIGN, RunCampaign(campaign_id=campaign, leads=leads))

    async def create(self, campaign: str, **settings: Any) -> None:
        await self.until_done(
            CREATE_CAMPAIGN, CreateCampaign(campaign_id=campaign, settings=CampaignSettings(**settings))
        )

    async def stop(self, campaign: str, mode: StopMode = StopMode.DRAIN) -> CampaignStopping:
        return await self.until_done(STOP_CAMPAIGN, StopCampaign(campaign_id=campaign, mode=mode))

    async def configure(self, campaign: str, **settings: Any) -> None:
        await self.until_done(CONFIGURE_CAMPAIGN, ConfigureCampaign(campaign_id=campaign, **settings))

    async def view(self, campaign: str) -> CampaignView:
        seen = len(self.world.broker.journal)
        return await self.until_done(GET_CAMPAIGN, GetCampaign(campaign_id=campaign), after=seen)

    async def explain(self, campaign: str) -> CampaignExplained:
        return await self.until_done(EXPLAIN_CAMPAIGN, ExplainCampaign(campaign_id=campaign))

    async def until_done(self, rpc: Any, request: Any, after: int = 0) -> Any:
        """Ask again, as a client would, where nobody is there for a while."""
        self.commands += 1
        id = derived("test", str(self.commands))
        while True:
            try:
                context = Context(command_id=id, user="op", actions=ALL & rpc.needed, after=after)  # as doors tell it
                return await ask(self.world.gateways[0], rpc, request, context)
            except Refusal as refusal:
                if refusal.code not in (ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT):
                    raise

    async def until_over(self, campaign: str, within: float = 600.0) -> CampaignView:
        """The campaign, once it is stopped or finished."""
        begun = self.world.now
        give_up = begun + within
        while (found := await self.view(campaign)).status not in ("stopped", "finished"):
            assert self.world.now < give_up, (found, await self.explain(campaign))
            await asyncio.sleep(1.0 if self.world.now < begun + 60 else 10.0)
        return found

    def owner(self, campaign: str) -> Life | None:
        """The process that has the campaign."""
        for life in self.world.lives:
            shard = life.host.shards.get(shard_of(campaign)) if life.host is not None and life.process.runs else None
            if shard is not None and shard.get(CampaignActor, campaign) is not None:
                return life
        return None

    def trunk_calls(self) -> list[DeviceCall]:
        """The calls of the PBX, by its own book."""
        return [call for call in self.world.book.calls if call.line.startswith("trunk-")]

    def dials(self) -> Counter[str]:
        """How often each number was really dialled, by the phones' own book."""
        return Counter(number for slot in SLOTS for number in self.world.phone(slot).dials)


def play(
    story: Callable[[Campaigns], Awaitable[Any]], *, seed: int = 1, keep: bool = False, owned: bool = False,
    rules: Rules = ANY, change: Callable[[Settings], Settings] = lambda settings: settings,
) -> World:  # fmt: skip
    """A story in a world whose two hosts are up. `keep`: they are started again whenever they end. `owned`: the phones
    are those of who asks, and not the pool's. `rules`: of the site. `change`: what else is different in the settings of
    a host."""

    async def main() -> World:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(loop, Path(folder), user_calls=200, slow=0.0, deaf=0.0)
        for machine in world.machines:
            for slot in SLOTS_OF[machine.host] if owned else ():
                machine.settings = with_slot(machine.settings, slot, user="op")
            campaigns = replace(machine.settings.campaigns, site=rules)
            machine.settings = change(replace(machine.settings, campaigns=campaigns))
            if keep:
                world.keep(machine)
            else:
                world._begin(machine)
        await asyncio.sleep(5.0)
        await story(Campaigns(world))
        world.calm = True
        await world.stop()
        assert not world.broken, world.broken
        return world

    with tempfile.TemporaryDirectory() as folder, small():
        return run(main, seed)
