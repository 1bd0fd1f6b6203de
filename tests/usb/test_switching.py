"""Ports are switched off and on again, and no call is cut off by it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.healing.policy import BUILT_IN, policy_in
from actors.healing.settings import Healing
from actors.slot.actor import SlotActor
from actors.telephony.reports import Link, LinkChanged
from actors.usb.topology import UsbDevice
from bus_schemas.slot import SlotConfig
from bus_schemas.slot_health import Rung, Symptom
from bus_schemas.usb import Switching
from simulators.hub.simulated_usb import SimulatedUsb
from tests.support.site import until
from tests.support.whole import SETTINGS, Whole
from tests.usb.trees import WAYS, chips, hub, listed, phone, root

NUMBER = {"number": "+380501230001", "slot": 44}
SWITCHES = {("1-2.6", 4), ("2-2.6", 4)}  # of port 14, on both buses
BOTH = [root(1, peer=2), root(2, peer=1), *chips("1-2", "2-2"), *chips("2-2", "1-2")]
PHONES = [phone(f"1-2.{way}", f"p{number}") for number, way in WAYS.items()]
AT_14 = SlotConfig(id=44, serial="p14", hub="HUB1", port=14, region="UA")
PATH = "/api/monitor/usb/HUB1/ports/{}/power"
QUICK = {"seconds": 0.5}


class Stage:
    """A site with phones on a hub, slot 44 at its port 14 and slot 11 at 12."""

    def __init__(self, site: Whole, usb: SimulatedUsb) -> None:
        self.site = site
        self.usb = usb

    async def power(self, port: int = 14, **wanted: Any) -> tuple[int, Any]:
        return await self.site.ask("POST", PATH.format(port), {**QUICK, **wanted})

    async def status(self, slot: int = 44) -> str:
        return (await self.site.ask("GET", f"/api/slots/{slot}"))[1]["status"]

    async def until_off(self) -> None:
        async def off() -> bool:
            return self.usb.off == SWITCHES

        await until(off, bool)


@asynccontextmanager
async def stage(
    folder: Path, switching: Switching = Switching.PORTS, usb: SimulatedUsb | None = None, *,
    named: SlotConfig = AT_14, there: Sequence[UsbDevice] = PHONES,
) -> AsyncIterator[Stage]:  # fmt: skip
    usb = usb if usb is not None else SimulatedUsb([*BOTH, *PHONES])
    slots = (named, SlotConfig(id=11, serial="p12", hub="HUB1", port=12, region="UA"))
    hubs = {"HUB1": replace(hub("1-2", "2-2"), switching=switching)}
    settings = replace(SETTINGS, slots=slots, hubs=hubs, sandbox=replace(SETTINGS.sandbox, enabled=False))
    site = Whole(folder, settings, usb=usb, listed=lambda: listed(*there))
    await site.start()
    try:
        await site.login()
        on = Stage(site, usb)
        await until(on.status, lambda status: status == "ONLINE")
        yield on
    finally:
        await site.stop()


async def test_a_port_is_off_on_every_bus_and_then_on_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        status, done = await on.power()
        assert (status, done["ways"], [one["slot"] for one in done["phones"]]) == (200, ["6.4"], [44])
        assert {switch for switch, off in on.usb.written if off} == SWITCHES and on.usb.off == set()
        assert (await on.power(action="off"))[0] == 200 and on.usb.off == SWITCHES
        _, shown = await on.site.ask("GET", "/api/monitor/usb/HUB1")
        assert [port["port"] for port in shown["ports"] if port["off"]] == [14]
        assert (await on.power(action="on"))[0] == 200 and on.usb.off == set()


async def test_a_phone_that_adb_does_not_list_is_switched_off_and_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the policy of phones that are not well has it; on record with both, and once."""
    quick = policy_in(BUILT_IN)
    absent = replace(quick.symptoms[Symptom.ABSENT], after=1.0)
    quick = replace(quick, symptoms={**quick.symptoms, Symptom.ABSENT: absent})
    monkeypatch.setattr(Healing, "read", lambda settings: quick)
    async with stage(tmp_path) as on:
        on.site.handsets["p14"].unplug()

        async def switched() -> bool:
            return {switch for switch, off in on.usb.written if off} == SWITCHES and on.usb.off == set()

        await until(switched, bool)
        actor = on.site.host.get(SlotActor, "44")
        assert actor is not None

        async def healed() -> list[Rung]:
            return [one.rung for one in actor.state.healed] if actor.state is not None else []

        assert await until(healed, bool) == [Rung.PORT_POWER]  # on record once the power is back
        on.site.handsets["p14"].plug()
        await until(on.status, lambda status: status == "ONLINE")


