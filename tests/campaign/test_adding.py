"""Leads of a list are added in parts; a repeat is told what came of the first."""

import asyncio

import pytest

from actors.leads.lead import id_of
from actors.runtime.context import Context
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import ask
from bus_schemas.campaign import (
    ADD_ON_SHARD,
    CREATE_CAMPAIGN,
    RESUME_CAMPAIGN,
    AddOnShard,
    CampaignRun,
    CampaignStatus,
    CreateCampaign,
    ReadLead,
    ResumeCampaign,
    StopMode,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import Lead
from simulators.carrier.rules import mobile
from tests.campaign.world import Campaigns, play

BUSY, LONG = "0001", "9999"


def leads(first: int, count: int) -> tuple[ReadLead, ...]:
    found = []
    for row in range(first, first + count):
        number = mobile(row, LONG)
        found.append(ReadLead(row=row, lead=Lead(id=id_of(number), numbers=(number,))))
    return tuple(found)


async def add(
    site: Campaigns, given: tuple[ReadLead, ...], command: str, *, fresh: bool = True, run: bool = False
) -> CampaignRun:
    request = AddOnShard(shard=shard_of("c1"), campaign_id="c1", leads=given, run=run)
    context = Context(command_id=command, user="op", fresh=fresh)
    return await ask(site.world.gateways[0], ADD_ON_SHARD, request, context)


async def create(site: Campaigns) -> None:
    await site.until_done(CREATE_CAMPAIGN, CreateCampaign(campaign_id="c1"))


def test_a_draft_gets_leads_and_calls_nobody() -> None:
    async def story(site: Campaigns) -> None:
        await create(site)
        answer = await add(site, leads(0, 30), "k1")
        assert (answer.status, answer.accepted, answer.duplicates) == (CampaignStatus.DRAFT, 30, 0)
        answer = await add(site, leads(20, 30), "k2")
        assert (answer.accepted, answer.duplicates) == (20, 10)
        assert (await site.view("c1")).leads == 50 and not site.dials()

    play(story)


def test_a_draft_with_leads_is_started_without_new_ones() -> None:
    async def story(site: Campaigns) -> None:
        await create(site)
        await add(site, leads(0, 5), "k1")
        answer = await site.until_done(RESUME_CAMPAIGN, ResumeCampaign(campaign_id="c1"))
        assert answer.status is CampaignStatus.RUNNING
        await asyncio.sleep(5.0)
        assert site.dials()
        await site.stop("c1", StopMode.HANGUP)

    play(story)


def test_a_repeat_is_told_what_came_of_the_first() -> None:
    async def story(site: Campaigns) -> None:
        await create(site)
        await add(site, leads(0, 10), "k1")
        first = await add(site, leads(5, 20), "k2")
        assert (first.accepted, first.duplicates) == (15, 5)
        assert await add(site, leads(5, 20), "k2", fresh=False) == first
        asked = await add(site, (), "k2", fresh=False)
        assert (asked.accepted, asked.duplicates) == (15, 0)
        assert (await add(site, (), "k3", fresh=False)).accepted == 0
        other = await add(site, leads(5, 20), "k3", fresh=False)
        assert (other.accepted, other.duplicates) == (0, 20)
        assert (await site.view("c1")).leads == 25

    play(story)


def test_leads_make_a_campaign_run_where_that_is_wanted() -> None:
    async def story(site: Campaigns) -> None:
        await create(site)
        assert (await add(site, leads(0, 10), "k1", run=True)).status is CampaignStatus.RUNNING
        await site.stop("c1")
        with pytest.raises(Refusal) as refused:
            await add(site, leads(10, 10), "k2")
        assert refused.value.code is ErrorCode.CONFLICT
        await site.until_over("c1")
        with pytest.raises(Refusal) as refused:
            await add(site, leads(10, 10), "k3")
        assert refused.value.code is ErrorCode.CONFLICT and "run" in refused.value.message
        assert (await site.view("c1")).leads == 10

    play(story)


def test_a_repeat_does_not_run_what_was_stopped_after_the_first() -> None:
    async def story(site: Campaigns) -> None:
        await create(site)
        await add(site, leads(0, 10), "k1", run=True)
        await site.stop("c1")
        await site.until_over("c1")
        with pytest.raises(Refusal) as refused:  # as if the first had been cut off in the middle
            await add(site, leads(0, 20), "k1", fresh=False, run=True)
        assert refused.value.code is ErrorCode.CONFLICT
        found = await site.view("c1")
        assert (found.status, found.leads) == (CampaignStatus.STOPPED, 10)

    play(story)


def test_nothing_is_added_to_a_campaign_that_there_is_not() -> None:
    async def story(site: Campaigns) -> None:
        with pytest.raises(Refusal) as refused:
            await add(site, leads(0, 10), "k1")
        assert refused.value.code is ErrorCode.NOT_FOUND
        assert not [entry for entry in site.world.broker.journal if ".evt.campaign." in entry.subject]

    play(story)
