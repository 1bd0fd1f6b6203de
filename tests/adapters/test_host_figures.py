"""The machine's figures, compared with what its kernel says to others."""

import asyncio
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from actors.adapters import host_figures
from actors.adapters.host_figures import PsutilReader
from actors.monitor import present
from bench.parts import free_port

PROC = Path("/proc")


def meminfo() -> dict[str, int]:
    found = re.findall(r"(\w+):\s+([0-9]+) kB", (PROC / "meminfo").read_text())
    return {name: int(value) * 1024 for name, value in found}


def ticks() -> tuple[int, int]:
    """Busy and all, as `top` counts them."""
    user, nice, system, idle, iowait, *rest = map(int, (PROC / "stat").read_text().split("\n")[0].split()[1:9])
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + iowait


@pytest.fixture
def reader(tmp_path: Path) -> PsutilReader:
    return PsutilReader(tmp_path)


def test_figures_are_those_of_the_kernel(reader: PsutilReader, tmp_path: Path) -> None:
    said = reader.read_now()
    memory = meminfo()
    assert said.ram_total == memory["MemTotal"]
    assert abs(said.ram_available - memory["MemAvailable"]) < memory["MemTotal"] * 0.05
    assert abs(said.uptime - float((PROC / "uptime").read_text().split()[0])) < 2
    assert said.cores == int(subprocess.check_output(["getconf", "_NPROCESSORS_ONLN"]))
    loads = map(float, (PROC / "loadavg").read_text().split()[:3])
    assert all(abs(ours - theirs) < 2 for ours, theirs in zip(said.load, loads, strict=True))
    use = shutil.disk_usage(tmp_path)
    assert said.disks[0].path == str(tmp_path.resolve()) and abs(said.disks[0].free - use.free) < 2**30
    devices = [Path(disk.path).stat().st_dev for disk in said.disks]
    assert len({*devices}) == len(devices)


def test_load_is_what_top_counts(reader: PsutilReader) -> None:
    first, before = reader.read_now(), ticks()
    spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    time.sleep(1.5)
    spinning.kill()
    spinning.wait()
    second, after = reader.read_now(), ticks()
    counted = 100 * (after[0] - before[0]) / (after[1] - before[1])
    load = present.load(first.cpu, second.cpu)
    assert load is not None and abs(load - counted) < 8 and load > 80 / second.cores


def test_our_processes_are_found_with_what_they_use(reader: PsutilReader, tmp_path: Path) -> None:
    script = tmp_path / "nats-server"
    script.symlink_to(shutil.which("sleep") or "/bin/sleep")
    ours = subprocess.Popen([str(script), "60"])
    try:
        time.sleep(0.3)
        found = {one.pid: one for one in reader.read_now().processes}
        one = found[ours.pid]
        status = (PROC / str(ours.pid) / "status").read_text()
        assert one.name == "nats-server" and one.rss == 1024 * int(re.findall(r"VmRSS:\s+([0-9]+)", status)[0])
        assert one.fds == len([*(PROC / str(ours.pid) / "fd").iterdir()]) and one.threads == 1
        assert 0 <= one.uptime < 30
    finally:
        ours.kill()
        ours.wait()
    assert ours.pid not in {one.pid for one in reader.read_now().processes}


async def test_a_disk_that_hangs_holds_nobody_up(reader: PsutilReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_figures, "READ_WITHIN", 0.1)
    real, calls = reader.read_now, 0

    def hangs() -> object:
        nonlocal calls
        calls += 1
        time.sleep(0.5)
        return real()

    monkeypatch.setattr(reader, "read_now", hangs)
    assert await reader.read() is None and await reader.read() is None
    assert calls == 1  # no thread after another waits for it
    monkeypatch.setattr(host_figures, "READ_WITHIN", 5.0)
    assert await reader.read() is not None
    reader.stop()


@asynccontextmanager
async def serving(pieces: int, pause: float) -> AsyncIterator[str]:
    """A server of one file, of so many pieces of 100,000 bytes. Gives its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * 100_000))
        with suppress(ConnectionError):
            for _ in range(pieces):
                writer.write(bytes(100_000))
                await writer.drain()
                await asyncio.sleep(pause)
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/file"
    server.close()


async def test_a_file_tells_what_the_network_carries(reader: PsutilReader) -> None:
    async with serving(20, 0.05) as url:  # 2 MB/s
        speed = await reader.download(url, most=10**9, seconds=10.0)
        assert speed is not None and 1e6 < speed < 2.5e6
    begun = time.monotonic()
    async with serving(10**6, 0.05) as url:
        slow = await reader.download(url, most=10**12, seconds=0.5)
        assert slow is not None and 0.5e6 < slow < 4e6
    async with serving(10**6, 0.0) as url:  # without end, as fast as it goes
        assert await reader.download(url, most=10**6, seconds=60.0) is not None
    assert time.monotonic() - begun < 10
    async with serving(0, 0.0) as url:
        assert await reader.download(url, most=10**6, seconds=1.0) is None
    assert await reader.download(f"http://127.0.0.1:{free_port()}/", most=1, seconds=1.0) is None


async def test_a_way_is_as_long_as_its_connection_takes(reader: PsutilReader) -> None:
    server = await asyncio.start_server(lambda read, write: write.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    took = await reader.connect(f"127.0.0.1:{port}", timeout=2)
    assert took is not None and 0 < took < 1
    server.close()
    refused = await reader.connect(f"127.0.0.1:{free_port()}", timeout=2)
    assert refused is not None  # who refuses is there
    for nowhere in ("no.such.host.invalid:1", "127.0.0.1:99999", f"{'a' * 100}.invalid:1"):
        assert await reader.connect(nowhere, timeout=2) is None
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:  # its kernel says nothing to more than this one
        address = f"127.0.0.1:{full.getsockname()[1]}"
        with socket.create_connection(full.getsockname()):
            found = [await reader.connect(address, timeout=0.3) for _ in range(3)]
    assert found[-1] is None
