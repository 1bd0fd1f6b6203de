"""Who was taken for somebody else for a while is not erased with them, and not called against their word."""

import asyncio
from typing import Any

import pytest

from bus_schemas.campaign import RUN_CAMPAIGN, RunCampaign
from bus_schemas.crm import EDIT_LEAD, GET_CRM_LEAD, MERGE_LEAD, UNMERGE_LEAD, EditLead, MergeLead, UnmergeLead
from bus_schemas.do_not_call import CHECK_DO_NOT_CALL, CheckDoNotCall
from bus_schemas.erasure import ERASE_PERSON, GET_ERASURE, ErasePerson, GetErasure
from bus_schemas.lead import GetLead, GivenLead, LeadStatus
from simulators.carrier.rules import mobile
from tests.campaign.world import Campaigns, play

A, B, C = (mobile(place, "2003") for place in (1, 2, 3))
NAMES = {"a": "Olena Zhuravlivska", "b": "Petro Harbuzenko", "c": "Iryna Solovyanenko"}
LEADS = tuple(
    GivenLead(number=number, lead_id=id, name=NAMES[id]) for id, number in (("a", A), ("b", B), ("c", C))
)  # fmt: skip


async def imported(site: Campaigns, leads: tuple[GivenLead, ...] = LEADS, campaign: str = "c1") -> None:
    await site.create(campaign, attempts_per_lead=1)
    await site.until_done(RUN_CAMPAIGN, RunCampaign(campaign_id=campaign, leads=leads))
    await site.until_over(campaign)


async def edit(site: Campaigns, lead: str, campaign: str = "c1", **changes: Any) -> None:
    await site.until_done(EDIT_LEAD, EditLead(campaign_id=campaign, lead=lead, **changes))


async def merge(site: Campaigns, lead: str, duplicate: str) -> None:
    await site.until_done(MERGE_LEAD, MergeLead(campaign_id="c1", lead=lead, duplicate=duplicate))


async def unmerge(site: Campaigns, lead: str) -> None:
    await site.until_done(UNMERGE_LEAD, UnmergeLead(campaign_id="c1", lead=lead))


async def erase(site: Campaigns, number: str) -> Any:
    said = await site.until_done(ERASE_PERSON, ErasePerson(numbers=(number,), reason="letter"))
    while said.ended is None:
        await asyncio.sleep(1.0)
        said = await site.until_done(GET_ERASURE, GetErasure(erasure=said.erasure))
    assert said.status == "done", said
    await asyncio.sleep(5.0)
    return said.erased


async def lead(site: Campaigns, id: str) -> Any:
    after = len(site.world.broker.journal)
    return await site.until_done(GET_CRM_LEAD, GetLead(campaign_id="c1", lead=id), after=after)


@pytest.mark.parametrize(("erased", "chain"), [(A, False), (A, True), (B, False)])
def test_who_was_taken_for_another_one_is_not_erased_with_them(erased: str, chain: bool) -> None:
    """Whichever of both it is that goes; also with a third one that is still the same as the second."""
    stays, number = ("b", B) if erased == A else ("a", A)

    async def story(site: Campaigns) -> None:
        await imported(site)
        if chain:
            await merge(site, "b", "c")
        await merge(site, "a", "b")
        await edit(site, "a", priority=3)
        await unmerge(site, "b")
        await edit(site, stays, status=LeadStatus.DO_NOT_CALL)
        assert (await erase(site, erased)).leads == 1
        found = await lead(site, stays)
        assert (found.lead.name, found.status) == (NAMES[stays], LeadStatus.DO_NOT_CALL)
        assert number in found.lead.numbers and (not chain or C in found.lead.numbers)
        if chain:
            assert (await lead(site, "c")).lead.numbers == (C,)
        gone = "a" if erased == A else "b"
        found = await lead(site, gone)
        assert found.lead.name == "" and found.status is LeadStatus.INVALID and erased not in found.lead.numbers

    play(story, keep=True)


async def listed(site: Campaigns, *numbers: str) -> list[bool]:
    after = len(site.world.broker.journal)
    return [
        (await site.until_done(CHECK_DO_NOT_CALL, CheckDoNotCall(number=number), after=after)).listed
        for number in numbers
    ]


@pytest.mark.parametrize("refused", [{"consent": False}, {"status": LeadStatus.DO_NOT_CALL}])
def test_what_was_refused_holds_for_all_numbers_there_were(refused: dict[str, Any]) -> None:
    """Of which some are former ones by then; a number of somebody else's lead is not among them."""

    async def story(site: Campaigns) -> None:
        await imported(site, LEADS[:2])
        await edit(site, "a", numbers=(A, C))
        await edit(site, "a", numbers=(C,))
        await edit(site, "a", **refused)
        await erase(site, C)
        assert await listed(site, A, B, C) == [True, False, True]

    play(story, keep=True)


def test_what_another_lead_of_a_number_refused_is_not_forgotten() -> None:
    """It has a number of the person's which was not asked for: that one goes there, too."""

    async def story(site: Campaigns) -> None:
        await imported(site, LEADS[:1])
        await edit(site, "a", numbers=(A, B))
        await imported(site, LEADS[1:], "c2")
        await edit(site, "b", "c2", status=LeadStatus.DO_NOT_CALL)
        assert (await erase(site, A)).leads == 1
        assert await listed(site, A, B) == [False, True]

    play(story, keep=True)


ERASED_AT_ONCE = 8


def test_a_campaign_is_not_stopped_by_erasures() -> None:
    """Each has it read its record anew; only crashes are counted as such."""

    async def story(site: Campaigns) -> None:
        numbers = [mobile(place, "2004") for place in range(ERASED_AT_ONCE)]
        await imported(site, tuple(GivenLead(number=one) for one in numbers))
        asked = [ErasePerson(numbers=(one,), reason="letter") for one in numbers]
        begun = [await site.until_done(ERASE_PERSON, one) for one in asked]
        for said in begun:
            while said.ended is None:
                owner = site.owner("c1")
                assert owner is None or owner.host is None or not owner.host.left_alone(), said
                await asyncio.sleep(0.05)
                said = await site.until_done(GET_ERASURE, GetErasure(erasure=said.erasure))
            assert said.status == "done", said
        owner = site.owner("c1")
        assert owner is not None and owner.host is not None and not owner.host.left_alone()

    play(story, keep=True)
