"""A stop or a pause whose answer a host took with it is asked a second time, and is done once: whoever has it, whatever
came in between."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors.runtime.context import Context
from actors.runtime.journalled import COMMAND_HEADER
from actors.runtime.wire import ask
from bus_schemas.campaign import (
    PAUSE_CAMPAIGN,
    RESUME_CAMPAIGN,
    STOP_CAMPAIGN,
    CampaignStatus,
    PauseCampaign,
    ResumeCampaign,
    StopCampaign,
)
from bus_schemas.contract import AnyRpc, verb_of
from bus_schemas.errors import ErrorCode, Refusal
from simulators.carrier.rules import mobile
from tests.campaign.world import ALL, Campaigns, play
from tests.support.depth import seeds

S = CampaignStatus
LONG = "9999"
SOON = 9.0  # seconds: another host has the shard, and the asker asks it; the line's own time is 15
HALTS: dict[str, tuple[AnyRpc, Any]] = {
    "pause": (PAUSE_CAMPAIGN, PauseCampaign(campaign_id="c1")),
    "stop": (STOP_CAMPAIGN, StopCampaign(campaign_id="c1")),
}
OF_A_HALT = {"paused", "draining", "stopped"}


def asked(site: Campaigns, what: str, id: str = "halt", *, door: int = 1) -> Awaitable[Any]:
    """One command, sent once by whoever asks, under its id. (Another door has other second times.)"""
    rpc, request = HALTS[what]
    context = Context(command_id=id, user="op", actions=ALL & rpc.needed)
    return ask(site.world.gateways[door], rpc, request, context)


def written(site: Campaigns, command: str = "halt") -> list[str]:
    """What was put on record for a command."""
    found = (one for one in site.world.broker.journal if one.headers.get(COMMAND_HEADER) == command)
    return [verb_of(one.subject) for one in found]


async def until(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0.0002)


@pytest.mark.parametrize("seed", seeds(3))
@pytest.mark.parametrize("what", HALTS)
def test_a_halt_that_is_on_record_as_its_host_dies_is_answered(what: str, seed: int) -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(place, LONG) for place in range(6)])
        await asyncio.sleep(8.0)
        owner, began = site.owner("c1"), site.world.now
        assert owner is not None
        answer = asyncio.ensure_future(asked(site, what))
        await until(lambda: bool(written(site)))
        assert not answer.done()
        site.world.crash(owner)
        found = await answer
        assert site.world.now - began < SOON and found.status in (S.PAUSED, S.DRAINING, S.STOPPED)
        assert len(written(site)) == len({*written(site)}) and OF_A_HALT.issuperset(written(site))

    play(story, seed=seed, keep=True)


@pytest.mark.parametrize("seed", seeds(3))
@pytest.mark.parametrize("what", HALTS)
def test_a_halt_that_its_host_took_with_it_is_made_by_the_next(what: str, seed: int) -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(place, LONG) for place in range(6)])
        await asyncio.sleep(8.0)
        owner, began = site.owner("c1"), site.world.now
        assert owner is not None
        owner.process.freeze()  # what is sent to it waits there
        answer = asyncio.ensure_future(asked(site, what))
        await asyncio.sleep(0.2)
        site.world._end(owner)
        assert not written(site)
        found = await answer
        assert site.world.now - began < SOON and found.status in (S.PAUSED, S.DRAINING, S.STOPPED)
        assert len(written(site)) == len({*written(site)}) > 0

    play(story, seed=seed, keep=True)


@pytest.mark.parametrize("changes", [True, False])
def test_a_second_one_that_comes_late_does_not_undo_what_came_between(changes: bool) -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(place, LONG) for place in range(6)])
        if not changes:
            await asked(site, "pause", "before")
        first = await asked(site, "pause")
        resume = ResumeCampaign(campaign_id="c1")
        assert first.status is S.PAUSED and (await site.until_done(RESUME_CAMPAIGN, resume)).status is S.RUNNING
        assert (await asked(site, "pause")).status is S.RUNNING
        assert written(site) == (["paused"] if changes else [])
        assert (await asked(site, "pause", "another")).status is S.PAUSED

    play(story)


def test_the_next_host_knows_by_the_record_what_was_done() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(place, LONG) for place in range(6)])
        assert (await asked(site, "pause")).status is S.PAUSED
        owner = site.owner("c1")
        assert owner is not None
        site.world.crash(owner)
        resume = ResumeCampaign(campaign_id="c1")
        assert (await site.until_done(RESUME_CAMPAIGN, resume)).status is S.RUNNING
        assert (await asked(site, "pause")).status is S.RUNNING and written(site) == ["paused"]

    play(story, keep=True)


@pytest.mark.parametrize("what", HALTS)
def test_without_a_second_time_the_asker_waits_for_all_of_it(what: str) -> None:
    """What the others are measured against."""

    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(place, LONG) for place in range(6)])
        await asyncio.sleep(8.0)
        owner, (rpc, request) = site.owner("c1"), HALTS[what]
        assert owner is not None
        context = Context(command_id="halt", user="op", actions=ALL & rpc.needed)
        once = ask(site.world.gateways[1], rpc, request, context, retry=False)
        answer, began = asyncio.ensure_future(once), site.world.now
        await until(lambda: bool(written(site)))
        site.world.crash(owner)
        with pytest.raises(Refusal) as refused:
            await answer
        assert refused.value.code is ErrorCode.TIMEOUT and site.world.now - began >= 15.0

    play(story, keep=True)


