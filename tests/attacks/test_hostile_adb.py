"""An adb server that says more than anybody asked for, or a phone that makes it: others have their turn, and little of
it goes on record."""

import asyncio
import time
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from actors.adapters import android
from actors.adapters.adb import AdbClient, AdbServerGone
from actors.adapters.adb_listing import parse_devices
from actors.adapters.adb_phone import COMES_AT_ONCE, COMES_EVERY, AdbPhone, link_of
from actors.adapters.adb_place import AdbPort
from actors.adapters.adb_tracker import DeviceTracker, Sight
from actors.call import machine as call_machine
from actors.call.looks import ours
from actors.runtime.clock import Moment
from actors.runtime.decision import SetTimer, TimerFired
from actors.slot import machine
from actors.slot.phone import Report
from actors.slot.record import Slot, SlotMemory
from actors.telephony.line import Doubtful, OnRecord, nameless
from actors.telephony.reports import (
    WORDS,
    CallPhase,
    CallSeen,
    HoldSeen,
    Link,
    LinkChanged,
    LiveCall,
    Look,
    Looked,
    Noted,
)
from bus_schemas.slot import SlotConfig, SlotStatus
from tests.call.test_machine import ATTEMPT, TIMEOUTS
from tests.support.turns import Others

LISTS, TOGGLES, CALLS, HOLDS, LOOKED = 20_000, 300, 5_000, 1_000, 2_000
NOW = Moment(at="2026-01-01T00:00:00.000Z", mono=10.0, boot="b")


async def test_list_after_list_leaves_others_their_turn() -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int(await reader.readexactly(4), 16))
        writer.write(b"OKAY" + LISTS * b"0000")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    client, lists, others = AdbClient(AdbPort("127.0.0.1", server.sockets[0].getsockname()[1])), 0, Others()
    with pytest.raises(AdbServerGone):
        async for _ in client.track():
            lists += 1
    turns = others.end()
    server.close()
    print(f"{lists} lists at once: {turns} turns of others")
    assert lists == LISTS and turns >= LISTS


def test_little_of_a_state_goes_on_record() -> None:
    states = ("offline" + 60_000 * "x", "no permissions (" + 60_000 * "\x1b[2J", 60_000 * "unauthorized")
    largest = 0
    for state in states:
        [seen] = parse_devices(f"PHONE1                 {state} transport_id:1\n").values()
        link, detail = link_of(Sight(seen=seen))
        slot = Slot(config=SlotConfig(id=1, serial="PHONE1"), status=SlotStatus.ONLINE)
        changed = LinkChanged(link=link, detail=detail)
        events = machine.observe(slot, SlotMemory(), changed, NOW).events
        assert events
        largest = max(largest, *(len(msgspec.json.encode(event)) for event in events))
    print(f"{len(states)} states of 60 kB: {largest} bytes on record")
    assert largest < 7 * WORDS


async def test_a_phone_that_comes_and_goes_without_end_is_not_asked_each_time(tmp_path: Path) -> None:
    asked, over = 0, asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        request = await reader.readexactly(int(await reader.readexactly(4), 16))
        if not request.startswith(b"host:track"):
            asked += 1
            writer.write(b"FAIL0002no")
            writer.close()
            return
        writer.write(b"OKAY")
        for number in range(TOGGLES):
            line = f"PHONE1                 {('unauthorized', 'device')[number % 2]} usb:1-1 transport_id:1\n".encode()
            writer.write(b"%04x%b" % (len(line), line))
            await writer.drain()
            await asyncio.sleep(0.002)
        over.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    tracker = DeviceTracker(
        client=AdbClient(AdbPort("127.0.0.1", server.sockets[0].getsockname()[1])), folder=tmp_path
    )  # fmt: skip
    told = list[Link]()

    def hear(report: Report) -> None:
        if isinstance(report, LinkChanged):
            told.append(report.link)

    phone = AdbPhone(serial="PHONE1", tracker=tracker)
    phone.start(hear)
    began = asyncio.get_running_loop().time()
    tracker.start()
    await over.wait()
    await asyncio.sleep(COMES_AT_ONCE * COMES_EVERY)
    most = COMES_AT_ONCE + (asyncio.get_running_loop().time() - began) / COMES_EVERY
    await phone.close()
    await tracker.stop()
    server.close()
    print(f"{TOGGLES} times here or not: {told.count(Link.ONLINE)} times believed, {asked} connections to ask it")
    assert COMES_AT_ONCE < told.count(Link.ONLINE) <= most  # the last time, too


