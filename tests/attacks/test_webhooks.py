"""Webhooks are no way to what this machine alone reaches, nor to what their user does not see."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from tests.stories.conftest import MORE, SLOTS
from tests.stories.test_webhooks import User
from tests.support.receiver import Receiver, moved
from tests.support.site import Client, Site, running_site, until

# The site allows one address of this machine, at which a receiver listens, and not the one at which others do.
SETTINGS = """
[webhooks]
networks = ["127.0.0.2/32"]
http = true
first_pause = 0.2
per_user = 5
[auth]
change_at_first_login = false
"""
NEVER = (
    "http://127.0.0.1:{port}/x", "http://[::1]:{port}/x", "http://[::ffff:127.0.0.1]:{port}/x", "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://100.64.0.1/", "http://0.0.0.0:{port}/",
    "http://[fe80::1]/", "http://224.0.0.1/", "http://[64:ff9b::7f00:1]/", "file:///etc/passwd", "gopher://127.0.0.1/",
    "http://op:1234@127.0.0.2/", "http://127.0.0.2@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@127.0.0.2/",
    "http://127.0.0.2:{port}/\r\nX: y", "//127.0.0.1/", "http:127.0.0.1", "",
)  # fmt: skip
NAMES = ("localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "LOCALHOST.", "0")  # are for the resolver


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("hooked"), SLOTS, SETTINGS + MORE) as running:
        yield running


@pytest.fixture
async def boss(hooked: Site) -> AsyncIterator[User]:
    async with aiohttp.ClientSession() as session:
        client = Client(hooked, session)
        await client.login("admin", hooked.admin_password)
        user = User(client)
        yield user
        await user.clean()


@pytest.fixture
async def outside() -> AsyncIterator[Receiver]:
    async with Receiver(host="127.0.0.2") as running:
        yield running


@pytest.fixture
async def inside() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


async def another(boss: User, role: str = "supervisor") -> User:
    """A user of their own, logged in."""
    name, password = f"hook{secrets.token_hex(4)}", secrets.token_hex(12)
    body = {"username": name, "password": password, "role": role}
    status, made = await boss.client.post("/api/users", body, part="point")
    assert status == 201, made
    client = Client(boss.client.site, boss.client.session)
    await client.login(name, password)
    return User(client, name)


async def test_no_address_leads_inside(boss: User, inside: Receiver, outside: Receiver) -> None:
    tried = 0
    for url in NEVER:
        status, refused = await boss.ask("POST", "", {"url": url.format(port=inside.port), "events": ["note.added"]})
        assert (status, refused["code"]) == (400, "INVALID_PARAMS"), url
        assert refused["details"]["field"] == "url", url
        tried += 1
    made = await boss.make(outside.url("/ok"), "note.added")
    one = f"/{made['webhook']}"
    for name in NAMES:
        url = f"http://{name}:{inside.port}/x"
        status, changed = await boss.ask("PATCH", one, {"url": url})
        assert status == 200, changed
        status, came = await boss.ask("POST", f"{one}/test", {})
        assert status == 200 and not came["delivered"] and came["code"] is None, name
        tried += 1
    await boss.ask("PATCH", one, {"url": f"http://localhost:{inside.port}/x"})
    await boss.note(await boss.call(), "inside?")
    rows = await boss.until_logged(made["webhook"], lambda rows: rows and rows[0]["attempts"] > 1)
    assert rows[0]["error"] == "the address is not allowed: loopback" and rows[0]["response"] == ""
    assert inside.got == []
    print(f"{tried} addresses that lead inside, 0 reached")


async def test_no_redirect_leads_inside(boss: User, inside: Receiver, outside: Receiver) -> None:
    made = await boss.make(outside.url("/moved"), "note.added")
    for to in (inside.url("/x"), f"http://localhost:{inside.port}/x", f"//127.0.0.1:{inside.port}/x"):
        outside.answers["/moved"] = moved(to)
        _, came = await boss.ask("POST", f"/{made['webhook']}/test", {})
        assert not came["delivered"] and came["code"] == 307
    assert inside.got == [] and len(outside.got) == 3


async def test_nobody_hears_more_through_one_than_without(boss: User, outside: Receiver) -> None:
    """Somebody without `call.view_any` hears of their own calls alone, and what is taken from them is not posted."""
    other = await another(boss, "devops")
    made = await other.make(outside.url("/mine"), "call.ended", "note.added", "slot.command_done")
    all_ = await boss.make(outside.url("/all"), "call.ended")
    call = await boss.call(slot=11)
    await boss.note(call, "a secret")
    await outside.until("/all", 1)
    own = await other.call(slot=12)
    got = await outside.until("/mine", 1)
    assert [one.body["data"]["call_id"] for one in got] == [own]
    body = {"role": "auditor"}  # who may have nothing posted
    status, changed = await boss.client.call("PATCH", f"/api/users/{other.name}", body, part="point")
    assert status == 200, changed
    await boss.note(own, "another secret")
    await boss.call(slot=11)
    await outside.until("/all", 3)
    await asyncio.sleep(1)
    assert len(outside.of("/mine")) == 1 and made and all_
    status, gone = await boss.client.call("DELETE", f"/api/users/{other.name}", part="point")
    assert status == 200, gone
    await boss.call(slot=11)
    off = await until(lambda: boss.ask("GET", f"/{made['webhook']}"), lambda seen: not seen[1]["enabled"])
    assert off[1]["reason"] == "gone" and len(outside.of("/mine")) == 1
    assert await logged(boss, made["webhook"])


async def logged(boss: User, webhook: str) -> bool:
    async def look() -> list[Any]:
        _, rows = await boss.client.get("/api/dci/logs?severity=warning", part="dci")
        return [row for row in rows if webhook in row["message"]]

    return bool(await until(look, bool))


async def test_a_small_token_hears_no_more_through_a_great_webhook(boss: User, outside: Receiver) -> None:
    """Whoever has stolen a token with few rights has the webhook of its user post to them what the token sees."""
    wanted = {"name": "small", "actions": ["webhook.manage", "webhook.view", "slot.view"]}
    status, token = await boss.client.post("/api/tokens", wanted, part="point")
    assert status == 201, token
    thief = User(Client(boss.client.site, boss.client.session, token["token"]))
    made = await boss.make(outside.url("/right"), "call.ended")
    await boss.call(slot=11)
    await outside.until("/right", 1)
    status, changed = await thief.ask("PATCH", f"/{made['webhook']}", {"url": outside.url("/thief")})
    assert status == 200, changed
    beside = await boss.make(outside.url("/beside"), "call.ended")
    await boss.call(slot=11)
    await outside.until("/beside", 1)
    await asyncio.sleep(1)
    assert outside.of("/thief") == [] and beside
    status, revoked = await boss.client.call("DELETE", f"/api/tokens/{token['id']}", part="point")
    assert status == 200, revoked
    await boss.call(slot=11)
    off = await until(lambda: boss.ask("GET", f"/{made['webhook']}"), lambda seen: not seen[1]["enabled"])
    assert off[1]["reason"] == "gone"


async def test_others_webhooks_are_not_there(boss: User, outside: Receiver) -> None:
    one, other = await another(boss, "devops"), await another(boss, "devops")
    made = await one.make(outside.url("/one"), "call.ended")
    for id in (made["webhook"], "wh_none"):
        for method, path, body in (
            ("GET", f"/{id}", None), ("PATCH", f"/{id}", {"enabled": False}), ("DELETE", f"/{id}", None),
            ("POST", f"/{id}/test", {}), ("POST", f"/{id}/secret", {}), ("GET", f"/{id}/deliveries", None),
            ("POST", f"/{id}/deliveries/1/redeliver", {}),
        ):  # fmt: skip
            status, refused = await other.ask(method, path, body)
            assert (status, refused["code"], refused["message"]) == (404, "NOT_FOUND", "No such webhook."), path
    assert (await other.ask("GET", ""))[1] == []
    for path, body in ((f"/{made['webhook']}/test", {}), (f"/{made['webhook']}/secret", {})):
        assert (await boss.ask("POST", path, body))[1]["code"] == "PERMISSION_DENIED"
    status, off = await boss.ask("PATCH", f"/{made['webhook']}", {"enabled": False})
    assert status == 200 and not off["enabled"] and outside.got == []


async def test_many_at_once_are_no_more_than_one_may_have(boss: User, outside: Receiver) -> None:
    user = await another(boss)
    body = {"url": outside.url("/x"), "events": ["call.ended"]}
    answers = await asyncio.gather(*(user.ask("POST", "", body) for _ in range(30)))
    assert sum(status == 201 for status, _ in answers) == 5
    assert {answer["details"]["rule"] for status, answer in answers if status != 201} == {"webhooks_per_user"}
    rows = (await user.ask("GET", f"?user={user.name}"))[1]
    assert len(rows) == 5
    await user.ask("DELETE", f"/{rows[0]['webhook']}")
    assert (await user.ask("POST", "", body))[0] == 201


async def test_a_secret_is_nowhere_but_with_who_has_made_it(boss: User, outside: Receiver, hooked: Site) -> None:
    made = await boss.make(outside.url("/s"), "note.added")
    _, fresh = await boss.ask("POST", f"/{made['webhook']}/secret", {})
    await boss.note(await boss.call(), "signed")
    await outside.until("/s", 1)
    told = []
    for path in (f"/{made['webhook']}", "", f"/{made['webhook']}/deliveries"):
        told.append(str((await boss.ask("GET", path))[1]))
    told += [str(await boss.client.audit("limit=200")), str((await boss.client.get("/api/dci/logs", part="dci"))[1])]
    files = [path for path in hooked.state.rglob("*") if path.is_file() and "jetstream" not in str(path)]
    for secret in (made["secret"], fresh["secret"]):
        assert not any(secret in text for text in told)
        assert not [path for path in files if secret.encode() in path.read_bytes()]
        journal = [path for path in hooked.state.rglob("*OTTB_EVT*/**/*") if path.is_file()]
        assert journal and not [path for path in journal if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"events": []}, "events"), ({"events": ["call"]}, "events"), ({"events": ["call.>"]}, "events"),
     ({"events": ["point.*"]}, "events"), ({"events": ["audit.recorded"]}, "events"), ({"events": ["*.*"]}, "events"),
     ({"events": ["webhook.*"]}, "events"), ({"events": ["call.adopted"]}, "events"),
     ({"events": ["call.*"] * 65}, "events"), ({"filter": {"slots": 1}}, "filter"),
     ({"filter": {"trunk": "t"}}, "filter"),
     ({"filter": {"slot": "44"}}, "slot"), ({"description": "x" * 201}, "description"), ({"url": "x" * 3000}, "url"),
     ({"since": -1}, "since"), ({"secret": "mine"}, "secret"), ({"user": "op12"}, "user")],
)  # fmt: skip
async def test_bad_input_is_said_by_its_field(boss: User, outside: Receiver, body: dict[str, Any], field: str) -> None:
    good = {"url": outside.url("/x"), "events": ["call.ended"]}
    status, refused = await boss.ask("POST", "", good | body)
    assert (status, refused["code"]) == (400, "INVALID_PARAMS"), refused
    assert field in str(refused["details"]) or f"`{field}" in refused["message"], refused
