"""A slot on record whose place the settings know no more: it says so, and lists go on."""

import asyncio

from actors.assembly import running
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from actors.slot.phone import Phone
from actors.slot.registry import Device, adb_name
from actors.slot.settings import Hub
from bus_schemas.permissions import Action
from bus_schemas.slot import GET_SLOT, LIST_UNASSIGNED, GetSlot, ListUnassigned, SlotConfig, SlotDetails
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

CONTEXT = Context(command_id="k", user="root", actions=frozenset(action.value for action in Action))
SEEN = Device(name="P1", serial="P1", state="device", usb="1-2.4.2")


async def _asked() -> tuple[SlotDetails, list[str]]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    hubs = {"HUB1": Hub(path="1-2")}

    def make_phone(config: SlotConfig) -> Phone:
        raise AssertionError(adb_name(config, hubs))

    clock = SimClock(loop)
    broker = MemoryBroker(clock=clock)
    settings = Settings(hubs={"HUB1": "1-2"}, slots=(SlotConfig(id=1, hub="HUB1", port=14),))
    async with running(
        settings, bus=MemoryBus(broker), clock=clock, ids=CountedIds("t"), devices=lambda: (SEEN,), pbxs={},
        lost=asyncio.Event(), make_phone=make_phone,
    ):  # fmt: skip
        await asyncio.sleep(5.0)
        client = MemoryBus(broker)
        details = await ask(client, GET_SLOT, GetSlot(slot=1), CONTEXT)
        found = await ask(client, LIST_UNASSIGNED, ListUnassigned(), CONTEXT)
        return details, [phone.serial for phone in found]


def test_a_slot_whose_place_is_none_any_more_says_so_and_breaks_no_list() -> None:
    details, unassigned = run(_asked, seed=1)
    assert details.status == "OFFLINE" and "port 14" in details.status_detail
    assert unassigned == ["P1"]
