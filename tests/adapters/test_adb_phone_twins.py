"""Two phones with one serial, on the hubs of an adb server: a call is ended on the phone that has it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.adapters.adb import AdbClient
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_place import AdbFile
from actors.adapters.adb_tracker import DeviceTracker
from actors.slot.phone import PhoneUnfit, PhoneUnreachable, Report, Trouble, TroubleSeen
from actors.telephony.reports import CallPhase, Link, LinkChanged
from simulators.phone.adb_front import AdbFront, Listed
from simulators.phone.android import Identity
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import FAST, Ear, Server, dial

OURS, OTHERS = "+380991230007", "+380991230008"
CHEAP = "0123456789ABCDEF"


class Bus:
    """An adb server whose phones seem to be on USB: `tracker` follows it."""

    def __init__(self, front: AdbFront, tracker: DeviceTracker) -> None:
        self.front = front
        self.tracker = tracker

    async def plug(self, phone: VirtualPhone, usb: str) -> None:
        await self.front.list_as(phone.serial, Listed(serial=CHEAP, usb=usb))
        await self.tracker.client.connect(phone.serial)

    async def unplug(self, phone: VirtualPhone) -> None:
        await phone.unplug()
        await self.tracker.client.disconnect(phone.serial)


@pytest.fixture
async def bus(server: Server, tmp_path: Path) -> AsyncIterator[Bus]:
    front, socket = AdbFront(server.place), tmp_path / "front.sock"
    async with front.serving(socket):
        tracker = DeviceTracker(client=AdbClient(AdbFile(socket)), folder=tmp_path)
        tracker.start()
        yield Bus(front, tracker)
        await tracker.stop()


@pytest.fixture
async def twins() -> AsyncIterator[tuple[VirtualPhone, VirtualPhone]]:
    first, second = (
        VirtualPhone(identity=Identity(serial=CHEAP, product=product), scale=FAST, fork_delay=0)
        for product in ("one", "other")
    )
    async with first, second:
        second.android.boots = 7  # no two phones are in the same boot
        yield first, second


def doubted(report: Report) -> bool:
    return isinstance(report, TroubleSeen) and report.trouble is Trouble.SHARED and bool(report.words)


def lost(report: Report) -> bool:
    return isinstance(report, LinkChanged) and report.link is Link.ABSENT and "hub and port" in report.detail


async def test_a_call_is_ended_on_its_own_phone_while_another_has_its_serial(
    bus: Bus, twins: tuple[VirtualPhone, VirtualPhone]
) -> None:
    first, second = twins
    await bus.plug(first, "1-2.3")
    phone, ear = AdbPhone(serial=CHEAP, tracker=bus.tracker), Ear()
    phone.start(ear)
    try:
        await ear.link(Link.ONLINE)
        await dial(phone, OURS)
        seen = await ear.phase(CallPhase.ACTIVE)
        second.dial_by_hand(OTHERS)
        await bus.plug(second, "1-2.9")
        await ear.until(doubted)
        assert [live.ref for live in (await phone.look()).live] == [seen.ref]
        await phone.hang_up(seen.ref)
        assert (await ear.phase(CallPhase.DISCONNECTED)).ref == seen.ref
        assert not first.telephony.live and len(second.telephony.live) == 1
        with pytest.raises(PhoneUnfit, match="2 phones have this serial"):
            await dial(phone, OURS)
        await bus.unplug(first)
        await ear.until(lost)
        for attempt in (phone.look(), phone.hang_up(None), dial(phone, OURS), phone.reboot()):
            with pytest.raises(PhoneUnreachable, match="not known to be this slot's"):
                await attempt
        assert second.dials == {} and len(second.telephony.live) == 1
    finally:
        await phone.close()


async def test_two_slots_with_one_serial_are_told_apart_by_their_places(
    bus: Bus, twins: tuple[VirtualPhone, VirtualPhone]
) -> None:
    places = ("usb:1-2.3", "usb:1-2.9")
    phones = [AdbPhone(serial=CHEAP, place=place, tracker=bus.tracker) for place in places]
    ears = [Ear(), Ear()]
    for phone, ear in zip(phones, ears, strict=True):
        phone.start(ear)
    try:
        for twin, place in zip(twins, places, strict=True):
            await bus.plug(twin, place.removeprefix("usb:"))
        await asyncio.gather(*(ear.link(Link.ONLINE) for ear in ears))
        await dial(phones[1], OTHERS)
        await dial(phones[0], OURS)
        await asyncio.gather(*(ear.phase(CallPhase.ACTIVE) for ear in ears))
        assert [twin.dials for twin in twins] == [{OURS: 1}, {OTHERS: 1}]
        await bus.unplug(twins[0])
        await ears[0].until(lambda report: isinstance(report, LinkChanged) and report.link is Link.ABSENT)
        with pytest.raises(PhoneUnreachable, match=r"not at usb:1-2\.3"):
            await phones[0].hang_up(None)
        assert all(twin.telephony.live for twin in twins)
    finally:
        for phone in phones:
            await phone.close()
