"""What all campaigns have tried, read at a start: the host does not wait for it, and its campaigns do."""

import asyncio

from simulators.carrier.rules import mobile
from tests.campaign.test_takeover import claims
from tests.campaign.world import Campaigns, play

BUSY, SLOW = "0001", 0.5  # seconds


def test_a_host_starts_at_once_and_its_campaigns_know_all_attempts() -> None:
    """Another campaign has just called the number in vain, and each entry of it takes half a second to be read."""

    async def story(site: Campaigns) -> None:
        world, number = site.world, mobile(7, BUSY)
        await site.run("c1", [number])
        await site.configure("c1", attempts_per_lead=1)
        await site.until_over("c1")
        for life in list(world.lives):
            world.crash(life)
        await asyncio.sleep(10.0)
        begun = world.now
        for machine in world.machines:
            world._begin(machine)
        for life in world.lives:
            life.bus._step = _slow_to_hear
        while not all(life.host is not None and life.host.serving for life in world.lives[-2:]):
            await asyncio.sleep(0.01)
        assert world.now - begun < SLOW
        await site.run("c2", [number])
        await asyncio.sleep(5.0)
        assert [one.campaign for one in claims(world)] == ["c1"]

    play(story)


async def _slow_to_hear(name: str) -> None:
    heard = name.startswith("before hearing ottb.v1.evt.campaign.")
    await asyncio.sleep(SLOW if heard else 0.001)
