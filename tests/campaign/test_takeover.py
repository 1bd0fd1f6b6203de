"""A campaign whose host dies, leaves or stands still: nobody is called twice for one attempt, and no lead is lost."""

import asyncio
import random

import msgspec
import pytest

from bus_schemas.campaign import (
    CAMPAIGN_ATTEMPT_CLAIMED,
    CAMPAIGN_ATTEMPT_ENDED,
    CAMPAIGN_STOPPED,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignStatus,
    StopMode,
)
from bus_schemas.contract import verb_of
from simulators.carrier.rules import mobile
from simulators.world.world import World
from tests.campaign.world import Campaigns, play

S = CampaignStatus
TALKS, RINGS, LONG = "2003", "3002", "9999"
RACES = 100
SETTINGS = {"attempts_per_lead": 3, "retry_minutes": {}}


def numbers(count: int, ending: str, first: int = 0) -> list[str]:
    return [mobile(place, ending) for place in range(first, first + count)]


def claims(world: World) -> list[CampaignAttemptClaimed]:
    """What was claimed, on record."""
    found = (entry for entry in world.broker.journal if verb_of(entry.subject) == CAMPAIGN_ATTEMPT_CLAIMED.verb)
    return [msgspec.json.decode(entry.data, type=CampaignAttemptClaimed) for entry in found]


def ends(world: World) -> list[CampaignAttemptEnded]:
    found = (entry for entry in world.broker.journal if verb_of(entry.subject) == CAMPAIGN_ATTEMPT_ENDED.verb)
    return [msgspec.json.decode(entry.data, type=CampaignAttemptEnded) for entry in found]


def judge(site: Campaigns, wanted: list[str]) -> None:
    """What must be so whatever happened: each claim is one attempt that has one end, and dialled once at most; whoever
    was dialled was claimed for it; and no number was called twice at once."""
    claimed, over, dials = claims(site.world), ends(site.world), site.dials()
    assert len({(one.campaign, one.place, one.attempt) for one in claimed}) == len(claimed)
    assert {(one.campaign, one.place, one.attempt) for one in claimed} == {
        (one.campaign, one.place, one.attempt) for one in over
    } and len(over) == len(claimed)
    begun = [one.number for one in claimed]
    assert set(dials) <= set(wanted)
    for number, times in dials.items():
        assert times <= begun.count(number), number


@pytest.mark.parametrize("how", ["crash", "pause", "leave"])
def test_another_host_goes_on_with_a_campaign(how: str) -> None:
    async def story(site: Campaigns) -> None:
        wanted = numbers(30, TALKS)
        await site.run("c1", wanted)
        await site.configure("c1", **SETTINGS)
        await asyncio.sleep(8.0)
        owner = site.owner("c1")
        assert owner is not None
        if how == "crash":
            site.world.crash(owner)
        elif how == "pause":
            site.world.pause(owner)
        else:
            owner.lost.set()
        await site.until_over("c1", within=1200.0)
        judge(site, wanted)
        answered = [one.lead for one in ends(site.world) if one.outcome == "answered"]
        assert len(answered) == len(set(answered)) == 30

    play(story, keep=True)


@pytest.mark.parametrize("seed", range(12))
def test_kills_between_any_two_steps_repeat_no_dial_and_lose_no_lead(seed: int) -> None:
    async def story(site: Campaigns) -> None:
        world, wanted = site.world, [*numbers(12, TALKS), *numbers(12, RINGS, 100)]
        world.fates = (world.crash, world.crash, world.pause)
        await site.run("c1", wanted)
        await site.configure("c1", **SETTINGS)
        await asyncio.sleep(120.0)
        world.calm = True
        found = await site.until_over("c1", within=7200.0)
        judge(site, wanted)
        assert found.leads == 24 and found.in_progress == 0 and found.attempts == len(claims(world))
        assert sum(found.by_status.values()) == 24

    play(story, seed=seed, keep=True)


@pytest.mark.parametrize("seed", range(12))
def test_a_stop_holds_whatever_dies(seed: int) -> None:
    async def story(site: Campaigns) -> None:
        world, wanted, chance = site.world, numbers(40, RINGS), random.Random(seed)
        world.fates = (world.crash, world.pause)
        await site.run("c1", wanted)
        await asyncio.sleep(chance.uniform(0.0, 12.0))
        await site.stop("c1", chance.choice([*StopMode]))
        stopped = len(claims(world))
        await asyncio.sleep(60.0)
        world.calm = True
        await site.until_over("c1")
        assert len(claims(world)) == stopped  # no attempt begins after the answer
        judge(site, wanted)
        last = world.broker.last(f"ottb.v1.evt.campaign.c1.{CAMPAIGN_STOPPED.verb}")
        assert last is not None

    play(story, seed=seed, keep=True)
