"""Figures that stand in no journal: who comes back hears the newest of each thing once more, and of nothing else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from bus_schemas.campaign import CAMPAIGN, CampaignStatus, Mode
from bus_schemas.campaign_telemetry import CAMPAIGN_TELEMETRY, CampaignTelemetry
from bus_schemas.kinds import owners_header
from bus_schemas.permissions import Action
from bus_schemas.slot import SLOT_TELEMETRY, Metrics, Network, SlotTelemetry
from gateway.live import figures
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import AT
from tests.support.door import InProcess, LiveClient, gateway_on, serving
from tests.support.site import until

USERS = {"admin": frozenset(Action), "op12": frozenset({Action.CAMPAIGN_VIEW})}


@pytest.fixture
async def gateway() -> AsyncIterator[InProcess]:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {}, USERS), gateway_on(MemoryBus(broker)) as found:
        yield found


async def count(gateway: InProcess, campaign: str, attempts: int, user: str = "op12") -> None:
    said = CampaignTelemetry(
        campaign=campaign, at=AT.format(0), status=CampaignStatus.FINISHED, leads=9, attempts=attempts, in_progress=0,
        answered=0, abandoned=0, abandoned_cap=0.03, dials=Mode.PROGRESSIVE,
    )  # fmt: skip
    headers = owners_header({CAMPAIGN.name: (user,)})
    await gateway.bus.publish(CAMPAIGN_TELEMETRY.subject_for(said), msgspec.json.encode(said), headers)


async def of_slot(gateway: InProcess, slot: int) -> None:
    said = SlotTelemetry(slot=slot, at=AT.format(0), device=None, android=None, metrics=Metrics(), network=Network())
    await gateway.bus.publish(SLOT_TELEMETRY.subject_for(said), msgspec.json.encode(said), {})


async def said_already(gateway: InProcess) -> None:
    await asyncio.sleep(2 * figures.TELEMETRY_PAUSE + 0.1)


async def back(gateway: InProcess, client: LiveClient, room: str, **narrowed: Any) -> list[Any]:
    """What somebody is told who has missed no entry of the journal."""
    ack = await client.socket.call(f"subscribe:{room}", {"since": gateway.feed.seq, **narrowed})
    assert ack["error"] is False, ack
    await asyncio.sleep(0.05)
    heard = [payload["data"] for payload in client.heard]
    client.heard.clear()
    return heard


async def test_the_last_counts_are_said_to_who_comes_back(gateway: InProcess) -> None:
    async with gateway.live("admin", "campaigns") as client:
        await count(gateway, "c1", 1)

        async def heard() -> int:
            return len(client.heard)

        await until(heard, lambda seen: seen == 1)
    for attempts in (2, 3):
        await count(gateway, "c1", attempts)
    await count(gateway, "c2", 7)
    await of_slot(gateway, 44)
    await said_already(gateway)
    async with gateway.live("admin") as client:
        told = await back(gateway, client, "campaigns")
        assert [(one["campaign"], one["change"], one["attempts"]) for one in told] == [
            ("c1", "counts", 3), ("c2", "counts", 7)
        ]  # fmt: skip
        assert [one["campaign"] for one in await back(gateway, client, "campaigns", campaign="c2")] == ["c2"]
        assert [(one["slot"], one["change"]) for one in await back(gateway, client, "slots")] == [(44, "telemetry")]
        await client.socket.call("subscribe:campaigns", {})  # who begins now reads a list
        await asyncio.sleep(0.05)
        assert client.heard == []


async def test_nobody_is_told_figures_that_they_do_not_see(gateway: InProcess) -> None:
    await count(gateway, "c1", 3, user="op13")
    await count(gateway, "c2", 4, user="op12")
    await said_already(gateway)
    async with gateway.live("op12") as client:
        assert [one["campaign"] for one in await back(gateway, client, "campaigns")] == ["c2"]


async def test_so_many_things_have_figures_kept(gateway: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_KEPT", 2)
    for place in (1, 2, 3, 2, 4):
        await count(gateway, f"c{place}", place)
    await said_already(gateway)
    async with gateway.live("admin") as client:
        assert [one["campaign"] for one in await back(gateway, client, "campaigns")] == ["c2", "c4"]


async def test_of_what_was_removed_nothing_is_said_again(gateway: InProcess) -> None:
    await of_slot(gateway, 44)
    await of_slot(gateway, 45)
    await said_already(gateway)
    gateway.feed._figures.forget("ottb.v1.evt.slot.44.linked")
    gateway.feed._figures.forget("ottb.v1.evt.slot.45.removed")
    async with gateway.live("admin") as client:
        assert [one["slot"] for one in await back(gateway, client, "slots")] == [44]
