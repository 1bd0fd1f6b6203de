"""Nobody has more campaigns run on a host, or leads in one of them, than the settings say; it is said clearly."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from msgspec.structs import replace

from actors.settings import Settings
from bus_schemas.campaign import (
    ARCHIVE_CAMPAIGN,
    PAUSE_CAMPAIGN,
    RESUME_CAMPAIGN,
    ArchiveCampaign,
    PauseCampaign,
    ResumeCampaign,
    StopMode,
)
from bus_schemas.errors import ErrorCode, Refusal
from simulators.carrier.rules import mobile
from tests.campaign.test_actor import BUSY, numbers
from tests.campaign.world import Campaigns, play

MANY = 12  # campaigns, on two hosts


def capped(running: int = 100, kept: int = 5_000, leads: int = 1_000_000) -> Callable[[Settings], Settings]:
    def change(settings: Settings) -> Settings:
        campaigns = replace(settings.campaigns, running_per_user=running, kept_per_user=kept, leads=leads)
        return replace(settings, campaigns=campaigns)

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


def test_one_user_has_so_many_campaigns_that_are_not_archived() -> None:
    async def story(site: Campaigns) -> None:
        made, refused = list[str](), list[str]()
        for place in range(MANY):
            try:
                await site.create(f"c{place}")
                made.append(f"c{place}")
            except Refusal as refusal:
                assert refusal.code is ErrorCode.CONFLICT and "kept_per_user" in refusal.message
                refused.append(f"c{place}")
        assert 3 <= len(made) <= 4 and len(made) + len(refused) == MANY
        with pytest.raises(Refusal):
            await site.run(refused[0], [mobile(9_000, BUSY)])
        for each in made:
            await site.until_done(ARCHIVE_CAMPAIGN, ArchiveCampaign(campaign_id=each))
        await site.create(refused[0])
        await asyncio.sleep(10.0)
        for each in made:  # nor does an archived one come back for who makes or runs it again
            with pytest.raises(Refusal, match="archived"):
                await site.create(each)
            with pytest.raises(Refusal, match="archived"):
                await site.run(each, [mobile(9_000, BUSY)])
            assert site.owner(each) is None
        on_record = {entry.subject.split(".")[4] for entry in site.world.broker.entries("ottb.v1.evt.campaign.>")}
        assert on_record == {*made, refused[0]}  # nothing is left of what was refused

    play(story, change=capped(kept=2))


def test_a_campaign_has_so_many_leads_and_no_more() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", numbers(30, BUSY))
        with pytest.raises(Refusal) as refused:
            await site.run("c1", numbers(30, BUSY, 100))
        assert refused.value.code is ErrorCode.CONFLICT and "50 leads at most" in refused.value.message
        assert (await site.run("c1", numbers(20, BUSY, 100))).accepted == 20
        assert (await site.run("c1", numbers(20, BUSY, 100))).duplicates == 20

    play(story, change=capped(leads=50))
