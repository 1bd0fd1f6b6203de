"""The machine's figures by psutil, and what Linux alone tells by its own files."""

import asyncio
import os
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import psutil
import structlog

from actors.monitor.reader import CpuTimes, Disk, Process, Reading

log = structlog.get_logger()

READ_WITHIN = 4.0  # seconds
DOWNLOAD_BEGINS = 3.0  # seconds until the first byte, and between two
PIECE, LEAST = 256 * 1024, 64 * 1024  # bytes at once; of fewer altogether no speed can be told
FOUND_EVERY = 60.0  # seconds between two searches for processes
ROUTES, DEFAULT, UP = Path("/proc/net/route"), "00000000", 0x1  # `man 5 proc`
# Programs of the platform, each by what its command line has.
PROGRAMS = {
    "actors": "actors.main",
    "gateway": "gateway.main",
    "phones": "simulators.phone.main",
    "pbx": "simulators.pbx.main",
    "nats-server": "nats-server",
    "adb": "adb",
    "asterisk": "asterisk",
    "site": "cli.main",
}
OF_NAME = ("nats-server", "adb", "asterisk")  # no module of Python's: the program itself is called so
HOT = 150.0  # degrees; some boards report nonsense


class PsutilReader:
    """Of this machine, read in a thread: a disk that hangs is not to hold anything else up. `state`: the folder whose
    disk matters most."""

    def __init__(self, state: Path) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="host-figures")
        self._reading: asyncio.Future[Reading] | None = None
        self._state = state
        self._ours: list[tuple[str, psutil.Process]] = []
        self._found_at = float("-inf")

    async def read(self) -> Reading | None:
        if self._reading is None:
            self._reading = asyncio.get_running_loop().run_in_executor(self._pool, self.read_now)
        done, _ = await asyncio.wait({self._reading}, timeout=READ_WITHIN)
        if not done:  # the next one waits for the same
            log.warning("the machine's figures take long")
            return None
        reading, self._reading = self._reading, None
        return reading.result()

    def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read_now(self) -> Reading:
        """Read them here. Raises OSError."""
        times, memory = psutil.cpu_times(), psutil.virtual_memory()
        one, five, fifteen = os.getloadavg()
        return Reading(
            cpu=_busy(times),
            cores=psutil.cpu_count() or 1,
            load=(round(one, 2), round(five, 2), round(fifteen, 2)),
            ram_total=memory.total,
            ram_available=memory.available,
            uptime=time.clock_gettime(time.CLOCK_BOOTTIME),
            temperature=_hottest(),
            link=_link(),
            disks=tuple(self._disks()),
            processes=tuple(self._processes()),
        )

    async def connect(self, address: str, *, timeout: float) -> float | None:
        host, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except ConnectionRefusedError:
            return loop.time() - begun
        except (OSError, OverflowError, UnicodeError):  # also TimeoutError; a port or a name that is none
            return None
        took = loop.time() - begun
        writer.transport.abort()
        return took

    async def download(self, url: str, *, most: int, seconds: float) -> float | None:
        try:
            async with asyncio.timeout(seconds + DOWNLOAD_BEGINS + 1.0):  # the thread ends by itself a little later
                return await asyncio.to_thread(_fetch, url, most, seconds)
        except (OSError, HTTPException, ValueError):  # also TimeoutError
            return None

    def _disks(self) -> Iterator[Disk]:
        """The one with the state folder first, then those of the system, each once."""
        seen = set[int]()
        for path in (self._state.resolve(), Path("/"), Path("/var")):
            with suppress(OSError):
                device = path.stat().st_dev
                if device not in seen:
                    seen.add(device)
                    use = psutil.disk_usage(str(path))
                    yield Disk(path=str(path), used=use.used, free=use.free)

    def _processes(self) -> Iterator[Process]:
        now = time.monotonic()
        if now - self._found_at > FOUND_EVERY or not all(process.is_running() for _, process in self._ours):
            self._ours, self._found_at = list(_ours()), now
        for name, process in self._ours:
            with suppress(psutil.Error), process.oneshot():
                cpu, memory = process.cpu_times(), process.memory_info()
                yield Process(
                    name=name, pid=process.pid, started=process.create_time(), cpu=cpu.user + cpu.system,
                    rss=memory.rss, fds=_fds(process), threads=process.num_threads(),
                    uptime=max(time.time() - process.create_time(), 0.0),
                )  # fmt: skip


def _fetch(url: str, most: int, seconds: float) -> float | None:
    """Bytes a second, from the first on. In a thread: what comes fast is much, and calls do not wait for it."""
    with urllib.request.urlopen(url, timeout=DOWNLOAD_BEGINS) as answer:  # http(s) by the settings' own shape
        begun, got = time.monotonic(), 0
        while got < most and time.monotonic() - begun < seconds and (piece := answer.read1(PIECE)):
            got += len(piece)
        took = time.monotonic() - begun
    return got / took if got >= LEAST and took > 0 else None


def _busy(times: "psutil._ntuples.scputimes") -> CpuTimes:
    """Guests are in `user` and `nice` already; waiting for a disk is not work."""
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return CpuTimes(busy=total - times.idle - getattr(times, "iowait", 0.0), total=total)


def _hottest() -> float | None:
    found = [one.current for sensor in psutil.sensors_temperatures().values() for one in sensor]
    return max((degrees for degrees in found if 0 < degrees < HOT), default=None)


def _link() -> int | None:
    """Mbit/s of the interface that the default route leads over. None: there is none, or it does not tell, as those of
    virtual machines."""
    with suppress(OSError):
        for line in ROUTES.read_text().splitlines()[1:]:
            name, destination, _, flags, *_ = line.split()
            if destination == DEFAULT and int(flags, 16) & UP:
                stats = psutil.net_if_stats().get(name)
                return stats.speed or None if stats is not None and stats.speed < 2**31 else None
    return None


def _fds(process: psutil.Process) -> int | None:
    try:
        return process.num_fds()
    except psutil.Error:
        return None


def _ours() -> Iterator[tuple[str, psutil.Process]]:
    """The processes of the platform: its programs, of this user. Sites of one user on one machine are not told
    apart."""
    me = os.getuid()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == me and (name := _program(process.cmdline())) is not None:
                yield name, process


def _program(line: list[str]) -> str | None:
    if not line:
        return None
    own = Path(line[0]).name
    return next((name for name, word in PROGRAMS.items() if (own == word if name in OF_NAME else word in line)), None)
