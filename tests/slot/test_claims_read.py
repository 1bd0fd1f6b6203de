"""Which slots there are is found without looking through all of the journal, in which the bus serves nobody else."""

from typing import Any

import msgspec

from actors.adapters.system_clock import SystemClock
from actors.slot.claims import Claims
from bus_schemas.slot import SLOT_CONFIGURED, SLOT_REMOVED, SlotConfig, SlotConfigured, SlotRemoved
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.counting import Counting

AT = "2026-11-28T10:00:00.000Z"


async def _put(bus: MemoryBus, subject: str, event: Any) -> None:
    seq = await bus.last_seq()
    data = msgspec.json.encode(event)
    await bus.append(subject, data, {"Nats-Msg-Id": f"put{seq}"}, scope="ottb.v1.evt.>", expect=seq)


async def _configure(bus: MemoryBus, slot: int, host: str, serial: str = "s") -> None:
    event = SlotConfigured(slot=slot, at=AT, config=SlotConfig(id=slot, host=host, serial=serial), by="admin")
    await _put(bus, SLOT_CONFIGURED.subject_for(event), event)


async def _remove(bus: MemoryBus, slot: int) -> None:
    event = SlotRemoved(slot=slot, at=AT, by="admin")
    await _put(bus, SLOT_REMOVED.subject_for(event), event)


def _known(claims: Claims) -> set[tuple[int, str | None, str]]:
    return {(one.id, one.serial, one.host) for one in claims.of_others("")}


async def test_of_each_slot_the_newest_is_read_and_then_what_comes() -> None:
    bus = Counting(MemoryBroker(clock=SystemClock()))
    for number in range(20):
        await _configure(bus, 1, "a", f"old{number}")
    await _configure(bus, 1, "b", "new")
    await _configure(bus, 2, "a")
    await _remove(bus, 2)
    await _remove(bus, 3)
    await _configure(bus, 3, "a")  # again
    claims = Claims(bus=bus)
    await claims.read()
    assert bus.replayed == 0 and _known(claims) == {(1, "new", "b"), (3, "s", "a")}
    await _configure(bus, 4, "a")
    await _remove(bus, 1)
    for _ in range(2):
        await claims.read()
        assert bus.replayed == 2 and _known(claims) == {(3, "s", "a"), (4, "s", "a")}
