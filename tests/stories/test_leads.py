"""Leads one by one on the running system: who adds and changes them, and what is seen of it."""

from typing import Any
from uuid import uuid4

import pytest

from simulators.carrier.rules import mobile
from tests.stories.test_point import made
from tests.support.js_client import JsClient
from tests.support.site import Client, Site, until

ALL, LEADS = "/api/autodialer/campaigns", "/api/crm/leads"
BUSY = "0001"
FIRST = 14_000  # the numbers of these leads are nobody else's here


class Crm:
    """One user's door to leads."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def create(self, campaign: str, number: str, key: str | None = None, **more: Any) -> tuple[int, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        body = {"campaign_id": campaign, "number": number, **more}
        return await self.client.call("POST", LEADS, body, part="workspace", headers=headers)

    async def edit(self, campaign: str, lead: str, **wanted: Any) -> tuple[int, Any]:
        return await self.client.call("PATCH", f"{LEADS}/{campaign}/{lead}", wanted, part="workspace")

    async def one(self, campaign: str, lead: str) -> tuple[int, Any]:
        return await self.client.get(f"{LEADS}/{campaign}/{lead}", part="workspace")

    async def listed(self, query: str) -> list[Any]:
        status, found = await self.client.get(f"{LEADS}?{query}", part="workspace")
        assert status == 200, found
        return list(found)


@pytest.fixture
async def campaign(admin: Client) -> str:
    """A draft of the admin's."""
    id = f"crm_{uuid4().hex[:8]}"
    assert (await admin.post(ALL, {"campaign_id": id}))[0] == 201
    return id


@pytest.fixture
def name() -> str:
    return f"u{uuid4().hex[:10]}"


@pytest.fixture
async def stranger(admin: Client, name: str) -> Client:
    """An operator of this name."""
    return await made(admin, name, "operator")


async def test_a_lead_is_created_once_and_is_in_all_lists(admin: Client, stranger: Client, campaign: str) -> None:
    crm, number, key = Crm(admin), mobile(FIRST, BUSY), uuid4().hex
    status, lead = await crm.create(campaign, number, key, name="Olena", custom={"city": "Lviv"})
    assert (status, lead["status"], lead["lead"]["numbers"]) == (201, "new", [number])
    assert await crm.create(campaign, number, key, name="Olena", custom={"city": "Lviv"}) == (201, lead)
    assert await crm.listed(f"campaign_id={campaign}&text=olena") == [lead]  # read your own writes
    for other in (None, uuid4().hex):
        status, refused = await crm.create(campaign, number, other)
        assert (status, refused["code"], refused["details"]) == (409, "CONFLICT", {"lead": lead["lead"]["id"]})
    status, refused = await crm.create(campaign, "12")
    assert (status, refused["code"], refused["details"]["field"]) == (400, "INVALID_PARAMS", "number")
    assert (await Crm(stranger).create(campaign, mobile(FIRST + 1, BUSY)))[0] == 404
    entries = await admin.audit(f"action=POST%20{LEADS}&result=OK")
    assert {"campaign_id": campaign, "lead": lead["lead"]["id"]} in [entry["subject"] for entry in entries]


