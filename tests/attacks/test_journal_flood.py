"""Who is refused writes next to nothing: strangers nothing at all, known users a record a minute for each kind."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import aiohttp
import msgspec
import pytest
from msgspec import UNSET

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit import audit as audit_module
from actors.audit.audit import SCOPE, Audit
from actors.audit.chain import check
from actors.runtime.alike import KINDS, KINDS_OF_STRANGERS, times
from actors.runtime.bus import Message
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from actors.runtime.wire import Page
from bus_schemas.audit import SEVERAL, AuditEntry, AuditRecorded
from bus_schemas.call import START_CALL, CallStarted, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Access, Action
from bus_schemas.user import (
    CHANGE_USER,
    LOGIN,
    REFRESH,
    ChangeUser,
    Login,
    LoginKind,
    Refresh,
    RefreshedToken,
    Token,
)
from gateway.surface import ROUTES
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import USER, bus_door_on, gateway_on, serving

STRANGERS = (Access.PUBLIC, Access.SIGNED)
N = 500  # refused requests of each kind


async def refuse_start(request: StartCall, context: Context) -> CallStarted:
    raise Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.")


async def refuse_login(request: Login, context: Context) -> Token:
    raise Refusal(ErrorCode.AUTH_FAIL, "Wrong user name or password.")


async def refuse_refresh(request: Refresh, context: Context) -> RefreshedToken:
    raise Refusal(ErrorCode.AUTH_FAIL, "The refresh token is not valid.")


HANDLERS = {START_CALL: refuse_start, LOGIN: refuse_login, REFRESH: refuse_refresh}


@pytest.fixture
async def broker() -> AsyncIterator[MemoryBroker]:
    """A site's bus with an audit and a POINT that know one user."""
    broker = MemoryBroker(clock=SystemClock())
    audit = Audit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    async with serving(broker, HANDLERS, {USER: frozenset({Action.CALL_START})}):
        yield broker
    await audit.stop()


def entries(broker: MemoryBroker) -> list[AuditEntry]:
    chain = [msgspec.json.decode(one.data, type=AuditRecorded) for one in broker.entries(SCOPE)]
    assert check(chain).problems == []
    return [entry for recorded in chain for entry in recorded.entries]


async def test_requests_without_a_token_write_nothing(broker: MemoryBroker) -> None:
    changing = [route for route in ROUTES if route.method != "GET" and route.permission not in STRANGERS]
    async with gateway_on(MemoryBus(broker)) as gateway, aiohttp.ClientSession() as session:
        for number in range(N * 2):
            route = changing[number % len(changing)]
            url = gateway._url(route.path.replace("{", "").replace("}", ""))
            headers = {"Authorization": "Bearer nobody"} if number % 3 == 0 else {}
            async with session.request(route.method, url, json={}, headers=headers) as answer:
                assert answer.status in (400, 401), (route.path, await answer.text())
    written = entries(broker)
    print(f"{2 * N} requests of strangers on {len(changing)} routes: {len(written)} records")
    assert written == []


async def test_wrong_passwords_and_refresh_tokens_are_counted(broker: MemoryBroker) -> None:
    async with gateway_on(MemoryBus(broker)) as gateway, aiohttp.ClientSession() as session:
        for number in range(N):
            login = {"username": f"u{number}", "password": "x"}
            for path, body in (("/api/auth/login", login), ("/api/auth/refresh", {"refresh_token": f"x{number}"})):
                async with session.post(gateway._url(path), json=body) as answer:
                    assert answer.status == 401
        await gateway.auditor.stop()
    written = entries(broker)
    print(f"{2 * N} tries of strangers: {len(written)} records, which tell of {sum(map(times, written))}")
    assert len(written) <= 2 * KINDS_OF_STRANGERS + 2 * 2  # two actions, beyond the kinds that are told apart
    assert sum(map(times, written)) == 2 * N
    assert SEVERAL not in {one.action for one in written}


async def test_refused_requests_of_a_known_user_are_counted(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "GRACE", 0.2)
    monkeypatch.setattr(audit_module, "SWEEP", 0.05)
    async with gateway_on(MemoryBus(broker)) as gateway:
        for number in range(N):
            body = {"number": "+380991234567", "slot": 1 + number % 50}
            assert (await gateway.post("/api/call/start", body))[0] == 409
            assert (await gateway.post("/api/slots", {"slot": 1 + number}))[0] == 403
        await asyncio.sleep(0.5)  # what was announced and refused is not written as UNKNOWN
        assert len(entries(broker)) <= KINDS + 2
        await gateway.auditor.stop()
    written = entries(broker)
    print(f"{2 * N} refusals of a known user: {len(written)} records, which tell of {sum(map(times, written))}")
    assert len(written) <= 2 * KINDS + 2 * 2
    for result in ("SLOT_BUSY", "PERMISSION_DENIED"):
        assert sum(times(one) for one in written if one.result == result) == N
    for one in written:
        assert one.user == USER
        assert one.count is UNSET or (isinstance(one.first, str) and one.first <= one.at)


async def test_what_changes_nothing_on_the_bus_is_counted_too(broker: MemoryBroker) -> None:
    async def change(request: ChangeUser, context: Context) -> Page:
        return Page(body={}, changed=False)

    service = Service(bus=MemoryBus(broker), queue="users", handlers=[serve(CHANGE_USER, change)])
    await service.start()
    async with serving(broker, {}, {"op34": frozenset({Action.USER_EDIT})}):
        door = bus_door_on(MemoryBus(broker))
        subject, body = "ottb.v1.own.op34.cmd.user.change", msgspec.json.encode({"user": "op12", "status": "active"})
        done = 0

        async def hear(data: bytes, headers: Mapping[str, str]) -> None:
            nonlocal done
            done += "Ottb-Error" not in headers

        for _ in range(N):
            message = Message(subject=subject, data=body, headers={}, reply_to="_INBOX_op34.1", reply=hear)
            await door._answer(message, LoginKind.PASSWORD, "op34")
        await door._auditor.stop()
    await service.stop()
    written = entries(broker)
    print(f"{done} changes on the bus that change nothing: {len(written)} records, {sum(map(times, written))} told")
    assert done == N and [times(one) for one in written] == [1, N - 1]


async def test_refused_commands_on_the_bus_too(broker: MemoryBroker) -> None:
    door = bus_door_on(MemoryBus(broker))
    subject, body = f"ottb.v1.own.{USER}.cmd.call.start", msgspec.json.encode({"number": "+380991234567"})
    refused = 0

    async def hear(data: bytes, headers: object) -> None:
        nonlocal refused
        refused += 1

    for _ in range(N):
        message = Message(subject=subject, data=body, headers={}, reply_to=f"_INBOX_{USER}.1", reply=hear)
        await door._answer(message, LoginKind.PASSWORD, USER)
    assert refused == N
    await door._auditor.stop()
    written = entries(broker)
    print(f"{N} refusals on the bus: {len(written)} records, which tell of {sum(map(times, written))}")
    assert [times(one) for one in written] == [1, N - 1]
