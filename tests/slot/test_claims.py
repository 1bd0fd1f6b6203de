"""One phone has one slot, whichever host is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from actors.slot.settings import Hub
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.host import CONFIGURE_ON_HOST, ConfigureOnHost
from bus_schemas.slot import CONFIGURE_SLOT, REMOVE_SLOT, ConfigureSlot, RemoveSlot, SlotConfig
from simulators.time.loop import SimLoop, run
from simulators.world.callers import EVERYTHING
from simulators.world.world import World, with_slot

SERIAL = "phone1"  # the phone of slot 1, at host `a`


def in_world(
    folder: Path,
    story: Callable[[World], Awaitable[None]],
    *extra: SlotConfig,
    hubs: dict[str, str | Hub] | None = None,
) -> None:
    """Two hosts; `extra`: slots that stand in the settings file of host `b`; `hubs`: of both."""

    async def told() -> None:
        world = World(cast(SimLoop, asyncio.get_running_loop()), folder, user_calls=200, slow=0.0, deaf=0.0)
        for machine in world.machines:
            machine.settings = replace(machine.settings, hubs=hubs or {})
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


async def put(world: World, id: str, host: str = "b", **where: Any) -> None:
    """Configure a slot at this host."""
    context = Context(command_id=id, user="admin", actions=EVERYTHING)
    wanted = ConfigureOnHost(host=host, configure=ConfigureSlot(**where))
    await ask(world.gateways[0], CONFIGURE_ON_HOST, wanted, context)


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


def test_slots_of_one_serial_are_told_apart_by_their_places(tmp_path: Path) -> None:
    """Cheap models share one. Where one of the slots names no place, or the same, it may be the same phone."""

    async def story(world: World) -> None:
        twin = {"serial": "0123456789ABCDEF", "hub": "HUB1"}
        await put(world, "k1", slot=70, port=3, **twin)
        await put(world, "k2", slot=71, port=4, **twin)
        for id, taken in (
            ("k3", {"serial": twin["serial"]}), ("k4", {**twin, "port": 3}), ("k5", {**twin, "port": 30}),
            ("k6", {"hub": "HUB1", "port": 4}), ("k7", {"serial": "another", "hub": "HUB1", "port": 4}),
        ):  # fmt: skip
            with pytest.raises(Refusal, match="has this phone") as refused:
                await put(world, id, slot=72, **taken)
            assert refused.value.code is ErrorCode.CONFLICT
        await put(world, "k8", slot=72, port=5, **twin)
        with pytest.raises(Refusal, match="A slot of another host has this phone"):
            await put(world, "k9", "a", slot=73, serial=twin["serial"])
        await put(world, "k10", "a", slot=73, port=3, **twin)

    in_world(tmp_path, story, hubs={"HUB1": "1-2"})


def test_slots_of_one_tcp_phone_are_not_told_apart_by_places(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await put(world, "k1", slot=70, serial="10.0.0.5:5555", hub="HUB1", port=3)
        with pytest.raises(Refusal, match="has this phone"):
            await put(world, "k2", slot=71, serial="10.0.0.5:5555", hub="HUB1", port=4)

    in_world(tmp_path, story, hubs={"HUB1": "1-2"})


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
