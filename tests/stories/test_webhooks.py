"""Webhooks on a whole site, with a real receiver: what arrives, in which order, and what is left of it by failures."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from actors.runtime.signature import verify
from tests.stories.conftest import MORE, SLOTS
from tests.support.js_client import JsClient
from tests.support.receiver import Got, Receiver, moved, ok, slow
from tests.support.site import Client, Site, running_site, until

pytestmark = pytest.mark.sites
HOOKS = "/api/webhooks"
SETTINGS = """
[webhooks]
networks = ["127.0.0.0/8"]
http = true
first_pause = 0.2
seconds = 1.5
"""


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that may post to this machine."""
    with running_site(tmp_path_factory.mktemp("hooked"), SLOTS, SETTINGS + MORE) as running:
        yield running


@pytest.fixture
async def boss(hooked: Site) -> AsyncIterator["User"]:
    async with aiohttp.ClientSession() as session:
        client = Client(hooked, session)
        await client.login("admin", hooked.admin_password)
        user = User(client)
        yield user
        await user.clean()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


class User:
    """Somebody who makes webhooks."""

    def __init__(self, client: Client, name: str = "admin") -> None:
        self.client = client
        self.name = name
        self.made: list[str] = []
        self.calls = 100

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.client.call(method, f"{HOOKS}{path}", body, part="workspace")

    async def make(self, url: str, *events: str, **more: Any) -> Any:
        status, made = await self.ask("POST", "", {"url": url, "events": list(events), **more})
        assert status == 201, made
        self.made.append(made["webhook"])
        return made

    async def clean(self) -> None:
        for webhook in self.made:
            await self.ask("DELETE", f"/{webhook}")

    async def call(self, slot: int = 44) -> str:
        """One call, to its end."""
        self.calls += 1
        number = f"+38099{self.calls:03}0006"  # it answers after a moment
        status, made = await self.client.post("/api/call/start", {"slot": slot, "number": number})
        assert status == 201, made
        id: str = made["call_id"]
        await self.client.call_until(id, lambda seen: seen["status"] in ("connected", "ended"))
        await self.client.post("/api/call/end", {"call_id": id})
        await self.client.call_until(id, lambda seen: seen["status"] == "ended")
        return id

    async def note(self, call: str, text: str) -> str:
        status, made = await self.client.post("/api/crm/note", {"call_id": call, "text": text}, part="workspace")
        assert status == 201, made
        return str(made["note"])

    async def log(self, webhook: str) -> list[Any]:
        status, rows = await self.ask("GET", f"/{webhook}/deliveries")
        assert status == 200, rows
        return list(rows)

    async def until_logged(self, webhook: str, wanted: Any, seconds: float = 20.0) -> list[Any]:
        found: list[Any] = await until(lambda: self.log(webhook), wanted, seconds)
        return found


def about(got: list[Got], call: str) -> list[str]:
    return [one.body["event"] for one in got if one.body["data"].get("call_id") == call]


async def test_a_call_is_posted_in_order_and_signed(boss: User, receiver: Receiver) -> None:
    made = await boss.make(receiver.url("/a"), "call.*", description="CRM", filter={"slot": 44})
    secret = made["secret"]
    assert secret.startswith("whsec_") and made["enabled"] and made["waiting"] == 0
    call = await boss.call()
    await boss.call(slot=11)
    got = await receiver.until("/a", 5)
    assert about(got, call) == ["call.dialing", "call.alerting", "call.connected", "call.ending", "call.ended"]
    assert len(got) == 5 and receiver.at_once["/a"] == 1
    for one in got:
        assert verify(one.signature, secret, one.raw, now=float(one.signature[2:12]))
        assert not verify(one.signature, secret, one.raw + b" ", now=float(one.signature[2:12]))
        assert one.id == one.body["id"] and one.body["webhook"] == made["webhook"] and secret not in str(one)
        assert one.headers["Content-Type"] == "application/json"
    rows = await boss.until_logged(made["webhook"], lambda rows: len(rows) == 5)
    assert [row["event"] for row in rows] == about(got, call)[::-1]
    assert {(row["status"], row["attempts"], row["code"], row["response"]) for row in rows} == {
        ("delivered", 1, 200, "taken")
    }
    _, shown = await boss.ask("GET", f"/{made['webhook']}")
    assert "secret" not in shown and shown["description"] == "CRM" and shown["filter"] == {"slot": 44}