async def test_a_lead_is_changed_by_its_seller_and_heard_live(
    site: Site, admin: Client, stranger: Client, name: str, campaign: str
) -> None:
    boss, seller = Crm(admin), Crm(stranger)
    _, lead = await boss.create(campaign, mobile(FIRST + 10, BUSY), name="Olena", custom={"city": "Lviv"})
    id = lead["lead"]["id"]
    assert (await seller.edit(campaign, id, name="Mine"))[0] == (await seller.one(campaign, id))[0] == 404
    async with JsClient(site.url("workspace", ""), admin.token) as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:campaigns", {"campaign": campaign}))["error"] is False
        status, given = await boss.edit(campaign, id, assigned_seller=name)
        assert (status, given["assigned_seller"]) == (200, name)
        numbers = {"numbers": [mobile(FIRST + 11, BUSY)]}
        assert (await seller.edit(campaign, id, **numbers))[0] == 403  # the admin's slots would call it
        assert (await admin.call("PATCH", f"{ALL}/{campaign}", {"operators": "team"}))[0] == 200
        wanted = {"name": "Olena Koval", **numbers, "custom": {"city": None, "age": "30"}}
        status, found = await seller.edit(campaign, id, **wanted, status="done")
        assert (status, found["status"], found["lead"]["custom"]) == (200, "done", {"age": "30"})
        await socket.expect(lambda heard: "status" in heard.get("payload", {}).get("data", {}).get("fields", []))
        heard = [update["data"] for update in socket.events("campaign.update") if "lead" in update["data"]]
    assert [(one["change"], one["lead"], one["by"]) for one in heard] == [
        ("lead_changed", id, "admin"), ("lead_changed", id, name)
    ]  # fmt: skip
    assert [sorted(one["fields"]) for one in heard] == [["assigned_seller"], ["custom", "name", "numbers", "status"]]
    assert "Koval" not in str(heard)
    assert await seller.one(campaign, id) == (200, found)
    assert await seller.listed(f"text=koval&campaign_id={campaign}") == [found]
    assert await seller.listed(f"text={mobile(FIRST + 10, BUSY)}&campaign_id={campaign}") == []
    entries = await admin.audit(f"action=PATCH%20{LEADS}/&user={name}&result=OK")
    assert entries[0]["subject"] == {
        "campaign_id": campaign, "lead": id, "changed": "numbers name custom status"
    }  # fmt: skip


async def test_a_seller_hears_of_leads_that_become_theirs(
    site: Site, admin: Client, stranger: Client, name: str, campaign: str
) -> None:
    crm, other = Crm(admin), await made(admin, f"{name}b", "operator")
    leads = [(await crm.create(campaign, mobile(FIRST + 40 + at, BUSY)))[1]["lead"]["id"] for at in range(3)]
    heard = {}
    doors = (JsClient(site.url("workspace", ""), client.token) for client in (stranger, other))
    async with next(doors) as mine, next(doors) as theirs:
        for socket in (mine, theirs):
            await socket.expect(lambda heard: heard.get("connected"))
            assert (await socket.ask("subscribe:campaigns"))["error"] is False
        assert (await crm.edit(campaign, leads[2], priority=3))[0] == 200  # nobody's lead
        assert (await crm.edit(campaign, leads[0], assigned_seller=name))[0] == 200
        assert (await crm.edit(campaign, leads[0], name="Olena"))[0] == 200
        assert (await crm.edit(campaign, leads[0], assigned_seller=f"{name}b"))[0] == 200
        body = {"filter": {"campaign_id": campaign, "status": "new"}, "assigned_seller": name}
        assert (await admin.post(f"{LEADS}/assign", body, part="workspace"))[1]["changed"] == 3
        await mine.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("change") == "leads_assigned")
        await theirs.expect(lambda heard: "lead" in heard.get("payload", {}).get("data", {}))
        for whose, socket in (("mine", mine), ("theirs", theirs)):
            told = [update["data"] for update in socket.events("campaign.update")]
            heard[whose] = [(one["change"], one.get("lead"), one.get("assigned_seller")) for one in told]
    assert heard["mine"] == [
        ("lead_changed", leads[0], name), ("lead_changed", leads[0], None), ("lead_changed", leads[0], f"{name}b"),
        ("leads_assigned", None, name),
    ]  # fmt: skip
    assert told[0]["campaign"] == campaign and heard["theirs"] == [("lead_changed", leads[0], f"{name}b")]


