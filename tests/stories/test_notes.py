"""Notes on the running system: of a call while it runs and of a lead, whose they are, what becomes of them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import jsonschema
import pytest

from bus_schemas.note import LARGEST
from simulators.carrier.rules import mobile
from tests.stories.test_point import made
from tests.support.js_client import JsClient
from tests.support.site import Client, Site, until

NOTE = "/api/crm/note"


class Crm:
    """One user's door to notes."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def add(self, text: str, key: str | None = None, **about: Any) -> tuple[int, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        body = {"text": text, **about}
        return await self.client.call("POST", NOTE, body, part="workspace", headers=headers)

    async def of(self, call_id: str, query: str = "") -> tuple[int, Any]:
        return await self.client.get(f"/api/crm/notes/{call_id}{query}", part="workspace")

    async def texts(self, call_id: str) -> list[str]:
        status, found = await self.of(call_id)
        assert status == 200, found
        return [note["text"] for note in found["notes"]]

    async def edit(self, note: str, text: str) -> tuple[int, Any]:
        return await self.client.call("PATCH", f"{NOTE}/{note}", {"text": text}, part="workspace")

    async def delete(self, note: str) -> tuple[int, Any]:
        return await self.client.call("DELETE", f"{NOTE}/{note}", part="workspace")

    async def see(self, note: str, more: str = "") -> tuple[int, Any]:
        return await self.client.get(f"{NOTE}/{note}{more}", part="workspace")


@pytest.fixture
async def stranger(admin: Client) -> Client:
    """Another operator, new for this test."""
    return await made(admin, f"u{uuid4().hex[:10]}", "operator")


async def running_call(client: Client) -> str:
    """A call that is up, on the slot of op12."""
    status, started = await client.post("/api/call/start", {"number": mobile(8800, "9999"), "slot": 44})
    assert status == 201, started
    call_id: str = started["call_id"]
    await client.call_until(call_id, lambda call: call["status"] != "DIALING")
    return call_id


async def end(client: Client, call_id: str) -> None:
    await client.post("/api/call/end", {"call_id": call_id})
    await client.call_until(call_id, lambda call: call["phase"] == "ended")


async def test_a_note_is_added_while_the_call_runs_and_heard_live(
    site: Site, operator: Client, admin: Client, stranger: Client
) -> None:
    mine, all_of_them, nobody = Crm(operator), Crm(admin), Crm(stranger)
    call_id = await running_call(operator)
    async with (
        JsClient(site.url("workspace", ""), operator.token) as socket,
        JsClient(site.url("workspace", ""), stranger.token) as deaf,
    ):
        for each in (socket, deaf):
            await each.expect(lambda heard: heard.get("connected"))
            assert (await each.ask("subscribe:notes"))["error"] is False
        status, note = await mine.add("Client asked about price. @admin @nobody-of-that-name", call_id=call_id)
        assert status == 201, note
        assert (note["author"], note["call_id"], note["mentions"]) == ("op12", call_id, ["admin"])
        assert await mine.texts(call_id) == [note["text"]]  # read your own writes
        await end(operator, call_id)
        _, late = await all_of_them.add("Спасибо!\n\tНадо перезвонить 🦊", call_id=call_id)
        status, edited = await mine.edit(note["note"], "Client asked about the price.")
        assert (status, edited["version"]) == (200, 2), edited
        assert (await mine.delete(note["note"]))[0] == 200
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("change") == "deleted")
        updates = [heard for heard in socket.events("note.update") if heard["data"].get("call_id") == call_id]
        assert not [heard for heard in deaf.events("note.update") if heard["data"].get("call_id") == call_id]
    changes = [(each["data"]["change"], each["data"]["by"]) for each in updates]
    assert changes == [("added", "op12"), ("added", "admin"), ("edited", "op12"), ("deleted", "op12")]
    status, listed = await mine.of(call_id)
    assert (status, [each["text"] for each in listed["notes"]]) == (200, [late["text"]])
    assert {"text", "timestamp"} <= listed["notes"][0].keys() and listed["notes"][0]["timestamp"].endswith("Z")
    _, events = await operator.get("/asyncapi.json", part="workspace")
    payload = events["components"]["messages"]["note_update"]["payload"]
    for update in updates:
        jsonschema.validate(update, payload | {"components": events["components"]})
    assert (await nobody.of(call_id))[1]["code"] == "NOT_FOUND"


