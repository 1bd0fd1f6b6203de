"""A `run` that comes late: what was said since it was asked for holds, whoever has the campaign by then."""

import asyncio

import pytest

from actors.runtime.rendezvous import shard_of
from bus_schemas.campaign import (
    PAUSE_CAMPAIGN,
    RUN_ON_SHARD,
    CampaignStatus,
    PauseCampaign,
    RunOnShard,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import GivenLead
from simulators.carrier.rules import mobile
from tests.campaign.world import Campaigns, play

S = CampaignStatus
TALKS = "2003"


def late(site: Campaigns, place: int) -> RunOnShard:
    """A part of a run that is asked for now, with one lead that is new."""
    after = len(site.world.broker.journal)
    lead = GivenLead(number=mobile(place, TALKS))
    return RunOnShard(shard=shard_of("c1"), campaign_id="c1", leads=(lead,), after=after)


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_late_run_brings_no_stopped_campaign_back(taken_over: bool) -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(0, TALKS)])
        part = late(site, 1)
        await site.stop("c1")
        await site.until_over("c1")
        if taken_over:
            owner = site.owner("c1")
            assert owner is not None
            site.world.crash(owner)
        with pytest.raises(Refusal) as caught:
            await site.until_done(RUN_ON_SHARD, part)
        assert caught.value.code is ErrorCode.CONFLICT and (await site.view("c1")).status is S.STOPPED
        await asyncio.sleep(5.0)
        assert mobile(1, TALKS) not in site.dials()
        answer = await site.until_done(RUN_ON_SHARD, late(site, 1))  # asked for after the stop
        assert (answer.status, answer.accepted) == (S.RUNNING, 1)

    play(story, keep=taken_over)


def test_a_late_run_adds_its_leads_to_a_paused_campaign_and_leaves_it_so() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(0, TALKS)])
        part = late(site, 1)
        await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id="c1"))
        answer = await site.until_done(RUN_ON_SHARD, part)
        assert (answer.status, answer.accepted) == (S.PAUSED, 1)
        await asyncio.sleep(10.0)
        assert mobile(1, TALKS) not in site.dials()
        again = await site.until_done(RUN_ON_SHARD, late(site, 2))
        assert (again.status, again.accepted) == (S.RUNNING, 1)

    play(story)


def test_a_run_that_is_asked_for_says_where_the_journal_ends() -> None:
    """Whoever is asked first; at the gateway it is the same."""

    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(0, TALKS)])
        await site.stop("c1")
        await site.until_over("c1")
        assert (await site.run("c1", [mobile(1, TALKS)])).status is S.RUNNING

    play(story)
