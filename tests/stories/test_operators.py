"""Operators, from ready to the word for the call, over HTTP, Socket.IO and the bus of a running site."""

import re
from datetime import UTC, datetime

import nats

from tests.stories.test_point import made
from tests.support.js_client import JsClient
from tests.support.site import Client, Site, until

NEXT_YEAR = datetime.now(UTC).year + 1


async def test_an_operator_from_ready_to_the_word_for_the_call(site: Site, admin: Client) -> None:
    talker = await made(admin, "talker", "operator")
    assert (await talker.get("/api/operators/me"))[1]["status"] == "offline"
    assert (await talker.post("/api/call/c_none/disposition", {"disposition": "sale"}))[0] == 404
    inbox = "_INBOX.u.talker"
    bus = await nats.connect(f"nats://127.0.0.1:{site.nats_port}", user="talker", password="secure123",
                             inbox_prefix=inbox)  # fmt: skip
    said = await bus.subscribe("ottb.v1.own.talker.evt.operator.>")
    async with JsClient(site.url("workspace", ""), talker.token or "") as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:operators"))["error"] is False
        status, view = await talker.post("/api/operators/me/status", {"status": "ready"})
        assert (status, view["status"], view["campaigns"]) == (200, "ready", None)
        _, started = await talker.post("/api/call/start", {"number": "+380991230006"})
        call = started["call_id"]

        async def me() -> dict[str, object]:
            return (await talker.get("/api/operators/me"))[1]  # type: ignore[no-any-return]

        on_call = await until(me, lambda view: view["status"] == "on_call")
        assert [one["call_id"] for one in on_call["calls"]] == [call]
        _, planned = await talker.post("/api/operators/me/status", {"status": "break", "reason": "lunch"})
        assert (planned["status"], planned["next"], planned["next_reason"]) == ("on_call", "break", "lunch")
        await until(me, lambda view: view["status"] == "wrap_up")
        path = f"/api/call/{call}/disposition"
        for _ in range(2):  # one answer for a repeat
            status, disposed = await talker.post(path, {"disposition": "not_interested", "note": "no budget"})
            assert (status, disposed["meaning"], disposed["by"]) == (200, "done", "talker")
        when = f"{NEXT_YEAR}-01-01T10:00:00+02:00"
        status, disposed = await talker.post(path, {"disposition": "callback", "callback": when})
        assert (disposed["callback"], disposed["operator"]) == (f"{NEXT_YEAR}-01-01T08:00:00.000Z", "talker")
        assert (await talker.post("/api/operators/me/wrap-up", {"seconds": 120}))[0] == 200
        _, assigned = await admin.post("/api/operators/talker/campaigns", {"campaigns": ["camp"]})
        assert assigned["campaigns"] == ["camp"]
        _, left = await admin.post("/api/operators/talker/status", {"status": "break", "reason": "coaching"})
        assert (left["status"], left["reason"]) == ("break", "coaching")
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("reason") == "coaching")
        updates = [update["data"] for update in socket.events("operator.update")]
    changes = ["changed", "connected", "changed", "freed", "disposed", "disposed", "changed", "assigned", "changed"]
    assert [update["change"] for update in updates] == changes
    assert [(await said.next_msg(5)).subject.rsplit(".", 1)[1] for _ in range(9)] == [
        "activated", "changed", "connected", "changed", "freed", "disposed", "disposed", "changed", "assigned"
    ]  # fmt: skip
    await bus.close()
    assert (await admin.post(path, {"disposition": "sale"}))[1]["code"] == "NOT_FOUND"  # it was another one's call
    assert (await talker.post(path, {"disposition": "sale"}))[1]["code"] == "CONFLICT"
    assert (await talker.get(f"/api/call/{call}/cdr"))[1]["operator_disposition"] == "callback"
    _, listed = await admin.get("/api/operators?status=break&campaign_id=camp")  # with who serves every campaign
    assert {one["status"] for one in listed} == {"break"}
    assert [one["talk_seconds"] for one in listed if one["user"] == "talker"] == [3]
    [day] = (await talker.get("/api/reports/operators"))[1]
    assert (day["user"], day["calls"], day["dispositions"], day["talk_seconds"]) == ("talker", 1, 1, 3)


async def test_operators_are_in_figures_and_in_a_table(site: Site, admin: Client) -> None:
    one = await made(admin, "counted", "operator")
    for status in ("ready", "break", "offline", "break"):
        assert (await one.post("/api/operators/me/status", {"status": status}))[0] == 200
    url = site.url("ottb", "/api/reports/operators?format=csv&user=counted")
    async with one.session.get(url, headers={"Authorization": f"Bearer {one.token}"}) as answer:
        text = await answer.text()
    assert text.startswith("user,day,ready_seconds,talk_seconds,wrap_up_seconds,break_seconds,calls,dispositions")
    assert "counted," in text

    async def figures() -> float:
        headers = {"Authorization": f"Bearer {admin.token}"}
        async with admin.session.get(site.url("ottb", "/metrics"), headers=headers) as answer:
            [value] = re.findall(r'ottb_operators\{status="break"\} ([0-9.]+)', await answer.text())
            return float(value)

    assert await until(figures, lambda found: found >= 1)


async def test_operators_see_themselves_and_supervisors_all(admin: Client) -> None:
    one, other = await made(admin, "seen1", "operator"), await made(admin, "seen2", "operator")
    boss = await made(admin, "boss1", "supervisor")
    for client in (one, other):
        assert (await client.post("/api/operators/me/status", {"status": "break", "reason": "tea"}))[0] == 200
    assert [seen["user"] for seen in (await one.get("/api/operators"))[1]] == ["seen1"]
    assert (await one.get("/api/operators/seen2"))[1]["code"] == "NOT_FOUND"
    assert {seen["user"] for seen in (await boss.get("/api/operators"))[1]} >= {"seen1", "seen2"}
    assert (await boss.get("/api/operators/seen2"))[1]["reason"] == "tea"
    assert (await one.post("/api/operators/seen2/status", {"status": "offline"}))[1]["code"] == "PERMISSION_DENIED"
    assert (await boss.post("/api/operators/seen2/status", {"status": "offline"}))[1]["status"] == "offline"
    assert (await boss.post("/api/operators/seen2/status", {"status": "ready"}))[1]["code"] == "CONFLICT"
    assert (await boss.post("/api/operators/nobody/status", {"status": "ready"}))[1]["code"] == "NOT_FOUND"
    auditor = await made(admin, "aud1", "auditor")
    assert (await auditor.post("/api/operators/me/status", {"status": "ready"}))[1]["code"] == "PERMISSION_DENIED"
    for wrong in ({}, {"status": "on_call"}, {"status": "break", "reason": "a\nb"}, {"status": "ready", "by": "x"}):
        assert (await one.post("/api/operators/me/status", wrong))[1]["code"] == "INVALID_PARAMS"