async def test_a_note_of_somebody_elses_call_is_not_told_to_exist(
    operator: Client, admin: Client, stranger: Client
) -> None:
    call_id = await running_call(operator)
    await end(operator, call_id)
    mine, all_of_them, nobody = Crm(operator), Crm(admin), Crm(stranger)
    _, note = await mine.add("Mine", call_id=call_id)
    id = note["note"]
    for known, unknown in (
        (await nobody.of(call_id), await nobody.of("c_never_was")),
        (await nobody.add("x", call_id=call_id), await nobody.add("x", call_id="c_never_was")),
        (await nobody.see(id), await nobody.see("n_never_was")),
        (await nobody.see(id, "/history"), await nobody.see("n_never_was", "/history")),
        (await nobody.edit(id, "x"), await nobody.edit("n_never_was", "x")),
        (await nobody.delete(id), await nobody.delete("n_never_was")),
    ):
        assert known[0] == unknown[0] == 404
        assert {**known[1], "request_id": ""} == {**unknown[1], "request_id": ""}
    # Who sees everybody's reads and adds, and changes none but their own.
    assert (await all_of_them.see(id))[1]["text"] == "Mine"
    for refused in (await all_of_them.edit(id, "x"), await all_of_them.delete(id)):
        assert (refused[0], refused[1]["code"]) == (403, "PERMISSION_DENIED")
    status, theirs = await all_of_them.add("Well done", call_id=call_id)
    assert status == 201 and await mine.texts(call_id) == ["Mine", "Well done"]
    assert (await mine.edit(theirs["note"], "x"))[1]["code"] == "PERMISSION_DENIED"


async def test_what_a_note_said_stays_in_its_history(operator: Client, admin: Client) -> None:
    call_id = await running_call(operator)
    await end(operator, call_id)
    mine, all_of_them = Crm(operator), Crm(admin)
    _, note = await mine.add("one", call_id=call_id)
    id = note["note"]
    await mine.edit(id, "two")
    status, again = await mine.edit(id, "two")
    assert (status, again["version"]) == (200, 2)
    seen = (await mine.see(id))[1]
    assert (seen["text"], seen["version"], seen["timestamp"]) == ("two", 2, note["timestamp"]) and seen["edited"]
    for _ in range(2):
        assert (await mine.delete(id))[1]["deleted"] is True
    assert await mine.texts(call_id) == []
    assert (await mine.edit(id, "three"))[1]["code"] == "NOT_FOUND"
    for who in (mine, all_of_them):
        history = (await who.see(id, "/history"))[1]
        assert [(said["version"], said["text"], said["deleted"]) for said in history] == [
            (1, "one", False), (2, "two", False), (3, "", True)
        ]  # fmt: skip
    assert (await mine.see(id, "/history?limit=2"))[1] == history[:2]


