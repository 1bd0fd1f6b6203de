"""Connections of strangers on which something is waited for, so that nobody else is let in."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from gateway.connections import ConnectionLimits
from tests.attacks.test_connections import (
    HERE,
    LIMITS,
    MOST,
    NEAR,
    PER_ADDRESS,
    PROXY,
    RESERVED,
    SOCKET_IO,
    UPGRADE,
    Door,
    asking,
    door_with,
    staying,
    working,
)
from tests.support.raw_http import RawConnection, head

MANY = 3 * PER_ADDRESS


async def others(door: Door, source: str = HERE, **headers: str) -> list[int | None]:
    """What a stranger and a user hear who come later."""
    answers = [await door.ask(request, source) for request in (asking(**headers), asking("op12", **headers))]
    return [answer and answer.status for answer in answers]


async def _body(door: Door) -> RawConnection:
    return await door.stay(staying())


async def _chunks(door: Door) -> RawConnection:
    return await door.stay(head("POST", "/api/auth/login", Transfer_Encoding="chunked") + b"5\r\n{")


async def _head(door: Door) -> RawConnection:
    connection = await door.open()
    await connection.ask(asking())
    connection.writer.write(asking()[:-2])
    return connection


async def _websocket(door: Door) -> RawConnection:
    return await door.stay(head("GET", SOCKET_IO.replace("polling", "websocket"), **UPGRADE))


async def _poll(door: Door) -> RawConnection:
    connection = await door.open()
    sid = json.loads((await connection.ask(head("GET", SOCKET_IO))).body[1:])["sid"]
    connection.writer.write(head("GET", f"{SOCKET_IO}&sid={sid}"))
    return connection


@pytest.mark.parametrize("wait", [_head, _body, _chunks, _websocket, _poll], ids=lambda wait: wait.__name__[1:])
async def test_what_strangers_let_wait_keeps_nobody_out(wait: Callable[[Door], Awaitable[RawConnection]]) -> None:
    async with door_with(LIMITS) as door:
        for _ in range(MANY):
            await wait(door)
        heard = await others(door)
        print(f"{MANY} connections of an address on which is waited: {door.connections.count} left, others {heard}")
        assert heard == [401, 400] and door.connections.count <= PER_ADDRESS + 2


async def test_answers_that_are_held_back_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.connections.LATER", 60.0)
    limits = ConnectionLimits(per_address=PER_ADDRESS, refusals_per_second=0.2)
    async with door_with(limits) as door:
        for _ in range(MANY):
            await door.stay(asking())
        answer = await door.ask(asking("op12"))
        assert answer is not None and answer.status == 400


async def test_handshakes_that_are_held_back_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.live.engine.WAIT_SECONDS", 60.0)
    monkeypatch.setattr("gateway.live.strangers.BURST", 1.0)
    monkeypatch.setattr("gateway.live.strangers.EACH_SECOND", 0.0)
    async with door_with(LIMITS) as door:
        for _ in range(MANY):
            await door.stay(head("GET", SOCKET_IO))
        assert await others(door) == [401, 400]


async def test_bodies_of_many_addresses_keep_nobody_out() -> None:
    async with door_with(LIMITS) as door:
        for number in range(MOST):
            await door.stay(staying(), f"127.0.3.{number // 4 + 1}")
        heard = await others(door, NEAR)
        print(f"{MOST} connections of {MOST // 4} addresses on which is waited: others {heard}")
        assert heard == [401, 400] and door.connections.count <= MOST - RESERVED + 1


async def test_bodies_of_a_client_of_a_proxy_keep_none_of_it_out() -> None:
    async with door_with(LIMITS) as door:
        for _ in range(MANY):
            await door.stay(staying(X_Forwarded_For="192.0.2.1"), PROXY)
        assert await others(door, PROXY, X_Forwarded_For="192.0.2.1") == [401, 400]


async def test_what_is_worked_on_is_not_cut_for_others() -> None:
    """Also where its body came late, and what a user asks whose body is awaited."""
    async with door_with(LIMITS) as door:
        late = await door.stay(working()[:-1])
        late.writer.write(working()[-1:])
        kept = [late, *[await door.stay(working()) for _ in range(PER_ADDRESS - 2)]]
        for _ in range(MANY):
            await door.stay(staying())
        lost = [one for one in kept if await one.is_closed(0.01)]
        print(f"{len(kept)} requests under way beside {MANY} that never come whole: {len(lost)} cut")
        assert not lost and await others(door) == [401, 400]


async def test_a_body_that_comes_after_its_answer_leaves_the_seat_idle() -> None:
    """Or who sends them would hold the places for good."""
    async with door_with(LIMITS) as door:
        for _ in range(MANY):
            connection = await door.open()
            await connection.ask(head("POST", "/nowhere", Content_Length="10", Content_Type="application/json"))
            connection.writer.write(b"0123456789")
        await asyncio.sleep(0.05)
        assert await others(door) == [401, 400]
