"""The real parts that the measurements share: a NATS server and an adb server of their own, on free ports."""

import asyncio
import contextlib
import itertools
import os
import random
import socket
import subprocess
import sys
import sysconfig
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from actors.adapters.adb_place import AdbFile
from cli.site.children import adb_binary
from cli.site.probes import adb_answers, nats_answers

CONFIG = """
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}", sync_interval: {sync} }}
"""

# Below the range from which the kernel gives ports to outgoing connections, above the defaults of the sandbox.
PORTS = range(20_000, 32_000)
START_SECONDS = 60.0  # far more than a server needs to serve, on a busy machine
MOST_PROMISES = 256  # a promise costs an open file
_numbers = itertools.cycle(random.sample(PORTS, len(PORTS)))
_promises: deque[socket.socket] = deque()


def free_port() -> int:
    """A port that nobody listens on, and that no other process gets from here while this one lives: whoever is told
    to listen there does so only later, and tests run in several processes at once."""
    for number in itertools.islice(_numbers, len(PORTS)):
        promise = socket.socket(socket.AF_UNIX)
        try:
            promise.bind(f"\0ottb-port-{number}")  # an abstract name: one holder on this machine, gone with its process
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):  # SIP is on UDP, and so is the media of other calls
                with socket.socket(type=kind) as one:
                    one.bind(("127.0.0.1", number))
        except OSError:
            promise.close()
            continue
        _promises.append(promise)
        if len(_promises) > MOST_PROMISES:
            _promises.popleft().close()
        return number
    raise OSError(f"no port of {PORTS} is free")


@asynccontextmanager
async def process(*argv: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process for as long as the block lasts."""
    running = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env={**os.environ, **env}
    )
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


@asynccontextmanager
async def nats_server(folder: Path, more: str = "", *, sync: str = "always") -> AsyncIterator[int]:
    """A server with JetStream as a site has it. `more`: for its configuration; `sync`: how often it makes sure that
    what it has stored is on disk. Gives its port."""
    port = free_port()
    config = folder / f"nats-{port}.conf"
    config.write_text(CONFIG.format(port=port, store=folder / f"js-{port}", sync=sync) + more)
    async with process(str(Path(sysconfig.get_path("scripts")) / "nats-server"), "-c", str(config)):
        await until_nats_answers(port)
        yield port


async def until_nats_answers(port: int) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(START_SECONDS):
        while not await nats_answers(port):
            await asyncio.sleep(0.02)


def cpu_seconds(process: psutil.Process) -> float:
    """Seconds of the processor that a process has had."""
    times = process.cpu_times()
    return float(times.user + times.system)


@asynccontextmanager
async def adb_server(folder: Path) -> AsyncIterator[AdbFile]:
    """An adb server of our own, as a site has it. Gives its place."""
    async with adb_process(folder):
        yield AdbFile(folder / "server.sock")


@asynccontextmanager
async def adb_process(folder: Path, number: int = 0) -> AsyncIterator[psutil.Process]:
    """One of the adb servers of a site, in the folder for them."""
    place = AdbFile(folder / (f"server-{number + 1}.sock" if number else "server.sock"))
    env = {"ADB_EMU": "0", "ADB_MDNS": "0", "ADB_LIBUSB": "0", "HOME": str(folder), "ANDROID_USER_HOME": str(folder)}
    async with process(*adb_command(place), **env) as running:
        async with asyncio.timeout(START_SECONDS):
            while not await adb_answers(place):
                await asyncio.sleep(0.02)
        yield psutil.Process(running.pid)


def adb_command(place: AdbFile) -> list[str]:
    """Run in the socket's folder: the whole name may be too long for the kernel."""
    listen = f"localfilesystem:{place.path.name}"
    return ["env", "-C", str(place.path.parent), adb_binary(), "-L", listen, "nodaemon", "server"]


async def output(*argv: str) -> bytes:
    """What a command prints. Raises CalledProcessError where it fails."""
    running = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    printed, _ = await running.communicate()
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, argv)
    return printed


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
