"""Several gateways: a client that comes back to another one goes on where it was, also where that one is behind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import ID
from bus_schemas.permissions import Action
from bus_schemas.trunk import TRUNK_CHANGED, TrunkChanged, TrunkState
from gateway.live import feed
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import AT
from tests.support.door import InProcess, gateway_on, serving

USERS = {"admin": frozenset(Action)}


class Late:
    """A gateway's bus that hears of nothing while it is `behind`."""

    def __init__(self) -> None:
        self.caught_up = asyncio.Event()
        self.caught_up.set()

    async def step(self, name: str) -> None:
        if name.startswith("before hearing"):
            await self.caught_up.wait()


@pytest.fixture
def late() -> Late:
    return Late()


@pytest.fixture
async def gateways(late: Late) -> AsyncIterator[tuple[InProcess, InProcess]]:
    """Two, of which the second may be late."""
    broker = MemoryBroker(clock=SystemClock())
    async with (
        serving(broker, {}, USERS),
        gateway_on(MemoryBus(broker)) as one,
        gateway_on(MemoryBus(broker, step=late.step)) as other,
    ):
        yield one, other
        late.caught_up.set()


async def change(gateway: InProcess, trunk: str) -> int:
    last = await gateway.bus.last_seq()
    event = TrunkChanged(trunk=trunk, at=AT.format(0), state=TrunkState.OK, reason=None, failed=0)
    subject = TRUNK_CHANGED.subject_for(event)
    return await gateway.bus.append(
        subject, msgspec.json.encode(event), {ID: f"e{last}"}, scope="ottb.v1.evt.>", expect=last
    )


async def subscribe(gateway: InProcess, since: int) -> tuple[Any, list[int]]:
    """The answer, and what was heard soon after."""
    async with gateway.live("admin") as client:
        answer = await client.socket.call("subscribe:trunks", {"since": since})
        await asyncio.sleep(0.1)
        return answer, [one["seq"] for one in client.heard]


async def test_a_gateway_that_is_behind_catches_up_before_it_answers(
    gateways: tuple[InProcess, InProcess], late: Late
) -> None:
    one, other = gateways
    first = await change(one, "kyiv")
    assert await subscribe(other, first) == ({"error": False, "seq": first}, [])
    late.caught_up.clear()
    await change(one, "lviv")
    seen, last = await change(one, "odesa"), await change(one, "dnipro")
    assert (await subscribe(one, seen))[1] == [last]
    asking = asyncio.create_task(subscribe(other, seen))
    await asyncio.sleep(0.2)
    assert not asking.done()
    late.caught_up.set()
    answer, heard = await asking
    assert answer == {"error": False, "seq": last} or heard == [last]
    assert heard == [last]


async def test_one_that_stays_behind_says_so(
    gateways: tuple[InProcess, InProcess], late: Late, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BEHIND", 0.2)
    one, other = gateways
    late.caught_up.clear()
    seen = await change(one, "kyiv")
    assert (await subscribe(other, seen))[0]["code"] == "UNAVAILABLE"
    refused, _ = await subscribe(other, seen + 1)  # nobody has said that
    assert refused["code"] == "INVALID_PARAMS" and refused["details"]["seq"] == seen
