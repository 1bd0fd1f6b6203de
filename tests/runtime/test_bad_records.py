"""What a host finds on record that cannot be used costs that thing alone: the host starts, and the rest serves."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest

from actors.assembly import running
from actors.dialing.attempts import call_id_of
from actors.dialing.settings import Dial
from actors.runtime.bus import ID, BusUnavailable, Fenced, Headers, Recorded
from actors.runtime.clock import Moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.journalled import SNAPSHOTS, Snapshot
from actors.runtime.wire import ask
from actors.settings import Settings
from actors.slot.actor import SlotActor
from actors.slot.record import Slot
from actors.telephony.line import Began, Holder, OnRecord
from bus_schemas.call import START_CALL, CallDialing, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotActivated, SlotConfig, SlotConfigured
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

CONFIGS = tuple(SlotConfig(id=id, serial=f"p{id}", region="UA") for id in (1, 2))
SETTINGS = Settings(slots=CONFIGS, dial=Dial(user_pool_share=1.0))
DEEP = b'{"x":' + b"[" * 100_000
Quarantined = Mapping[tuple[str, str], str]


class FencedBus(MemoryBus):
    """The writes of one subject are fenced so many times. What is on another, `away`, cannot be asked for."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.fenced, self.times, self.away = "", 0, ""

    async def last(self, scope: str, *, certain: bool = False) -> Recorded | None:
        if scope == self.away:
            raise BusUnavailable
        return await super().last(scope, certain=certain)

    async def append(self, subject: str, data: bytes, headers: Headers, *, scope: str, expect: int) -> int:
        if subject == self.fenced and self.times > 0:
            self.times -= 1
            raise Fenced(scope)
        return await super().append(subject, data, headers, scope=scope, expect=expect)


