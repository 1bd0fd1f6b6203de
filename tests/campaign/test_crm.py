"""Single leads of a campaign, one by one, as somebody at a gateway sees them."""

from typing import Any

import pytest

from actors.leads.lead import id_of
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.campaign import (
    ARCHIVE_CAMPAIGN,
    CREATE_CAMPAIGN,
    ArchiveCampaign,
    CampaignStatus,
    CreateCampaign,
)
from bus_schemas.crm import CREATE_LEAD, CreateLead
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CrmLead, LeadStatus
from simulators.carrier.rules import mobile
from tests.campaign.world import ALL, Campaigns, play

BUSY, TALKS = "0001", "2003"
NUMBER = mobile(0, BUSY)


async def draft(site: Campaigns) -> None:
    await site.until_done(CREATE_CAMPAIGN, CreateCampaign(campaign_id="c1"))


async def create(
    site: Campaigns, number: str = NUMBER, *, command: str = "k1", user: str = "op", fresh: bool = True,
    actions: Any = ALL, **more: Any,
) -> CrmLead:  # fmt: skip
    context = Context(command_id=command, user=user, fresh=fresh, actions=actions & CREATE_LEAD.needed)
    return await ask(site.world.gateways[0], CREATE_LEAD, CreateLead(campaign_id="c1", number=number, **more), context)


async def refused(**wanted: Any) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        await create(**wanted)
    return refusal.value


def test_a_lead_is_created_as_a_list_of_one_would_bring_it() -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        made = await create(site, "099 124 00 05", name="  Olena\t Koval ", custom={"city": "Lviv"}, number_2=NUMBER)
        assert made.lead.numbers == ("+380991240005", NUMBER) and made.lead.id == id_of("+380991240005")
        assert (made.lead.name, made.lead.custom, made.status) == ("Olena Koval", {"city": "Lviv"}, LeadStatus.NEW)
        assert (await site.view("c1")).leads == 1 and not site.dials()
        taken = await create(site, mobile(1, BUSY), command="k2", number_2=NUMBER)
        assert taken.lead.numbers == (mobile(1, BUSY),)  # a number is one lead's

    play(story)


def test_a_number_that_is_a_leads_is_a_conflict_and_a_repeat_is_not() -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        made = await create(site)
        assert await create(site, fresh=False) == made  # its own command
        for fresh in (True, False):
            refusal = await refused(site=site, command="k2", fresh=fresh)
            assert refusal.code is ErrorCode.CONFLICT and refusal.details == {"lead": made.lead.id}
        assert (await site.view("c1")).leads == 1
        same = await refused(site=site, number=mobile(1, BUSY), command="k3", lead_id=made.lead.id)
        assert (same.code, (same.details or {})["field"]) == (ErrorCode.INVALID_PARAMS, "lead_id")

    play(story)


@pytest.mark.parametrize(("given", "field"), [
    ({"number": "12"}, "number"),
    ({"number": "112"}, "number"),
    ({"number_2": "abc"}, "number_2"),
    ({"timezone": "Mars/Base"}, "timezone"),
    ({"priority": 101}, "priority"),
    ({"language": "Ukrainian!"}, "language"),
    ({"name": "x" * 201}, "name"),
    ({"lead_id": "a b"}, "lead_id"),
])  # fmt: skip
def test_what_is_no_lead_is_refused_with_its_field(given: dict[str, Any], field: str) -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        refusal = await refused(site=site, **given)
        assert (refusal.code, (refusal.details or {})["field"]) == (ErrorCode.INVALID_PARAMS, field)
        assert (await site.view("c1")).leads == 0

    play(story)


def test_a_lead_that_is_created_in_a_campaign_that_runs_is_called() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(5, TALKS)])
        await site.configure("c1", attempts_per_lead=1)
        await create(site, mobile(6, TALKS))
        found = await site.until_over("c1")
        assert (found.status, found.answered) == (CampaignStatus.FINISHED, 2)
        over = await refused(site=site, number=mobile(7, TALKS), command="k2")
        assert over.code is ErrorCode.CONFLICT
        await site.until_done(ARCHIVE_CAMPAIGN, ArchiveCampaign(campaign_id="c1"))
        archived = await refused(site=site, number=mobile(7, TALKS), command="k3")
        assert archived.code is ErrorCode.CONFLICT

    play(story)


def test_nobody_adds_a_lead_to_a_campaign_that_they_do_not_see() -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        own = CREATE_LEAD.needed & {"lead.edit"}
        assert (await refused(site=site, user="eve", actions=own)).code is ErrorCode.NOT_FOUND
        sees = await refused(site=site, user="eve", actions=own | {"campaign.view_any"})
        assert sees.code is ErrorCode.PERMISSION_DENIED  # it would have the maker's slots dial
        assert (await site.view("c1")).leads == 0
        await create(site, actions=own)

    play(story)