async def test_what_fails_comes_again_and_holds_up_its_call_alone(boss: User, receiver: Receiver) -> None:
    async def fails_twice(got: Got) -> Any:
        tries = [one for one in receiver.of("/b") if one.id == got.id]
        fails = got.id == receiver.of("/b")[0].id and len(tries) <= 2
        return await (ok(503, "\x1b[31mnot now") if fails else ok(204, ""))(got)

    receiver.answers["/b"] = fails_twice
    made = await boss.make(receiver.url("/b"), "call.dialing", "call.ended")
    calls = [await boss.call(slot=11), await boss.call(slot=12)]
    got = await receiver.until("/b", 6)
    assert about(got, calls[0]) == ["call.dialing"] * 3 + ["call.ended"]
    assert about(got, calls[1]) == ["call.dialing", "call.ended"]
    rows = await boss.until_logged(
        made["webhook"], lambda rows: [row["status"] for row in rows] == ["delivered"] * 4
    )
    assert sorted(row["attempts"] for row in rows) == [1, 1, 1, 3]
    assert (await boss.ask("GET", f"/{made['webhook']}"))[1]["failing_since"] is None


async def test_a_slow_one_and_a_redirect_are_failures(boss: User, receiver: Receiver) -> None:
    receiver.answers["/slow"] = slow(5)
    receiver.answers["/moved"] = moved(receiver.url("/target"))
    receiver.answers["/said"] = ok(500, "\x1b[2J" + "x" * 5000)
    made = {path: await boss.make(receiver.url(path), "note.added") for path in ("/slow", "/moved", "/said")}
    call = await boss.call()
    await boss.note(call, "hello")
    rows = {
        path: (await boss.until_logged(one["webhook"], lambda rows: rows and rows[0]["attempts"] >= 2))[0]
        for path, one in made.items()
    }
    assert all(row["status"] == "retrying" and row["next_try"] for row in rows.values())
    assert rows["/slow"]["code"] is None and rows["/slow"]["error"] == "no answer in time"
    assert rows["/moved"]["code"] == 307 and receiver.of("/target") == []
    assert rows["/said"]["response"].startswith("␛[2Jxxx") and len(rows["/said"]["response"]) == 1024
    _, shown = await boss.ask("GET", f"/{made['/slow']['webhook']}")
    assert shown["failing_since"] is not None and shown["waiting"] == 1


async def test_a_killed_host_and_gateway_lose_nothing(hooked: Site, boss: User, receiver: Receiver) -> None:
    receiver.answers["/kill"] = ok(500)
    made = await boss.make(receiver.url("/kill"), "note.*")
    call = await boss.call()
    notes = [await boss.note(call, f"note {number}") for number in range(20)]
    for note in notes[:10]:
        await boss.client.call("PATCH", f"/api/crm/note/{note}", {"text": "edited"}, part="workspace")
    await receiver.until("/kill", 3)
    hooked.kill("actors")
    hooked.kill("gateway")
    receiver.answers["/kill"] = ok(200)
    before = len(receiver.got)

    async def arrived() -> list[tuple[str, str]]:
        return [(one.body["data"]["note"], one.body["event"]) for one in receiver.of("/kill")[before:]]

    wanted = {(note, "note.added") for note in notes} | {(note, "note.edited") for note in notes[:10]}
    seen = await until(arrived, lambda seen: set(seen) == wanted, 60)
    for note in notes[:10]:
        assert seen.index((note, "note.added")) < seen.index((note, "note.edited"))

    async def logged() -> list[str]:
        status, rows = await boss.ask("GET", f"/{made['webhook']}/deliveries")
        return [row["status"] for row in rows] if status == 200 else []

    await until(logged, lambda found: found == ["delivered"] * 30, 30)


