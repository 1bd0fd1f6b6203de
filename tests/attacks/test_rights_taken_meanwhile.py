"""Requests that are held between the look at who sends them and what they ask for, until the right to it is gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.runtime.bus import Headers, Message
from actors.runtime.wire import ask_raw
from bus_schemas.lead import EXPORT_LEADS
from bus_schemas.user import LoginKind
from gateway.idempotency import BUCKET
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import bus_door_on
from tests.support.raw_http import RawConnection, head
from tests.support.site import until
from tests.support.whole import Whole, whole_site

PASSWORD = "violet-Harbour-93"
USER = "dev"
CAMPAIGNS = "/api/autodialer/campaigns"
CALL = b'{"number": "+380671234567", "slot": 11}'
HELD = [("/api/call/start", CALL), ("/api/slots/11/adb-command", b'{"command": "id"}')]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_site(tmp_path) as site:
        await site.login()
        body = {"username": USER, "password": PASSWORD, "role": "devops", "must_change_password": False}
        assert (await site.ask("POST", "/api/users", body))[0] == 201
        yield site


class Victim:
    """A user with a session and a service token of theirs. `admin`: the administrator's token."""

    def __init__(self, site: Whole, admin: str, own: str, program: dict[str, Any]) -> None:
        self.site = site
        self.admin = admin
        self.own = own
        self.program = program

    @classmethod
    async def of(cls, site: Whole) -> "Victim":
        admin = site.gateway.token
        await site.login(USER, PASSWORD)
        own = site.gateway.token
        actions = ["call.start", "slot.shell", "slot.view_any"]
        status, program = await site.ask("POST", "/api/tokens", {"name": "x", "actions": actions})
        assert status == 201, program
        return cls(site, admin, own, program)

    async def ask(self, token: str, method: str, path: str, body: Any = None) -> int:
        self.site.gateway.token = token
        return (await self.site.ask(method, path, body))[0]

    async def begin(self, token: str, path: str, body: bytes, **headers: str) -> RawConnection:
        """A request whose body does not come."""
        connection = await RawConnection.open(self.site.gateway.listener.port)
        connection.writer.write(
            head(
                "POST", path, Authorization=f"Bearer {token}", Content_Type="application/json",
                Content_Length=str(len(body)), **headers,
            )
        )  # fmt: skip
        return connection


async def disabled(victim: Victim) -> int:
    return await victim.ask(victim.admin, "PATCH", f"/api/users/{USER}", {"status": "disabled"})


async def deleted(victim: Victim) -> int:
    return await victim.ask(victim.admin, "DELETE", f"/api/users/{USER}")


async def demoted(victim: Victim) -> int:
    return await victim.ask(victim.admin, "PATCH", f"/api/users/{USER}", {"role": "auditor"})


async def logged_out(victim: Victim) -> int:
    return await victim.ask(victim.admin, "POST", f"/api/users/{USER}/logout", {})


async def revoked(victim: Victim) -> int:
    return await victim.ask(victim.admin, "DELETE", f"/api/tokens/{victim.program['id']}")


DEEDS = [(disabled, 401), (deleted, 401), (demoted, 403), (logged_out, 401), (revoked, 401)]


@pytest.mark.parametrize(("deed", "told"), DEEDS)
async def test_a_body_that_comes_late_is_nobodys(
    site: Whole, deed: Callable[[Victim], Awaitable[int]], told: int
) -> None:
    victim = await Victim.of(site)
    token = victim.program["token"] if deed is revoked else victim.own
    held = [(await victim.begin(token, path, body), body) for path, body in HELD]
    await asyncio.sleep(0.2)
    assert await deed(victim) == 200
    await until(lambda: victim.ask(token, "POST", "/api/call/start", {}), lambda status: status == told)
    heard = [(await connection.ask(body)).status for connection, body in held]
    print(f"{len(heard)} requests whose bodies came after it was {deed.__name__}: {heard}")
    assert heard == [told] * len(held)
    assert not site.broker.entries("ottb.v1.evt.call.>")
    for connection, _ in held:
        await connection.close()


async def test_a_body_that_comes_late_gets_no_earlier_answer_either(site: Whole) -> None:
    victim = await Victim.of(site)
    (path, body), key = HELD[1], "one"
    status, answer = await site.gateway.post(path, msgspec.json.decode(body), **{"Idempotency-Key": key})
    assert status == 202, answer
    held = await victim.begin(victim.own, path, body, Idempotency_Key=key)
    await asyncio.sleep(0.2)
    assert await disabled(victim) == 200
    await until(lambda: victim.ask(victim.own, "POST", path, {}), lambda status: status == 401)
    heard = (await held.ask(body)).status
    print(f"1 repeat whose body came after its user was disabled: {heard}")
    assert heard == 401
    await held.close()