async def test_bad_notes_are_refused_and_a_repeat_is_one_note(operator: Client) -> None:
    call_id = await running_call(operator)
    await end(operator, call_id)
    mine = Crm(operator)
    for text in ("", " \n\t ", "\u200b \u00ad", "x\0", "bell\a", "\x1b[31mred", "c\r\n", "\u0085", "x" * (LARGEST + 1),
                 "я" * (LARGEST // 2) + "x"):  # fmt: skip
        status, refused = await mine.add(text, call_id=call_id)
        assert (status, refused["code"]) == (400, "INVALID_PARAMS"), text[:10]
        assert "^" not in refused["message"]  # words, not patterns
    for about in (
        {}, {"call_id": call_id, "lead": "l1"}, {"lead": "l1"}, {"campaign_id": "spring"}, {"call_id": "a b"},
        {"call_id": call_id, "author": "admin"},
    ):  # fmt: skip
        status, refused = await mine.add("x", **about)
        assert (status, refused["code"]) == (400, "INVALID_PARAMS"), about
    assert await mine.texts(call_id) == []
    largest = "я" * (LARGEST // 2)
    first = await mine.add(largest, key="largest", call_id=call_id)
    assert first[0] == 201 and await mine.add(largest, key="largest", call_id=call_id) == first
    assert (await mine.add("other", key="largest", call_id=call_id))[1]["code"] == "IDEMPOTENCY_MISMATCH"
    assert await mine.texts(call_id) == [largest]
    for number in range(3):
        await mine.add(f"n{number}", call_id=call_id)
    _, page = await mine.of(call_id, "?limit=2")
    cursor = operator.last_headers["X-Next-Cursor"]
    _, rest = await mine.of(call_id, f"?limit=2&cursor={cursor}")
    assert [note["text"] for note in (page["notes"] + rest["notes"])] == [largest, "n0", "n1", "n2"]


async def test_a_lead_has_notes_which_its_campaigns_maker_sees(admin: Client, operator: Client) -> None:
    campaign = f"notes-{uuid4().hex[:8]}"
    wanted = {"campaign_id": campaign, "leads": [{"number": mobile(8801, "0001"), "lead_id": "l1"}]}
    status, run = await admin.post("/api/autodialer/run-campaign", wanted)
    assert status == 200, run
    await admin.post("/api/autodialer/stop-campaign", {"campaign_id": campaign, "mode": "hangup"})
    where = f"/api/autodialer/campaigns/{campaign}"
    await until(lambda: admin.get(where), lambda seen: seen[1]["status"] == "stopped")  # no phone is busy after it
    lead = "l1"
    about = {"campaign_id": campaign, "lead": lead}
    status, note = await Crm(admin).add("Prefers mornings", **about)
    assert status == 201 and (note["campaign_id"], note["lead"], note["call_id"]) == (campaign, lead, None)
    path = f"/api/crm/leads/{campaign}/{lead}/notes"
    status, listed = await admin.get(path, part="workspace")
    assert (status, [each["text"] for each in listed["notes"]]) == (200, ["Prefers mornings"])
    for of_none in (path, f"/api/crm/leads/{campaign}/none/notes", "/api/crm/leads/none/none/notes"):
        assert (await operator.get(of_none, part="workspace"))[1]["code"] == "NOT_FOUND"
    assert (await Crm(operator).add("x", **about))[1]["code"] == "NOT_FOUND"


async def test_a_note_is_changed_after_its_owner_died(site: Site, operator: Client) -> None:
    call_id = await running_call(operator)
    await end(operator, call_id)
    mine = Crm(operator)
    _, note = await mine.add("before", key="before", call_id=call_id)
    site.kill("actors")
    await until(lambda: mine.of(call_id), lambda seen: seen[0] == 200, 30)
    assert await mine.texts(call_id) == ["before"]
    edited = (await until(lambda: mine.edit(note["note"], "after"), lambda seen: seen[0] == 200, 30))[1]
    assert edited["version"] == 2 and await mine.texts(call_id) == ["after"]
    assert (await mine.add("before", key="before", call_id=call_id))[1]["note"] == note["note"]
    assert len(await mine.texts(call_id)) == 1


async def test_the_leads_of_all_campaigns_are_one_list(admin: Client, operator: Client) -> None:
    campaigns = sorted(f"crm-{uuid4().hex[:8]}" for _ in range(2))
    for place, campaign in enumerate(campaigns):
        known = {"name": "Ольга Приклад", "custom": {"contract": "AB-8810"}}
        wanted = [
            {"number": mobile(8810 + 2 * place + one, "0001"), "lead_id": f"l{one}", **known} for one in range(2)
        ]
        run = {"campaign_id": campaign, "settings": {"mode": "preview", "operators": "team"}}  # calls nobody by itself
        assert (await admin.post("/api/autodialer/campaigns", run))[0] == 201
        run = {"campaign_id": campaign, "leads": wanted}
        status, said = await admin.post("/api/autodialer/run-campaign", run)
        assert status == 200, said
    seller = f"u{uuid4().hex[:10]}"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    mark = {"status": "callback", "callback": tomorrow, "operator": seller}
    path = f"/api/autodialer/campaigns/{campaigns[0]}/leads/l1/mark"
    theirs = await made(admin, seller, "operator")
    status, said = await theirs.post("/api/operators/me/status", {"status": "break"})
    assert status == 200, said
    status, said = await admin.post(path, mark)
    assert status == 200, said
    mine = f"/api/crm/leads?assigned_seller={seller}"
    for who in (admin, theirs):
        status, found = await who.get(mine, part="workspace")
        assert (status, who.last_headers["X-Total-Count"]) == (200, "1"), found
        assert [(lead["campaign_id"], lead["lead"]["id"], lead["status"]) for lead in found] == [
            (campaigns[0], "l1", "callback")
        ]  # fmt: skip
    assert (await operator.get(mine, part="workspace"))[1] == [] and operator.last_headers["X-Total-Count"] == "0"
    assert len((await theirs.get("/api/crm/leads", part="workspace"))[1]) == 1
    seen, own = [], list[tuple[str, str]]()
    cursor = ""
    while len(own) < 4:  # the newest, since other tests have made leads by the 100,000
        found = (await admin.get(f"/api/crm/leads?order=newest&limit=3{cursor}", part="workspace"))[1]
        seen += [(lead["campaign_id"], lead["lead"]["id"]) for lead in found]
        own = [one for one in seen if one[0] in campaigns]
        assert 1 <= len(found) <= 3 and int(admin.last_headers["X-Total-Count"]) >= 4
        cursor = f"&cursor={admin.last_headers.get('X-Next-Cursor')}"
    assert sorted(own) == [(campaign, f"l{one}") for campaign in campaigns for one in range(2)]
    assert len(set(seen)) == len(seen)
    for campaign in campaigns:
        await admin.post("/api/autodialer/stop-campaign", {"campaign_id": campaign})
    number = mobile(8811, "0001")
    due = quote((datetime.now(UTC) + timedelta(days=2)).isoformat())
    for query in (
        f"text={quote('b-881 ПРИКЛ')}", f"text={number[-8:-1]}", f"number={quote(number)}", f"number={number[-8:-1]}",
        f"order=callback&callback_until={due}", "order=newest",
    ):  # fmt: skip
        found = (await admin.get(f"/api/crm/leads?limit=1000&campaign_id={campaigns[0]}&{query}", part="workspace"))[1]
        assert "l1" in {lead["lead"]["id"] for lead in found}, query
        assert {lead["campaign_id"] for lead in found} == {campaigns[0]}
    for wrong in ("status=sold", "seller=x", "assigned_seller=a%20b", "limit=0", "cursor=x", "cursor=MQ", "order=up",
                  "number=x", "text=ab", "text=ab%20cd", f"text={'x' * 65}", "contacted_since=soon"):  # fmt: skip
        status, refused = await admin.get(f"/api/crm/leads?{wrong}", part="workspace")
        assert (status, refused["code"]) == (400, "INVALID_PARAMS"), wrong
    assert "assigned_seller" in (await admin.get("/api/crm/leads?seller=x", part="workspace"))[1]["message"]
