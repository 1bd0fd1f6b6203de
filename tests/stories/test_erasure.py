"""A person asks that nothing be kept of them: afterwards no file of the site says anything of them, and all else works.

A site of its own: each host makes its records anew, for which other stories would have to wait.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import nats
import pytest
import socketio

from actors.leads.lead import id_of
from bus_schemas.catalogue import SUBSCRIBABLE
from gateway.surface import ROOMS
from simulators.carrier.rules import mobile
from tests.stories.conftest import MORE, SLOTS
from tests.stories.test_audit_head import audit
from tests.stories.test_imports import IMPORTS, over, send, status_of
from tests.stories.test_webhooks import SETTINGS
from tests.support.receiver import Receiver, ok
from tests.support.site import Client, Site, running_site, until

ALL, LEADS, ERASURES = "/api/autodialer/campaigns", "/api/crm/leads", "/api/crm/erasures"
NUMBER, SECOND = mobile(4321, "2010"), mobile(4322, "0001")
NAME, STREET, PLAN = "Олена Zhuravlivska", "Sonnenblumenweg 17", "Goldpaket-Premium"
OTHERS = [(mobile(5000 + place, "0001"), f"Other {place}", f"Street {place}") for place in range(20)]


def spelled(number: str) -> list[bytes]:
    """As the platform writes it: in whole, at home, in an address, grouped."""
    digits = number.removeprefix("+")
    home = digits.removeprefix("380")
    return [digits.encode(), home.encode(), quote(number).encode(), f"{home[:2]} {home[2:5]} {home[5:7]}".encode()]


TEXTS = [id_of(NUMBER), NAME, NAME.split()[1], STREET, PLAN]
TRACES = [*spelled(NUMBER), *spelled(SECOND), *(text.encode() for text in TEXTS)]
LOWER = [one.lower() for one in TRACES]


def traces(folder: Path) -> list[tuple[str, bytes]]:
    """Files below a folder in which something of the person is, in large or small letters."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes().lower()
            found += [(str(path.relative_to(folder)), what) for what in LOWER if what in data]
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("erasure"), SLOTS, SETTINGS + MORE) as running:
        yield running


async def _lead(admin: Client, text: str) -> dict[str, Any]:
    found = await until(
        lambda: admin.get(f"{LEADS}?text={quote(text)}", part="workspace"), lambda got: got[0] == 200 and got[1]
    )
    lead: dict[str, Any] = found[1][0]
    return lead


async def _bring_in(admin: Client) -> str:
    """The person, in a list with others. Returns the id of the lead."""
    rows = [("phone", "name", "custom:street"), *OTHERS[:10], (NUMBER, NAME, STREET), *OTHERS[10:]]
    status, made = await send(admin, "\r\n".join(map(",".join, rows)).encode(), "er")
    assert status == 201, made
    await status_of(admin, made["import_id"], "ready")
    assert (await admin.get(f"{IMPORTS}/{made['import_id']}/preview"))[0] == 200
    assert (await admin.post(f"{IMPORTS}/{made['import_id']}/start", {}))[0] == 200
    assert (await over(admin, made["import_id"]))["new"] == 21
    return str((await _lead(admin, "zhuravlivska"))["lead"]["id"])


async def _write_down(admin: Client, operator: Client, lead: str) -> list[str]:
    """Everything that people do with one. Returns the calls."""
    key = {"Idempotency-Key": "once"}
    change = {"custom": {"plan": PLAN}, "numbers": [NUMBER, SECOND]}
    assert (await admin.call("PATCH", f"{LEADS}/er/{lead}", change, part="workspace", headers=key))[0] == 200
    note = {"campaign_id": "er", "lead": lead, "text": f"{NAME}: call {NUMBER} in the morning"}
    assert (await admin.post("/api/crm/note", note, part="workspace", headers=key))[0] == 201
    assign = {"filter": {"text": "zhuravlivska"}, "assigned_seller": "op12"}
    assert (await admin.post(f"{LEADS}/assign", assign, part="workspace"))[0] == 200
    listed = {"entries": [SECOND, OTHERS[0][0]], "reason": f"{NAME} wrote"}
    assert (await admin.post("/api/do-not-call/global", listed))[0] == 200
    said = {"module": "crm", "severity": "info", "message": f"asked {NUMBER}", "context": {"who": NAME}}
    assert (await admin.post("/api/dci/log-event", said, part="dci"))[0] == 201
    calls = []
    for who, path, body in (
        (admin, "/api/pbx/dial", {"from": "slot_12", "to": NUMBER, "trunk": "trunk-1"}),
        (operator, "/api/call/start", {"number": NUMBER, "slot": 44}),
    ):
        status, started = await who.post(path, body)
        assert status in (200, 201), started
        calls.append(started["call_id"])
        await who.call_until(started["call_id"], lambda call: call["phase"] == "connected")
        refused = await admin.post(ERASURES, {"numbers": [NUMBER], "reason": "x"}, part="workspace")
        assert (refused[0], refused[1]["code"], refused[1]["details"]) == (409, "CONFLICT", {"calls": calls[-1:]})
        await who.call_until(started["call_id"], lambda call: call["phase"] == "ended", 30)
        note = {"call_id": started["call_id"], "text": f"{NAME} asked about the price"}
        assert (await who.post("/api/crm/note", note, part="workspace"))[0] == 201
    command = {"command": f"echo {NUMBER}"}
    assert (await admin.post("/api/slots/11/adb-command", command))[0] == 202
    await _run_pipeline(admin)
    return calls


