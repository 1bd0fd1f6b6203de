"""What a campaign says of calls that did not come about, in a world of two hosts."""

import asyncio

from msgspec.structs import replace

from actors.settings import Settings
from bus_schemas.campaign import StopMode
from bus_schemas.campaign_outlook import DRY_RUN, DryRun
from bus_schemas.lead import GET_LEAD, GetLead
from simulators.carrier.rules import mobile
from tests.campaign.test_takeover import claims
from tests.campaign.world import SLOTS, Campaigns, play

LONG = "9999"


def test_a_site_that_dials_nobody_at_this_hour_tries_nobody_and_says_so() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(place, LONG) for place in range(4)])
        await asyncio.sleep(90.0)
        [group] = (await site.explain("c1")).reasons
        assert (group.reason, group.leads) == ("site_hours", 4) and group.until is not None
        assert claims(site.world) == []

    play(story, change=closed)


def closed(settings: Settings) -> Settings:
    """It is noon there."""
    return replace(settings, dial=replace(settings.dial, hours="03:00-04:00"))


def test_a_history_says_why_nothing_was_dialled() -> None:
    """The campaign is paused between the claim and the call."""

    async def story(site: Campaigns) -> None:
        world, number = site.world, mobile(1, LONG)
        await site.run("c0", [mobile(900, "0001")])
        for life in world.lives:
            life.bus._step = _slow_to_hear
        await site.run("c1", [number])
        while not (begun := [one for one in claims(world) if one.campaign == "c1"]):
            await asyncio.sleep(0.01)
        await site.stop("c1")
        await site.until_over("c1")
        found = await site.until_done(
            GET_LEAD, GetLead(campaign_id="c1", lead=begun[0].lead), after=len(world.broker.journal)
        )
        [attempt] = found.attempts
        assert (attempt.outcome, attempt.why) == ("not_dialed", "the campaign did not run any more")

    play(story)


def test_a_dry_run_takes_the_lines_that_are_there() -> None:
    """Those that are idle, and those that it has."""

    async def story(site: Campaigns) -> None:
        await site.create("c1")
        idle = await site.until_done(DRY_RUN, DryRun(campaign_id="c1", minutes=2))
        assert idle.lines == len(SLOTS) and idle.attempts == 0
        await site.run("c1", [mobile(place, LONG) for place in range(20)])
        await asyncio.sleep(10.0)
        found = await site.until_done(DRY_RUN, DryRun(campaign_id="c1", minutes=2, seconds=12, answered=1.0))
        assert found.lines == len(SLOTS) and found.attempts == 20 - len(SLOTS)
        await site.stop("c1", StopMode.HANGUP)

    play(story)


async def _slow_to_hear(name: str) -> None:
    await asyncio.sleep(2.0 if name.startswith("before hearing ottb.v1.evt.campaign.c1.attempt_claimed") else 0.001)
