"""What of a phone hangs, and which of the things that a host can do about it helps: on the real adb server."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from actors.adapters import adb_phone
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_tracker import DeviceTracker
from actors.slot.phone import NO_ANSWER, PhoneError
from actors.telephony.reports import Link, LinkChanged
from simulators.phone.stuck import Hanging
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Ear
from tests.support.site import until

Does = Callable[[AdbPhone], Awaitable[None]]
MILDEST_FIRST: tuple[tuple[str, Does], ...] = (
    ("reconnect", lambda phone: phone.reopen()),
    ("adb_reconnect", lambda phone: phone.reconnect()),
    ("reboot", lambda phone: phone.reboot()),
)
HELPS: dict[Hanging, str] = {"connections": "adb_reconnect", "phone": "reboot"}


@pytest.fixture
async def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adb_phone, "LIVENESS_EVERY", 0.1)
    monkeypatch.setattr(adb_phone, "LIVENESS_TIMEOUT", 0.3)
    monkeypatch.setattr(adb_phone, "LIVENESS_AGAIN", 0.1)


async def _answers(phone: AdbPhone) -> bool:
    try:
        await phone.look()
    except PhoneError:
        return False
    return True


async def test_shells_that_hang_are_replaced_at_the_first_miss(
    quick: None, tracker: DeviceTracker, handset: VirtualPhone, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adb_phone, "LIVENESS_TIMEOUT", 1.0)  # in which new ones answer also on a busy machine
    phone = AdbPhone(serial=handset.serial, tracker=tracker)
    phone.start(ear)
    await ear.link(Link.ONLINE)
    handset.hang("shells")
    await asyncio.sleep(2.5)  # two misses would have been told
    assert Link.OFFLINE not in ear.links() and await _answers(phone)
    await phone.close()


@pytest.mark.parametrize("what", HELPS)
@pytest.mark.parametrize("handset", [14], indirect=True)
async def test_the_mildest_thing_that_helps_brings_it_back(
    quick: None, tracker: DeviceTracker, handset: VirtualPhone, ear: Ear, what: Hanging
) -> None:
    phone = AdbPhone(serial=handset.serial, tracker=tracker)
    phone.start(ear)
    await ear.link(Link.ONLINE)
    await phone.look()
    handset.hang(what)
    told = await ear.until(lambda report: isinstance(report, LinkChanged) and report.link is Link.OFFLINE)
    assert isinstance(told, LinkChanged) and told.detail == NO_ANSWER
    for name, does in MILDEST_FIRST:
        ear.heard.clear()
        await does(phone)
        if name == HELPS[what]:
            break
        await asyncio.sleep(1.0)
        assert ear.links()[-1:] != [Link.ONLINE] or what == "phone", name  # adb says so of its new connection
    await ear.link(Link.ONLINE)
    await until(lambda: _answers(phone), bool)
    await phone.close()