DEFINITION = """
id = 471
name = "told"
params = { who = { default = "nobody" }, number = { default = "" } }
[[steps]]
name = "write"
do = "run"
commands = ['mkdir -p keep; echo "$PARAM_WHO $PARAM_NUMBER" | tee keep/told.txt']
artefacts = ["keep/*"]
cache = ["keep"]
"""
RUN = "/api/dci/pipeline/471/runs/1"


async def _run_pipeline(admin: Client) -> None:
    """One that is told of the person and writes of them; an earlier definition of it said their number."""
    for text in (f"{DEFINITION}# for {NUMBER}\n", DEFINITION):
        status, made = await admin.post("/api/dci/pipelines", {"text": text}, part="dci")
        assert status == 201, made

    async def begin() -> Any:
        told = {"parameters": {"who": NAME, "number": NUMBER}}
        return await admin.post("/api/dci/pipeline/471/run", told, part="dci")

    await until(begin, lambda got: got[0] == 201, 20)
    found = await until(lambda: admin.get(RUN, part="dci"), lambda got: got[1].get("end_time") is not None, 30)
    assert found[1]["status"] == "succeeded" and found[1]["steps"][0]["artefacts"], found
    assert f"{NAME} {NUMBER}" in await _written(admin)


async def _written(admin: Client) -> str:
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with admin.session.get(admin.site.url("dci", f"{RUN}/log"), headers=headers) as answer:
        assert answer.status == 200
        return await answer.text()


async def _pipeline_tells_nobody(admin: Client) -> None:
    assert NAME not in await _written(admin)
    status, run = await admin.get(RUN, part="dci")
    assert run["parameters"]["who"] == "[erased]" and re.fullmatch(r"\+0\d{18}", run["parameters"]["number"]), run
    [step] = run["steps"]
    assert "erased" in step["artefacts_gone"]
    gone = await admin.get(f"{RUN}/artefacts/{step['artefacts'][0]['artefact']}", part="dci")
    assert (gone[0], gone[1]["code"]) == (404, "NOT_FOUND") and "erased" in gone[1]["message"], gone
    status, definition = await admin.get("/api/dci/pipeline/471", part="dci")
    assert (status, definition["text"]) == (200, DEFINITION)


async def _erase(admin: Client) -> dict[str, Any]:
    status, begun = await admin.post(
        ERASURES, {"numbers": [NUMBER], "reason": "letter of 3 May"}, part="workspace", headers={"Idempotency-Key": "e"}
    )
    assert status == 202, begun

    async def look() -> Any:
        return (await admin.get(f"{ERASURES}/{begun['erasure']}", part="workspace"))[1]

    found: dict[str, Any] = await until(look, lambda got: got.get("status") in ("done", "failed"), 90)
    return found


