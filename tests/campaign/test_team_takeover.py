"""Campaigns with operators whose hosts die between any two steps: every answered call has one operator or is abandoned,
nobody is called twice for an attempt, and nobody is kept for ever."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from actors.campaign.actor import TOLD_AGAIN
from bus_schemas.campaign import CAMPAIGN_ACTIVATED, CampaignStarted, Mode, Operators
from bus_schemas.errors import Refusal
from bus_schemas.preview import BEGIN_PREVIEWED, PREVIEW_LEAD, BeginPreviewed, PreviewLead
from simulators.world.campaign_judge import CampaignJudge
from simulators.world.campaigns import NO_WAITS
from simulators.world.judge import Judge, Quiet
from simulators.world.world import Life
from tests.campaign.crowd import OWNERS, Crowd, owned
from tests.campaign.test_takeover import LONG, RINGS, TALKS, judge, numbers
from tests.campaign.test_team_joins import TRUNKS, Joins, desks, on_trunks
from tests.campaign.world import Campaigns, play
from tests.support.depth import deep, plays

PARTS = 2  # which run beside each other
KILLS = plays(16)  # of each
POWER = {"mode": Mode.POWER, "ratio": 3.0, "carriers": TRUNKS, "abandoned_share": 1.0, "retry_minutes": NO_WAITS}
SETTINGS = {"operators": Operators.TEAM, "attempts_per_lead": 3, "retry_minutes": {}}


@dataclass
class Tally:
    """What all worlds of one test have come to."""

    kills: int = 0
    takeovers: int = 0
    attempts: int = 0
    taken: int = 0
    abandoned: int = 0


@deep
@pytest.mark.parametrize("part", range(PARTS))
def test_kills_leave_each_answered_call_one_operator_or_none(part: int, capsys: pytest.CaptureFixture[str]) -> None:
    tally, worlds = Tally(), 0
    while tally.kills < KILLS:
        play(lambda site: killed(site, tally), seed=worlds * PARTS + part, keep=True, change=owned(*OWNERS))
        worlds += 1
    assert tally.taken > tally.abandoned
    with capsys.disabled():
        print(
            f"{tally.kills} kills and {tally.takeovers} take-overs in {worlds} worlds, {tally.attempts} attempts, "
            f"{tally.taken} taken, {tally.abandoned} abandoned: 0 dialled twice, 0 joined twice, 0 kept for ever"
        )


def test_kills_leave_nobody_waiting_and_no_call_two_operators(capsys: pytest.CaptureFixture[str]) -> None:
    """Calls that are for whoever is ready, more of them than operators."""
    tally, seed, offered = Tally(), 0, 0

    async def joins(site: Campaigns) -> None:
        nonlocal offered
        async with desks(site):
            crowd = Joins(site)
            await killed(site, tally, crowd, **POWER)
            offered += len(crowd.offers())

    while tally.kills < PARTS * KILLS:
        play(joins, seed=seed, keep=True, change=on_trunks)
        seed += 1
    assert tally.taken > 0 and offered > 0
    with capsys.disabled():
        print(
            f"{tally.kills} kills and {tally.takeovers} take-overs tried in {seed} worlds, {tally.attempts} attempts, "
            f"{offered} times offered, {tally.taken} taken, {tally.abandoned} abandoned: 0 dialled twice, 0 joined "
            "twice, 0 left waiting, 0 kept for ever"
        )


async def killed(site: Campaigns, tally: Tally, crowd: Crowd | None = None, **more: Any) -> None:
    """A campaign and its operators, whose hosts die again and again, to its end."""
    world, crowd = site.world, crowd or Crowd(site)
    wanted = [*numbers(10, TALKS), *numbers(6, RINGS, 100)]
    working = asyncio.ensure_future(crowd.work(gone=True))
    await crowd.all_ready()
    await site.create("c1", **{**SETTINGS, **more})
    await site.run("c1", wanted)
    world.fates = (world.crash, world.crash, world.pause)
    await asyncio.sleep(120.0)
    world.calm = True
    found = await site.until_over("c1", within=7200.0)
    judge(site, wanted)
    crowd.check()
    all_calls = Judge(world, [], Quiet())
    broken = CampaignJudge(all_calls, {"c1": (found, await site.explain("c1"))}).violations()
    assert not broken, broken
    await asyncio.sleep(60.0)
    working.cancel()
    for _, user in OWNERS:
        seen = await crowd.see(user)
        assert seen.reserved_by is None and not seen.calls, seen
    tally.kills += sum(fault.kind == "crash" for fault in world.book.faults)
    owners = [one for one in world.stored if one.subject.endswith(f".c1.{CAMPAIGN_ACTIVATED.verb}")]
    tally.takeovers += len(owners) - 1
    tally.attempts += found.attempts
    tally.taken += found.answered - found.abandoned
    tally.abandoned += found.abandoned


def test_a_call_that_was_taken_and_is_not_on_record_is_taken_all_the_same() -> None:
    """The campaign's host dies after its operator was joined, before it has said so."""

    async def story(site: Campaigns) -> None:
        world, crowd = site.world, Crowd(site)
        await crowd.all_ready("cid")
        names = [f"c{place}" for place in range(8)]
        for name in names:
            await site.create(name, **SETTINGS)
        one = world.lives[0]
        campaign = next(name for name in names if site.owner(name) is one)
        one.bus._step = _slow_to_say
        await site.run(campaign, numbers(1, LONG))
        while not crowd.talks(joined=True):
            await asyncio.sleep(0.01)
        world.crash(one)
        found = await site.until_over(campaign, within=300.0)
        assert (found.answered, found.abandoned, len(crowd.joins())) == (1, 0, 1)
        [call] = [call for call in world.book.ordered() if call.answered is not None]
        assert call.ended is not None and call.ended - call.answered > 20.0  # nobody has ended it
        crowd.check()

    play(story, change=owned(*OWNERS))


