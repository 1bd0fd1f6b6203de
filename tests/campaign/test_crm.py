"""Single leads of a campaign, one by one, as somebody at a gateway sees them."""

import asyncio
from itertools import pairwise
from typing import Any

import msgspec
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
from bus_schemas.crm import CREATE_LEAD, EDIT_LEAD, CreateLead, EditLead
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


async def edit(site: Campaigns, lead: str, *, command: str = "", actions: Any = ALL, **wanted: Any) -> CrmLead:
    site.commands += 1
    context = Context(
        command_id=command or f"e{site.commands}", user=wanted.pop("user", "op"), actions=actions & EDIT_LEAD.needed
    )
    request = EditLead(campaign_id="c1", lead=lead, **wanted)
    return await ask(site.world.gateways[0], EDIT_LEAD, request, context)


def changes(site: Campaigns) -> int:
    """How many are on record."""
    return sum(entry.subject.endswith(".lead_changed") for entry in site.world.broker.journal)


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


def test_what_is_changed_is_read_as_a_list_is_and_on_record_once() -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        id = (await create(site, name="Olena", custom={"city": "Lviv", "plan": "a"})).lead.id
        found = await edit(
            site, id, name="  Ola\t K ", numbers=("099 124 00 05", "+380991240005"), custom={"plan": None, "age": "30"},
            language="UK", consent=True, priority=7,
        )  # fmt: skip
        assert found.lead.numbers == ("+380991240005",) and found.lead.custom == {"city": "Lviv", "age": "30"}
        assert (found.lead.name, found.lead.language, found.lead.consent) == ("Ola K", "uk", True)
        assert await edit(site, id, name="Ola K", custom={"plan": None, "age": "30"}, language="uk") == found
        assert await edit(site, id) == found
        assert changes(site) == 1
        none = await edit(site, id, timezone=None, language=None, consent=None, name="")
        assert (none.lead.name, none.lead.language, none.lead.consent) == ("", None, None)

    play(story)


@pytest.mark.parametrize(("given", "field"), [
    ({"numbers": (NUMBER, "12")}, "numbers[1]"),
    ({"numbers": ("112",)}, "numbers[0]"),
    ({"timezone": "Mars/Base"}, "timezone"),
    ({"language": "Ukrainian!"}, "language"),
    ({"priority": 101}, "priority"),
    ({"custom": {"": "x"}}, "custom"),
    ({"custom": {" a": "x"}}, "custom"),
    ({"custom": {"a": "x" * 1001}}, "custom:a"),
    ({"status": LeadStatus.CALLBACK}, "status"),
])  # fmt: skip
def test_what_a_lead_cannot_be_is_refused_with_its_field(given: dict[str, Any], field: str) -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        id = (await create(site)).lead.id
        with pytest.raises(Refusal) as refusal:
            await edit(site, id, **given)
        assert (refusal.value.code, (refusal.value.details or {})["field"]) == (ErrorCode.INVALID_PARAMS, field)
        assert not changes(site)

    play(story)


def test_of_two_changes_at_once_neither_is_lost() -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        id = (await create(site, name="A", custom={"city": "Lviv"})).lead.id
        for turn in range(5):
            await edit(site, id, name="A", custom={"city": "Lviv", "plan": None})
            await asyncio.gather(
                edit(site, id, name="B", custom={"plan": f"{turn}"}), edit(site, id, name="A"), edit(site, id, name="B")
            )
            found = await edit(site, id)
            # Whichever came last is what it is called, and the others are on record before it.
            assert found.lead.custom == {"city": "Lviv", "plan": f"{turn}"}
            names = [name for name in _names(site) if name is not None]
            assert found.lead.name == names[-1] and all(one != two for one, two in pairwise(names))

    play(story)


def _names(site: Campaigns) -> list[str | None]:
    """What the lead was called by each change, in their order."""
    recorded = (entry for entry in site.world.broker.journal if entry.subject.endswith(".lead_changed"))
    return [msgspec.json.decode(entry.data).get("name") for entry in recorded]


def test_a_lead_that_is_changed_in_the_moment_of_its_call_is_called_once() -> None:
    async def story(site: Campaigns) -> None:
        numbers = [mobile(place, TALKS) for place in range(12)]
        await site.run("c1", numbers)
        await site.configure("c1", attempts_per_lead=1)
        new = {id_of(number): mobile(100 + place, TALKS) for place, number in enumerate(numbers)}

        async def change(id: str, number: str) -> bool:
            try:
                await edit(site, id, numbers=(number,), name="Olena")
            except Refusal as refusal:
                assert refusal.code is ErrorCode.CONFLICT
                return False
            return True

        done = set[str]()
        while len(done) < len(new) and site.world.now < 120:
            for id, number in new.items():
                if id not in done and await change(id, number):
                    done.add(id)
            await asyncio.sleep(0.5)
        found = await site.until_over("c1")
        assert (found.status, found.attempts, found.answered) == (CampaignStatus.FINISHED, 12, 12)
        dials = site.dials()
        for old, id in zip(numbers, new, strict=True):
            assert dials[old] + dials[new[id]] == 1, (old, dials)
        assert done == new.keys()

    play(story)


def test_a_lead_is_changed_by_whose_it_is_or_who_sees_all() -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        id = (await create(site)).lead.id
        own = frozenset({"lead.edit"})
        for who in ("eve", "ann"):
            with pytest.raises(Refusal) as refusal:
                await edit(site, id, user=who, actions=own, name="Eve")
            assert refusal.value.code is ErrorCode.NOT_FOUND
        await edit(site, id, user="eve", name="E")  # who sees all
        await edit(site, id, user="op", actions=own, name="O")  # who made the campaign
        with pytest.raises(Refusal):
            await edit(site, "l_none", name="E")
        assert changes(site) == 2

    play(story)
