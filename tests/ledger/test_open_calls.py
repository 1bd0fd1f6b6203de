"""What the ledger derives from calls: which are open, and which one a slot's phone is in."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.ledger.ledger import Ledger
from actors.runtime.wire import ask
from bus_schemas.call import (
    CALL_DIALING,
    OPEN_CALLS,
    CallAlerting,
    CallDialing,
    CallEnded,
    CallState,
    EndReason,
    OpenCall,
    OpenCalls,
    line_name,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import LIST_SLOTS, ListSlots, SlotConfig, SlotConfigured, SlotRemoved, SlotSummary
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import seen, write
from tests.ledger.places import Place
from tests.support.site import PATIENCE

NUMBER = "+380991234567"


def _at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000Z"


def _dialing(call_id: str, slot: int, second: int, trunk: str | None = None) -> CallDialing:
    return CallDialing(
        line=line_name(slot, trunk), call_id=call_id, slot=slot, user="op12", number=NUMBER, at=_at(second), mono=0.0,
        boot="b", command_id=call_id, ring_timeout=60, max_duration=60, trunk=trunk,
    )  # fmt: skip


async def _dial(bus: MemoryBus, call_id: str, slot: int, second: int, trunk: str | None = None) -> int:
    return await write(bus, _dialing(call_id, slot, second, trunk))


async def _end(bus: MemoryBus, call_id: str, slot: int, second: int, trunk: str | None = None) -> int:
    return await write(bus, CallEnded(
        line=line_name(slot, trunk), call_id=call_id, slot=slot, user="op12", number=NUMBER, at=_at(second),
        state=CallState.FAILED, reason=EndReason.BUSY, cause="BUSY", duration=0, ring_seconds=0, start_time=_at(0),
        ring_time=None, answer_time=None, trunk=trunk,
    ))  # fmt: skip


async def _configure(bus: MemoryBus, slot: int, second: int = 0) -> int:
    config = SlotConfig(id=slot, serial=f"s{slot}")
    return await write(bus, SlotConfigured(slot=slot, at=_at(second), config=config, by="admin"))


@pytest.fixture
async def bus() -> MemoryBus:
    return MemoryBus(MemoryBroker(clock=SystemClock()))


@pytest.fixture
async def ledger(bus: MemoryBus, place: Place) -> AsyncIterator[Ledger]:
    ledger = Ledger(bus=bus, store=place.store())
    await ledger.start()
    yield ledger
    await ledger.stop()


async def _slot(bus: MemoryBus, slot: int) -> SlotSummary:
    rows = await ask(bus, LIST_SLOTS, ListSlots(), seen(await bus.last_seq()))
    return next(row for row in rows if row.id == slot)


async def test_a_slot_names_the_call_of_its_phone(bus: MemoryBus, ledger: Ledger) -> None:
    await _configure(bus, 44)
    await _dial(bus, "c_1", 44, 1)
    row = await _slot(bus, 44)
    assert (row.call_id, row.last_activity) == ("c_1", _at(1))
    await _dial(bus, "c_t", 44, 2, trunk="main")  # through a trunk: its phone is not in it
    await _end(bus, "c_t", 44, 3, trunk="main")
    row = await _slot(bus, 44)
    assert (row.call_id, row.last_activity) == ("c_1", _at(1))
    await _end(bus, "c_1", 44, 5)
    row = await _slot(bus, 44)
    assert (row.call_id, row.last_activity) == (None, _at(5))


async def test_the_end_of_another_call_leaves_it(bus: MemoryBus, ledger: Ledger) -> None:
    await _configure(bus, 44)
    await _dial(bus, "c_1", 44, 1)
    await _dial(bus, "c_2", 44, 2)
    await _end(bus, "c_1", 44, 3)
    assert (await _slot(bus, 44)).call_id == "c_2"


async def test_a_slot_made_anew_during_a_call_knows_it(bus: MemoryBus, ledger: Ledger) -> None:
    await _configure(bus, 44)
    await _dial(bus, "c_1", 44, 1)
    await write(bus, SlotRemoved(slot=44, at=_at(2), by="admin"))
    await _configure(bus, 44, 3)
    assert (await _slot(bus, 44)).call_id == "c_1"


async def test_nothing_after_the_end_opens_a_call_again(bus: MemoryBus, ledger: Ledger) -> None:
    await _dial(bus, "c_1", 44, 1)
    await _end(bus, "c_1", 44, 2)
    late = CallAlerting(line="slot-44", call_id="c_1", slot=44, user="op12", at=_at(3), mono=0.0, boot="b", ref="r")
    seq = await write(bus, late)
    assert await ask(bus, OPEN_CALLS, OpenCalls(), seen(seq)) == []


async def test_open_calls_are_narrowed(bus: MemoryBus, ledger: Ledger) -> None:
    await _dial(bus, "c_1", 44, 1)
    await _dial(bus, "c_2", 45, 2, trunk="main")
    await _dial(bus, "c_3", 44, 3, trunk="other")
    await _dial(bus, "c_4", 46, 4)
    seq = await _end(bus, "c_4", 46, 5)

    async def found(**wanted: Any) -> list[str]:
        return [one.call_id for one in await ask(bus, OPEN_CALLS, OpenCalls(**wanted), seen(seq))]

    assert await found() == ["c_1", "c_2", "c_3"]
    assert await found(slot=44) == ["c_1", "c_3"]
    assert await found(slot=44, lines=["slot-44", "trunk-main"]) == ["c_1"]
    assert await found(lines=["trunk-main", "trunk-other"]) == ["c_2", "c_3"]
    assert await found(lines=[]) == []
    assert await found(before=_at(2)) == ["c_1"] == await found(before="2026-01-01T00:00:02Z")
    [two] = await ask(bus, OPEN_CALLS, OpenCalls(lines=["trunk-main"]), seen(seq))
    assert two == OpenCall(
        call_id="c_2", line="trunk-main", slot=45, user="op12", trunk="main", start_time=_at(2)
    )  # fmt: skip


async def test_what_the_asker_has_seen_is_waited_for(bus: MemoryBus, ledger: Ledger) -> None:
    for number in range(50):
        seq = await _dial(bus, f"c_{number}", 44, 1)
        assert len(await ask(bus, OPEN_CALLS, OpenCalls(), seen(seq))) == number + 1
    with pytest.raises(Refusal) as refused:
        async with asyncio.timeout(PATIENCE):
            await ledger.answer(OPEN_CALLS, OpenCalls(), seen(seq + 1))
    assert refused.value.code is ErrorCode.UNAVAILABLE


async def test_an_answer_fits_into_a_message(bus: MemoryBus, ledger: Ledger) -> None:
    for number in range(6000):
        event = _dialing(f"c_{number:060}", 44, 1)
        data, subject = msgspec.json.encode(event), CALL_DIALING.subject_for(event)
        bus._broker.write(subject, data, {"Nats-Msg-Id": str(number)}, scope=subject, expect=0)
    found = await ask(bus, OPEN_CALLS, OpenCalls(), seen(6000))
    assert 3000 < len(found) < 6000 and len(msgspec.json.encode(found)) < 1_000_000
    assert [int(one.call_id[2:]) for one in found] == list(range(len(found)))  # the oldest
