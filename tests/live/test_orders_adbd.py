"""The orders to a phone through a real adbd and its shell; what the phone's own commands print is the sandbox's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.adapters.adb import AdbClient
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_tracker import DeviceTracker
from actors.slot.phone import PhoneBusy, PhoneRefused, PhoneUnfit
from actors.telephony.reports import CallPhase, Link
from bench.parts import adb_server
from simulators.phone import dumps
from simulators.phone.telephony import Telephony
from tests.adapters.conftest import Ear, dial
from tests.live.adbd import real_adbd

NUMBER = "+380991230007"
RAN = "phone/ran"
NO_KEYS = "java.lang.SecurityException: Injecting input events requires the INJECT_EVENTS permission\n"
COMMANDS = {
    "dumpsys": "cat /phone/$(cat /phone/state)/$1",
    "am": f"""echo "am $*" >> /{RAN}; echo "Starting: Intent {{ act=x }}"
[ -s /phone/warning ] && exec cat /phone/warning
echo talks > /phone/state""",
    "cmd": "cat /phone/app",
    "input": f"""[ "$*" = "keyevent 0" ] && exec cat /phone/probe
[ -s /phone/probe ] && {{ cat /phone/probe >&2; exit 255; }}
echo "input $*" >> /{RAN}; [ "$*" = "keyevent 224" ] || echo idle > /phone/state""",
    "getprop": "echo 34",
    "reboot": f'echo reboot >> /{RAN}; echo idle > /phone/state',
}


def show(folder: Path, state: str, telephony: Telephony) -> None:
    here = folder / "phone" / state
    here.mkdir(parents=True, exist_ok=True)
    (here / "telephony.registry").write_text(dumps.registry(telephony, 14, sims=1, in_service=True, operator="T"))
    now = datetime.now(UTC)
    (here / "telecom").write_text(dumps.telecom(telephony, 14, lambda at: now + timedelta(seconds=at)))


@pytest.fixture
async def root() -> AsyncIterator[tuple[Path, int]]:
    """adbd's root folder, made into a phone, and adbd's port."""
    async with real_adbd() as (folder, port):
        for name, script in COMMANDS.items():
            (folder / "usr/bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / "usr/bin" / name).chmod(0o755)
        random = folder / "proc/sys/kernel/random"
        random.mkdir(parents=True, exist_ok=True)
        (folder / "data/local/tmp").mkdir(parents=True, exist_ok=True)
        (random / "boot_id").write_text("0e5d6b4a-1f1e-4b52-9c11-8c7a5d1f0a33\n")
        (folder / "proc/uptime").write_text("5000.00 1.00\n")
        idle, talks, waits, asks = Telephony(), Telephony(), Telephony(), Telephony()
        asks.asks_for_sim = True
        asks.dial(NUMBER, 0.0)
        for telephony in (talks, waits):
            telephony.dial(NUMBER, 0.0)
            telephony.advance(1.0)
        waits.ring("+380441112233", 2.0)
        for state, telephony in (("idle", idle), ("talks", talks), ("waits", waits), ("asks", asks)):
            show(folder, state, telephony)
        (folder / "phone/state").write_text("idle\n")
        (folder / "phone/probe").write_text("")
        (folder / "phone/warning").write_text("")
        (folder / "phone/app").write_text("com.android.server.telecom/.components.UserCallActivity\n")
        (folder / RAN).unlink(missing_ok=True)
        yield folder, port


@asynccontextmanager
async def on_adbd(folder: Path, port: int) -> AsyncIterator[AdbPhone]:
    """The phone that adbd shows, over an adb server of its own."""
    async with adb_server(folder) as place:
        tracker, ear = DeviceTracker(client=AdbClient(place), folder=folder), Ear()
        tracker.start()
        phone = AdbPhone(serial=f"127.0.0.1:{port}", tracker=tracker)
        phone.start(ear)
        try:
            await ear.link(Link.ONLINE)
            yield phone
        finally:
            await phone.close()
            await tracker.stop()


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_a_real_shell_dials_once_and_ends_only_what_is_meant(tmp_path: Path, root: tuple[Path, int]) -> None:
    folder, adbd = root
    async with on_adbd(tmp_path, adbd) as phone:
        await dial(phone, NUMBER)
        with pytest.raises(PhoneBusy):
            await dial(phone, NUMBER)
        (live,) = (await phone.look()).live
        assert live.phase is CallPhase.ACTIVE
        order = (await phone.look()).order
        assert order is not None and order.call_id == "c_1"
        (folder / "phone/state").write_text("waits\n")
        with pytest.raises(PhoneRefused):
            await phone.hang_up(live.ref)
        (folder / "phone/state").write_text("talks\n")
        await phone.hang_up(live.ref)
        await phone.hang_up(live.ref)
    assert (folder / RAN).read_text().splitlines() == [
        "am start -a android.intent.action.CALL -d tel:%2B380991230007",
        "input keyevent 6",
    ]


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_a_real_shell_that_may_not_press_keys(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, root: tuple[Path, int]
) -> None:
    (folder, adbd), again = root, tmp_path_factory.mktemp("again")
    async with on_adbd(tmp_path, adbd) as phone:
        await dial(phone, NUMBER)
        (live,) = (await phone.look()).live
        (folder / "phone/probe").write_text(NO_KEYS)
        for _ in range(4):
            with pytest.raises(PhoneRefused, match="INJECT_EVENTS"):
                await phone.hang_up(live.ref)
        await phone.hang_up(live.ref)
        with pytest.raises(PhoneUnfit, match="does not hang up"):
            await dial(phone, NUMBER)
    async with on_adbd(again, adbd) as phone:
        with pytest.raises(PhoneUnfit, match="Security settings"):
            await dial(phone, NUMBER)
    assert (folder / RAN).read_text().splitlines()[1:] == ["reboot"]


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_a_real_shell_closes_the_question_for_a_sim(tmp_path: Path, root: tuple[Path, int]) -> None:
    folder, adbd = root
    async with on_adbd(tmp_path, adbd) as phone:
        (folder / "phone/state").write_text("asks\n")
        (live,) = (await phone.look()).live
        assert live.asks
        await phone.hang_up(live.ref)
        with pytest.raises(PhoneUnfit, match="which SIM"):
            await dial(phone, NUMBER)
    assert (folder / RAN).read_text().splitlines() == ["input keyevent 224", "input keyevent 4"]


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_a_real_shell_does_not_dial_where_something_else_would_be_shown(
    tmp_path: Path, root: tuple[Path, int]
) -> None:
    folder, adbd = root
    async with on_adbd(tmp_path, adbd) as phone:
        await dial(phone, NUMBER)
        (folder / "phone/state").write_text("idle\n")
        (folder / "phone/app").write_text("priority=0\nandroid/com.android.internal.app.ResolverActivity\n")
        phone._calls.ordered = None  # that call was over before anybody saw it
        with pytest.raises(PhoneUnfit, match="which app"):
            await dial(phone, NUMBER)
    assert (folder / RAN).read_text().splitlines() == ["am start -a android.intent.action.CALL -d tel:%2B380991230007"]


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_a_real_shell_closes_what_is_shown_instead_of_a_call(tmp_path: Path, root: tuple[Path, int]) -> None:
    folder, adbd = root
    (folder / "phone/warning").write_text("Warning: Activity not started, its current task was brought to the front\n")
    async with on_adbd(tmp_path, adbd) as phone:
        with pytest.raises(PhoneUnfit, match="something else"):
            await dial(phone, NUMBER)
    assert (folder / RAN).read_text().splitlines()[1:] == ["input keyevent 224", "input keyevent 4"]
