"""One phone has one slot, whichever host is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import CONFIGURE_SLOT, REMOVE_SLOT, ConfigureSlot, RemoveSlot, SlotConfig
from simulators.time.loop import SimLoop, run
from simulators.world.callers import EVERYTHING
from simulators.world.world import World, with_slot

SERIAL = "phone1"  # the phone of slot 1, at host `a`


def in_world(folder: Path, story: Callable[[World], Awaitable[None]], *extra: SlotConfig) -> None:
    """Two hosts; `extra`: slots that stand in the settings file of host `b`."""

    async def told() -> None:
        world = World(cast(SimLoop, asyncio.get_running_loop()), folder, user_calls=200, slow=0.0, deaf=0.0)
        for machine in world.machines:
            if machine.host == "b":
                machine.settings = replace(machine.settings, slots=(*machine.settings.slots, *extra))
            world.keep(machine)
            await asyncio.sleep(5.0)
        await story(world)
        await world.stop()

    run(told, 1)


def host(world: World, name: str) -> Host:
    found = next(machine.life for machine in world.machines if machine.host == name)
    assert found is not None and found.host is not None
    return found.host


async def configure(world: World, slot: int, serial: str, id: str) -> None:
    context = Context(command_id=id, user="admin", actions=EVERYTHING)
    await ask(world.gateways[0], CONFIGURE_SLOT, ConfigureSlot(slot=slot, serial=serial), context)


async def remove(world: World, slot: int, id: str) -> None:
    context = Context(command_id=id, user="admin", actions=EVERYTHING)
    await ask(world.gateways[0], REMOVE_SLOT, RemoveSlot(slot=slot), context)


def test_a_slot_is_not_given_the_phone_of_another_hosts_slot(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with pytest.raises(Refusal) as refused:
            await configure(world, 3, SERIAL, "k1")
        assert (refused.value.code, refused.value.details) == (ErrorCode.CONFLICT, {"slot": 1, "host": "a"})
        await remove(world, 1, "k2")
        await configure(world, 3, SERIAL, "k3")
        with pytest.raises(Refusal):
            await configure(world, 2, SERIAL, "k4")
        await configure(world, 3, "phone3", "k5")
        await configure(world, 2, SERIAL, "k6")

    in_world(tmp_path, story)


def test_a_configured_slot_waits_while_another_hosts_slot_has_its_phone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        b = host(world, "b")
        waits = b.get(SlotActor, "60")
        assert waits is not None and waits.state is None
        assert "A slot of another host has this phone." in b.quarantined["slot", "60"]
        await remove(world, 1, "k1")
        await asyncio.sleep(10.0)
        assert waits.state is not None and ("slot", "60") not in b.quarantined

    in_world(tmp_path, story, SlotConfig(id=60, serial=SERIAL, region="UA", host="b"))


def test_a_slot_that_moved_to_another_host_is_let_go_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        a, b = (next(machine for machine in world.machines if machine.host == name) for name in "ab")
        b.settings = with_slot(b.settings, 1, host="b")
        assert b.life is not None
        world.crash(b.life)
        await asyncio.sleep(20.0)
        assert host(world, "a").get(SlotActor, "1") is None and host(world, "b").get(SlotActor, "1") is not None
        assert a.lives == 1

    in_world(tmp_path, story)
