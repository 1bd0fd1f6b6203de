"""Cases that `test_hotplug.py` runs in a process of its own, on a test bed: what is plugged in and out there is heard
from udev, and what is then said of it over HTTP, in the journal and on the log is looked at.

`umockdev-wrapper python -m tests.usb.hotplug CASE FOLDER`
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.adapters.usb_devices import UsbDevices
from actors.runtime.context import Context
from actors.slot.registry import Device
from actors.slot.settings import Hub
from actors.usb.actor import HubsActor, Record
from actors.usb.topology import UsbDevice
from bus_schemas.catalogue import topic_of
from bus_schemas.slot import SlotConfig
from bus_schemas.usb import HubFound, HubLost, PortChanged, PortSwitched, Switching
from tests.support.whole import SETTINGS, Whole
from tests.usb.testbed import Testbed
from tests.usb.trees import WAYS, chips, hub, listed, phone, root

SOON = 1.0  # seconds in which what was plugged is to be told
SIDES = [root(1, peer=2), root(2, peer=1)]
BOTH = [*chips("1-2", "2-2"), *chips("2-2", "1-2")]
TWENTY = [phone(f"{'2' if number % 2 else '1'}-2.{way}", f"R58N{number}") for number, way in WAYS.items()]
HUB1: Mapping[str, Hub] = {"HUB1": hub("1-2", "2-2")}

Answer = Any  # any: of JSON


class Stage:
    """A site, and what hangs on it. `adb`: whether it lists what is plugged in; None: it is away."""

    def __init__(self, folder: Path, bed: Testbed, hubs: Mapping[str, Hub], slots: tuple[SlotConfig, ...]) -> None:
        self.bed = bed
        self.usb = UsbDevices()
        self.adb: bool | None = True
        self.state = "device"
        settings = replace(SETTINGS, hubs=dict(hubs), slots=slots, sandbox=replace(SETTINGS.sandbox, enabled=False))
        self.site = Whole(folder, settings, usb=self.usb, listed=self._listed)

    def _listed(self) -> list[Device] | None:
        there = [one for one in self.bed.there.values() if not one.hub]
        return listed(*there, state=self.state) if self.adb else ([] if self.adb is not None else None)

    async def hubs(self) -> dict[str, tuple[int, int]]:
        """As documented: of each hub how many are online, of how many."""
        status, answer = await self.site.ask("GET", "/api/monitor/usb")
        assert status == 200, answer
        assert all(row.keys() == {"hub", "online", "total"} for row in answer)
        return {row["hub"]: (row["online"], row["total"]) for row in answer}

    async def ports(self, name: str = "HUB1") -> dict[Any, Answer]:
        """Those that are not empty, by number, or by their way where they have none."""
        _, answer = await self.site.ask("GET", f"/api/monitor/usb/{name}")
        return {port["port"] or port["way"]: port for port in answer["ports"] if port["state"] != "empty"}

    async def soon(self, wanted: object, look: Callable[[], Awaitable[object]]) -> None:
        """Within a second it is what it should be."""
        began, found = time.monotonic(), await look()
        while found != wanted:
            assert time.monotonic() - began < SOON, (found, wanted)
            await asyncio.sleep(0.02)
            found = await look()

    def events(self) -> list[Any]:
        """What is on record of hubs."""
        found = []
        for entry in self.site.broker.journal:
            topic = topic_of(entry.subject)
            if topic is not None and topic.kind == "hub" and topic.verb != "activated":
                found.append(msgspec.json.decode(entry.data, type=topic.event))
        return found

    async def told(self, count: int) -> list[Any]:
        """The events, once there are so many and no more for a while."""

        async def many() -> object:
            return len(self.events())

        await self.soon(count, many)
        await asyncio.sleep(SOON)
        assert len(self.events()) == count, self.events()
        return self.events()


@asynccontextmanager
async def stage(
    folder: Path, *there: UsbDevice, hubs: Mapping[str, Hub] = HUB1, slots: tuple[SlotConfig, ...] = ()
) -> AsyncIterator[Stage]:
    bed = Testbed()
    await bed.plug(*SIDES, *there)
    on = Stage(folder, bed, hubs, slots)
    await on.usb.start()
    await on.site.start()
    await on.site.login()
    try:
        yield on
    finally:
        await on.site.stop()
        await on.usb.stop()


async def a_hub_of_twenty_is_plugged_in_and_out(folder: Path) -> None:
    async with stage(folder) as on:
        assert await on.hubs() == {"HUB1": (0, 20)}
        await on.bed.plug(*BOTH)
        await on.told(1)
        await on.bed.plug(*TWENTY)
        await on.soon({"HUB1": (20, 20)}, on.hubs)
        ports = await on.ports()
        assert {number: port["serial"] for number, port in ports.items()} == {n: f"R58N{n}" for n in range(1, 21)}
        assert ports[14]["place"] == "1-2.6.4" and ports[15]["place"] == "2-2.6.5"
        [found, *came] = await on.told(21)
        assert isinstance(found, HubFound) and {event.port for event in came} == {*range(1, 21)}
        await on.bed.unplug("1-2.6.4", "2-2.6.5")
        await on.soon({"HUB1": (18, 20)}, on.hubs)
        assert {event.port for event in (await on.told(23))[21:]} == {14, 15}
        await on.bed.unplug("1-2", "2-2")
        await on.soon({"HUB1": (0, 20)}, on.hubs)
        lost = (await on.told(24))[-1]
        assert isinstance(lost, HubLost) and (lost.hub, lost.phones) == ("HUB1", 18)
        await on.bed.plug(*BOTH, *TWENTY)
        await on.soon({"HUB1": (20, 20)}, on.hubs)
        await asyncio.sleep(SOON)
        again, *later = on.events()[24:]  # phones come up one after the other, for as long as each takes
        assert isinstance(again, HubFound) and sorted((*again.ports, *(event.way for event in later))) == sorted(
            WAYS.values()
        )


async def without_settings_the_kernel_says_what_is_one_hub(folder: Path) -> None:
    async with stage(folder, *BOTH, *TWENTY, hubs={}) as on:
        await on.soon({"usb-1-2": (20, 20)}, on.hubs)
        await on.bed.unplug(*(one.path for one in TWENTY[:5]))
        await on.soon({"usb-1-2": (15, 20)}, on.hubs)


async def phones_with_one_serial_are_told_apart(folder: Path) -> None:
    twins = [phone("1-2.1", "0123456789ABCDEF"), phone("2-2.5.1", "0123456789ABCDEF"), phone("1-2.2", None),
             phone("1-2.3", "????????"), phone("1-2.4", "A b C")]  # fmt: skip
    slots = (SlotConfig(id=1, serial="0123456789ABCDEF", hub="HUB1", port=5), SlotConfig(id=2, hub="HUB1", port=2))
    async with stage(folder, *BOTH, slots=slots) as on:
        await on.bed.plug(*twins)
        await on.soon({"HUB1": (5, 20)}, on.hubs)
        ports = await on.ports()
        assert {number: (port["serial"], port["slot"]) for number, port in ports.items()} == {
            1: ("0123456789ABCDEF", None), 2: (None, 2), 3: ("????????", None), 4: ("A b C", None),
            5: ("0123456789ABCDEF", 1),
        }  # fmt: skip
        await on.bed.unplug("1-2.1")
        await on.soon({"HUB1": (4, 20)}, on.hubs)
        assert 1 not in await on.ports() and 5 in await on.ports()


async def a_phone_that_adb_does_not_list_is_on_its_port(folder: Path) -> None:
    async with stage(folder, *BOTH) as on:
        await on.told(1)
        on.adb = False
        await on.bed.plug(TWENTY[0], TWENTY[9])
        await on.told(3)
        assert {number: port["state"] for number, port in (await on.ports()).items()} == {
            1: "occupied", 10: "occupied"
        }  # fmt: skip
        on.adb, on.state = True, "unauthorized"
        assert [event.state for event in (await on.told(5))[3:]] == ["unauthorized", "unauthorized"]
        assert await on.hubs() == {"HUB1": (0, 20)}
        on.state = "device"
        await on.told(7)
        on.adb = None  # what adb would say of them nobody knows: that is no news of any phone
        await on.told(7)


async def what_has_changed_while_nobody_looked_is_told_once(folder: Path) -> None:
    async with stage(folder, *BOTH, *TWENTY) as on:
        await on.told(1)
        await on.site.stop()
        await on.bed.unplug("1-2.6.4")
        await on.site.start()
        await on.site.login()
        [_, gone] = await on.told(2)
        assert isinstance(gone, PortChanged) and (gone.port, gone.state) == (14, "empty")


async def a_port_is_switched_off_and_on_again(folder: Path) -> None:
    hubs = {"HUB1": replace(HUB1["HUB1"], switching=Switching.PORTS)}
    async with stage(folder, *BOTH, *TWENTY, hubs=hubs, slots=(SlotConfig(id=1, hub="HUB1", port=14),)) as on:
        await on.told(1)
        path, wanted = "/api/monitor/usb/HUB1/ports/14/power", {"seconds": 0.5}
        status, dry = await on.site.ask("POST", path, {**wanted, "dry": True})
        assert status == 200 and dry["ways"] == ["6.4"], dry
        assert [(one["port"], one["serial"], one["slot"]) for one in dry["phones"]] == [(14, "R58N14", 1)]
        assert len(on.events()) == 1
        task = asyncio.ensure_future(on.site.ask("POST", path, wanted))
        await asyncio.sleep(0.3)
        off = {one for one in (("1-2.6", 4), ("2-2.6", 4)) if on.usb.is_off(*one)}
        assert off == {("1-2.6", 4), ("2-2.6", 4)}  # on both buses, or its power stays
        status, done = await task
        assert status == 200 and done["dry"] is False, done
        assert not on.usb.is_off("1-2.6", 4) and not on.usb.is_off("2-2.6", 4)
        assert [(event.action, event.cycle, event.by) for event in (await on.told(3))[1:]] == [
            ("off", True, "root"), ("on", False, "root")
        ]  # fmt: skip


async def a_cycle_that_its_host_did_not_survive_is_ended_by_the_next(folder: Path) -> None:
    hubs = {"HUB1": replace(HUB1["HUB1"], switching=Switching.PORTS)}
    async with stage(folder, *BOTH, *TWENTY, hubs=hubs) as on:
        await on.told(1)
        on.usb.switch("1-2.6", 4, off=True)
        left = PortSwitched(
            host="local", at="2026-01-01T00:00:00.000Z", hub="HUB1", port=14, action="off", ways=("6.4",), by="root",
            cycle=True,
        )  # fmt: skip
        await on.site.host.order(HubsActor, "local", Record(switched=left), Context(command_id="k"))
        await on.site.stop()
        await on.site.start()
        await on.site.login()

        async def is_off() -> object:
            return on.usb.is_off("1-2.6", 4)

        await on.soon(False, is_off)


CASES = (
    a_hub_of_twenty_is_plugged_in_and_out, without_settings_the_kernel_says_what_is_one_hub,
    phones_with_one_serial_are_told_apart, a_phone_that_adb_does_not_list_is_on_its_port,
    what_has_changed_while_nobody_looked_is_told_once, a_port_is_switched_off_and_on_again,
    a_cycle_that_its_host_did_not_survive_is_ended_by_the_next,
)  # fmt: skip

if __name__ == "__main__":
    asyncio.run({case.__name__: case for case in CASES}[sys.argv[1]](Path(sys.argv[2])))
