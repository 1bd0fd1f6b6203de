"""A service token in other hands: whatever is held with it, its owner can end it."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack

import aiohttp
import pytest

from bus_schemas.permissions import Action
from bus_schemas.user import LoginKind
from gateway import brake
from gateway.auth import Caller
from gateway.connections import ConnectionLimits, Connections
from gateway.live import feed
from tests.support.attacked import MAKER, Attacked, attacked_point
from tests.support.raw_http import RawConnection, head

PER_USER = 8
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"


def small() -> Connections:
    return Connections(limits=ConnectionLimits(per_user=PER_USER, refusals_per_second=1e6))


async def logged_in(attacked: Attacked, stack: AsyncExitStack, token: str) -> bool:
    """Log in with a token on a new websocket, which stays. False: refused."""
    socket = await stack.enter_async_context(attacked.http.ws_connect(f"{attacked.url}{WEBSOCKET}"))
    await socket.receive()
    await socket.send_str("40" + json.dumps({"token": token}))
    try:
        return str((await socket.receive()).data).startswith("40")
    except aiohttp.ClientError:
        return False


async def owner_ends(attacked: Attacked, own: str, id: str) -> tuple[int, int]:
    """What the owner hears, with a session, when they look for it and end it."""
    looked, _ = await attacked.ask("GET", "/api/tokens", own)
    ended, _ = await attacked.ask("DELETE", f"/api/tokens/{id}", own)
    return looked, ended


async def test_websockets_of_a_token_do_not_lock_its_owner_out() -> None:
    connections = small()
    async with attacked_point(connections=connections) as attacked, AsyncExitStack() as stack:
        own = await attacked.login()
        programs = [await attacked.program(name, Action.CALL_VIEW) for name in ("one", "two")]
        let_in = [await logged_in(attacked, stack, token) for _, token in programs for _ in range(PER_USER)]
        held = Counter(seat.credential for seat in connections._held["tokens", MAKER])
        heard = [await owner_ends(attacked, own, id) for id, _ in programs]
        print(f"{len(let_in)} websockets of 2 tokens: {[*held.values()]} held; the owner heard {heard}")
        assert [*held.values()] == [PER_USER // 2] * 2 and heard == [(200, 200)] * 2


async def test_requests_of_a_token_that_stay_do_not_lock_its_owner_out() -> None:
    async with attacked_point(connections=small()) as attacked:
        own = await attacked.login()
        id, token = await attacked.program("one", Action.CALL_VIEW)
        request = head(
            "POST", "/api/auth/logout", Authorization=f"Bearer {token}", Content_Length="9",
            Content_Type="application/json",
        )  # fmt: skip
        port = int(attacked.url.rpartition(":")[2])
        staying = [await RawConnection.open(port) for _ in range(2 * PER_USER)]
        for connection in staying:
            connection.writer.write(request)
        await asyncio.sleep(0.2)
        heard = await owner_ends(attacked, own, id)
        print(f"{len(staying)} requests whose bodies do not come; the owner heard {heard}")
        for connection in staying:
            await connection.close()
        assert heard == (200, 200)


async def test_live_sessions_of_a_token_leave_their_owner_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "SESSIONS", 3)
    async with attacked_point() as attacked, AsyncExitStack() as stack:
        own = await attacked.login()
        _, token = await attacked.program("one", Action.CALL_VIEW)
        held = [await logged_in(attacked, stack, token) for _ in range(5)]
        let_in = await logged_in(attacked, stack, own)
        print(f"{held.count(True)} of 5 sessions of a token, and the owner's own: {let_in}")
        assert held.count(True) == 3 and let_in


async def test_changes_of_a_token_do_not_take_their_owners_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brake, "WORTH", 20.0)
    async with attacked_point(per_second=0.1) as attacked:
        own = await attacked.login()
        id, token = await attacked.program("one", Action.CALL_VIEW)
        statuses = [(await attacked.ask("POST", "/api/auth/logout", token, {}))[0] for _ in range(6)]
        ended, _ = await attacked.ask("DELETE", f"/api/tokens/{id}", own)
        print(f"a token was told {statuses}, its owner {ended}")
        assert 503 in statuses and ended == 200


def test_all_tokens_of_a_user_have_one_share_beside_the_users_own() -> None:
    def share(kind: LoginKind, id: str, user: str = "op12") -> tuple[str, str]:
        return Caller(user=user, credential=f"{kind}:{id}", actions=frozenset(), expires=0.0).share

    own, program = share(LoginKind.SESSION, "s1"), share(LoginKind.TOKEN, "t1")
    assert own == share(LoginKind.SESSION, "s2") != program == share(LoginKind.TOKEN, "t2")
    assert program != share(LoginKind.TOKEN, "t1", "op21")