async def test_switched_off_changed_and_on_again(boss: User, receiver: Receiver) -> None:
    made = await boss.make(receiver.url("/c"), "note.added")
    one, call = f"/{made['webhook']}", await boss.call()
    assert (await boss.ask("PATCH", one, {"enabled": False}))[1]["enabled"] is False
    await boss.note(call, "unheard")
    status, after = await boss.ask("PATCH", one, {"enabled": True, "events": ["note.*"], "url": receiver.url("/d")})
    assert status == 200 and after["enabled"] and after["events"] == ["note.*"]
    heard = await boss.note(call, "heard")
    await boss.client.call("PATCH", f"/api/crm/note/{heard}", {"text": "edited"}, part="workspace")
    got = await receiver.until("/d", 2)
    assert [got_one.body["event"] for got_one in got] == ["note.added", "note.edited"] and receiver.of("/c") == []
    [added] = [row for row in await boss.until_logged(made["webhook"], lambda rows: len(rows) == 2)
               if row["event"] == "note.added"]  # fmt: skip
    status, again = await boss.ask("POST", f"{one}/deliveries/{added['n']}/redeliver", {})
    assert status == 202 and again["event_id"] == added["event_id"] and again["n"] > added["n"]
    assert [got_one.id for got_one in await receiver.until("/d", 3)].count(added["event_id"]) == 2
    status, past = await boss.ask("PATCH", one, {"enabled": True, "since": 1})
    assert (status, past["code"]) == (409, "CONFLICT")
    assert (await boss.ask("DELETE", one))[0] == 200
    for method, path in (("GET", one), ("PATCH", one), ("DELETE", one), ("POST", f"{one}/test")):
        assert (await boss.ask(method, path, {} if method != "GET" else None))[1]["code"] == "NOT_FOUND", path


async def test_since_brings_what_was_before(boss: User, receiver: Receiver) -> None:
    await boss.make(receiver.url("/now"), "call.*")
    call = await boss.call()
    first = (await receiver.until("/now", 5))[0]
    since = int(first.id)
    await boss.make(receiver.url("/past"), "call.*", filter={"call_id": call}, since=since)
    got = await receiver.until("/past", 4)
    assert about(got, call) == ["call.alerting", "call.connected", "call.ending", "call.ended"]
    status, refused = await boss.ask("POST", "", {"url": receiver.url("/x"), "events": ["call.*"], "since": 10**9})
    assert (status, refused["code"], refused["details"]["field"]) == (400, "INVALID_PARAMS", "since")


async def test_a_ping_and_another_secret(boss: User, receiver: Receiver) -> None:
    made = await boss.make(receiver.url("/ping"), "call.ended")
    one = f"/{made['webhook']}"
    status, came = await boss.ask("POST", f"{one}/test", {})
    assert status == 200 and came["delivered"] and came["code"] == 200 and came["response"] == "taken"
    [got] = receiver.of("/ping")
    assert got.body["event"] == "webhook.ping" and verify(got.signature, made["secret"], got.raw, float(
        got.signature[2:12]))  # fmt: skip
    status, fresh = await boss.ask("POST", f"{one}/secret", {"keep_seconds": 60})
    assert status == 200 and fresh["secret"] != made["secret"]
    await boss.ask("POST", f"{one}/test", {})
    both = receiver.of("/ping")[1]
    now = float(both.signature[2:12])
    assert verify(both.signature, made["secret"], both.raw, now)
    assert verify(both.signature, fresh["secret"], both.raw, now)
    _, last = await boss.ask("POST", f"{one}/secret", {"keep_seconds": 0})
    await boss.ask("POST", f"{one}/test", {})
    alone = receiver.of("/ping")[2]
    assert verify(alone.signature, last["secret"], alone.raw, now) is True
    assert not verify(alone.signature, fresh["secret"], alone.raw, now)
    receiver.answers["/ping"] = ok(418, "teapot")
    came = (await boss.ask("POST", f"{one}/test", {}))[1]
    assert not came["delivered"] and came["code"] == 418 and came["response"] == "teapot"


async def test_what_becomes_of_a_webhook_is_told_live(hooked: Site, boss: User, receiver: Receiver) -> None:
    made = await boss.make(receiver.url("/live"), "call.ended")
    beside = await boss.make(receiver.url("/beside"), "call.ended")
    one = f"/{made['webhook']}"
    async with JsClient(hooked.url("workspace", ""), boss.client.token) as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:webhooks", {"webhook": made["webhook"]}))["error"] is False
        await boss.ask("PATCH", f"/{beside['webhook']}", {"enabled": False})
        await boss.ask("PATCH", one, {"description": "CRM"})
        await boss.ask("PATCH", one, {"enabled": False})
        await boss.ask("PATCH", one, {"enabled": True})
        await boss.ask("DELETE", one)
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("change") == "deleted")
        told = [update["data"] for update in socket.events("webhook.update")]
    assert [one["change"] for one in told] == ["changed", "disabled", "enabled", "deleted"]
    assert {one["webhook"] for one in told} == {made["webhook"]} and made["secret"] not in str(told)
