"""The ledger on a journal in memory: each event counts once, and a dropped file comes back the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.adapters.system_clock import SystemClock
from actors.ledger.call import feed, one
from actors.ledger.decode import decode
from actors.ledger.ledger import Ledger
from actors.ledger.store import JournalEntry
from actors.runtime.context import Context
from actors.runtime.wire import CURSOR_HEADER, ask, ask_raw
from bus_schemas.call import (
    CALLS_FEED,
    END_ABSENT,
    GET_CDR,
    PAST_CALL,
    CallJoined,
    CallsFeed,
    EndCall,
    EndReason,
    GetCall,
    GetCdr,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import LIST_SLOTS, SLOT_ABSENT, AbsentSlot, ListSlots, SlotConfig, SlotConfigured
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import ASKER, AT, call, write
from tests.ledger.places import Files, Place


@asynccontextmanager
async def _ledger(bus: MemoryBus, place: Place, name: str = "l") -> AsyncIterator[Ledger]:
    ledger = Ledger(bus=bus, store=place.store(name))
    await ledger.start()
    yield ledger
    await ledger.stop()


@pytest.fixture
async def broker() -> MemoryBroker:
    return MemoryBroker(clock=SystemClock())


@pytest.fixture
async def bus(broker: MemoryBroker) -> MemoryBus:
    return MemoryBus(broker)


async def test_a_reader_finds_what_it_has_seen_written(bus: MemoryBus, place: Place) -> None:
    async with _ledger(bus, place):
        for number in range(50):
            await call(bus, number)
            seen = Context(command_id="q", actions=frozenset(Action), after=await bus.last_seq())
            cdr = await ask(bus, GET_CDR, GetCdr(call_id=f"c_{number}"), seen)
            assert (cdr.talk_seconds, cdr.ring_seconds, cdr.reason) == (3, 2, EndReason.HANGUP_REMOTE)


async def test_what_is_on_record_is_never_said_not_to_be_there(bus: MemoryBus, place: Place) -> None:
    """A host that has stood still does not know it yet, and nor does an asker that has seen nothing."""
    async with _ledger(bus, place) as ledger:
        for slot in range(1, 20):
            config = SlotConfig(id=slot, serial=f"s{slot}")
            await write(bus, SlotConfigured(slot=slot, at=AT.format(1), config=config, by="admin"))
            with pytest.raises(Refusal) as away:
                await ledger.answer(SLOT_ABSENT, AbsentSlot(slot=slot), ASKER)
            assert away.value.code is ErrorCode.UNAVAILABLE
            await call(bus, slot)
            assert await ledger.answer(GET_CDR, GetCdr(call_id=f"c_{slot}"), ASKER)


async def test_a_dropped_file_is_rebuilt_the_same(bus: MemoryBus, place: Place) -> None:
    for number in range(30):
        await call(bus, number, over=number % 3 > 0)
    config = SlotConfig(id=44, serial="s", user="op12")
    await write(bus, SlotConfigured(slot=44, at=AT.format(1), config=config, by="admin"))
    answers = []
    for name in ("first", "first", "second"):  # the same file once more, then a new one
        async with _ledger(bus, place, name):
            found = [(await ask_raw(bus, CALLS_FEED, CallsFeed(all=1, limit=500), ASKER)).data]
            found.append((await ask_raw(bus, CALLS_FEED, CallsFeed(), ASKER)).data)
            found.append((await ask_raw(bus, LIST_SLOTS, ListSlots(), ASKER)).data)
            found.append((await ask_raw(bus, PAST_CALL, GetCall(call_id="c_7"), ASKER)).data)
            answers.append(found)
    assert answers[0] == answers[1] == answers[2]
    assert len(msgspec.json.decode(answers[0][1])) == 10


async def test_lists_have_the_calls_that_somebody_was_given(bus: MemoryBus, place: Place) -> None:
    """Among those that they have started, in their order and over pages, each once."""
    for number in range(6):
        await call(bus, number, over=False, user="boss" if number % 2 else "ann")
        if number in (1, 2, 5):
            joined = {"operator": "ann", "extension": "601", "by": "boss", "command_id": "k"}
            about: dict[str, Any] = {"line": "slot-44", "slot": 44, "user": "x", "at": AT.format(2)}
            await write(bus, CallJoined(call_id=f"c_{number}", **about, **joined))
    actions, theirs = frozenset({Action.CALL_VIEW}), {"ann": [5, 4, 2, 1, 0], "boss": [5, 3, 1], "bob": []}
    async with _ledger(bus, place):
        for user, numbers in theirs.items():
            context = Context(command_id="q", user=user, actions=actions, after=await bus.last_seq())
            for wanted in (CallsFeed(), CallsFeed(all=1), CallsFeed(all=1, limit=2), CallsFeed(limit=2)):
                found = await ask_raw(bus, CALLS_FEED, wanted, context)
                seen = [view["call_id"] for view in msgspec.json.decode(found.data)]
                while (cursor := found.headers.get(CURSOR_HEADER)) is not None:
                    found = await ask_raw(bus, CALLS_FEED, replace(wanted, cursor=cursor), context)
                    seen += [view["call_id"] for view in msgspec.json.decode(found.data)]
                assert seen == [f"c_{number}" for number in numbers], (user, wanted)


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 500, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_damaged_file_is_rebuilt(bus: MemoryBus, tmp_path: Path, content: bytes) -> None:
    call_id = await call(bus, 1)
    (tmp_path / "l").write_bytes(content)
    async with _ledger(bus, Files(tmp_path)):
        assert (await ask(bus, PAST_CALL, GetCall(call_id=call_id), ASKER)).call_id == call_id


async def test_events_given_twice_count_once(bus: MemoryBus, broker: MemoryBroker, place: Place) -> None:
    await call(bus, 1)
    batch = [JournalEntry(seq=entry.seq, event=decode(entry)) for entry in broker.journal]
    store = place.store()
    store.fold(batch)
    once = store.read(one("c_1"))
    store.fold(batch[:2])
    store.fold(batch)
    assert store.read(one("c_1")) == once != [] and store.sequence() == len(batch)
    assert len(store.read(feed(CallsFeed(all=1), before=None, user=None))) == 1
    store.close()


async def test_what_nobody_owns_is_told_apart(bus: MemoryBus, place: Place) -> None:
    await call(bus, 1, over=False)
    await call(bus, 2)
    await write(bus, SlotConfigured(slot=44, at=AT.format(1), config=SlotConfig(id=44, serial="s"), by="admin"))
    async with _ledger(bus, place) as ledger:
        assert (await ask(bus, END_ABSENT, EndCall(call_id="c_2"), ASKER)).end_time is not None
        for rpc, request, code in (
            (END_ABSENT, EndCall(call_id="nope"), ErrorCode.NOT_FOUND),
            (SLOT_ABSENT, AbsentSlot(slot=9), ErrorCode.NOT_FOUND),
            (CALLS_FEED, CallsFeed(cursor="!"), ErrorCode.INVALID_PARAMS),
        ):
            with pytest.raises(Refusal) as refused:
                await ask(bus, rpc, request, ASKER)  # type: ignore[arg-type]
            assert refused.value.code is code
        with pytest.raises(Refusal) as away:  # it lives, but its owner is away: try again
            await ledger.answer(END_ABSENT, EndCall(call_id="c_1"), ASKER)
        assert away.value.code is ErrorCode.UNAVAILABLE