@pytest.mark.parametrize(("deed", "code"), [(deed, told) for deed, told in DEEDS if deed is not logged_out])
async def test_a_command_on_the_bus_that_is_held_is_nobodys_either(
    site: Whole, deed: Callable[[Victim], Awaitable[int]], code: int
) -> None:
    victim = await Victim.of(site)
    came, go = asyncio.Event(), asyncio.Event()

    async def hold(step: str) -> None:
        if step.startswith(f"before put {BUCKET}/"):
            came.set()
            await go.wait()

    door = bus_door_on(MemoryBus(site.broker, step=hold))
    await door._authenticator.start()
    answers: list[str] = []

    async def reply(data: bytes, headers: Headers) -> None:
        answers.append(msgspec.json.decode(data).get("code", "OK"))

    kind, name = (LoginKind.TOKEN, victim.program["id"]) if deed is revoked else (LoginKind.CONNECTION, USER)
    message = Message(
        subject=f"ottb.v1.own.{name}.cmd.call.start", data=CALL, headers={"Nats-Msg-Id": "one"}, reply=reply,
        reply_to=f"_INBOX.u.{name}.1",
    )  # fmt: skip
    asked = asyncio.create_task(door._answer(message, kind, name))
    await asyncio.wait_for(came.wait(), 5)
    assert await deed(victim) == 200
    await asyncio.sleep(0.1)
    go.set()
    await asked
    await door._authenticator.stop()
    print(f"1 command held while it was {deed.__name__}: {answers}")
    assert answers == [{401: "AUTH_FAIL", 403: "PERMISSION_DENIED"}[code]]
    assert not site.broker.entries("ottb.v1.evt.call.>")


async def test_a_key_does_not_remember_that_a_session_was_over(site: Whole) -> None:
    """Who logs in again may send the command again, under the key that it had."""
    victim = await Victim.of(site)
    key = {"Idempotency-Key": "one"}
    came, go = asyncio.Event(), asyncio.Event()

    async def hold(step: str) -> None:
        if step.startswith(f"before put {BUCKET}/") and not go.is_set():
            came.set()
            await go.wait()

    site.gateway.bus._step = hold
    site.gateway.token = victim.own
    site.gateway.begin("/api/call/start", msgspec.json.decode(CALL), **key)
    await asyncio.wait_for(came.wait(), 5)
    assert await logged_out(victim) == 200
    await until(lambda: victim.ask(victim.own, "POST", "/api/call/start", {}), lambda status: status == 401)
    go.set()
    (begun,) = site.gateway._begun
    assert (await begun)[0] == 401
    await site.login(USER, PASSWORD)
    status, answer = await site.gateway.post("/api/call/start", msgspec.json.decode(CALL), **key)
    assert status == 201, answer


@pytest.mark.parametrize(("deed", "told"), [DEEDS[0], DEEDS[2], DEEDS[3]])
async def test_an_export_goes_no_further_than_the_right_to_it(
    site: Whole, monkeypatch: pytest.MonkeyPatch, deed: Callable[[Victim], Awaitable[int]], told: int
) -> None:
    admin = site.gateway.token
    assert (await site.ask("PATCH", f"/api/users/{USER}", {"role": "supervisor"}))[0] == 200
    await site.login(USER, PASSWORD)
    victim = Victim(site, admin, site.gateway.token, {})
    settings = {"hours": "03:00-03:01"}
    assert (await site.ask("POST", CAMPAIGNS, {"campaign_id": "c1", "settings": settings}))[0] == 201
    leads = [{"number": f"+38099{number:07}"} for number in range(1001)]  # a page, and one
    assert (await site.ask("POST", "/api/autodialer/run-campaign", {"campaign_id": "c1", "leads": leads}))[0] == 200
    asked, came, go = list[str | None](), asyncio.Event(), asyncio.Event()

    async def held(bus: Any, rpc: Any, request: Any, context: Any, **more: Any) -> Message:
        if rpc is EXPORT_LEADS:
            asked.append(request.cursor)
            if len(asked) == 1:
                came.set()
                await go.wait()
        return await ask_raw(bus, rpc, request, context, **more)

    monkeypatch.setattr("gateway.http.ask_raw", held)
    reading = asyncio.create_task(site.ask("GET", f"{CAMPAIGNS}/c1/export"))
    await asyncio.wait_for(came.wait(), 5)
    assert await deed(victim) == 200
    await until(lambda: victim.ask(victim.own, "POST", "/api/call/start", {}), lambda status: status != 400)
    go.set()
    status, _ = await reading
    print(f"1 export whose user was {deed.__name__} after its first page: {status}, {len(asked)} pages asked for")
    assert status == told and len(asked) == 1
