"""Single leads of a campaign, one by one, as somebody at a gateway sees them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from actors.campaign.on_record import ROW
from actors.leads.lead import id_of
from actors.runtime.bus import Recorded
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from actors.runtime.wire import ask
from bus_schemas.campaign import (
    ARCHIVE_CAMPAIGN,
    CAMPAIGN,
    CREATE_CAMPAIGN,
    ArchiveCampaign,
    CampaignStatus,
    CreateCampaign,
    StopMode,
)
from bus_schemas.crm import (
    ASSIGN_LEADS,
    CREATE_LEAD,
    EDIT_LEAD,
    MERGE_LEAD,
    AssignLeads,
    CreateLead,
    EditLead,
    LeadFilter,
    MergeLead,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.kinds import owners_in
from bus_schemas.lead import CampaignLeadsAssigned, CrmLead, LeadStatus
from bus_schemas.user import FIND_EXTENSION, ExtensionFound, FindExtension
from simulators.bus.memory_bus import MemoryBus
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


async def assign(site: Campaigns, to: str | None, limit: int = 1000, **wanted: Any) -> tuple[int, int, bool]:
    """How many leads were found, how many changed, and whether there are more."""
    site.commands += 1
    user, actions = wanted.pop("user", "op"), wanted.pop("actions", ALL)
    context = Context(command_id=f"a{site.commands}", user=user, actions=actions & ASSIGN_LEADS.needed)
    request = AssignLeads(filter=LeadFilter(**wanted), assigned_seller=to, limit=limit)
    said = await ask(site.world.gateways[0], ASSIGN_LEADS, request, context)
    return said.matched, said.changed, said.more


@asynccontextmanager
async def users(site: Campaigns, *names: str) -> AsyncIterator[None]:
    """These have an account."""

    async def find(request: FindExtension, context: Context) -> ExtensionFound:
        if request.user not in names:
            raise Refusal(ErrorCode.NOT_FOUND, "No such user.")
        return ExtensionFound(user=request.user, extension=None)

    point = Service(bus=site.world.gateways[0], queue="point", handlers=[serve(FIND_EXTENSION, find)])
    await point.start()
    try:
        yield
    finally:
        await point.stop()


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


def test_a_repeat_reads_one_entry_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[str]()
    replay, entry = MemoryBus.replay, MemoryBus.entry

    async def replayed(bus: MemoryBus, scope: str, **more: Any) -> AsyncIterator[Recorded]:
        async for recorded in replay(bus, scope, **more):
            read.append(recorded.subject)
            yield recorded

    async def found(bus: MemoryBus, seq: int) -> Recorded | None:
        if (recorded := await entry(bus, seq)) is not None:
            read.append(recorded.subject)
        return recorded

    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(place, BUSY) for place in range(100, 140)])
        await site.stop("c1", StopMode.HANGUP)
        await site.until_over("c1")
        await site.run("c1", [mobile(141, BUSY)])
        made = [await create(site, mobile(place, BUSY), command=f"k{place}") for place in range(20)]
        monkeypatch.setattr(MemoryBus, "replay", replayed)
        monkeypatch.setattr(MemoryBus, "entry", found)
        assert await create(site, mobile(0, BUSY), command="k0", fresh=False) == made[0]
        assert sum(subject.endswith("leads_added") for subject in read) == 1
        read.clear()
        for place, entries in ((100, 0), (110, 0), (139, 0), (141, 1), (7, 1)):  # a list is not even looked at
            refusal = await refused(site=site, number=mobile(place, BUSY), command="k0", fresh=False)
            assert refusal.code is ErrorCode.CONFLICT
            assert sum(subject.endswith("leads_added") for subject in read) == entries, place
            read.clear()

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
        assert refusal.value.message.count(f"`{field}`") == 1 and not refusal.value.message.endswith("..")
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


def test_sellers_hear_of_their_leads_and_of_no_others() -> None:
    async def story(site: Campaigns) -> None:
        await draft(site)
        first, second = [(await create(site, mobile(place, TALKS))).lead.id for place in range(2)]
        async with users(site, "op12", "op21"):
            await edit(site, second, name="Nobody's")
            await edit(site, first, assigned_seller="op12")
            await edit(site, first, name="Olena")
            await edit(site, first, assigned_seller="op21")
            asking = Context(command_id="m", user="op", actions=ALL & MERGE_LEAD.needed)
            same = MergeLead(campaign_id="c1", lead=second, duplicate=first)
            await ask(site.world.gateways[0], MERGE_LEAD, same, asking)
            await assign(site, "op12")
        told = [
            owners_in(entry.headers, CAMPAIGN)[1:]
            for entry in site.world.broker.journal
            if entry.subject.endswith((".lead_changed", ".lead_merged", ".leads_assigned"))
        ]
        assert told == [(), ("op12",), ("op12",), ("op12", "op21"), ("op21",), ("op12",)]

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


def test_two_leads_that_are_merged_in_the_moment_of_a_call_are_called_as_one() -> None:
    async def story(site: Campaigns) -> None:
        numbers = [mobile(place, TALKS) for place in range(24)]
        await site.run("c1", numbers)
        await site.configure("c1", attempts_per_lead=1)
        pairs = [(numbers[at], numbers[at + 1]) for at in range(0, len(numbers), 2)]
        before = dict[tuple[str, str], int]()  # calls to either when they became one

        async def merge(one: str, other: str) -> None:
            request = MergeLead(campaign_id="c1", lead=id_of(one), duplicate=id_of(other))
            site.commands += 1
            context = Context(command_id=f"m{site.commands}", user="op", actions=ALL & MERGE_LEAD.needed)
            try:
                await ask(site.world.gateways[0], MERGE_LEAD, request, context)
            except Refusal as refusal:
                assert refusal.code is ErrorCode.CONFLICT
            else:
                dials = site.dials()
                before[one, other] = dials[one] + dials[other]

        while len(before) < len(pairs) and site.world.now < 120:
            for pair in pairs:
                if pair not in before:
                    await merge(*pair)
            await asyncio.sleep(0.5)
        found = await site.until_over("c1")
        dials = site.dials()
        assert before.keys() == {*pairs} and 0 in before.values() and found.attempts == sum(dials.values())
        for (one, other), had in before.items():
            assert dials[one] + dials[other] == (had or 1), (one, other, had)
        assert found.by_status[LeadStatus.INVALID] == len(pairs)

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
        with pytest.raises(Refusal) as refusal:  # it would have the maker's slots call it
            await edit(site, id, user="eve", actions=own | {"lead.view_any"}, numbers=(mobile(3, BUSY),))
        assert refusal.value.code is ErrorCode.PERMISSION_DENIED
        await edit(site, id, user="eve", actions=own | {"lead.view_any"}, numbers=(NUMBER,), name="F")  # the same one
        await edit(site, id, user="op", actions=own, name="O")  # who made the campaign
        with pytest.raises(Refusal):
            await edit(site, "l_none", name="E")
        assert changes(site) == 3

    play(story)


def assigned(site: Campaigns) -> list[tuple[str, int]]:
    """What is on record: which campaign, and how many leads."""
    recorded = (entry for entry in site.world.broker.journal if entry.subject.endswith(".leads_assigned"))
    said = [msgspec.json.decode(entry.data, type=CampaignLeadsAssigned) for entry in recorded]
    return [(one.campaign, len(one.leads)) for one in said]


def test_leads_of_several_campaigns_are_assigned_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.campaign.assigning.BATCH", 4)
    monkeypatch.setattr("actors.campaign.assigning.FOUND", 7)

    async def story(site: Campaigns) -> None:
        async with users(site, "ann", "ben"):
            for at, campaign in enumerate(("c1", "c2")):
                await site.run(campaign, [mobile(place, BUSY) for place in range(50 * at, 50 * at + 10)])
                await site.stop(campaign, StopMode.HANGUP)
                await site.until_over(campaign)
            assert await assign(site, "ann", limit=8) == (20, 8, True)
            assert assigned(site) == [("c1", 4), ("c1", 3), ("c1", 1)]
            assert await assign(site, "ann") == (20, 12, False)
            assert await assign(site, "ann") == (20, 0, False)
            assert sum(count for _, count in assigned(site)) == 20 and max(count for _, count in assigned(site)) == 4
            monkeypatch.setattr("actors.campaign.assigning.MOST_BATCHES", 1)
            assert await assign(site, None, campaign_id="c1") == (10, 4, True)
            monkeypatch.setattr("actors.campaign.assigning.MOST_BATCHES", 9)
            assert await assign(site, "ann", campaign_id="c1") == (10, 4, False)
            assert await assign(site, "ben", assigned_seller="ann", campaign_id="c2") == (10, 10, False)
            assert await assign(site, "ben", assigned_seller="nobody") == (0, 0, False)
            assert await assign(site, None, status=LeadStatus.DONE) == (0, 0, False)
            assert await assign(site, None, assigned_seller="ben") == (10, 10, False)
            await site.until_done(ARCHIVE_CAMPAIGN, ArchiveCampaign(campaign_id="c1"))
            assert await assign(site, "ben") == (20, 10, False)  # those of c1 stay as they are

    play(story)


def test_leads_are_assigned_by_whose_they_are_to_somebody_there_is() -> None:
    async def story(site: Campaigns) -> None:
        async with users(site, "ann"):
            await draft(site)
            ids = [(await create(site, mobile(at, BUSY), command=f"k{at}")).lead.id for at in range(3)]
            own = frozenset({"lead.edit"})
            assert await assign(site, "ann", user="ann", actions=own) == (0, 0, False)
            await edit(site, ids[0], assigned_seller="ann")
            assert await assign(site, None, user="ann", actions=own) == (1, 1, False)
            with pytest.raises(Refusal) as refusal:
                await assign(site, "eve")
            assert (refusal.value.details or {})["field"] == "assigned_seller"

    play(story)


def test_a_request_assigns_2000_leads_at_most() -> None:
    asked = {"filter": {}, "assigned_seller": None}
    assert msgspec.convert({**asked, "limit": 2000}, AssignLeads).limit == 2000
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**asked, "limit": 2001}, AssignLeads)


def test_each_event_of_an_assignment_counts_and_so_do_its_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.runtime.written.PER_SECOND", 1)
    monkeypatch.setattr("actors.runtime.written.AT_ONCE", 3000)  # bytes
    monkeypatch.setattr("actors.campaign.assigning.BATCH", 1)

    async def story(site: Campaigns) -> None:
        async with users(site, "ann"):
            await draft(site)
            for at in range(20):
                await create(site, mobile(at, BUSY), command=f"k{at}")
            with pytest.raises(Refusal) as refusal:
                await assign(site, "ann")
            assert refusal.value.code is ErrorCode.RATE_LIMITED and refusal.value.details is not None
            assert refusal.value.details["rule"] == "journal_bytes"
            changed = refusal.value.details["changed"]
            length = len(next(one.data for one in site.world.broker.journal if one.subject.endswith("leads_assigned")))
            most = 3000 // (length + ROW)
            assert len(assigned(site)) == changed and most <= changed <= most + 1
            with pytest.raises(Refusal):
                await assign(site, None)

    play(story)


def test_leads_are_assigned_at_a_pace_and_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.campaign.assigning.BATCH", 50)
    monkeypatch.setattr("actors.campaign.assigning.PER_SECOND", 100)
    monkeypatch.setattr("actors.campaign.assigning.LEAST", 20)

    async def story(site: Campaigns) -> None:
        async with users(site, "ann", "ben"):
            await site.run("c1", [mobile(place, BUSY) for place in range(300)])
            await site.stop("c1", StopMode.HANGUP)
            await site.until_over("c1")
            begun = site.world.now
            assert await assign(site, "ann") == (300, 300, False)
            assert site.world.now - begun > 2.0
            said = await asyncio.gather(*(assign(site, "ben") for _ in range(9)), return_exceptions=True)
            refused = [one for one in said if isinstance(one, Refusal)]
            assert {one.code for one in refused} == {ErrorCode.RATE_LIMITED} and len(refused) >= 7  # of two hosts
            assert {(one.details or {})["rule"] for one in refused} == {"assignments"}
            monkeypatch.setattr("actors.campaign.assigning.LONGEST", 1.0)
            found, changed, more = await assign(site, "ann")
            assert (found, more) == (300, True) and 0 < changed <= 150  # what does not get its turn is left
            assert (await assign(site, None, user="eve", campaign_id="none"))[0] == 0  # others have a turn of their own

    play(story)
