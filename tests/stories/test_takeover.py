"""What keeps a host from dialling that has lost its line between its claim and its dial, each guard alone; and other
things that random schedules come to too rarely."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.runtime import answers
from actors.runtime.bus import Fenced, Recorded
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.call import END_CALL, START_CALL, EndCall, EndReason, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import ADB_COMMAND, GET_SLOT, AdbCommand, GetSlot, SlotActivated
from bus_schemas.trunk import DIAL_PBX, DialPbx
from simulators.time.loop import SimLoop, run
from simulators.world.callers import EVERYTHING
from simulators.world.judge import Judge, Quiet
from simulators.world.world import Life, World

NUMBER, OTHER = "+380501230007", "+380501230008"


def _play(at: str, happen: Callable[[World, Life], Awaitable[None] | None], *, standby: bool) -> World:
    """A world in which one thing happens, at the first step of host `a` whose name begins like `at` after a call was
    asked for."""

    async def main() -> World:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(loop, Path(folder), user_calls=200, slow=0.0, deaf=0.0)
        waiting = [True]
        step = world._step

        async def watched(life: Life, name: str) -> None:
            await step(life, name)
            if asked.is_set() and waiting and life.machine.id == "a" and name.startswith(at):
                waiting.clear()
                done = happen(world, life)
                if done is not None:
                    await done
                await asyncio.sleep(0.0)

        asked = asyncio.Event()
        world._step = watched  # type: ignore[method-assign]
        for machine in world.machines:
            world.keep(machine)
        await asyncio.sleep(3.0)
        if standby:
            world.keep(world.standby("a"))
            await asyncio.sleep(1.0)
        asked.set()
        context = Context(command_id="one", user="op", actions=EVERYTHING)
        await asyncio.gather(
            ask(world.gateways[0], START_CALL, StartCall(number=NUMBER, slot=1), context), return_exceptions=True
        )
        await asyncio.sleep(90.0)
        assert not waiting, f"there was no step {at}"
        await world.stop()
        return world

    with tempfile.TemporaryDirectory() as folder:
        return run(main, 1)


def _judged(world: World) -> tuple[list[EndReason], list[str]]:
    judge = Judge(world, [], Quiet())
    reasons = [call.ended[0].event.reason for call in judge.calls.values()]
    return reasons, [violation.kind for violation in judge.violations()]


def _stop_for(seconds: float) -> Callable[[World, Life], None]:
    def stop(world: World, life: Life) -> None:
        life.process.freeze()
        world.book.fault("pause", "host a", world.now, world.now + seconds)
        world.loop.call_later(seconds, life.process.thaw, context=_nobody())

    return stop


def _nobody() -> Any:
    from contextvars import Context as Variables

    return Variables()


def test_a_host_that_stood_still_right_before_its_dial_does_not_dial() -> None:
    world = _play("before dial", _stop_for(6.0), standby=True)
    assert not world.phone(1).dials
    assert _judged(world) == ([EndReason.NOT_DIALED], [])


def test_a_host_whose_line_has_another_barrier_does_not_dial() -> None:
    async def take_the_line(world: World, life: Life) -> None:
        scope = "ottb.v1.evt.slot.1.*"
        last = await world.gateways[1].last(scope)
        event = SlotActivated(slot=1, at="2026-01-01T00:00:00.000Z", host="a", epoch=99)
        data = msgspec.json.encode(event)
        subject = "ottb.v1.evt.slot.1.activated"
        assert last is not None
        await world.gateways[1].append(subject, data, {"Nats-Msg-Id": "theirs"}, scope=scope, expect=last.seq)

    world = _play("after append ottb.v1.evt.call.slot-1", take_the_line, standby=False)
    assert not world.phone(1).dials
    assert _judged(world)[0] == [EndReason.NOT_DIALED]


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize(
    ("line", "start", "another"),
    [
        (("slot", "1"), (START_CALL, StartCall(number=NUMBER, slot=1)), (START_CALL, StartCall(number=OTHER, slot=1))),
        (
            ("trunk", "trunk-1"),
            (DIAL_PBX, DialPbx(from_="slot_1", to=NUMBER, trunk="trunk-1")),
            (DIAL_PBX, DialPbx(from_="slot_2", to=OTHER, trunk="trunk-1")),
        ),
    ],
    ids=["slot", "trunk"],
)
def test_an_unreadable_line_sees_its_call_to_the_end_and_begins_no_other(
    line: tuple[str, str], start: tuple[Any, Any], another: tuple[Any, Any], cancelled: bool
) -> None:
    async def main() -> tuple[World, list[Any]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(loop, Path(folder), user_calls=200, slow=0.0, deaf=0.0)

        async def say(id: str, rpc: Any, request: Any) -> Any:
            context = Context(command_id=id, user="op", actions=EVERYTHING)
            try:
                return await ask(world.gateways[0], rpc, request, context)
            except Refusal as refusal:
                return refusal

        for machine in world.machines:
            world.keep(machine)
        await asyncio.sleep(5.0)
        started = await say("one", *start)
        await asyncio.sleep(2.0)
        host = next(life.host for life in world.lives if life.host is not None and life.host.find(*line) is not None)
        subject = f"ottb.v1.evt.{line[0]}.{line[1]}.configured"
        world.broker.write(subject, b"{nonsense", {"Nats-Msg-Id": "bad"}, scope="x", expect=0)
        readable = host.find(*line)
        assert readable is not None
        host.crashed(readable, Fenced("by the bad entry"))
        await asyncio.sleep(2.0)
        seen = [line in host.quarantined, await say("two", *another)]
        if cancelled:
            await say("three", END_CALL, EndCall(call_id=started.call_id))
        await asyncio.sleep(90.0)
        seen += [line in host.quarantined, host.find(*line)]
        await world.stop()
        return world, seen

    with tempfile.TemporaryDirectory() as folder:
        world, (before, refused, after, left) = run(main, 1)
    assert (before, after, left) == (True, True, None)
    assert isinstance(refused, Refusal) and refused.code is ErrorCode.CONFLICT
    (call,) = world.book.ordered()
    assert call.number == NUMBER and call.ended is not None
    assert len([entry for entry in world.broker.journal if entry.subject.endswith(".ended")]) == 1


def test_a_shell_command_is_run_once_however_late_it_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "REMEMBERED_ANSWERS", 2)

    async def main() -> tuple[list[Any], dict[tuple[str, str], int]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(loop, Path(folder), user_calls=200, slow=0.0, deaf=0.0)
        for machine in world.machines:
            world.keep(machine)
        await asyncio.sleep(3.0)
        replies = []
        for number in (0, 1, 2, 3, 0):
            context = Context(command_id=f"k{number}", user="op", actions=EVERYTHING)
            command = AdbCommand(slot=1, command=f"echo {number}")
            replies.append(await ask(world.gateways[0], ADB_COMMAND, command, context))
            await asyncio.sleep(1.0)
        await world.stop()
        return replies, dict(world.book.shells)

    with tempfile.TemporaryDirectory() as folder:
        replies, shells = run(main, 1)
    assert replies[0] == replies[-1]
    assert set(shells.values()) == {1} and len(shells) == 4


async def shells(folder: Path) -> tuple[World, Callable[[int], Awaitable[Any]]]:
    """A world that is up, and how a shell command is asked of its first slot: the same number is the same command."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    world = World(loop, folder, user_calls=200, slow=0.0, deaf=0.0)
    for machine in world.machines:
        world.keep(machine)
    await asyncio.sleep(3.0)

    async def shell(number: int) -> Any:
        context = Context(command_id=f"k{number}", user="op", actions=EVERYTHING)
        return await ask(world.gateways[0], ADB_COMMAND, AdbCommand(slot=1, command=f"echo {number}"), context)

    return world, shell


