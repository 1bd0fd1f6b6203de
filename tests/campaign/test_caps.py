"""Nobody has more campaigns run on a host, or leads in one of them, than the settings say; it is said clearly."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from msgspec.structs import replace

from actors.settings import Settings
from bus_schemas.campaign import PAUSE_CAMPAIGN, RESUME_CAMPAIGN, PauseCampaign, ResumeCampaign, StopMode
from bus_schemas.errors import ErrorCode, Refusal
from simulators.carrier.rules import mobile
from tests.campaign.test_actor import BUSY, numbers
from tests.campaign.world import Campaigns, play

MANY = 12  # campaigns, on two hosts


def capped(running: int = 100, leads: int = 1_000_000) -> Callable[[Settings], Settings]:
    def change(settings: Settings) -> Settings:
        return replace(settings, campaigns=replace(settings.campaigns, running_per_user=running, leads=leads))

    return change


def test_one_user_has_so_many_campaigns_run_on_a_host_and_no_more() -> None:
    async def story(site: Campaigns) -> None:
        run, refused = list[str](), list[str]()
        for place in range(MANY):
            try:
                await site.run(f"c{place}", numbers(200, BUSY, 200 * place))
                run.append(f"c{place}")
            except Refusal as refusal:
                assert refusal.code is ErrorCode.RATE_LIMITED and "running_per_user" in refusal.message
                refused.append(f"c{place}")
        assert 3 <= len(run) <= 4 and len(run) + len(refused) == MANY
        await site.run(run[0], [mobile(9_000, BUSY)])  # more leads for one that runs
        for each in run:
            await site.stop(each)
        await asyncio.sleep(5.0)
        await site.run(refused[0], [mobile(9_001, BUSY)])

    play(story, change=capped(running=2))


def test_who_resumes_a_campaign_is_told_the_same() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", numbers(200, BUSY))
        await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id="c1"))
        for place in range(MANY):
            with suppress(Refusal):
                await site.run(f"d{place}", numbers(200, BUSY, 200 * place + 200))
        with pytest.raises(Refusal) as refused:
            await site.until_done(RESUME_CAMPAIGN, ResumeCampaign(campaign_id="c1"))
        assert refused.value.code is ErrorCode.RATE_LIMITED
        for place in range(MANY):
            with suppress(Refusal):
                await site.stop(f"d{place}", StopMode.HANGUP)
        await asyncio.sleep(5.0)
        await site.until_done(RESUME_CAMPAIGN, ResumeCampaign(campaign_id="c1"))

    play(story, change=capped(running=1))


def test_a_campaign_has_so_many_leads_and_no_more() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", numbers(30, BUSY))
        with pytest.raises(Refusal) as refused:
            await site.run("c1", numbers(30, BUSY, 100))
        assert refused.value.code is ErrorCode.CONFLICT and "50 leads at most" in refused.value.message
        assert (await site.run("c1", numbers(20, BUSY, 100))).accepted == 20
        assert (await site.run("c1", numbers(20, BUSY, 100))).duplicates == 20

    play(story, change=capped(leads=50))
