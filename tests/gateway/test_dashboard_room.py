"""The room of the dashboard: its figures at once and when they have changed, to each what they see."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.system_clock import SystemClock
from actors.ledger.ledger import Ledger
from bus_schemas.dashboard import SEES
from bus_schemas.permissions import Action
from gateway.live import dashboard_room
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import call
from tests.support.door import InProcess, LiveClient, gateway_on, serving
from tests.support.site import until

OWN = frozenset({Action.DASHBOARD_VIEW})
USERS = {"admin": OWN | SEES, "boss": OWN | SEES, "op12": OWN, "op13": OWN, "nobody": frozenset({Action.CALL_VIEW})}


@pytest.fixture
def users() -> dict[str, frozenset[Action]]:
    return dict(USERS)


@pytest.fixture
async def gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users: dict[str, frozenset[Action]]
) -> AsyncIterator[InProcess]:
    monkeypatch.setattr(dashboard_room, "PAUSE", 0.05)
    broker = MemoryBroker(clock=SystemClock())
    ledger = Ledger(bus=MemoryBus(broker), store=SqliteLedger(tmp_path / "l"))
    await ledger.start()
    async with serving(broker, {}, users), gateway_on(MemoryBus(broker)) as found:
        yield found
    await ledger.stop()


async def heard(client: LiveClient, active: int) -> list[dict[str, Any]]:
    """What was said, once so many calls are active; and that it is all."""

    async def look() -> int:
        return int(client.heard[-1]["data"]["active_calls"]) if client.heard else -1

    await until(look, lambda seen: seen == active)
    await asyncio.sleep(0.15)
    assert await look() == active
    return client.heard


async def test_figures_are_told_at_once_and_when_they_change(gateway: InProcess) -> None:
    async with gateway.live("admin", "dashboard") as client:
        [first] = await heard(client, 0)
        assert first["event"] == "dashboard.update"
        assert {**first["data"], "timestamp": ""} == {
            "active_calls": 0, "active_slots": 0, "today_calls": 0, "failed_calls": 0, "timestamp": ""
        }  # fmt: skip
        await call(gateway.bus, 1, over=False)
        said = await heard(client, 1)
        assert len(said) <= 3 and said[-1]["seq"] > first["seq"]
        await call(gateway.bus, 2, over=True)  # of another day: nothing that is told has changed
        assert len(await heard(client, 1)) <= len(said) + 1
        assert (await client.socket.call("unsubscribe:dashboard"))["error"] is False
        before = len(client.heard)
        await call(gateway.bus, 3, over=False)
        await asyncio.sleep(0.2)
        assert len(client.heard) == before


async def test_each_is_told_what_they_see(gateway: InProcess) -> None:
    async with (
        gateway.live("admin", "dashboard") as admin, gateway.live("op12", "dashboard") as own,
        gateway.live("op13", "dashboard") as other, gateway.live("nobody") as nobody,
    ):  # fmt: skip
        refused = await nobody.socket.call("subscribe:dashboard")
        assert refused["code"] == "PERMISSION_DENIED"
        await call(gateway.bus, 1, over=False, user="op12")
        for client, active in ((admin, 1), (own, 1), (other, 0)):
            await heard(client, active)
        assert nobody.heard == []


async def test_who_see_the_same_are_asked_for_once(gateway: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()
    original = dashboard_room.DashboardRoom._ask

    async def ask(room: Any, caller: Any) -> Any:
        asked.append(caller.user)
        return await original(room, caller)

    async with gateway.live("admin", "dashboard") as one, gateway.live("boss", "dashboard") as two:
        monkeypatch.setattr(dashboard_room.DashboardRoom, "_ask", ask)
        await call(gateway.bus, 1, over=False)
        for client in (one, two):
            await heard(client, 1)
    assert 0 < len(asked) <= 3 and set(asked) == {"admin"}


async def test_options_that_are_none_are_refused(gateway: InProcess) -> None:
    async with gateway.live("admin") as client:
        for wrong in ({"slot": 1}, {"since": -1}, [1]):
            refused = await client.socket.call("subscribe:dashboard", wrong)
            assert refused["code"] == "INVALID_PARAMS", wrong
        assert (await client.socket.call("subscribe:dashboard", {"since": 0}))["error"] is False


async def test_who_may_no_longer_hears_no_more(gateway: InProcess, users: dict[str, frozenset[Action]]) -> None:
    async with gateway.live("op12", "dashboard") as client:
        await heard(client, 0)
        users["op12"] = frozenset()
        subject = "ottb.v1.evt.point.directory.role_set"
        await gateway.bus.append(subject, b"{}", {"Nats-Msg-Id": "r"}, scope=subject, expect=0)
        await asyncio.sleep(0.2)
        before = len(client.heard)
        await call(gateway.bus, 1, over=False, user="op12")
        await asyncio.sleep(0.2)
        assert len(client.heard) == before