def test_a_look_for_a_forgotten_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "REMEMBERED_ANSWERS", 2)
    read: list[str] = []

    async def main() -> tuple[list[Any], float, float]:
        world, shell = await shells(Path(folder))
        replies = [await shell(number) for number in range(4)]
        await asyncio.sleep(1.0)
        life = world.machines[0].life
        assert life is not None
        replay = life.bus.replay

        async def long(scope: str, *, after: int = 0) -> AsyncIterator[Recorded]:
            read.append(scope)
            await asyncio.sleep(3.0)
            async for recorded in replay(scope, after=after):
                yield recorded

        monkeypatch.setattr(life.bus, "replay", long)
        began = world.now
        repeats = [asyncio.ensure_future(shell(0)) for _ in range(2)]
        await asyncio.sleep(0.1)
        context = Context(command_id="seen", user="op", actions=EVERYTHING)
        await ask(world.gateways[0], GET_SLOT, GetSlot(slot=1), context)
        seen = world.now - began
        again = await asyncio.gather(*repeats)
        looked = world.now - began
        await world.stop()
        return [replies[0], *again], seen, looked

    with tempfile.TemporaryDirectory() as folder:
        (first, *again), seen, looked = run(main, 1)
    assert again == [first] * 2
    assert seen < 1.0 and 3.0 < looked < 4.0
    assert set(read) == {"ottb.v1.evt.slot.1.command_started"}