def _started_again(spoil: Callable[[FencedBus], Awaitable[object]]) -> tuple[Quarantined, list[SlotActor], list[str]]:
    """What a host has left alone and its slots, where something was spoilt between two of its lives; and the numbers
    that were dialled when both slots were asked to."""

    async def main() -> tuple[Quarantined, list[SlotActor], list[str]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        clock = SimClock(loop)
        bus, ids = FencedBus(MemoryBroker(clock=clock)), CountedIds("t")
        handsets = {config.serial: Handset() for config in CONFIGS}

        def host() -> AbstractAsyncContextManager[Host]:
            return running(
                SETTINGS, bus=bus, clock=clock, ids=ids, devices=lambda: (), pbxs={},
                make_phone=lambda one: SimulatedPhone(handsets[one.serial], alive=lambda: True, buried=bus.buried),
                lost=asyncio.Event(),
            )  # fmt: skip

        async with host():
            await asyncio.sleep(1.0)
        await spoil(bus)
        async with host() as second:
            await asyncio.sleep(5.0)
            for slot in (1, 2):
                context = Context(command_id=f"c{slot}", user="op", actions=frozenset({Action.CALL_START.value}))
                start = StartCall(number=f"+38050123000{slot}", slot=slot)
                answers = await asyncio.gather(ask(bus, START_CALL, start, context), return_exceptions=True)
                crashed = [why for why in answers if isinstance(why, Refusal) and why.code is ErrorCode.INTERNAL]
                assert not crashed, crashed
            await asyncio.sleep(5.0)
            slots = second.all(SlotActor)
            return dict(second.quarantined), slots, [number for each in handsets.values() for number in each.dials]

    return run(main, 1)


@pytest.mark.parametrize("data", [b"\xffgarbage", b'{"trunk":"\xff"}', DEEP])
@pytest.mark.parametrize(("kind", "id"), [("trunk", "t1"), ("slot", "7"), ("slot", "seven")])
def test_a_line_whose_record_cannot_be_read_is_named_and_the_rest_serves(kind: str, id: str, data: bytes) -> None:
    async def spoil(bus: MemoryBus) -> None:
        subject = f"ottb.v1.evt.{kind}.{id}.configured"
        await bus.append(subject, data, {ID: "bad"}, scope=subject, expect=0)

    quarantined, _, dials = _started_again(spoil)
    assert quarantined.keys() == {(kind, id)}
    assert len(dials) == 2


def test_a_snapshot_that_is_ahead_of_the_journal_is_dropped() -> None:
    for seq in (-1, 0, 1, 10**6):  # 1: the event of another
        snapshot = Snapshot(seq=seq, state=None)

        async def spoil(bus: MemoryBus, snapshot: Snapshot = snapshot) -> None:
            await bus.put(SNAPSHOTS, "slot.2", msgspec.json.encode(snapshot), expect=None)

        quarantined, slots, dials = _started_again(spoil)
        assert not quarantined and len(dials) == 2
        assert {slot.id: slot.state.config for slot in slots if slot.state} == {str(one.id): one for one in CONFIGS}


def test_calls_of_a_snapshot_that_the_journal_does_not_have_hold_nothing() -> None:
    async def spoil(bus: MemoryBus) -> None:
        kept, last = await bus.get(SNAPSHOTS, "slot.1"), await bus.last("ottb.v1.evt.slot.1.*")
        assert kept is not None and kept.data is not None and last is not None
        began = Began(
            holder=Holder(id="c_ahead", user="op", slot=1), seq=10**6,
            at=Moment(at="2026-01-01T00:00:00.000Z", mono=0.0, boot="b"),
        )  # fmt: skip
        slot = Slot(config=CONFIGS[0], from_file=CONFIGS[0], calls=OnRecord(open={"c_ahead": began}, seq=10**6))
        await bus.put(SNAPSHOTS, "slot.1", msgspec.json.encode(Snapshot(seq=last.seq, state=slot)), expect=None)

    quarantined, _, dials = _started_again(spoil)
    assert not quarantined and len(dials) == 2


def test_a_former_owners_snapshot_hides_no_call_of_its_successor() -> None:
    """It wrote on after another had taken the line over, and kept a snapshot when it ended: of what the other had
    begun it knew nothing."""

    async def spoil(bus: MemoryBus) -> None:
        last = await bus.last("ottb.v1.evt.slot.1.*")
        assert last is not None
        barrier = SlotActivated(slot=1, at="2026-01-01T00:00:01.000Z", host="local", epoch=7)
        subject = "ottb.v1.evt.slot.1.activated"
        scope = "ottb.v1.evt.slot.1.*"
        await bus.append(subject, msgspec.json.encode(barrier), {ID: "b"}, scope=scope, expect=last.seq)
        attempt = CallDialing(
            line="slot-1", call_id="c_other", slot=1, user="op", number="+380501239999", at="2026-01-01T00:00:01.000Z",
            mono=1.0, boot="b", command_id="k", ring_timeout=60.0, max_duration=60.0,
        )  # fmt: skip
        subject = "ottb.v1.evt.call.slot-1.c_other.dialing"
        seq = await bus.append(subject, msgspec.json.encode(attempt), {ID: "c"}, scope=subject, expect=0)
        slot = Slot(config=CONFIGS[0], from_file=CONFIGS[0], calls=OnRecord(seq=seq))
        await bus.put(SNAPSHOTS, "slot.1", msgspec.json.encode(Snapshot(seq=last.seq, state=slot)), expect=None)

    _, _, dials = _started_again(spoil)
    assert dials == ["+380501230002"]


def test_a_slot_whose_record_cannot_be_asked_for_is_not_left_alone_for_good() -> None:
    async def spoil(bus: FencedBus) -> None:
        data = msgspec.json.encode(SlotConfigured(slot=7, at="", by="op", config=SlotConfig(id=7, host="local")))
        subject = "ottb.v1.evt.slot.7.configured"
        await bus.append(subject, data, {ID: "made"}, scope=subject, expect=0)
        bus.away = subject

    with pytest.raises(BusUnavailable):  # the host starts again
        _started_again(spoil)


@pytest.mark.parametrize(("times", "named"), [(1, set()), (10**6, {("slot", "1")})])
def test_a_slot_that_another_writes_to_is_tried_again_and_then_left_to_it(
    times: int, named: set[tuple[str, str]]
) -> None:
    async def spoil(bus: FencedBus) -> None:
        bus.fenced, bus.times = "ottb.v1.evt.slot.1.activated", times

    quarantined, slots, dials = _started_again(spoil)
    assert quarantined.keys() == named
    assert len(slots) == len(dials) == 2 - len(named)


def test_a_command_whose_attempt_cannot_be_read_is_not_dialled_again() -> None:
    async def spoil(bus: MemoryBus) -> None:
        call_id = call_id_of(Context(command_id="c1", user="op"))
        subject = f"ottb.v1.evt.call.slot-2.{call_id}.dialing"
        await bus.append(subject, b'{"call_id":', {ID: "bad"}, scope=subject, expect=0)

    _, _, dials = _started_again(spoil)
    assert dials == ["+380501230002"]