async def test_what_a_lead_cannot_become_is_refused(admin: Client, campaign: str) -> None:
    crm = Crm(admin)
    _, one = await crm.create(campaign, mobile(FIRST + 20, BUSY))
    _, two = await crm.create(campaign, mobile(FIRST + 21, BUSY))
    id = one["lead"]["id"]
    for wanted, code, field in (
        ({"assigned_seller": "nobody-of-that-name"}, "INVALID_PARAMS", "assigned_seller"),
        ({"numbers": ["12"]}, "INVALID_PARAMS", "numbers[0]"),
        ({"numbers": []}, "INVALID_PARAMS", "numbers"),
        ({"colour": "red"}, "INVALID_PARAMS", "colour"),
        ({"status": "callback"}, "INVALID_PARAMS", "status"),
        ({"status": "in_progress"}, "CONFLICT", None),
        ({"numbers": two["lead"]["numbers"]}, "CONFLICT", None),
    ):
        _, refused = await crm.edit(campaign, id, **wanted)
        assert refused["code"] == code and (field is None or refused["details"]["field"] == field), refused
    assert (await crm.edit(campaign, id, status="do_not_call"))[0] == 200
    _, refused = await crm.edit(campaign, id, status="new")
    assert refused["details"] == {"status": "do_not_call", "may_become": []}
    _, refused = await crm.edit(campaign, id, numbers=[mobile(FIRST + 29, BUSY)])
    assert (refused["code"], refused["details"]) == ("CONFLICT", {"status": "do_not_call"})
    assert await crm.one(campaign, id) == (200, one | {"status": "do_not_call"})


async def test_leads_are_assigned_by_a_filter(admin: Client, stranger: Client, name: str, campaign: str) -> None:
    crm, seller = Crm(admin), Crm(stranger)
    for at in range(5):
        await crm.create(campaign, mobile(FIRST + 30 + at, BUSY), name="Olena" if at else "Petro")

    async def assign(client: Client, **body: Any) -> tuple[int, Any]:
        return await client.post(f"{LEADS}/assign", body, part="workspace")

    mine = {"campaign_id": campaign, "text": "olena"}
    assert await assign(admin, filter=mine, assigned_seller=name, limit=3) == (
        200, {"matched": 4, "changed": 3, "more": True}
    )  # fmt: skip
    assert (await assign(admin, filter=mine, assigned_seller=name))[1] == {"matched": 4, "changed": 1, "more": False}
    assert (await assign(admin, filter=mine, assigned_seller=name))[1] == {"matched": 4, "changed": 0, "more": False}
    assert len(await seller.listed(f"campaign_id={campaign}&assigned_seller={name}")) == 4
    assert (await assign(stranger, filter={"campaign_id": campaign}, assigned_seller=None))[1]["changed"] == 4
    assert await seller.listed(f"campaign_id={campaign}") == []
    for body, field in (
        ({"filter": {"colour": "red"}, "assigned_seller": name}, "filter.colour"),
        ({"filter": {"text": "ab"}, "assigned_seller": name}, "text"),
        ({"filter": {}, "assigned_seller": "nobody-of-that-name"}, "assigned_seller"),
        ({"filter": {}}, "assigned_seller"),
        ({"filter": {}, "assigned_seller": name, "limit": 2001}, "limit"),
    ):
        status, refused = await assign(admin, **body)
        assert (status, refused["code"], refused["details"]["field"]) == (400, "INVALID_PARAMS", field)
    subjects = [entry["subject"] for entry in await admin.audit(f"action=POST%20{LEADS}/assign&result=OK")]
    told = f'{{"campaign_id":"{campaign}","text":"olena"}}'
    assert {"filter": told, "assigned_seller": name, "matched": 4, "changed": 3} in subjects