def test_a_phone_that_says_it_is_in_ever_more_calls_is_in_few() -> None:
    """Its log says so: all that are known are copied with each, so a megabyte of it took the host 16 s."""
    slot, live = Slot(config=SlotConfig(id=1, serial="PHONE1"), status=SlotStatus.ONLINE), SlotMemory(link=Link.ONLINE)
    for number in range(CALLS):
        seen = CallSeen(ref=f"b/TC@{number}", phase=CallPhase.DIALING)
        live = machine.observe(slot, live, seen, NOW).memory or live
    print(f"{CALLS} calls at once: {len(live.up)} are known")
    assert len(live.up) == machine.MOST_UP and f"b/TC@{CALLS - 1}" in live.up


def test_a_call_on_hold_without_end_is_looked_at_now_and_then() -> None:
    slot, live = Slot(config=SlotConfig(id=1, serial="PHONE1"), status=SlotStatus.ONLINE), SlotMemory(link=Link.ONLINE)
    looks, timers = 0, set[float]()
    for number in range(HOLDS):
        now = replace(NOW, mono=NOW.mono + number / HOLDS)
        decision = machine.observe(slot, live, HoldSeen(ref="b/TC@1", held=number % 2 == 0), now)
        live = decision.memory or live
        looks += machine.LookAtPhone(why="link") in decision.effects
        timers |= {effect.seconds for effect in decision.effects if isinstance(effect, SetTimer) and effect.keep}
    last = machine.observe(slot, live, TimerFired(name=machine.HOLD), NOW).effects
    print(f"{HOLDS} times on hold and back within a second: {looks} looks, and one more")
    assert looks == 1 and timers == {machine.HOLD_EVERY} and last == (machine.LookAtPhone(why="link"),)


def look_of(calls: int, call_id: str) -> Look:
    """Of a phone that says it is in so many calls, of which any may be of an order that it has noted."""
    live = (
        LiveCall(ref=f"b/TC@{number}", phase=CallPhase.ACTIVE, created_age=5.0, answered_age=None)
        for number in range(calls, 0, -1)
    )
    return Look(live=tuple(live), past=(), boot="b", up=100.0, order=Noted(call_id, 5.0))


@pytest.mark.parametrize("after_ref", [None, "b/TC@0", "b/TC@9999999"])
def test_ever_more_calls_are_looked_through_in_no_more_than_their_number(after_ref: str | None) -> None:
    """Each was compared with each: 2,000 took 0.8 s where one of ours is sought, and 3.4 s where one is forgotten."""
    call = call_machine.evolve(None, call_machine.begin(ATTEMPT, (), TIMEOUTS).events[0])
    assert call is not None
    doubtful = Doubtful(name=nameless(ATTEMPT.call_id), after_ref=after_ref)
    config = SlotConfig(id=1, serial="PHONE1")
    slot = Slot(config=config, status=SlotStatus.ONLINE, calls=OnRecord(doubtful=(doubtful,)))

    look = look_of(LOOKED, ATTEMPT.call_id)
    began = time.thread_time()
    ours(replace(call, after_ref=after_ref), look, NOW)
    machine.observe(slot, SlotMemory(), Looked(look=look, why="link", asked=NOW.mono, call_id=None), NOW)
    took = time.thread_time() - began
    print(f"{LOOKED} calls of a phone are looked through in {1000 * took:.0f} ms")
    assert took < 0.2
    calls = "".join(f"[TC@{number}, ACTIVE, x\n" for number in range(300))
    told = "12:00:00.1 05 1712345678\n99.0 9.0 \n@@\n0000-00\n@@\n@@\nmCalls:\n{calls}mCallAudioManager:\n"
    assert android.parse_look(told.format(calls="")) is not None
    assert android.parse_look(told.format(calls=calls)) is None
