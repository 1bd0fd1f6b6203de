"""A call that was asked for, and no answer came: it is given up on record, so no host can begin it later, and no clock
decides about it."""

import asyncio
from collections.abc import Callable
from contextvars import Context

from simulators.carrier.rules import mobile
from simulators.world.campaign_judge import CampaignJudge
from simulators.world.judge import Judge, Quiet
from simulators.world.world import Life
from tests.campaign.world import Campaigns, play

ON_B = "before append ottb.v1.evt.call.slot-3."  # the host b is about to put an attempt on record


def at_step(site: Campaigns, step: str, happen: Callable[[Life], None]) -> None:
    """Have something happen to a host, once, right before it takes a step."""
    world = site.world
    passed = world._step

    async def watched(life: Life, name: str) -> None:
        if name.startswith(step) and world._step == watched:
            world._step = passed  # type: ignore[method-assign]
            happen(life)
        await passed(life, name)

    world._step = watched  # type: ignore[method-assign]


async def owned_by(site: Campaigns, host: str) -> str:
    """A campaign that the other host is to dial for."""
    for number in range(20):
        await site.create(f"c{number}")
        life = site.owner(f"c{number}")
        if life is not None and life.machine.host == host:
            return f"c{number}"
    raise AssertionError(f"no campaign falls to {host}")


def broken(site: Campaigns) -> list[str]:
    judge = CampaignJudge(Judge(site.world, [], Quiet()), {})
    return [f"{one.kind}: {one.text}" for one in judge.violations()]


def test_a_host_that_stood_still_begins_no_call_that_was_given_up() -> None:
    async def story(site: Campaigns) -> None:
        def stand_still(life: Life) -> None:
            life.process.freeze()
            site.world.loop.call_later(90.0, life.process.thaw, context=Context())

        campaign = await owned_by(site, "a")
        at_step(site, ON_B, stand_still)
        await site.run(campaign, [mobile(place, "2003") for place in range(6)])
        await asyncio.sleep(150.0)
        await site.until_over(campaign)
        assert broken(site) == []

    play(story, keep=True)


def test_an_attempt_is_over_in_time_although_clocks_were_set_back() -> None:
    async def story(site: Campaigns) -> None:
        def die(life: Life) -> None:
            for machine in site.world.machines:
                machine.clock.step(-3600.0)
            site.world.crash(life)

        campaign = await owned_by(site, "a")
        at_step(site, ON_B, die)
        await site.run(campaign, [mobile(place, "9999") for place in range(6)])
        await asyncio.sleep(5.0)
        await site.stop(campaign)
        await site.until_over(campaign, within=60.0)
        assert broken(site) == []

    play(story, keep=True)