async def test_what_has_happened_to_a_lead_is_shown_to_whose_it_is(
    admin: Client, stranger: Client, name: str, campaign: str
) -> None:
    boss, seller = Crm(admin), Crm(stranger)
    _, lead = await boss.create(campaign, mobile(FIRST + 50, "2001"))
    path = f"{LEADS}/{campaign}/{lead['lead']['id']}/timeline"

    async def timeline(client: Client, query: str = "") -> tuple[int, Any]:
        return await client.get(path + query, part="workspace")

    assert await timeline(admin) == (200, [])
    assert (await timeline(stranger))[0] == 404
    await boss.edit(campaign, lead["lead"]["id"], assigned_seller=name)
    assert (await seller.edit(campaign, lead["lead"]["id"], name="Olena"))[0] == 200
    note = {"campaign_id": campaign, "lead": lead["lead"]["id"], "text": "Prefers mornings"}
    assert (await stranger.post("/api/crm/note", note, part="workspace"))[0] == 201
    assert (await admin.post(f"{ALL}/{campaign}/resume"))[0] == 200
    calls = await until(lambda: timeline(stranger), lambda seen: {"call"} <= {one["kind"] for one in seen[1]}, 60)
    _, found = await until(lambda: timeline(stranger), lambda seen: seen[1][0]["kind"] != "note", 30)
    assert calls[0] == 200 and [one["kind"] for one in found][-3:] == ["note", "change", "change"]
    assert {"attempt", "call"} <= {one["kind"] for one in found}
    assert [(one["by"], one["changes"]) for one in found if one["kind"] == "change"] == [
        (name, {"name": "Olena"}), ("admin", {"assigned_seller": name})
    ]  # fmt: skip
    [call] = [one["call"] for one in found if one["kind"] == "call"]
    [attempt] = [one["attempt"] for one in found if one["kind"] == "attempt"]
    assert (attempt["call_id"], attempt["outcome"]) == (call["call_id"], "answered")
    pages, query = list[Any](), "?limit=1"
    for _ in found:
        pages += (await timeline(stranger, query))[1]
        query = f"?limit=1&cursor={stranger.last_headers.get('X-Next-Cursor')}"
    assert pages == found


async def test_two_leads_that_are_one_person_are_merged_and_undone(
    site: Site, admin: Client, stranger: Client, campaign: str
) -> None:
    crm = Crm(admin)
    _, one = await crm.create(campaign, mobile(FIRST + 40, BUSY), name="Olena")
    _, two = await crm.create(campaign, mobile(FIRST + 41, BUSY), custom={"city": "Lviv"}, source="fair")
    a, b = one["lead"]["id"], two["lead"]["id"]
    at = f"{LEADS}/{campaign}"
    assert (await stranger.post(f"{at}/{a}/merge", {"duplicate": b}, part="workspace"))[0] == 404
    async with JsClient(site.url("workspace", ""), admin.token) as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:campaigns", {"campaign": campaign}))["error"] is False
        status, both = await admin.post(f"{at}/{a}/merge", {"duplicate": b}, part="workspace")
        assert (status, both["lead"]["numbers"]) == (200, [mobile(FIRST + 40, BUSY), mobile(FIRST + 41, BUSY)]), both
        assert (both["lead"]["name"], both["lead"]["custom"], both["lead"]["source"]) == (
            "Olena", {"city": "Lviv"}, "fair"
        )  # fmt: skip
        assert await admin.post(f"{at}/{a}/merge", {"duplicate": b}, part="workspace") == (200, both)
        assert await crm.one(campaign, b) == (200, two | {"status": "invalid", "merged_into": a})
        for wanted in ({"name": "X"}, {"status": "new"}):
            status, refused = await crm.edit(campaign, b, **wanted)
            assert (status, refused["details"]) == (409, {"lead": b, "merged_into": a})
        for other, code in ((a, 400), ("none", 404), ("a.b", 400), (None, 400)):
            assert (await admin.post(f"{at}/{a}/merge", {"duplicate": other}, part="workspace"))[0] == code, other
        status, back = await admin.post(f"{at}/{b}/unmerge", {}, part="workspace")
        assert (status, back) == (200, two)
        assert await crm.one(campaign, a) == (200, one)
        assert await admin.post(f"{at}/{b}/unmerge", {}, part="workspace") == (200, two)
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("change") == "lead_unmerged")
        heard = [update["data"] for update in socket.events("campaign.update") if "other" in update["data"]]
    assert [(update["change"], update["lead"], update["other"]) for update in heard] == [
        ("lead_merged", a, b), ("lead_unmerged", a, b)
    ]  # fmt: skip
    _, happened = await admin.get(f"{at}/{b}/timeline", part="workspace")
    assert [entry["changes"].get("merged_into", "") for entry in happened] == [None, a]
    entries = await admin.audit(f"action=POST%20{LEADS}/&result=OK")
    assert {"campaign_id": campaign, "lead": a, "duplicate": b} in [entry["subject"] for entry in entries]
