"""Somebody with many live clients who changes things as fast as they may. Each change is told to each of the clients,
and the gateway has to get to everything else meanwhile: one by one, 200 changes took it 1.7 s for 512 clients."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from bus_schemas.permissions import Action
from bus_schemas.slot import SLOT_LINKED, SlotLinked, SlotStatus
from gateway.live.engine import Outbox
from gateway.live.said import Said
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.attacks.test_live_replays import raw
from tests.gateway.test_live import AT, Journal
from tests.support.door import gateway_on, serving
from tests.support.site import PATIENCE

CLIENTS, CHANGES = 20, 200
CHANGED = SlotLinked(slot=44, at=AT, status=SlotStatus.ONLINE)


async def test_many_changes_are_few_writes_to_each_client(monkeypatch: pytest.MonkeyPatch) -> None:
    writes = 0
    put_out = Outbox.put_out

    def counted(outbox: Outbox, *said: Said) -> None:
        nonlocal writes
        writes += 1
        put_out(outbox, *said)

    journal = Journal(MemoryBroker(clock=SystemClock()))
    async with (
        serving(journal.broker, {}, {"mal": frozenset({Action.SLOT_VIEW})}) as journal.point,
        gateway_on(MemoryBus(journal.broker)) as gateway,
        AsyncExitStack() as stack,
    ):
        clients = [await stack.enter_async_context(raw(gateway, "mal")) for _ in range(CLIENTS)]
        for client in clients:
            await client.socket.send_str('421["subscribe:slots",{}]')
            await client.read_until_acknowledged(1)
        monkeypatch.setattr(Outbox, "put_out", counted)
        for _ in range(CHANGES):
            await journal.write(SLOT_LINKED.subject_for(CHANGED), msgspec.json.encode(CHANGED), {"slot": ("mal",)})
        async with asyncio.timeout(PATIENCE):
            for client in clients:
                heard = 0
                while heard < CHANGES:
                    heard += '"slot.update"' in await client.socket.receive_str()
    print(f"{CHANGES} changes to {CLIENTS} clients: {writes} writes")
    assert CLIENTS <= writes <= CLIENTS * CHANGES / 10
