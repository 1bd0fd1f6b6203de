"""A start on a line that nobody serves is refused in time, with the reason: nothing was done, and that is said."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.runtime.bus import ID
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from bus_schemas.call import START_CALL, CallStarted, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotConfigured
from bus_schemas.trunk import DIAL_PBX, DialPbx, PbxCallStarted
from simulators.time.loop import SimLoop, run
from simulators.world.callers import EVERYTHING
from simulators.world.world import World

NUMBER = "+380501230007"
THEIRS = 3  # the slot of host b
OURS = 1


def play(story: Callable[[World], Awaitable[Any]]) -> Any:
    """A story in a world whose two hosts are up."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(loop, Path(folder), user_calls=200, slow=0.0, deaf=0.0)
        for machine in world.machines:
            world._begin(machine)
        await asyncio.sleep(5.0)
        told = await story(world)
        await world.stop()
        return told

    with tempfile.TemporaryDirectory() as folder:
        return run(main, 1)


async def start(
    world: World, slot: int, id: str = "one", actions: frozenset[str] = EVERYTHING
) -> tuple[CallStarted | Refusal, float]:
    """The answer at host a, and how long it took."""
    began = world.now
    context = Context(command_id=id, user="op", actions=actions)
    try:
        answer: CallStarted | Refusal = await ask(
            world.gateways[0], START_CALL, StartCall(number=NUMBER, slot=slot), context
        )
    except Refusal as refusal:
        answer = refusal
    return answer, world.now - began


async def dial(world: World, slot: int, trunk: str) -> tuple[PbxCallStarted | Refusal, float]:
    """The answer at host a to a call through a trunk."""
    began = world.now
    context = Context(command_id="two", user="op", actions=EVERYTHING)
    try:
        answer: PbxCallStarted | Refusal = await ask(
            world.gateways[0], DIAL_PBX, DialPbx(from_=f"slot_{slot}", to=NUMBER, trunk=trunk), context
        )
    except Refusal as refusal:
        answer = refusal
    return answer, world.now - began


async def kill(world: World, host: str) -> None:
    life = next(machine.life for machine in world.machines if machine.id == host)
    assert life is not None
    world._end(life)
    await asyncio.sleep(10.0)  # until it is forgotten


def offline(answer: Any) -> str:
    """The reason of a refusal, which says that nothing was done."""
    assert isinstance(answer, Refusal) and answer.code is ErrorCode.SLOT_OFFLINE, answer
    assert "may have been done" not in answer.message and answer.details is not None
    assert answer.details["retry_after"] > 0  # no door keeps it
    return str(answer.details["reason"])


def test_a_slot_whose_host_is_away_says_so() -> None:
    async def story(world: World) -> tuple[Any, float, Any]:
        await kill(world, "b")
        answer, seconds = await start(world, THEIRS)
        world._begin(world.machines[1])
        await asyncio.sleep(5.0)
        return answer, seconds, (await start(world, THEIRS))[0]

    answer, seconds, again = play(story)
    assert offline(answer) == "its host b is away"
    assert seconds < START_CALL.timeout - 1.0
    assert isinstance(again, CallStarted)


def test_a_repeat_of_what_was_done_there_gets_its_answer() -> None:
    async def story(world: World) -> tuple[Any, Any]:
        first, _ = await start(world, THEIRS)
        await kill(world, "b")
        return first, (await start(world, THEIRS))[0]

    first, again = play(story)
    assert isinstance(first, CallStarted)
    assert again == first


def test_a_repeat_gets_its_answer_though_the_slot_is_somebody_elses_now() -> None:
    only = frozenset({Action.CALL_START.value})

    async def story(world: World) -> tuple[Any, Any, Any]:
        first, _ = await start(world, THEIRS)
        await kill(world, "b")
        bus, scope = world.gateways[0], f"ottb.v1.evt.slot.{THEIRS}.*"
        last, made = await bus.last(scope), await bus.last(scope.replace("*", "configured"))
        assert last is not None and made is not None
        configured = msgspec.json.decode(made.data, type=SlotConfigured)
        theirs = replace(configured, config=replace(configured.config, user="somebody"))
        await bus.append(made.subject, msgspec.json.encode(theirs), {ID: "given"}, scope=scope, expect=last.seq)
        await asyncio.sleep(1.0)
        return first, (await start(world, THEIRS, actions=only))[0], (await start(world, THEIRS, "two", only))[0]

    first, again, other = play(story)
    assert isinstance(first, CallStarted)
    assert again == first
    assert isinstance(other, Refusal) and other.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(("slot", "trunk"), [(OURS, "trunk-2"), (THEIRS, "trunk-1"), (THEIRS, "AUTO")])
def test_a_trunk_or_an_extension_whose_host_is_away_says_so(slot: int, trunk: str) -> None:
    async def story(world: World) -> tuple[Any, float]:
        await kill(world, "b")
        return await dial(world, slot, trunk)

    answer, seconds = play(story)
    if slot == THEIRS:
        assert offline(answer) == "its host b is away"
    else:
        assert (answer.code, answer.details["rule"]) == (ErrorCode.CALL_FAILED, "trunk_down")
        assert answer.details["reason"] == "its host b is away" and answer.details["retry_after"] > 0
    assert seconds < DIAL_PBX.timeout - 1.0


@pytest.mark.parametrize(("slot", "host"), [(THEIRS, "b"), (OURS, "a")])
def test_a_slot_that_cannot_be_read_says_so_at_once(slot: int, host: str) -> None:
    async def story(world: World) -> tuple[Any, float]:
        await kill(world, host)
        scope = f"ottb.v1.evt.slot.{slot}.*"
        last = await world.gateways[0].last(scope)
        assert last is not None
        bad = f"ottb.v1.evt.slot.{slot}.linked"
        await world.gateways[0].append(bad, b"{nonsense", {ID: "bad"}, scope=scope, expect=last.seq)
        world._begin(next(machine for machine in world.machines if machine.id == host))
        await asyncio.sleep(8.0)
        return await start(world, slot)

    answer, seconds = play(story)
    assert offline(answer).startswith("it is quarantined: event")
    assert seconds < 1.0


def test_a_slot_that_rests_from_its_crashes_says_so() -> None:
    async def story(world: World) -> tuple[Any, float]:
        life = world.machines[0].life
        assert life is not None and life.host is not None
        while ("slot", str(OURS)) not in life.host.quarantined:
            slot = life.host.get(SlotActor, str(OURS))
            assert slot is not None
            slot._crash(RuntimeError("a defect"))
            await asyncio.sleep(0.5)
        return await start(world, OURS)

    answer, seconds = play(story)
    assert offline(answer).startswith("it is quarantined: crashes too often")
    assert seconds < 1.0
