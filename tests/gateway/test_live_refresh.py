"""A live client goes on with a newer token, on the same connection and in the same rooms."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import socketio

from actors.adapters.system_clock import SystemClock
from actors.point import tokens
from actors.point.tokens import Claims
from bus_schemas.permissions import Action
from bus_schemas.slot import LIST_SLOTS
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.gateway.test_live import Journal, no_slots
from tests.support.door import InProcess, gateway_on, serving, token_of

KEYS = {"k1": b"s" * 32}
PUBLIC = {name: tokens.public_key(secret) for name, secret in KEYS.items()}
VIEW = frozenset({Action.SLOT_VIEW, Action.SLOT_VIEW_ANY, Action.CALL_VIEW, Action.CALL_VIEW_ANY})


def access(user: str, seconds: int) -> str:
    now = int(time.time())
    claims = Claims(user=user, session=user, role="r", token_id=f"t{seconds}", issued=now, expires=now + seconds)
    return tokens.write_access(claims, KEYS)


@pytest.fixture
async def journal() -> Journal:
    return Journal(MemoryBroker(clock=SystemClock()))


@pytest.fixture
async def gateway(journal: Journal) -> AsyncIterator[InProcess]:
    users = {"op12": VIEW, "op13": VIEW, "op14": frozenset[Action]()}
    async with (
        serving(journal.broker, {LIST_SLOTS: no_slots}, users),
        gateway_on(MemoryBus(journal.broker), keys=PUBLIC) as running,
    ):
        yield running


@pytest.fixture
async def client(gateway: InProcess) -> AsyncIterator[tuple[socketio.AsyncClient, list[tuple[str, Any]]]]:
    """Connected with a token that is over in two seconds; and what it hears."""
    socket, heard = socketio.AsyncClient(reconnection=False), list[tuple[str, Any]]()

    async def hear(event: str, payload: Any) -> None:
        heard.append((event, payload))

    socket.on("*", hear)
    await socket.connect(gateway._url(""), auth={"token": access("op12", 2)}, transports=["websocket"])
    assert (await socket.call("subscribe:slots"))["error"] is False
    yield socket, heard
    await socket.disconnect()


async def test_with_a_newer_token_a_client_stays_in_its_rooms(client: Any, journal: Journal) -> None:
    socket, heard = client
    said = await socket.call("auth:refresh", {"token": access("op12", 60)})
    assert said["error"] is False and 50 < said["expires"] <= 60
    await asyncio.sleep(2.5)  # the first one is over
    await journal.dialing("c_1", 44, "op12")
    await asyncio.sleep(0.2)
    assert socket.connected and [event for event, _ in heard] == ["slot.update"], heard


@pytest.mark.parametrize("given", ["other", "program", "no token", "nothing", "garbage"])
async def test_what_is_no_token_of_the_same_user_changes_nothing(client: Any, given: str) -> None:
    socket, heard = client
    wrong = {
        "other": {"token": access("op13", 60)}, "program": {"token": token_of("op12")}, "no token": {"token": 7},
        "nothing": None, "garbage": {"token": "x"},
    }  # fmt: skip
    said = await socket.call("auth:refresh", wrong[given])
    assert said["error"] and said["code"] == ("CONFLICT" if given in ("other", "program") else "AUTH_FAIL"), said
    assert (await socket.call("subscribe:slots"))["error"] is False
    await asyncio.sleep(2.5)
    assert [event for event, _ in heard] == ["auth.expired"] and not socket.connected


async def test_a_look_that_is_under_way_does_not_undo_it(
    client: Any, gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found of the session before is nothing to who goes on with another one meanwhile."""
    socket, heard = client
    asked, told, again = asyncio.Event(), asyncio.Event(), gateway.feed._authenticator.again

    async def slowly(caller: Any, permission: Any = None) -> Any:
        asked.set()
        await told.wait()
        return await again(caller, permission)

    monkeypatch.setattr(gateway.feed._authenticator, "again", slowly)
    looking = asyncio.create_task(gateway.feed._look_at_all())
    await asked.wait()
    assert (await socket.call("auth:refresh", {"token": access("op12", 60)}))["error"] is False
    told.set()
    await looking
    (known,) = gateway.feed._clients.values()
    assert known.caller.expires > time.time() + 50
    await asyncio.sleep(2.5)
    assert socket.connected and not heard
