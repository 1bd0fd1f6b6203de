"""What is asked of a campaign as its host dies is asked a second time, and is done once: whoever has it, whatever came
in between, and the answer is that of the first."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from actors.campaign import on_shard
from actors.campaign.forecast import forecast
from actors.leads.lead import id_of
from actors.runtime.context import Context
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import ask
from bus_schemas.campaign import (
    ARCHIVE_CAMPAIGN,
    CONFIGURE_CAMPAIGN,
    CREATE_ON_SHARD,
    MARK_LEAD,
    PAUSE_CAMPAIGN,
    RESUME_CAMPAIGN,
    RUN_ON_SHARD,
    ArchiveCampaign,
    CampaignRun,
    CampaignSettings,
    CampaignStatus,
    ConfigureCampaign,
    CreateOnShard,
    PauseCampaign,
    ResumeCampaign,
    RunOnShard,
)
from bus_schemas.campaign_outlook import DRY_RUN, CampaignForecast, DryRun
from bus_schemas.contract import AnyRpc
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import GivenLead, LeadStatus, MarkLead
from simulators.carrier.rules import mobile
from tests.campaign.test_halted_once import LONG, SOON, until, written
from tests.campaign.world import ALL, Campaigns, play
from tests.support.depth import seeds

S = CampaignStatus
FEW, MANY = 6, 900
C1 = "c1"


async def running(site: Campaigns) -> None:
    await site.run(C1, [mobile(place, LONG) for place in range(FEW)])


async def paused(site: Campaigns) -> None:
    await running(site)
    await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id=C1))


async def draft(site: Campaigns) -> None:
    await site.create(C1)


def part(site: Campaigns, first: int, count: int, **more: Any) -> RunOnShard:
    leads = tuple(GivenLead(number=mobile(place, LONG)) for place in range(first, first + count))
    after = len(site.world.broker.journal)
    return RunOnShard(shard=shard_of(C1), campaign_id=C1, leads=leads, after=after, **more)


Asked = tuple[Callable[[Campaigns], Awaitable[None]], AnyRpc, Callable[[Campaigns], Any]]
MARKED = MarkLead(campaign_id=C1, lead=id_of(mobile(0, LONG)), status=LeadStatus.DONE)
ASKED: dict[str, Asked] = {
    "resume": (paused, RESUME_CAMPAIGN, lambda site: ResumeCampaign(campaign_id=C1)),
    "configure": (running, CONFIGURE_CAMPAIGN, lambda site: ConfigureCampaign(campaign_id=C1, weight=7)),
    "archive": (draft, ARCHIVE_CAMPAIGN, lambda site: ArchiveCampaign(campaign_id=C1)),
    "mark": (running, MARK_LEAD, lambda site: MARKED),
    "run": (draft, RUN_ON_SHARD, lambda site: part(site, 0, MANY)),
}


def asked(site: Campaigns, rpc: AnyRpc, request: Any, id: str = "halt", *, fresh: bool = True) -> Awaitable[Any]:
    """One command, sent once by whoever asks, under its id."""
    context = Context(command_id=id, user="op", actions=ALL, fresh=fresh)
    return ask(site.world.gateways[1], rpc, request, context)


def of(answer: Any) -> tuple[Any, ...]:
    """What an answer says that may be compared."""
    if isinstance(answer, CampaignRun):
        return answer.status, answer.accepted, answer.duplicates
    return (answer.status,)


WANTED = {
    "resume": (S.RUNNING,),
    "configure": (S.RUNNING,),
    "archive": (S.ARCHIVED,),
    "mark": (LeadStatus.DONE,),
    "run": (S.RUNNING, MANY, 0),
}


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("what", ASKED)
def test_what_is_on_record_as_its_host_dies_is_answered(what: str, seed: int) -> None:
    begin, rpc, request = ASKED[what]

    async def story(site: Campaigns) -> None:
        await begin(site)
        await asyncio.sleep(8.0)
        owner, began = site.owner(C1), site.world.now
        assert owner is not None
        answer = asyncio.ensure_future(asked(site, rpc, request(site)))
        await until(lambda: bool(written(site)))
        assert not answer.done()
        site.world.crash(owner)
        found = await answer
        assert site.world.now - began < SOON + 2.0 and of(found) == WANTED[what]
        assert what == "run" or len(written(site)) == 1
        assert what != "run" or (await site.view(C1)).leads == MANY

    play(story, seed=seed, keep=True)


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("what", ASKED)
def test_what_its_host_took_with_it_is_done_by_the_next(what: str, seed: int) -> None:
    begin, rpc, request = ASKED[what]

    async def story(site: Campaigns) -> None:
        await begin(site)
        await asyncio.sleep(8.0)
        owner, began = site.owner(C1), site.world.now
        assert owner is not None
        owner.process.freeze()  # what is sent to it waits there
        answer = asyncio.ensure_future(asked(site, rpc, request(site)))
        await asyncio.sleep(0.2)
        site.world._end(owner)
        assert not written(site)
        found = await answer
        assert site.world.now - began < SOON + 2.0 and of(found) == WANTED[what]

    play(story, seed=seed, keep=True)


@pytest.mark.parametrize("changes", [True, False])
def test_a_second_resume_that_comes_late_undoes_no_pause(changes: bool) -> None:
    async def story(site: Campaigns) -> None:
        await (paused if changes else running)(site)
        resume = ResumeCampaign(campaign_id=C1)
        assert (await asked(site, RESUME_CAMPAIGN, resume)).status is S.RUNNING
        await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id=C1))
        assert (await asked(site, RESUME_CAMPAIGN, resume, fresh=False)).status is S.PAUSED
        assert written(site) == (["resumed"] if changes else [])
        assert (await asked(site, RESUME_CAMPAIGN, resume, "another")).status is S.RUNNING

    play(story)


def test_settings_that_come_a_second_time_undo_no_later_ones() -> None:
    async def story(site: Campaigns) -> None:
        await running(site)
        seven = ConfigureCampaign(campaign_id=C1, weight=7)
        assert (await asked(site, CONFIGURE_CAMPAIGN, seven)).settings.weight == 7
        await site.configure(C1, weight=9)
        owner = site.owner(C1)
        assert owner is not None
        site.world.crash(owner)
        await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id=C1))
        assert (await asked(site, CONFIGURE_CAMPAIGN, seven, fresh=False)).settings.weight == 9

    play(story, keep=True)


def test_a_campaign_is_made_once_by_its_command() -> None:
    async def story(site: Campaigns) -> None:
        settings = CampaignSettings(weight=7)
        request = CreateOnShard(shard=shard_of(C1), campaign_id=C1, settings=settings)
        assert (await asked(site, CREATE_ON_SHARD, request)).settings == settings
        await site.configure(C1, weight=9)
        assert (await asked(site, CREATE_ON_SHARD, request, fresh=False)).settings.weight == 9
        with pytest.raises(Refusal) as refused:
            await asked(site, CREATE_ON_SHARD, request, "another")
        assert refused.value.code is ErrorCode.CONFLICT

    play(story)


def test_a_part_of_a_run_that_comes_again_is_told_what_the_first_did() -> None:
    async def story(site: Campaigns) -> None:
        await running(site)
        request = part(site, 3, 6)
        assert of(await asked(site, RUN_ON_SHARD, request)) == (S.RUNNING, 3, 3)
        assert of(await asked(site, RUN_ON_SHARD, request, fresh=False)) == (S.RUNNING, 3, 3)
        assert of(await asked(site, RUN_ON_SHARD, part(site, 3, 6), "another", fresh=False)) == (S.RUNNING, 0, 6)

    play(story)


def test_the_rest_of_a_part_is_of_the_run_that_its_beginning_was_of() -> None:
    """A host died between two of its events, and those that were in by then could not be called."""

    async def story(site: Campaigns) -> None:
        await site.create(C1, consent=True)
        await asked(site, RUN_ON_SHARD, part(site, 0, 3))
        assert (await site.until_over(C1)).status is S.FINISHED
        whole = msgspec.structs.replace(part(site, 0, 6), after=0)
        assert (await asked(site, RUN_ON_SHARD, whole, fresh=False)).accepted == 6
        assert written(site) == ["started", "leads_added", "resumed", "leads_added"]

    play(story)


def test_an_archived_campaign_may_be_archived_whenever() -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        for command in ("first", "second", "third"):
            found = await asked(site, ARCHIVE_CAMPAIGN, ArchiveCampaign(campaign_id=C1), command)
            assert found.status is S.ARCHIVED
            await asyncio.sleep(8.0)

    play(story)


def test_a_part_that_comes_again_brings_no_paused_campaign_back() -> None:
    async def story(site: Campaigns) -> None:
        await paused(site)
        request = part(site, 0, 8)
        assert of(await asked(site, RUN_ON_SHARD, request)) == (S.RUNNING, 2, 6)
        await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id=C1))
        assert of(await asked(site, RUN_ON_SHARD, request, fresh=False)) == (S.PAUSED, 2, 6)

    play(story)


def test_a_dry_run_is_asked_again_of_who_has_the_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[bool]()

    async def first_takes_long(*asked: Any, **more: Any) -> CampaignForecast:
        begun.append(True)
        if len(begun) == 1:
            await asyncio.sleep(1000.0)
        return await forecast(*asked, **more)

    monkeypatch.setattr(on_shard, "forecast", first_takes_long)

    async def story(site: Campaigns) -> None:
        await running(site)
        await asyncio.sleep(8.0)
        owner = site.owner(C1)
        assert owner is not None
        answer = asyncio.ensure_future(asked(site, DRY_RUN, DryRun(campaign_id=C1, minutes=5)))
        await until(lambda: bool(begun))
        site.world.crash(owner)
        assert (await answer).campaign_id == C1 and len(begun) == 2

    play(story, keep=True)