async def test_no_file_says_anything_of_who_was_erased(site: Site, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session, Receiver() as receiver:
        admin, operator = Client(site, session), Client(site, session)
        await admin.login("admin", site.admin_password)
        await operator.login("op12", "1234")
        assert (await admin.post(ALL, {"campaign_id": "er", "settings": {"attempts_per_lead": 1}}))[0] == 201
        lead = await _bring_in(admin)
        calls = await _write_down(admin, operator, lead)
        assert [*site.state.rglob(f"{calls[0]}.wav")]
        assert (await admin.get(f"/api/call/{calls[0]}"))[0] == 200
        before = {name for name, _ in traces(site.state)}
        print(sorted(before))
        for file in ("OTTB_EVT/msgs/1.blk", "OTTB_OUT/msgs/1.blk", "told.txt"):
            assert any(name.endswith(file) for name in before), file
        counts = (await admin.get(f"{ALL}/er"))[1]
        receiver.answers["/before"] = ok(500)  # all of it waits
        await _hook(admin, receiver.url("/before"), NAME)
        await receiver.until("/before", 1)
        assert (await operator.post(ERASURES, {"numbers": [NUMBER], "reason": ""}, part="workspace"))[0] == 403

        code, head = audit(site, "head")
        assert code == 0
        found = await _erase(admin)
        print(found)
        assert found["status"] == "done" and found["by"] == "admin" and found["reason"] == "letter of 3 May", found
        assert (found["erased"]["leads"], found["erased"]["calls"], found["erased"]["notes"]) == (1, 2, 3)
        assert (found["erased"]["recordings"], found["erased"]["outputs"] > 0) == (1, True)

        await until(lambda: _left(site), lambda got: got == [])
        await _nobody_is_told_again(admin, receiver)
        assert not [*site.state.rglob(f"{calls[0]}.wav")]
        await _pipeline_tells_nobody(admin)
        lead = f"erased_{found['marks'][0][1:]}"
        await _all_else_is_there(admin, lead, calls, counts)
        again = await _erase(admin)
        assert again["erasure"] == found["erasure"]
        entry = (await admin.audit(f"action=POST%20{quote(ERASURES)}&result=OK"))[-1]
        assert entry["subject"]["erasure"] == found["erasure"] and entry["subject"]["reason"] == "letter of 3 May"
        assert found["marks"][0] in str(entry["subject"]["marks"])
    (tmp_path / "heads").write_text(head)
    code, said = audit(site, "verify", "--heads", str(tmp_path / "heads"))
    assert code == 0 and "1 that were noted" in said and "something in 3 records" in said, said
    await _is_so_after_restarts(site, lead, calls, counts)


async def _hook(admin: Client, url: str, about: str = "") -> None:
    """A webhook that is posted everything that ever was."""
    wanted = {"url": url, "events": [f"{kind}.*" for kind in SUBSCRIBABLE], "since": 1, "description": about}
    status, made = await admin.post("/api/webhooks", wanted, part="workspace")
    assert status == 201, made


async def _nobody_is_told_again(admin: Client, receiver: Receiver) -> None:
    """What comes back from memory or the journal says nothing of the person, to browsers and to webhooks."""
    receiver.answers.clear()
    before = len(receiver.of("/before"))
    await _hook(admin, receiver.url("/after"))
    await receiver.until("/after", 30)
    await receiver.until("/before", before + 5, 60)
    told = b"".join(got.raw for got in [*receiver.of("/after"), *receiver.of("/before")[before:]])
    said: list[Any] = []
    async with socketio.AsyncSimpleClient() as browser:
        url = admin.site.url("workspace", "")
        await browser.connect(url, auth={"token": admin.token}, transports=["websocket"])
        for room in sorted({row.kind.room for row in ROOMS}):
            answer = await browser.call(f"subscribe:{room}", {"since": 1})
            assert answer["error"] is False, (room, answer)
        with suppress(socketio.exceptions.TimeoutError):
            while True:
                said.append(await browser.receive(timeout=2))
    assert len(said) > 30
    told += json.dumps(said, ensure_ascii=False).encode()
    assert [what for what in LOWER if what in told.lower()] == []


async def _left(site: Site) -> list[tuple[str, bytes]]:
    return traces(site.state)


async def _is_so_after_restarts(site: Site, lead: str, calls: list[str], counts: dict[str, Any]) -> None:
    """Of every process, of the actors alone, and with records that are made anew from nothing."""
    site.stop()
    assert traces(site.state) == []
    site.start()
    async with aiohttp.ClientSession() as session:
        admin = Client(site, session)
        await admin.login("admin", site.admin_password)
        await _all_else_is_there(admin, lead, calls, counts)
        (site.state / "ledger.sqlite3").unlink()  # made anew from nothing
        site.kill("actors")

        async def ready() -> int:
            return (await admin.get(f"{LEADS}?campaign_id=er", part="workspace"))[0]

        await until(ready, lambda status: status == 200, 40)
        await _all_else_is_there(admin, lead, calls, counts)
        await _others_are_called(admin, lead)
        assert await until(lambda: _left(site), lambda got: got == []) == []


async def _all_else_is_there(admin: Client, lead: str, calls: list[str], counts: dict[str, Any]) -> None:
    """Others of the same entries, counts, calls without the person, the do-not-call list."""
    found = await until(
        lambda: admin.get(f"{LEADS}?campaign_id=er&limit=100", part="workspace"),
        lambda got: got[0] == 200 and len(got[1]) == 21, 30,
    )
    leads = {one["lead"]["id"]: one for one in found[1]}
    gone = leads.pop(lead)
    assert (gone["status"], gone["lead"].get("name", ""), gone["lead"].get("custom", {})) == ("invalid", "", {})
    assert all(re.fullmatch(r"\+0\d{18}", number) for number in gone["lead"]["numbers"])
    assert [(one["lead"]["numbers"][0], one["lead"]["name"], one["lead"]["custom"]) for one in leads.values()] == [
        (number, name, {"street": street}) for number, name, street in OTHERS
    ]
    status, why = await admin.get(f"{ALL}/er/leads/{lead}/explain")
    assert (status, why["reason"]) == (200, "invalid"), why
    back = await admin.call("PATCH", f"{LEADS}/er/{lead}", {"status": "new"}, part="workspace")
    assert (back[0], back[1]["code"]) == (409, "CONFLICT")
    assert (await admin.get(f"{ALL}/er"))[1]["leads"] == counts["leads"] == 21
    for call in calls:
        status, cdr = await until(lambda call=call: admin.get(f"/api/call/{call}/cdr"), lambda got: got[0] == 200)
        assert cdr["number"] == gone["lead"]["numbers"][0] and cdr["talk_seconds"] > 0 and cdr["outcome"] == "ENDED"
        texts = (await admin.get(f"/api/crm/notes/{call}", part="workspace"))[1]["notes"]
        assert [note["text"] for note in texts] == ["[erased]"]
    for number, listed in ((SECOND, True), (OTHERS[0][0], True), (NUMBER, False)):
        status, said = await admin.get(f"/api/do-not-call/check?number={quote(number)}")
        assert (status, said["listed"]) == (200, listed), said
    status, refused = await admin.post("/api/call/start", {"number": SECOND, "slot": 11})
    assert (refused["code"], refused["details"]["rule"]) == ("CALL_FAILED", "do_not_call")
    assert (await admin.get(f"{LEADS}?text=zhuravlivska", part="workspace"))[1] == []


async def _others_are_called(admin: Client, lead: str) -> None:
    """The campaign runs with all others, and not with who was erased."""
    assert (await admin.post(f"{ALL}/er/resume", {}))[0] == 200

    async def look() -> Any:
        return (await admin.get(f"{ALL}/er"))[1]

    found = await until(look, lambda got: got["attempts"] >= 19 and got["in_progress"] == 0, 90)
    assert found["attempts"] == 19  # one is on the do-not-call list
    assert (await admin.get(f"{LEADS}/er/{lead}", part="workspace"))[1]["attempts"] == 0
    await asyncio.sleep(0)


async def test_two_erasures_of_one_person_at_once_lose_nothing(site: Site) -> None:
    number = mobile(4330, "2010")
    async with aiohttp.ClientSession() as session:
        admin = Client(site, session)
        await admin.login("admin", site.admin_password)
        calls = []
        for slot in (44, 44):
            status, made = await admin.post("/api/call/start", {"number": number, "slot": slot})
            assert status == 201, made
            await admin.call_until(made["call_id"], lambda call: call["phase"] == "connected")
            await admin.post("/api/call/end", {"call_id": made["call_id"]})
            await admin.call_until(made["call_id"], lambda call: call["phase"] == "ended", 30)
            for part in range(20):
                note = {"call_id": made["call_id"], "text": f"{number} {part}"}
                assert (await admin.post("/api/crm/note", note, part="workspace"))[0] == 201
            calls.append((await admin.get(f"/api/call/{made['call_id']}/cdr"))[1])
        asked = {"numbers": [number], "reason": f"letter of {number}"}
        answers = await asyncio.gather(*(admin.post(ERASURES, asked, part="workspace") for _ in range(3)))
        assert [status for status, _ in answers] == [202] * 3, answers
        for _, begun in answers:

            async def look(id: str = begun["erasure"]) -> Any:
                return (await admin.get(f"{ERASURES}/{id}", part="workspace"))[1]

            await until(look, lambda got: got.get("status") == "done", 90)
        for call in calls:
            status, cdr = await until(
                lambda call=call: admin.get(f"/api/call/{call['call_id']}/cdr"), lambda got: got[0] == 200
            )
            assert {**cdr, "number": ""} == {**call, "number": ""}
            notes = (await admin.get(f"/api/crm/notes/{call['call_id']}", part="workspace"))[1]["notes"]
            assert len(notes) == 20
        digits = number.removeprefix("+").encode()
        found = [str(path) for path in site.state.rglob("*") if path.is_file() and digits in path.read_bytes()]
        assert found == []


async def test_nobody_else_may_delete_from_the_journal(site: Site) -> None:
    bus = await nats.connect(
        f"nats://127.0.0.1:{site.nats_port}", user="admin", password=site.admin_password, inbox_prefix="_INBOX.u.admin"
    )
    with pytest.raises(nats.errors.Error):
        await bus.request("$JS.API.STREAM.MSG.DELETE.OTTB_EVT", b'{"seq": 1}', timeout=1)
    await bus.close()
