"""The platform's log at its doors, on a whole site."""

import csv
import io
from typing import Any

import jsonschema

from tests.support.events import Events
from tests.support.js_client import JsClient
from tests.support.site import Client, until

LOGS, EVENT = "/api/dci/logs", "/api/dci/log-event"
DOCUMENTED = {
    "module": "OTTB",
    "severity": "info",
    "message": "Slot 44 restarted",
    "context": {"slot_id": 44, "user": "admin"},
    "user_id": "uuid-here",
}


async def _logged(client: Client, query: str = "") -> list[dict[str, Any]]:
    status, found = await client.get(f"{LOGS}{query}", part="dci")
    assert status == 200, found
    return found


async def test_the_documented_event_is_there_at_once_with_its_sender(operator: Client, admin: Client) -> None:
    status, written = await operator.post(EVENT, DOCUMENTED, part="dci")
    assert status == 201 and {name: written[name] for name in DOCUMENTED} == DOCUMENTED
    assert (written["sender"], written["slot"]) == ("op12", 44)
    for client in (operator, admin):
        assert (await _logged(client, "?slot=44&limit=1&text=RESTARTED"))[0] == written
    status, other = await admin.post(EVENT, DOCUMENTED | {"message": "admin's"}, part="dci")
    assert status == 201
    # The platform may say something meanwhile, of what other stories have left.
    assert written["id"] < other["id"] and (await _logged(admin, "?limit=1&text=admin's"))[0] == other
    assert other not in await _logged(operator)


async def test_filters_and_pages_are_those_of_other_lists(admin: Client) -> None:
    for number in range(3):
        body = {"module": "paging", "severity": "error", "message": f"page {number}"}
        assert (await admin.post(EVENT, body, part="dci"))[0] == 201
    messages = [one["message"] for one in await _logged(admin, "?module=paging&severity=error")]
    assert messages == ["page 2", "page 1", "page 0"]
    url = admin.site.url("dci", f"{LOGS}?module=paging&limit=2")
    async with admin.session.get(url, headers={"Authorization": f"Bearer {admin.token}"}) as answer:
        assert len(await answer.json()) == 2
        cursor = answer.headers["X-Next-Cursor"]
    assert [one["message"] for one in await _logged(admin, f"?module=paging&cursor={cursor}")] == ["page 0"]
    for wrong in ("severity=fatal", "limit=0", "from=yesterday", "since=yesterday", "module=a.b", "sender=me"):
        status, refused = await admin.get(f"{LOGS}?{wrong}", part="dci")
        assert status == 400 and refused["code"] == "INVALID_PARAMS", (wrong, refused)


async def test_a_table_of_it_runs_nothing_and_shows_every_character(admin: Client) -> None:
    text = '=cmd|" /C calc"!A0\x1b[2J\r\n\u202eevil'
    body = {"module": "table", "severity": "warning", "message": text, "context": {"@SUM(1)": "\x9b"}}
    assert (await admin.post(EVENT, body, part="dci"))[0] == 201
    url = admin.site.url("dci", f"{LOGS}?module=table&format=csv")
    async with admin.session.get(url, headers={"Authorization": f"Bearer {admin.token}"}) as answer:
        assert answer.headers["Content-Type"].startswith("text/csv")
        raw = await answer.text()
    [row] = csv.DictReader(io.StringIO(raw, newline=""))
    assert row["message"] == '\'=cmd|" /C calc"!A0␛[2J␍␊\ufffdevil'
    assert not any(sign in raw for sign in "\x1b\x9b\u202e")


async def test_what_is_too_much_is_refused_and_nothing_of_it_kept(admin: Client) -> None:
    before = await _logged(admin, "?module=bomb")
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"a": deep}
    event = {"module": "bomb", "severity": "info", "message": "m"}
    for more in (
        {"context": deep}, {"context": {"a": "x" * 9000}}, {"context": {str(n): n for n in range(1000)}},
        {"context": []}, {"message": "x" * 4001}, {"message": ""}, {"module": "a*"}, {"module": "a.>"},
        {"severity": "debug"}, {"user_id": "u" * 129}, {"sender": "admin"},
    ):  # fmt: skip
        status, refused = await admin.post(EVENT, event | more, part="dci")
        assert status == 400 and refused["code"] == "INVALID_PARAMS", (more.keys(), refused)
    assert await _logged(admin, "?module=bomb") == before


