"""What a host does about lines that it may have lost."""

import asyncio
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.runtime.bus import ID
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from bus_schemas.call import END_CALL, CallAdopted, CallEnded, CallStarted, CallState, EndCall, EndReason
from bus_schemas.slot import SlotActivated, SlotConfigured
from simulators.world.callers import EVERYTHING
from simulators.world.world import World
from tests.dialing.test_absent_line import NUMBER, OURS, THEIRS, play, start


def test_a_former_owner_that_loses_a_call_looks_whose_its_line_is() -> None:
    """Else two hosts take one call from each other for ever, and neither gets to its end."""

    async def story(world: World) -> list[str]:
        first, _ = await start(world, THEIRS)
        assert isinstance(first, CallStarted)
        bus = world.gateways[0]

        async def write(past: str, kind: str, id: str, event: Any) -> None:
            scope = f"ottb.v1.evt.{kind}.{id}.*"
            last = await bus.last(scope)
            subject, data = scope.replace("*", past), msgspec.json.encode(event)
            await bus.append(subject, data, {ID: past}, scope=scope, expect=last.seq if last is not None else 0)

        made = await bus.last(f"ottb.v1.evt.slot.{THEIRS}.configured")
        assert made is not None
        configured = msgspec.json.decode(made.data, type=SlotConfigured)
        at, line = world.clock.now().isoformat(), f"slot-{THEIRS}"
        moved = replace(configured, config=replace(configured.config, host="a"))
        await write("configured", "slot", str(THEIRS), moved)
        await write("activated", "slot", str(THEIRS), SlotActivated(slot=THEIRS, at=at, host="a", epoch=99))
        adopted = CallAdopted(
            line=line, call_id=first.call_id, slot=THEIRS, user="op", at=at, host="a", epoch=99
        )
        await write("adopted", f"call.{line}", first.call_id, adopted)
        await asyncio.sleep(120.0)
        return [
            msgspec.json.decode(entry.data, type=CallAdopted).host
            for entry in world.broker.journal
            if entry.subject == f"ottb.v1.evt.call.{line}.{first.call_id}.adopted"
        ]

    assert play(story) == ["a"]


def test_a_call_ended_by_its_former_owner_meanwhile_holds_no_line() -> None:
    """The end is written after the new owner has read the call, and before it has taken it."""

    async def story(world: World) -> tuple[int, set[str]]:
        first, _ = await start(world, THEIRS)
        assert isinstance(first, CallStarted)
        await asyncio.sleep(1.0)
        machine = next(machine for machine in world.machines if machine.id == "b")
        assert machine.life is not None
        world.crash(machine.life)
        write, meddled = world.broker.write, 0
        at, call = world.clock.now().isoformat(), f"ottb.v1.evt.call.slot-{THEIRS}.{first.call_id}"
        ended = CallEnded(
            line=f"slot-{THEIRS}", call_id=first.call_id, slot=THEIRS, user="op", number=NUMBER, at=at, cause="",
            state=CallState.ENDED, reason=EndReason.HANGUP_REMOTE, start_time=at, ring_time=None,
            answer_time=None, duration=0, ring_seconds=1, ended_by="remote",
        )  # fmt: skip

        def meddle(subject: str, data: bytes, headers: Any, *, scope: str, expect: int) -> Any:
            nonlocal meddled
            if subject == f"{call}.adopted" and not meddled:
                meddled += 1
                write(f"{call}.ended", msgspec.json.encode(ended), {ID: "former"}, scope=scope, expect=expect)
            return write(subject, data, headers, scope=scope, expect=expect)

        world.broker.write = meddle  # type: ignore[method-assign]
        life = world._begin(machine)
        await asyncio.sleep(30.0)
        assert life.host is not None
        slot = life.host.get(SlotActor, str(THEIRS))
        assert slot is not None and slot.state is not None
        return meddled, set(slot.state.calls.open)

    assert play(story) == (1, set())


def test_a_hang_up_waits_for_a_regained_lease_to_be_verified() -> None:
    """It must not be left to the timer that looks whether it helped."""

    async def story(world: World) -> float:
        first, _ = await start(world, OURS)
        assert isinstance(first, CallStarted)
        host = next(machine.life.host for machine in world.machines if machine.id == "a" and machine.life is not None)
        assert host is not None
        await asyncio.sleep(2.0)
        slot = host.get(SlotActor, str(OURS))
        assert isinstance(slot, SlotActor) and slot.live.up
        host._verifying += 1
        began = world.now
        context = Context(command_id="end", user="op", actions=EVERYTHING)
        await ask(world.gateways[0], END_CALL, EndCall(call_id=first.call_id), context)
        await asyncio.sleep(0.5)
        host._verifying -= 1
        while slot.live.up:
            await asyncio.sleep(0.05)
        return world.now - began

    assert play(story) < 1.5
