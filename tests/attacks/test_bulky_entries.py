"""What a client has missed is read from the journal, also what its room says nothing of. Lists of leads are entries
of a megabyte: they count by their bytes, so that who begins far behind takes no more of others' time with them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import ID, Recorded
from bus_schemas.permissions import Action
from gateway.live.history import BURST_SECONDS, BYTES_OF_ENTRY, EACH_SECOND, READ_BYTES
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import gateway_on, serving

LISTS, BYTES, SECONDS = 100, 500_000, 0.3
ADDED = "ottb.v1.evt.campaign.c1.leads_added"


async def test_long_lists_of_leads_are_not_read_as_fast_as_short_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, read = MemoryBroker(clock=SystemClock()), 0
    filling, data = MemoryBus(broker), b"x" * BYTES
    for number in range(LISTS):
        await filling.append(ADDED, data, {ID: str(number)}, scope=ADDED, expect=number)
    users = {"op12": frozenset({Action.CAMPAIGN_VIEW})}
    async with serving(broker, {}, users), gateway_on(MemoryBus(broker)) as gateway, gateway.live("op12") as client:
        replay = gateway.bus.replay

        async def counted(scope: str, *, after: int, gently: bool) -> AsyncIterator[Recorded]:
            nonlocal read
            async for one in replay(scope, after=after, gently=gently):
                read += len(one.data)
                yield one

        monkeypatch.setattr(gateway.bus, "replay", counted)
        await client.socket.emit("subscribe:campaigns", {"since": 0})
        await asyncio.sleep(SECONDS)
    most = EACH_SECOND * BYTES_OF_ENTRY * (SECONDS + BURST_SECONDS) + 2 * (READ_BYTES + BYTES)
    print(f"{LISTS} lists of {BYTES:,} bytes: {read:,} bytes read in {SECONDS} s")
    assert READ_BYTES < read <= most
