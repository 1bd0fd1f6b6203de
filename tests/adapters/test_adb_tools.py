"""adbutils on our own adb server, which has no port: files, screenshots, and what becomes of a server that is away."""

import asyncio
import socket
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator
from pathlib import Path

import adbutils
import pytest

from actors.adapters.adb import AdbClient, AdbServerGone
from actors.adapters.adb_place import AdbFile, AdbPort
from actors.adapters.adb_tools import AdbTools
from bench.parts import adb_server, free_port
from simulators.phone.android import Identity
from simulators.phone.virtual_phone import VirtualPhone
from tests.simulators.phone.screens.hand import centre
from tests.support.site import until

BIG = b"0123456789abcdef" * (1_000_000 // 16)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[AdbFile]:
    """A server on a socket whose whole name is longer than the kernel takes."""
    folder = tmp_path / ("deep" * 20) / ("down" * 20)
    folder.mkdir(parents=True)
    async with adb_server(folder) as place:
        assert len(str(place)) > 107
        yield place


@pytest.fixture
async def phone(place: AdbFile) -> AsyncIterator[VirtualPhone]:
    async with VirtualPhone(identity=Identity(serial="T1"), fork_delay=0) as phone:
        await until(lambda: AdbClient(place).connect(phone.serial), lambda said: "connected" in said)
        yield phone


async def test_files_and_screenshots(place: AdbFile, phone: VirtualPhone, tmp_path: Path) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(BIG)

    def work() -> tuple[int, int]:
        device = AdbTools(place).device(phone.serial)
        device.sync.push(sent, "/sdcard/big")
        return device.sync.pull("/sdcard/big", back), device.screenshot(error_ok=False).width

    pulled, width = await asyncio.to_thread(work)
    assert phone.android.files["/sdcard/big"] == BIG
    assert (pulled, back.read_bytes()) == (len(BIG), BIG)
    assert width == phone.android.screens.screen.width


async def test_the_screen_is_read_and_touched_through_the_server(place: AdbFile, phone: VirtualPhone) -> None:
    def work() -> tuple[str, str, str]:
        device = AdbTools(place).device(phone.serial)
        device.shell("settings put global window_animation_scale 0; settings put global transition_animation_scale 0")
        device.shell("am start -a android.settings.WIRELESS_SETTINGS")
        tree = device.dump_hierarchy()
        x, y = next(centre(node) for node in ElementTree.fromstring(tree).iter("node")
                    if node.get("resource-id") == "com.android.settings:id/airplane_switch")  # fmt: skip
        device.shell(f"input tap {x} {y}")
        return tree, device.shell("cmd connectivity airplane-mode"), device.shell("dumpsys window | grep mCurrentFocus")

    tree, airplane, focus = await asyncio.to_thread(work)
    assert tree.startswith("<?xml") and tree.endswith("</hierarchy>")
    assert (airplane.strip(), focus.count("com.android.settings/")) == ("enabled", 1)
    assert not phone.telephony.in_service


async def test_both_clients_see_the_same_phones(place: AdbFile, phone: VirtualPhone) -> None:
    seen = await asyncio.to_thread(lambda: {one.serial: one.state for one in AdbTools(place).list()})
    assert seen == {one.serial: one.state for one in (await AdbClient(place).devices()).values()}
    assert seen == {phone.serial: "device"}


async def test_more_connections_at_once_than_the_server_queues(place: AdbFile) -> None:
    """A socket file's queue refuses where TCP's would wait; it holds four."""
    versions = await asyncio.gather(*(AdbClient(place).version() for _ in range(200)))
    ours = AdbTools(place)
    others = await asyncio.gather(*(asyncio.to_thread(ours.server_version) for _ in range(50)))
    assert {*versions, *others} == {versions[0]}


async def test_a_server_that_stands_still_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as full:
        monkeypatch.chdir(tmp_path)  # a whole name may be too long for the kernel
        full.bind("s")
        full.listen(0)
        place = AdbFile(tmp_path / "s")
        with place.connect_blocking(1), pytest.raises(AdbServerGone, match="does not answer"):
            await AdbClient(place).version()
        with pytest.raises(TimeoutError):
            place.connect_blocking(0.1)


def test_no_server_is_started_for_everybody_where_ours_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """adbutils itself runs `adb start-server`, whose port is open to every user of the machine."""
    port = free_port()
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    for place in (AdbFile(tmp_path / "server.sock"), AdbPort("127.0.0.1", free_port())):
        with pytest.raises(adbutils.AdbError, match="does not answer"):
            AdbTools(place).list()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", port))


async def test_a_server_of_somebody_elses_is_reached_over_tcp(place: AdbFile, phone: VirtualPhone) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await place.connect()

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as relay:
        port = AdbPort("127.0.0.1", relay.sockets[0].getsockname()[1])
        assert list(await AdbClient(port).devices()) == [phone.serial]
        assert [one.serial for one in await asyncio.to_thread(AdbTools(port).list)] == [phone.serial]
