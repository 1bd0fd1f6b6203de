"""What a repeated start is told of its first attempt, by the journal."""

import asyncio
from typing import Any

import msgspec
import pytest

from actors.assembly import running
from actors.runtime.bus import ID
from actors.runtime.context import Context
from actors.runtime.ids import derived
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.call import START_CALL, CallDialing, CallEnded, CallStarted, CallState, EndReason, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

AT = "2026-01-01T00:00:00.000Z"
NUMBER = "+380501230001"
CONTEXT = Context(command_id="once", user="op12", actions=frozenset({Action.CALL_START.value}))
CALL = derived("c", "op12", "once")
CAUSE = "this host is not sure that it owns the line"


def events(reason: EndReason) -> dict[str, bytes]:
    """The record of a call that ended before anybody heard of it."""
    dialing = CallDialing(
        line="slot-1", call_id=CALL, slot=1, user="op12", number=NUMBER, at=AT, mono=0.0, boot="b", command_id="once",
        ring_timeout=60, max_duration=60,
    )  # fmt: skip
    ended = CallEnded(
        line="slot-1", call_id=CALL, slot=1, user="op12", number=NUMBER, at=AT, state=CallState.ENDED, reason=reason,
        cause=CAUSE, duration=0, ring_seconds=0, start_time=AT, ring_time=None, answer_time=None, ended_by=None,
    )  # fmt: skip
    return {"dialing": msgspec.json.encode(dialing), "ended": msgspec.json.encode(ended)}


async def _repeat(reason: EndReason, broken: bool) -> tuple[Any, list[str]]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    clock = SimClock(loop)
    broker = MemoryBroker(clock=clock)
    bus, handset, seq = MemoryBus(broker), Handset(), 0
    for past, data in events(reason).items():
        seq = await bus.append(
            f"ottb.v1.evt.call.slot-1.{CALL}.{past}",
            b"{nonsense" if broken and past == "ended" else data,
            {ID: past},
            scope=f"ottb.v1.evt.call.*.{CALL}.*",
            expect=seq,
        )
    async with running(
        Settings(slots=(SlotConfig(id=1, serial="p1", region="UA"),)),
        bus=bus, clock=clock, ids=CountedIds("t"), devices=lambda: (), pbxs={}, lost=asyncio.Event(),
        make_phone=lambda config: SimulatedPhone(handset, alive=lambda: True, buried=bus.buried),
    ):  # fmt: skip
        await asyncio.sleep(5.0)
        try:
            answer: Any = await ask(MemoryBus(broker), START_CALL, StartCall(number=NUMBER), CONTEXT)
        except Refusal as refusal:
            answer = refusal
        await asyncio.sleep(10.0)
        return answer, handset.dials


def test_a_repeat_of_an_attempt_that_ended_without_a_dial_is_told_so() -> None:
    answer, dials = run(lambda: _repeat(EndReason.NOT_DIALED, broken=False), seed=1)
    assert isinstance(answer, Refusal) and answer.code is ErrorCode.CALL_FAILED
    assert answer.details == {"call_id": CALL, "reason": "not_dialed", "cause": CAUSE}
    assert dials == []


@pytest.mark.parametrize(
    ("reason", "broken"),
    [(EndReason.HANGUP_LOCAL, False), (EndReason.UNKNOWN, False), (EndReason.NOT_DIALED, True)],
)
def test_any_other_repeat_gets_the_first_answer(reason: EndReason, broken: bool) -> None:
    answer, dials = run(lambda: _repeat(reason, broken), seed=1)
    assert answer == CallStarted(call_id=CALL, slot=1, state=CallState.RING)
    assert dials == []
