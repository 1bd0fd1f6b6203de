"""A call whose record cannot be read costs that call: its line serves on."""

import asyncio
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest
from msgspec.structs import replace

from actors.assembly import running
from actors.dialing.settings import Dial
from actors.runtime.bus import ID
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.call import START_CALL, CallDialing, StartCall
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

PLACE = "ottb.v1.evt.call.slot-1.c_aaaaaaaaaaaaaaaa"
DIALING = CallDialing(
    line="slot-1", call_id="c_aaaaaaaaaaaaaaaa", slot=1, user="op12", number="+380501230001",
    at="2026-01-01T00:00:00.000Z", mono=0.0, boot="b", command_id="c0", ring_timeout=60, max_duration=60,
)  # fmt: skip
NO_MOMENT = msgspec.json.encode(replace(DIALING, at="yesterday"))
NONSENSE, DEEP = b"{nonsense", b'{"x":' + b"[" * 100_000


async def _story(bad: str, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    clock = SimClock(loop)
    broker = MemoryBroker(clock=clock)
    bus, ids = MemoryBus(broker), CountedIds("t")
    settings = Settings(slots=(SlotConfig(id=1, serial="p1", region="UA"),), dial=Dial(user_concurrent_calls=1))
    handset = Handset()

    def host() -> AbstractAsyncContextManager[Host]:
        return running(
            settings, bus=bus, clock=clock, ids=ids, devices=lambda: (), pbxs={}, lost=asyncio.Event(),
            make_phone=lambda config: SimulatedPhone(handset, alive=lambda: True, buried=bus.buried),
        )  # fmt: skip

    async with host():
        await asyncio.sleep(1.0)
    entries = {"dialing": msgspec.json.encode(DIALING), "alerting": b"{}"} | {bad: data}
    seq = 0
    for past, entry in entries.items():
        seq = await bus.append(f"{PLACE}.{past}", entry, {ID: past}, scope=f"{PLACE}.*", expect=seq)
    async with host() as second:
        await asyncio.sleep(5.0)
        assert ("call", "c_aaaaaaaaaaaaaaaa") in second.quarantined
        context = Context(command_id="c1", user="op12", actions=frozenset({Action.CALL_START.value}))
        await ask(MemoryBus(broker), START_CALL, StartCall(number="+380501230001"), context)
        await asyncio.sleep(10.0)
        assert handset.dials == ["+380501230001"]


@pytest.mark.parametrize(
    ("bad", "data"),
    [("dialing", NONSENSE), ("dialing", DEEP), ("dialing", NO_MOMENT), ("alerting", NONSENSE), ("alerting", DEEP)],
)
def test_a_call_that_cannot_be_read_is_named_and_holds_nothing(bad: str, data: bytes) -> None:
    run(lambda: _story(bad, data), seed=1)
