"""The dashboard on a whole site: as documented, right at once, and of what the asker sees."""

import jsonschema

from simulators.carrier.rules import mobile
from tests.stories.test_point import made
from tests.support.js_client import JsClient
from tests.support.site import Client, Site

PATH = "/api/dashboard"
NUMBER = 9900  # numbers that are nobody else's here


async def test_the_dashboard_answers_as_documented(admin: Client, operator: Client) -> None:
    one = await made(admin, "dashed", "operator")

    async def seen(who: Client) -> dict:
        status, found = await who.get(PATH, part="workspace")
        assert status == 200, found
        assert [*found] == ["active_calls", "active_slots", "today_calls", "failed_calls", "timestamp"]
        return found

    before, own = await seen(admin), await seen(one)
    assert before["active_slots"] > 0 and (own["active_calls"], own["today_calls"]) == (0, 0)
    status, refused = await one.get(f"{PATH}/breakdown?by=slot", part="workspace")
    assert (status, refused["code"]) == (403, "PERMISSION_DENIED")
    calls = []
    for place, ending in enumerate(("0001", "0005", "2001")):  # busy, the network fails, answered
        body = {"number": mobile(NUMBER + place, ending), "slot": "AUTO"}
        status, started = await one.post("/api/call/start", body)
        assert status == 201, started
        calls.append(started)
        assert (await seen(one))["today_calls"] == place + 1  # at once
        await one.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    own = await seen(one)
    assert (own["active_calls"], own["today_calls"], own["failed_calls"]) == (0, 3, 1)
    after = await seen(admin)
    assert after["today_calls"] >= before["today_calls"] + 3 and after["failed_calls"] > before["failed_calls"]
    for wanted in (f"{PATH}/series", f"{PATH}/series?step=day", f"{PATH}/series?step=quarter"):
        status, found = await one.get(wanted, part="workspace")
        assert (status, found["calls"]) == (200, 3), found
        assert found["outcomes"] == {"answered": 1, "busy": 1, "network": 1} and found["answer_rate"] == 0.3333
        assert sum(bucket["calls"] for bucket in found["buckets"]) == 3
    status, found = await admin.get(f"{PATH}/series?by=slot&value={calls[0]['slot']}", part="workspace")
    assert status == 200 and found["calls"] > 0
    status, found = await admin.get(f"{PATH}/breakdown?by=slot", part="workspace")
    assert status == 200 and {str(call["slot"]) for call in calls} <= {share["value"] for share in found}


async def test_the_dashboard_is_told_live(site: Site, admin: Client) -> None:
    one = await made(admin, "dashed_live", "operator")
    document = (await admin.get("/asyncapi.json"))[1]
    message = document["components"]["messages"]["dashboard_update"]["payload"]
    async with JsClient(site.url("workspace", ""), one.token) as client:
        await client.expect(lambda said: said.get("connected"))
        assert (await client.ask("subscribe:dashboard"))["error"] is False
        status, started = await one.post("/api/call/start", {"number": mobile(NUMBER + 9, "2001"), "slot": "AUTO"})
        assert status == 201, started
        for active in (1, 0):
            await client.expect(lambda said, active=active: told(said) == active)
        for payload in client.events("dashboard.update"):
            jsonschema.validate(payload, message | {"components": document["components"]})


def told(said: dict) -> int | None:
    """The active calls of an update, if it is one with a call of today."""
    data = (said.get("payload") or {}).get("data") or {}
    return data.get("active_calls") if data.get("today_calls") else None


async def test_what_is_asked_wrongly_is_said(admin: Client) -> None:
    for wrong, field in (
        ("series?step=week", "step"), ("breakdown", "by"), ("breakdown?by=user", "by"), ("series?since=x", "since"),
        ("series?by=slot", "value"), ("series?step=quarter&since=2025-01-01", "since"), ("series?of=x", "of"),
    ):  # fmt: skip
        status, refused = await admin.get(f"{PATH}/{wrong}", part="workspace")
        assert (status, refused["code"]) == (400, "INVALID_PARAMS"), wrong
        assert f"`{field}`" in refused["message"], refused
