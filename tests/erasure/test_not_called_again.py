"""Who asked a campaign not to be called is not called after their erasure either, whatever list they come in with."""

import asyncio
from typing import Any

from actors.runtime.marks import is_mark
from bus_schemas.campaign import RETRY_MINUTES, RUN_CAMPAIGN, RunCampaign
from bus_schemas.crm import EDIT_LEAD, EditLead
from bus_schemas.do_not_call import (
    CHECK_DO_NOT_CALL,
    LIST_DO_NOT_CALL,
    REMOVE_DO_NOT_CALL,
    CheckDoNotCall,
    ListDoNotCall,
    RemoveDoNotCall,
)
from bus_schemas.erasure import ERASE_PERSON, GET_ERASURE, ErasePerson, GetErasure
from bus_schemas.lead import LIST_LEADS, GivenLead, LeadStatus, ListLeads
from simulators.carrier.rules import mobile
from tests.campaign.world import Campaigns, play

NUMBER, SECOND, OTHER = mobile(1, "2003"), mobile(3, "2003"), mobile(2, "0001")
SOON = dict.fromkeys(RETRY_MINUTES, 1)
LISTED = GivenLead(number=NUMBER, name="Olena Zhuravlivska", number_2=SECOND)


async def _asked_not_to_be_called(site: Campaigns, status: LeadStatus) -> None:
    """In one campaign, of which no list knows."""
    await site.create("c1", attempts_per_lead=1)
    both = (GivenLead(number=OTHER), LISTED)
    await site.until_done(RUN_CAMPAIGN, RunCampaign(campaign_id="c1", leads=both))
    await site.until_over("c1")
    found = await site.until_done(LIST_LEADS, ListLeads(campaign_id="c1"), after=len(site.world.broker.journal))
    [lead] = [one.lead.id for one in found if NUMBER in one.lead.numbers]
    await site.until_done(EDIT_LEAD, EditLead(campaign_id="c1", lead=lead, status=status))


async def _erase(site: Campaigns) -> None:
    said = await site.until_done(ERASE_PERSON, ErasePerson(numbers=(NUMBER,), reason="letter"))
    while said.ended is None:
        await asyncio.sleep(1.0)
        said = await site.until_done(GET_ERASURE, GetErasure(erasure=said.erasure))
    assert said.status == "done", said
    await asyncio.sleep(5.0)


async def _called_by_another(site: Campaigns) -> list[str]:
    """The numbers that a new campaign calls of the same list."""
    before = site.dials()
    await site.create("c2", attempts_per_lead=3, retry_minutes=SOON)
    leads = (GivenLead(number=OTHER), LISTED)
    await site.until_done(RUN_CAMPAIGN, RunCampaign(campaign_id="c2", leads=leads))
    await site.until_over("c2", within=100_000)
    return sorted((site.dials() - before).keys())


def _story(status: LeadStatus) -> dict[str, Any]:
    found = dict[str, Any]()

    async def story(site: Campaigns) -> None:
        await _asked_not_to_be_called(site, status)
        await _erase(site)
        found["listed"] = await site.until_done(LIST_DO_NOT_CALL, ListDoNotCall())
        found["called"] = await _called_by_another(site)
        if found["listed"]:
            standing = await site.until_done(CHECK_DO_NOT_CALL, CheckDoNotCall(number=SECOND))
            assert standing.listed
            taken = RemoveDoNotCall(list="global", entries=(NUMBER, SECOND))
            assert (await site.until_done(REMOVE_DO_NOT_CALL, taken)).removed == 2
            assert not (await site.until_done(CHECK_DO_NOT_CALL, CheckDoNotCall(number=NUMBER))).listed

    play(story, keep=True)
    return found


def test_who_asked_not_to_be_called_is_not_called_after_an_erasure() -> None:
    found = _story(LeadStatus.DO_NOT_CALL)
    assert found["called"] == [OTHER]
    assert [(one.list, one.source) for one in found["listed"]] == [("global", "erasure")] * 2
    assert all(is_mark(one.entry) for one in found["listed"])


def test_who_did_not_ask_that_is_on_no_list_after_an_erasure() -> None:
    found = _story(LeadStatus.DONE)
    assert found["listed"] == [] and OTHER in found["called"] and len(found["called"]) > 1