async def test_a_repeat_with_its_key_is_written_once(admin: Client) -> None:
    body = {"module": "repeat", "severity": "info", "message": "once"}
    answers = [await admin.post(EVENT, body, part="dci", headers={"Idempotency-Key": "log-1"}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(await _logged(admin, "?module=repeat")) == 1


async def test_the_log_is_followed_on_two_ports_and_after_a_break(admin: Client) -> None:
    headers = {"Authorization": f"Bearer {admin.token}"}
    body = {"module": "follow", "severity": "warning", "message": "first", "context": {"call_id": "c_1"}}
    path = f"{LOGS}/follow?module=follow&call_id=c_1"
    async with (
        admin.session.get(admin.site.url("dci", path), headers=headers) as dci,
        admin.session.get(admin.site.url("workspace", path), headers=headers) as workspace,
    ):
        status, first = await admin.post(EVENT, body, part="dci")
        assert status == 201
        assert (await admin.post(EVENT, body | {"module": "other"}, part="dci"))[0] == 201
        assert (await admin.post(EVENT, body | {"message": "second"}, part="dci"))[0] == 201
        for answer in (dci, workspace):
            assert await Events(answer).messages(2) == ["first", "second"]
    again = headers | {"Last-Event-ID": str(first["id"])}
    async with admin.session.get(admin.site.url("dci", path), headers=again) as answer:
        assert (await admin.post(EVENT, body | {"message": "third"}, part="dci"))[0] == 201
        assert await Events(answer).messages(2) == ["second", "third"]


async def test_what_happens_to_slots_and_trunks_is_said_by_the_platform(admin: Client) -> None:
    assert (await admin.post("/api/slots/12/restart"))[0] == 202
    await admin.pbx("POST", "/contact", {"endpoint": "ottb-sip-2", "status": "Unreachable"})
    try:
        down = "?module=OTTB&severity=error&text=Trunk ottb-sip-2 is DOWN"
        [trunk, *_] = await until(lambda: _logged(admin, down), bool)
    finally:
        await admin.pbx("POST", "/contact", {"endpoint": "ottb-sip-2", "status": "Reachable"})
    assert trunk["sender"] == "system" and trunk["context"]["trunk"] == "ottb-sip-2"
    await until(lambda: _logged(admin, "?text=Trunk ottb-sip-2 is OK again"), bool)
    [slot, *_] = await until(lambda: _logged(admin, "?slot=12&text=Slot 12 restarted"), bool)
    assert (slot["severity"], slot["context"]) == ("info", {"slot_id": 12, "user": "admin"})
    await until(lambda: admin.get("/api/slots/12"), lambda seen: seen[1]["status"] == "ONLINE")


async def test_a_client_that_drops_again_and_again_misses_no_event(admin: Client) -> None:
    module = "drops"
    _, first = await admin.post(EVENT, DOCUMENTED | {"module": module, "message": "0"}, part="dci")
    async with JsClient(admin.site.url("workspace", ""), admin.token) as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        wanted: dict[str, Any] = {"module": module, "since": first["id"]}
        assert (await socket.ask("subscribe:log", wanted))["error"] is False
        for number in range(1, 21):
            await admin.post(EVENT, DOCUMENTED | {"module": module, "message": str(number)}, part="dci")
            if number % 2:
                socket.tell(drop=True)
                await socket.expect(lambda heard: heard.get("connected"))
                seen = [update["seq"] for update in socket.events("log.update")]
                again = await socket.ask("subscribe:log", wanted | {"since": max([first["id"], *seen])})
                assert again["error"] is False, again
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("message") == "20")
        updates = socket.events("log.update")
    assert [update["data"]["message"] for update in updates] == [str(number) for number in range(1, 21)]
    _, events = await admin.get("/asyncapi.json", part="workspace")
    payload = events["components"]["messages"]["log_update"]["payload"]
    for update in updates:
        jsonschema.validate(update, payload | {"components": events["components"]})