async def in_preview(site: Campaigns, crowd: Crowd, leads: list[str]) -> Life:
    """A campaign in preview on the first host, of whose operators one is on the other host. Gives who has it."""
    await crowd.all_ready("cid")
    names = [f"c{place}" for place in range(8)]
    for name in names:
        await site.create(name, mode=Mode.PREVIEW, **SETTINGS)
    one = site.world.lives[0]
    await site.run(next(name for name in names if site.owner(name) is one), leads)
    return one


async def gone_over(site: Campaigns, campaign: str, one: Life) -> None:
    """The host of a campaign dies, and another one goes on with it."""
    site.world.crash(one)
    while site.owner(campaign) in (None, one):
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("begins", [False, True])
def test_a_lead_that_was_looked_at_is_offered_again_after_a_takeover(begins: bool) -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        one = await in_preview(site, crowd, numbers(2, TALKS))
        [campaign] = {event.campaign for event in crowd.said(CampaignStarted)}
        next_one = PreviewLead(campaign_id=campaign)
        shown = await crowd.ask("cid", PREVIEW_LEAD, next_one)
        begin = BeginPreviewed(campaign_id=campaign, lead=shown.lead)
        if begins:  # and the host dies before that is on record
            one.bus._step = _slow_to_claim
            assert (await crowd.ask("cid", BEGIN_PREVIEWED, begin)).begun
            await asyncio.sleep(0.5)
        await gone_over(site, campaign, one)
        with pytest.raises(Refusal, match="Ask for the next one"):
            await crowd.ask("cid", BEGIN_PREVIEWED, begin)
        await asyncio.sleep(20.0)
        assert not site.dials() and (await crowd.see("cid")).status == "ready"
        again = await crowd.ask("cid", PREVIEW_LEAD, next_one)
        assert (again.lead, again.begun) == (shown.lead, False)
        assert (await crowd.ask("cid", BEGIN_PREVIEWED, begin)).begun
        await asyncio.sleep(30.0)
        assert dict(site.dials()) == {shown.number: 1} and len(crowd.joins()) == 1
        crowd.check()

    play(story, change=owned(*OWNERS))


async def _slow_to_claim(name: str) -> None:
    late = name.startswith("before append ottb.v1.evt.campaign") and name.endswith(".attempt_claimed")
    await asyncio.sleep(30.0 if late else 0.001)


async def _slow_to_say(name: str) -> None:
    late = name.startswith("before append ottb.v1.evt.campaign") and name.endswith(".attempt_joined")
    await asyncio.sleep(30.0 if late else 0.001)


@pytest.mark.parametrize("owner_too", [True, False])
def test_how_a_campaign_dials_is_told_again_after_a_start(owner_too: bool) -> None:
    """Nothing else happens meanwhile, and who had heard it has ended, also where the campaign's host goes on."""

    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        await site.create("c1", mode=Mode.PREDICTIVE, **SETTINGS)
        await site.run("c1", numbers(3, LONG))
        await asyncio.sleep(5.0)
        assert (await site.view("c1")).mode is Mode.PROGRESSIVE
        for life in list(site.world.lives):
            if owner_too or life is not site.owner("c1"):
                site.world.crash(life)
        await asyncio.sleep(10.0)
        while site.owner("c1") is None:
            await asyncio.sleep(0.1)
        await asyncio.sleep(TOLD_AGAIN + 1.0)
        for _ in range(10):  # whoever answers
            found = await site.view("c1")
            assert (found.mode, found.fallback) == (Mode.PROGRESSIVE, "own_lines")

    play(story, keep=True, change=owned(*OWNERS))
