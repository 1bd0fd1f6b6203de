"""Alerts on a whole site: what fires, who is told, and what is left of it when a host or a receiver fails."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest

from tests.support.js_client import JsClient
from tests.support.mail_server import MailServer
from tests.support.receiver import Receiver, ok
from tests.support.site import Client, Site, free_ports, running_site, until

pytestmark = pytest.mark.sites
ALERTS, SILENCES = "/api/monitor/alerts", "/api/monitor/silences"
RULES = """
mail = ["ops@example.com"]
[mailing]
wait = 0.5
interval = 2
[rules.phone_away]
kind = "slot"
metric = "online"
below = 0.5
until = 1
seconds = 2
resolve_after = 1
severity = "warning"
words = "Slot {id} cannot be reached"
[rules.hub_gone]
state = "hub.gone"
seconds = 3
resolve_after = 1
severity = "critical"
words = "Hub {id}: {reason}"
[rules.quiet]
state = "trunk.down"
severity = "info"
words = "{id} is down"
webhooks = false
mail = []
"""
SLOTS = {11: None, 12: None, 13: None, 44: "op12"}


@pytest.fixture(scope="module")
def mail_port() -> int:
    [port] = free_ports(1)
    return port


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, mail_port: int) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("alerts")
    (folder / "alerts.toml").write_text(RULES)
    smtp = f'host = "127.0.0.1"\nport = {mail_port}\ntls = "none"\nsender = "ottb@example.com"\nseconds = 2\n'
    more = (
        f'[alerts]\nrules = "{folder}/alerts.toml"\n[alerts.smtp]\n{smtp}[healing]\nenabled = false\n'
        '[webhooks]\nnetworks = ["127.0.0.0/8"]\nhttp = true\nfirst_pause = 0.2\nseconds = 1.0\n'
        "[campaigns]\npresets = []\n"
    )
    with running_site(folder, SLOTS, more) as running:
        yield running


@pytest.fixture
async def mails(mail_port: int) -> AsyncIterator[MailServer]:
    server = MailServer()
    server.port = mail_port
    async with server:
        yield server


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        yield client


@pytest.fixture(autouse=True)
async def well(admin: Client) -> AsyncIterator[None]:
    """Each story begins and ends with phones that are there."""
    for slot in SLOTS:
        await until(lambda slot=slot: _slot(admin, slot), lambda found: found["status"] == "ONLINE", 60)
    await until(lambda: _listed(admin), lambda found: not found, 30)
    await until(lambda: _listed(admin, "?state=pending"), lambda found: not found, 30)
    yield
    for slot in SLOTS:
        await admin.phones("POST", f"/phones/{slot}/plug")
        await admin.phones("POST", f"/phones/{slot}/allow")
    await until(lambda: _listed(admin), lambda found: not found, 60)


async def _slot(admin: Client, slot: int) -> Any:
    return (await admin.get(f"/api/slots/{slot}"))[1]


async def _listed(client: Client, query: str = "") -> Any:
    status, found = await client.get(f"{ALERTS}{query}")
    assert status == 200, found
    return found


async def _fired(admin: Client, rule: str = "phone_away", count: int = 1) -> Any:
    return await until(lambda: _listed(admin, f"?rule={rule}"), lambda found: len(found) == count, 40)


async def _about(mails: MailServer, words: str) -> list[str]:
    """The subjects of the mails that say something of it."""
    return [str(mail["Subject"]) for mail in mails.mails if words in mail.get_content()]


async def _firing(mails: MailServer, words: str) -> int:
    """How many of them say that it fires."""
    return sum(words in mail.get_content().partition("Resolved (")[0] for mail in mails.mails)


async def _hidden(admin: Client, slot: int) -> None:
    await admin.phones("POST", f"/phones/{slot}/unauthorized")


async def test_a_phone_that_is_away_is_at_every_door(site: Site, admin: Client, mails: MailServer) -> None:
    async with JsClient(site.url("workspace", ""), str(admin.token)) as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:alerts", {"severity": "warning"}))["error"] is False
        await _hidden(admin, 12)
        [pending] = await until(lambda: _listed(admin, "?state=pending&kind=slot"), bool, 30)
        assert (pending["state"], pending["id"], pending["fired"]) == ("pending", "12", None)
        [alert] = await _fired(admin)
        assert {name: alert[name] for name in ("rule", "severity", "kind", "id", "host", "hub", "state")} == {
            "rule": "phone_away", "severity": "warning", "kind": "slot", "id": "12", "host": "local", "hub": "HUB1",
            "state": "firing",
        }  # fmt: skip
        path = f"{ALERTS}/{alert['alert']}"
        assert (await admin.get(path, part="workspace"))[1] == {**alert, "members": []}
        status, seen = await admin.post(f"{path}/acknowledge", {"note": "on my way"})
        assert (status, seen["acknowledged_by"], seen["note"]) == (200, "admin", "on my way")
        [entry] = await admin.audit("action=POST /api/monitor/alerts/{alert}/acknowledge&limit=1")
        assert entry["user"] == "admin" and entry["subject"]["alert"] == alert["alert"]
        await admin.phones("POST", "/phones/12/allow")
        await until(lambda: _listed(admin), lambda found: not found, 40)
        [over] = await _listed(admin, "?state=resolved&rule=phone_away&limit=1")
        assert over["alert"] == alert["alert"] and over["resolved"] > over["fired"]
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("change") == "resolved")
        updates = socket.events("alert.update")
    assert [update["data"]["change"] for update in updates] == ["fired", "acknowledged", "resolved"]
    _, events = await admin.get("/asyncapi.json", part="workspace")
    payload = events["components"]["messages"]["alert_update"]["payload"]
    for update in updates:
        jsonschema.validate(update, payload | {"components": events["components"]})
    first, last = await until(lambda: _about(mails, "Slot 12"), lambda found: len(found) == 2, 20)
    assert "Slot 12 cannot be reached" in first and "resolved" in last


async def test_a_hub_is_one_alert_and_its_phones_are_within(admin: Client, mails: MailServer) -> None:
    for slot in SLOTS:
        await admin.phones("POST", f"/phones/{slot}/unplug")
    [hub] = await _fired(admin, "hub_gone")
    assert (hub["id"], hub["severity"]) == ("HUB1", "critical")

    async def members() -> Any:
        return (await admin.get(f"{ALERTS}/{hub['alert']}"))[1]["members"]

    within = await until(members, lambda found: len(found) == len(SLOTS), 40)
    assert {one["id"] for one in within} == {str(slot) for slot in SLOTS}
    assert {one["within"] for one in within} == {hub["alert"]}
    by_themselves = await _listed(admin, "?kind=slot")
    assert len(by_themselves) <= 1  # whoever was long away before the last one went
    assert len(await until(lambda: _about(mails, "Hub HUB1"), bool, 20)) == 1


async def test_a_silence_keeps_it_from_everybody_and_ends(admin: Client, mails: MailServer) -> None:
    until_then = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    wanted = {"matcher": {"kind": "slot", "id": "13"}, "until": until_then, "why": "the rack is being moved"}
    status, made = await admin.post(SILENCES, wanted)
    assert status == 201 and made["by"] == "admin", made
    assert (await admin.get(SILENCES))[1] == [made]
    await _hidden(admin, 13)
    [alert] = await _fired(admin)
    assert alert["silence"] == made["silence"]
    await asyncio.sleep(1.5)  # three times as long as a mail waits
    assert not await _firing(mails, "Slot 13")
    assert (await admin.call("DELETE", f"{SILENCES}/{made['silence']}"))[0] == 200
    assert (await admin.call("DELETE", f"{SILENCES}/{made['silence']}"))[1]["code"] == "NOT_FOUND"
    await until(lambda: _firing(mails, "Slot 13"), bool, 20)
    for wrong in (
        {**wanted, "matcher": {}}, {**wanted, "until": "2020-01-01"}, {**wanted, "until": "2099-01-01"},
        {**wanted, "why": ""}, {**wanted, "matcher": {"colour": "red"}},
    ):  # fmt: skip
        assert (await admin.post(SILENCES, wrong))[1]["code"] == "INVALID_PARAMS"


async def test_who_may_not_sees_nothing_of_it(site: Site, admin: Client) -> None:
    async with aiohttp.ClientSession() as session:
        operator = Client(site, session)
        await operator.login("op12", "1234")
        for method, path in (("GET", ALERTS), ("GET", SILENCES), ("POST", f"{ALERTS}/al_x/acknowledge")):
            _, refused = await operator.call(method, path, {} if method == "POST" else None)
            assert refused["code"] == "PERMISSION_DENIED"
    assert (await admin.get(f"{ALERTS}/al_none"))[1]["code"] == "NOT_FOUND"
    assert (await admin.post(f"{ALERTS}/al_none/acknowledge", {}))[1]["code"] == "NOT_FOUND"
    assert (await admin.get(f"{ALERTS}?severity=loud"))[1]["code"] == "INVALID_PARAMS"


async def test_a_kill_of_the_host_tells_nothing_twice_and_forgets_nothing(
    site: Site, admin: Client, mails: MailServer
) -> None:
    await _hidden(admin, 11)
    [before] = await _fired(admin)
    await until(lambda: _about(mails, "Slot 11"), bool, 20)
    site.kill("actors")
    async with asyncio.timeout(60):
        while (await admin.get(f"{ALERTS}?state=pending"))[0] != 200:
            await asyncio.sleep(0.2)
    await until(lambda: _slot(admin, 11), lambda slot: slot.get("status") == "UNAUTHORIZED", 60)
    await asyncio.sleep(4)
    assert await _listed(admin) == [before]
    assert await _firing(mails, "Slot 11") == 1
    await admin.phones("POST", "/phones/11/allow")
    await until(lambda: _listed(admin), lambda found: not found, 60)
    await until(lambda: _about(mails, "Slot 11"), lambda found: "resolved" in found[-1], 20)
    over = await _listed(admin, "?state=resolved&limit=1")
    assert over[0]["alert"] == before["alert"]


async def test_receivers_that_fail_are_slow_and_come_back_hear_of_it_once(admin: Client, mails: MailServer) -> None:
    async with Receiver() as receiver:
        receiver.answers["/pager"] = ok(500, "not now")
        body = {"url": receiver.url("/pager"), "events": ["alert.*"], "filter": {"severity": "warning"}}
        status, made = await admin.post("/api/webhooks", body, part="workspace")
        assert status == 201, made
        mails.end()  # nobody is there
        await _hidden(admin, 12)
        [alert] = await _fired(admin)
        await receiver.until("/pager", 2)
        await mails.begin()
        mails.says, before = "451 try later", mails.tries
        async with asyncio.timeout(60):
            while mails.tries == before:
                await asyncio.sleep(0.05)
        mails.says, mails.rest, before = "250 taken late", 4.0, mails.tries  # later than anybody waits
        async with asyncio.timeout(60):
            while mails.tries == before:
                await asyncio.sleep(0.05)
        assert mails.mails == []
        mails.rest, receiver.answers["/pager"] = 0.0, ok()
        await admin.phones("POST", "/phones/12/allow")
        await until(lambda: _listed(admin), lambda found: not found, 60)
        await asyncio.sleep(5)
        found = await mails.until(1, 90)
        assert sum("Slot 12" in mail.get_content() for mail in found) >= 1
        posted = [got.body for got in receiver.of("/pager")]
        about = [(one["event"], one["data"]["alert"]) for one in posted]
        assert set(about) == {("alert.fired", alert["alert"]), ("alert.resolved", alert["alert"])}
        assert len({one["id"] for one in posted}) == 2
        await admin.call("DELETE", f"/api/webhooks/{made['webhook']}", part="workspace")


def ottb(site: Site, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cli.main", "alerts", words[0], "--config", str(site.config), *words[1:]]
    env = {**os.environ, **site.env, "OTTB_PASSWORD": site.admin_password}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)


async def test_the_commands_say_what_the_api_does(site: Site, admin: Client, mails: MailServer) -> None:
    await _hidden(admin, 13)
    [alert] = await _fired(admin)
    listed = await asyncio.to_thread(ottb, site, "list")
    assert listed.returncode == 0 and "warning" in listed.stdout and "Slot 13 cannot" in listed.stdout, listed.stderr
    as_json = await asyncio.to_thread(ottb, site, "list", "--json")
    assert json.loads(as_json.stdout) == [alert]
    acked = await asyncio.to_thread(ottb, site, "ack", alert["alert"], "--note", "mine")
    assert acked.returncode == 0 and (await _listed(admin))[0]["note"] == "mine", acked.stderr
    made = await asyncio.to_thread(
        ottb, site, "silence", "--slot", "13", "--for", "2h", "--why", "moved"
    )
    assert made.returncode == 0, made.stderr
    [silence] = (await admin.get(SILENCES))[1]
    assert silence["matcher"]["id"] == "13" and silence["silence"] in made.stdout
    shown = await asyncio.to_thread(ottb, site, "silences")
    assert silence["silence"] in shown.stdout and "moved" in shown.stdout
    ended = await asyncio.to_thread(ottb, site, "unsilence", silence["silence"])
    assert ended.returncode == 0 and (await admin.get(SILENCES))[1] == [], ended.stderr
    nothing = await asyncio.to_thread(ottb, site, "silence", "--for", "2h", "--why", "x")
    assert nothing.returncode != 0 and "which alerts" in nothing.stderr
