"""An extension is in one call, also when its slot is begun afresh while a call through a trunk is being started."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from actors.dialing.trunk_dialer import TrunkDialer
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from bus_schemas.call import GET_CALL, CallState, EndReason, GetCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.trunk import DIAL_PBX, HOLD_EXTENSION, DialPbx, HoldExtension
from simulators.time.loop import SimLoop, run
from simulators.world.callers import EVERYTHING
from simulators.world.world import World


def _context(id: str) -> Context:
    return Context(command_id=id, user="op", actions=EVERYTHING)


async def _dial(world: World, number: str) -> str:
    request = DialPbx(from_="slot_1", to=number, trunk="trunk-1")
    return (await ask(world.gateways[0], DIAL_PBX, request, _context(f"k{number[1:]}"))).call_id


def test_who_gives_up_a_start_lets_go_of_nobody_elses_promise(tmp_path: Path) -> None:
    """The same command is under way on two hosts, and one of them gives up before the other's attempt is on record."""

    async def story() -> None:
        world = World(cast(SimLoop, asyncio.get_running_loop()), tmp_path, user_calls=200, slow=0.0, deaf=0.0)
        for machine in world.machines:
            world.keep(machine)
        await asyncio.sleep(5.0)

        async def hold(call_id: str, by: str, *, release: bool = False) -> None:
            request = HoldExtension(slot=1, call_id=call_id, by=by, release=release)
            await ask(world.gateways[0], HOLD_EXTENSION, request, _context(call_id))

        await hold("c_1", "a")
        await hold("c_1", "b")
        await hold("c_1", "a", release=True)
        with pytest.raises(Refusal) as refused:
            await hold("c_2", "a")
        assert refused.value.code is ErrorCode.SLOT_BUSY
        await hold("c_1", "b", release=True)
        await hold("c_2", "a")
        await world.stop()

    run(story, 1)


def test_a_slot_begun_afresh_forgets_no_promise_and_dials_none_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, promised, goes_on = TrunkDialer._take, asyncio.Event(), asyncio.Event()

    async def slow(dialer: TrunkDialer, *given: Any) -> Any:
        promised.set()
        await goes_on.wait()
        return await take(dialer, *given)

    async def story() -> None:
        world = World(cast(SimLoop, asyncio.get_running_loop()), tmp_path, user_calls=200, slow=0.0, deaf=0.0)
        for machine in world.machines:
            world.keep(machine)
        await asyncio.sleep(5.0)
        monkeypatch.setattr(TrunkDialer, "_take", slow)
        first = asyncio.ensure_future(_dial(world, "+380501114567"))
        await promised.wait()
        monkeypatch.setattr(TrunkDialer, "_take", take)
        life = world.machines[0].life
        assert life is not None and life.host is not None
        slot = life.host.get(SlotActor, "1")
        assert isinstance(slot, SlotActor)
        slot._crash(ConnectionError("anything"))
        await asyncio.sleep(1.0)
        with pytest.raises(Refusal) as refused:
            await _dial(world, "+380502224567")
        assert refused.value.code is ErrorCode.SLOT_BUSY
        goes_on.set()
        call_id = await first
        await asyncio.sleep(4.0)
        assert not world.switch.calls
        call = await ask(world.gateways[0], GET_CALL, GetCall(call_id=call_id), _context("k9"))
        assert (call.state, call.reason) == (CallState.FAILED, EndReason.NOT_DIALED)
        await _dial(world, "+380503334567")
        await asyncio.sleep(4.0)
        assert len(world.switch.calls) == 1
        await world.stop()

    run(story, 1)
