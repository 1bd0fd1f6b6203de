"""A campaign whose host dies, leaves or stands still: nobody is called twice for one attempt, and no lead is lost."""

import asyncio
import random
from dataclasses import dataclass

import msgspec
import pytest

from bus_schemas.campaign import (
    CAMPAIGN_ACTIVATED,
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
from simulators.device.chronicle import DeviceCall
from simulators.world.campaign_judge import CampaignJudge
from simulators.world.campaigns import NO_WAITS
from simulators.world.judge import Judge, Quiet
from simulators.world.truth import DOUBTS
from simulators.world.world import World
from tests.campaign.world import Campaigns, play
from tests.support.depth import plays

S = CampaignStatus
TALKS, RINGS, LONG = "2003", "3002", "9999"
RACES = 100
PARTS = 3  # which run beside each other
KILLS, TAKEOVERS = plays(25), plays(8)  # of each
SETTINGS = {"attempts_per_lead": 3, "retry_minutes": NO_WAITS}


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


@dataclass
class Tally:
    """What all worlds of one test have come to."""

    kills: int = 0
    takeovers: int = 0
    attempts: int = 0
    answered: int = 0


@pytest.mark.parametrize("part", range(PARTS)[: plays(2 * PARTS)])
def test_kills_and_takeovers_repeat_no_dial_and_lose_no_lead(part: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Between any two steps, of both hosts. Each world ends with the promises of all calls and campaigns, and the
    counts that are told of it are those of the phones' own logs."""
    tally, worlds = Tally(), 0
    while tally.kills < KILLS or tally.takeovers < TAKEOVERS:
        play(lambda site: killed(site, tally), seed=worlds * PARTS + part, keep=True)
        worlds += 1
    with capsys.disabled():
        print(
            f"{tally.kills} kills and {tally.takeovers} take-overs in {worlds} worlds, {tally.attempts} attempts, "
            f"{tally.answered} answered: 0 dialled twice, 0 lost"
        )


async def killed(site: Campaigns, tally: Tally) -> None:
    """A campaign whose hosts die again and again, to its end."""
    world, wanted = site.world, [*numbers(12, TALKS), *numbers(12, RINGS, 100)]
    await site.run("c1", wanted)
    await site.configure("c1", **SETTINGS)
    world.fates = (world.crash, world.crash, world.pause)
    await asyncio.sleep(120.0)
    world.calm = True
    found = await site.until_over("c1", within=7200.0)
    judge(site, wanted)
    all_calls = Judge(world, [], Quiet())
    of_campaigns = CampaignJudge(all_calls, {"c1": (found, await site.explain("c1"))})
    broken = [*all_calls.violations(), *of_campaigns.violations()]
    assert not broken, broken
    dialled = [call for call in world.book.ordered() if call.number in wanted]
    assert found.leads == 24 and found.in_progress == 0 and sum(found.by_status.values()) == 24
    assert found.answered == sum(call.answered is not None for call in dialled if not doubtful(all_calls, call))
    tally.kills += sum(fault.kind == "crash" for fault in world.book.faults)
    owners = [one.event.host for one in world.stored if one.subject.endswith(f".c1.{CAMPAIGN_ACTIVATED.verb}")]
    tally.takeovers += len(owners) - 1
    tally.attempts += found.attempts
    tally.answered += found.answered


def doubtful(all_calls: Judge, call: DeviceCall) -> bool:
    """Whether its record says that nobody could know how it went."""
    [record] = [one for one in all_calls.calls.values() if one.call_id == call.call_id]
    return record.ended[0].event.answer_time is None and record.ended[0].event.reason in DOUBTS


@pytest.mark.parametrize("seed", range(plays(8)))
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