def test_forgotten_answers_are_looked_for_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "REMEMBERED_ANSWERS", 2)
    looks: list[int] = []

    async def main() -> tuple[list[Any], list[Any]]:
        world, shell = await shells(Path(folder))
        replies = [await shell(number) for number in range(6)]
        await asyncio.sleep(1.0)
        life = world.machines[0].life
        assert life is not None
        replay, under_way = life.bus.replay, [0]

        async def long(scope: str, *, after: int = 0) -> AsyncIterator[Recorded]:
            under_way[0] += 1
            looks.append(under_way[0])
            await asyncio.sleep(0.5)
            under_way[0] -= 1
            async for recorded in replay(scope, after=after):
                yield recorded

        monkeypatch.setattr(life.bus, "replay", long)
        repeats = (shell(number) for number in (0, 1, 2, 3, 0, 1))
        again = await asyncio.gather(*repeats, return_exceptions=True)
        await world.stop()
        return replies, again

    with tempfile.TemporaryDirectory() as folder:
        replies, again = run(main, 1)
    assert looks == [1, 1]
    answered = [one for one in again if not isinstance(one, Refusal)]
    refused = [one for one in again if isinstance(one, Refusal)]
    assert len(answered) >= 2 and all(one in replies for one in answered)
    assert len(refused) >= 2 and {one.code for one in refused} == {ErrorCode.RATE_LIMITED}


@pytest.mark.parametrize("end", [World.crash, lambda world, life: life.lost.set()], ids=["killed", "in good order"])
def test_a_call_is_known_to_its_next_owner_and_counts_for_its_user(end: Callable[[World, Life], None]) -> None:
    async def main() -> tuple[World, list[ErrorCode]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(loop, Path(folder), user_calls=1, slow=0.0, deaf=0.0)

        async def start(slot: int, user: str) -> ErrorCode | None:
            context = Context(command_id=f"{slot} {user}", user=user, actions=EVERYTHING)
            number = NUMBER if (slot, user) == (1, "op") else OTHER
            try:
                await ask(world.gateways[0], START_CALL, StartCall(number=number, slot=slot), context)
            except Refusal as refusal:
                return refusal.code
            return None

        for machine in world.machines:
            world.keep(machine)
        await asyncio.sleep(5.0)
        assert await start(1, "op") is None
        await asyncio.sleep(3.0)
        life = world.machines[0].life
        assert life is not None
        end(world, life)
        await asyncio.sleep(10.0)
        refused = [await start(2, "op"), await start(1, "another")]
        await asyncio.sleep(60.0)
        await world.stop()
        return world, [code for code in refused if code is not None]

    with tempfile.TemporaryDirectory() as folder:
        world, refused = run(main, 1)
    assert refused == [ErrorCode.RATE_LIMITED, ErrorCode.SLOT_BUSY]
    assert _judged(world) == ([EndReason.HANGUP_LOCAL], [])
