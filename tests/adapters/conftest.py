"""A phone over the real adb server, and an ear for what it reports."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from actors.adapters.adb import AdbClient, AdbServerGone
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_place import AdbFile
from actors.adapters.adb_tracker import DeviceTracker
from actors.slot.phone import Report
from actors.telephony.reports import CallPhase, CallSeen, Link, LinkChanged
from bench.parts import adb_command
from cli.site.probes import adb_answers
from simulators.phone.android import Identity
from simulators.phone.virtual_phone import VirtualPhone
from tests.support.site import PATIENCE

FAST = 0.2  # the carrier at five times its speed


class Ear:
    """What a phone reported, and waiting for more."""

    def __init__(self) -> None:
        self.heard: list[Report] = []
        self._news = asyncio.Event()

    def __call__(self, report: Report) -> None:
        self.heard.append(report)
        self._news.set()

    async def until(self, wanted: Callable[[Report], bool], seconds: float = PATIENCE) -> Report:
        start = 0
        async with asyncio.timeout(seconds):
            while True:
                for report in self.heard[start:]:
                    if wanted(report):
                        return report
                start = len(self.heard)
                self._news.clear()
                await self._news.wait()

    async def link(self, link: Link) -> None:
        await self.until(lambda report: isinstance(report, LinkChanged) and report.link is link)

    async def phase(self, phase: CallPhase) -> CallSeen:
        found = await self.until(lambda report: isinstance(report, CallSeen) and report.phase is phase)
        assert isinstance(found, CallSeen)
        return found

    def calls(self) -> list[CallSeen]:
        return [report for report in self.heard if isinstance(report, CallSeen)]

    def phases(self) -> list[CallPhase]:
        return [report.phase for report in self.calls()]

    def links(self) -> list[Link]:
        return [report.link for report in self.heard if isinstance(report, LinkChanged)]


async def dial(phone: AdbPhone, number: str) -> None:
    """Dial for a call that nobody has withdrawn."""
    await phone.dial(number, "c_1", lambda: True)


class Server:
    """An adb server that can be killed and started again in its place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = AdbFile(folder / "server.sock")
        self._env = {"ADB_EMU": "0", "ADB_MDNS": "0", "ADB_LIBUSB": "0", "HOME": str(folder)}
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Serve, if it does not."""
        self._begin()
        async with asyncio.timeout(PATIENCE):
            while not await adb_answers(self.place):
                await asyncio.sleep(0.02)

    def _begin(self) -> None:
        if self._process is None or self._process.poll() is not None:
            env = {**os.environ, **self._env}
            self._process = subprocess.Popen(adb_command(self.place), env=env, stdout=DEVNULL, stderr=DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def forget(self) -> None:
        """Drop every phone. Raises TimeoutError."""
        client = AdbClient(self.place)
        async with asyncio.timeout(PATIENCE):
            while (await client.devices()).keys():
                await client.disconnect("")
                await asyncio.sleep(0.005)

    async def stand_still(self, seconds: float) -> None:
        """Stop the process and let it go on later: what phones say meanwhile comes afterwards, all at once."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def kept_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """To start one for each test would cost more than most of them do."""
    server = Server(tmp_path_factory.mktemp("adb"))
    yield server
    server.kill()


@pytest.fixture
async def server(kept_server: Server) -> AsyncIterator[Server]:
    """It serves, and knows no phone."""
    await kept_server.start()
    yield kept_server
    with contextlib.suppress(AdbServerGone):  # a test may have ended it
        await kept_server.forget()


@pytest.fixture
async def tracker(server: Server) -> AsyncIterator[DeviceTracker]:
    tracker = DeviceTracker(client=AdbClient(server.place), folder=server.folder)
    tracker.start()
    yield tracker
    await tracker.stop()


@pytest.fixture(params=[9, 11, 14])
async def handset(request: pytest.FixtureRequest) -> AsyncIterator[VirtualPhone]:
    identity = Identity(serial=f"T{request.param}", release=request.param, sims=2 if request.param == 11 else 1)
    async with VirtualPhone(identity=identity, scale=FAST, fork_delay=0) as phone:
        phone.boot_time = 0.3
        yield phone


@pytest.fixture
async def ear() -> Ear:
    return Ear()


@pytest.fixture
async def phone(tracker: DeviceTracker, handset: VirtualPhone, ear: Ear) -> AsyncIterator[AdbPhone]:
    phone = AdbPhone(serial=handset.serial, tracker=tracker, health_every=0.5)
    phone.start(ear)
    await ear.link(Link.ONLINE)
    await phone.look()
    yield phone
    await phone.close()


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """All that is written into the log."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with capture_logs() as lines:
        yield lines
    structlog.configure(**before)
