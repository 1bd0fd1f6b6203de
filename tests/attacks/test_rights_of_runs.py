"""A step that waits for a busy slot, for a day perhaps, does what whoever began its run may do by then."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from actors.pipeline.language import Call
from actors.runner.desk import Desk
from actors.runner.on_phones import OnPhones
from actors.runner.on_slot import OnSlot, Session
from actors.runner.port import RunnerError
from actors.runner.rights import in_the_name_of
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from bus_schemas.call import START_CALL, CallStarted, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.pipeline import ClaimedRun
from bus_schemas.user import IDENTIFY, Identify, Identity, LoginKind
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

ALL = frozenset({Action.PIPELINE_RUN, Action.CALL_START, Action.SLOT_USE_ANY})
LONG = 300  # answers for which nobody can say what the user may: longer than one question is asked again
BUSY = 3  # looks at which the slot is busy
RUN = ClaimedRun(
    pipeline=1, run=1, name="n", version=1, text="", user="ann", triggered_by="api", branch=None, parameters={},
    attempt=1,
)  # fmt: skip
AWAY, GONE = "away", "gone"


class Said:
    """An output that nobody reads."""

    async def say(self, text: str) -> None:
        return None


async def _called(folder: Path, rights: list[Any]) -> tuple[str, list[frozenset[Action]]]:
    """What a step that calls comes to, and what it may do at each try. `rights`: of its user, as they are asked for,
    the last for good."""
    clock, tries = SimClock(cast(SimLoop, asyncio.get_running_loop())), list[frozenset[Action]]()
    broker = MemoryBroker(clock=clock)

    async def identify(request: Identify, context: Context) -> Identity:
        now = rights.pop(0) if len(rights) > 1 else rights[0]
        if now in (AWAY, GONE):
            raise Refusal(ErrorCode.UNAVAILABLE if now == AWAY else ErrorCode.AUTH_FAIL, "Nobody says it.")
        return Identity(kind=LoginKind.CONNECTION, id="ann", user="ann", role="r", actions=sorted(now), expires_at=None)

    async def start(request: StartCall, context: Context) -> CallStarted:
        tries.append(context.actions)
        context.must(Action.CALL_START)
        if len(tries) <= BUSY:
            raise Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.")
        raise Refusal(ErrorCode.CALL_FAILED, "It was dialled.")

    handlers = (serve(IDENTIFY, identify), serve(START_CALL, start))
    await Service(bus=MemoryBus(broker), queue="", handlers=handlers).start()
    nothing: Any = None
    desk = Desk(
        bus=MemoryBus(broker), clock=clock, ids=CountedIds("r"), executor=nothing, name="r", secret=lambda name: None,
        repository=str, lost_after=30.0, phones=OnPhones(folder), view=nothing,
    )  # fmt: skip
    session = Session(desk=desk, run=RUN, context=await in_the_name_of(desk, RUN), stop=asyncio.Event())
    slot: Any = type("Slot", (), {"id": 11})
    step = Call(name="call", number="+380441234567", patience=3600.0)
    said: Any = Said()
    on = OnSlot(session, slot, step, {}, said, nothing, None)
    with pytest.raises((Refusal, RunnerError)) as raised:
        await on.call()
    return str(raised.value), tries


@pytest.mark.parametrize(
    ("rights", "words", "times"),
    [
        pytest.param([ALL], "It was dialled", BUSY + 1, id="all"),
        pytest.param([ALL, ALL, ALL - {Action.CALL_START}], "needs the permission call.start", 1, id="no calls"),
        pytest.param([ALL, ALL, ALL - {Action.PIPELINE_RUN}], "may not run pipelines any more", 1, id="no pipelines"),
        pytest.param([ALL, ALL, GONE], "ann is not there any more", 1, id="gone"),
        pytest.param([ALL, ALL, *[AWAY] * LONG, ALL], "It was dialled", BUSY + 1, id="nobody says it for a while"),
    ],
)
def test_who_may_no_more_has_nothing_done_for_which_a_step_waits(
    rights: list[Any], words: str, times: int, tmp_path: Path
) -> None:
    said, tries = run(lambda: _called(tmp_path / "phones", list(rights)), 1)
    print(f"{len(tries)} tries to call: {said}")
    assert words in said and len(tries) == times
    assert not list((tmp_path / "phones").iterdir())