async def test_nothing_is_switched_during_a_call(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        status, call = await on.site.ask("POST", "/api/call/start", NUMBER)
        assert status == 201, call
        for action in ("cycle", "off"):
            status, refused = await on.power(action=action)
            assert (status, refused["code"]) == (409, "SLOT_BUSY"), refused
        assert on.usb.written == []
        assert (await on.power(dry=True))[0] == 200  # to look is no harm
        await on.site.ask("POST", "/api/call/end", {"call_id": call["call_id"]})

        async def again() -> int:
            return (await on.power())[0]

        await until(again, lambda status: status == 200)


async def test_a_call_on_a_phone_that_shares_the_power_holds_it_too(tmp_path: Path) -> None:
    async with stage(tmp_path, Switching.GANGED) as on:
        assert (await on.site.ask("POST", "/api/call/start", {**NUMBER, "slot": 11}))[0] == 201
        status, refused = await on.power()
        assert (status, refused["code"], refused["details"]["slot"]) == (409, "SLOT_BUSY", 11)
        assert on.usb.written == []


async def test_a_call_that_may_be_on_the_twin_of_its_phone_holds_both(tmp_path: Path) -> None:
    """Slot 44 names a serial alone, and two phones have it by now: nobody knows which of them talks."""
    twins = [phone("1-2.6.4", "p14"), phone("1-2.1", "p14")]
    usb = SimulatedUsb([*BOTH, *twins])
    async with stage(tmp_path, usb=usb, named=SlotConfig(id=44, serial="p14", region="UA"), there=twins) as on:
        assert (await on.site.ask("POST", "/api/call/start", NUMBER))[0] == 201
        for port in (14, 1):
            status, refused = await on.power(port=port)
            assert (status, refused["code"]) == (409, "SLOT_BUSY")
        assert usb.written == []


async def test_no_call_begins_on_a_phone_while_its_port_is_switched(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        task = asyncio.ensure_future(on.power(seconds=2.0))
        await on.until_off()
        status, refused = await on.site.ask("POST", "/api/call/start", NUMBER)
        assert (status, refused["code"], refused["details"]["held_by"]) == (409, "SLOT_BUSY", "hub_power")
        assert (await on.power())[1]["code"] == "CONFLICT"  # one thing at a time
        assert (await task)[0] == 200
        assert (await on.site.ask("POST", "/api/call/start", NUMBER))[0] == 201


async def test_a_phone_out_of_reach_is_switched_and_one_that_may_talk_is_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.site.host.tell(SlotActor, "44", LinkChanged(link=Link.UNKNOWN))
        await until(on.status, lambda status: status == "UNKNOWN")
        status, refused = await on.power()
        assert (status, refused["code"], refused["details"]["status"]) == (409, "SLOT_BUSY", "UNKNOWN")
        assert on.usb.written == []
        on.site.handsets["p14"].unplug()
        await until(on.status, lambda status: status == "OFFLINE")
        assert (await on.power())[0] == 200 and on.usb.written != []


async def test_all_phones_of_a_ganged_port_are_named_before(tmp_path: Path) -> None:
    async with stage(tmp_path, Switching.GANGED) as on:
        status, dry = await on.power(dry=True)
        assert (status, dry["dry"], dry["ways"]) == (200, True, [f"6.{port}" for port in range(1, 7)])
        assert [one["port"] for one in dry["phones"]] == [11, 12, 13, 14, 15, 16]
        assert on.usb.written == []
        status, refused = await on.power(port=1)  # the first chip carries the others
        assert (status, refused["code"]) == (409, "CONFLICT") and on.usb.written == []
        assert (await on.power())[0] == 200
        assert {switch for switch, off in on.usb.written if off} == {
            (f"{bus}-2.6", port) for bus in (1, 2) for port in range(1, 7)
        }


async def test_what_was_written_is_restored_where_one_switch_sticks(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.usb.stuck = {("2-2.6", 4)}
        status, refused = await on.power(action="off")
        assert (status, refused["code"]) == (409, "CONFLICT") and "stuck" in refused["details"]["reason"]
        assert on.usb.written == [(("1-2.6", 4), True), (("1-2.6", 4), False)] and on.usb.off == set()
        assert (await on.site.ask("POST", "/api/call/start", NUMBER))[0] == 201  # the slot is free again


async def test_a_port_whose_host_stops_in_between_is_on_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        task = asyncio.ensure_future(on.power(seconds=10.0))
        await on.until_off()
        task.cancel()
        await on.site.again()
        assert on.usb.off == set()


async def test_ports_that_nobody_has_tried_stay_on(tmp_path: Path) -> None:
    async with stage(tmp_path, Switching.NONE) as on:
        assert (await on.power())[1]["code"] == "CONFLICT" and on.usb.written == []


async def test_ports_without_a_switch_stay_on(tmp_path: Path) -> None:
    without = SimulatedUsb([*BOTH, *PHONES], switches=False)
    async with stage(tmp_path, usb=without) as on:
        assert (await on.power(dry=True))[1]["code"] == "CONFLICT" and without.written == []
        assert (await on.power(port=99))[1]["code"] == "NOT_FOUND"


async def test_who_switched_what_is_on_the_audit(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        assert (await on.power())[0] == 200

        async def audited() -> Any:
            return (await on.site.ask("GET", "/api/audit?limit=50"))[1]

        def has(entries: Any) -> bool:
            return any(one["subject"] == {"hub": "HUB1", "port": 14, "action": "cycle"} for one in entries)

        await until(audited, has)
