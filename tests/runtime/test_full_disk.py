"""What the real server does when its disk has no space left, and what the bus makes of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_writer import PROBE
from actors.runtime.bus import FULL, ID, STUCK, BusFull, RequestTimeout
from bench.parts import free_port, process
from cli.site.probes import nats_answers
from tests.runtime.test_buses import NATS_SERVER
from tests.support.site import PATIENCE, until
from tests.support.small_disk import small_disk

CONFIG = """listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}", sync_interval: always, max_file_store: {limit} }}
"""
SCOPE = "ottb.v1.evt.call.*.c1.*"
LARGE = b"x" * 100_000


@contextmanager
def impatient() -> Iterator[None]:
    """A write that nobody answers is given up soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actors.adapters.nats_writer.APPEND_DEADLINE", 1.0)
        patch.setattr("actors.adapters.nats_writer.TRY_TIMEOUT", 0.5)
        yield


@asynccontextmanager
async def running(port: int, *command: str) -> AsyncIterator[None]:
    async with process(*command):
        async with asyncio.timeout(PATIENCE):
            while not await nats_answers(port):
                await asyncio.sleep(0.02)
        yield


async def _append(bus: NatsBus, past: str, expect: int, data: bytes = LARGE) -> int:
    return await bus.append(f"ottb.v1.evt.call.slot-1.c1.{past}", data, {ID: past}, scope=SCOPE, expect=expect)


async def test_a_full_disk_is_noticed_and_a_restart_of_the_server_mends_it(tmp_path: Path) -> None:
    """The server does not answer such a write, nor any later one to that stream, also when there is space again.

    Should the last part fail with a newer server, it has learned to go on by itself: then the texts can go.
    """
    async with small_disk(tmp_path / "disk", megabytes=16) as disk:
        if disk is None:  # nothing may be mounted here: a quota is what can be had, and it is answered at once
            await _quota(tmp_path)
            return
        port = free_port()
        config = tmp_path / "nats.conf"
        config.write_text(CONFIG.format(port=port, store=disk.folder / "js", limit="1GB"))
        command = disk.inside(NATS_SERVER, "-c", str(config))
        async with running(port, *command):
            bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="one")
            await bus.ensure_streams()
            first = await _append(bus, "dialing", 0)
            disk.fill()
            # It cannot be told from a write that is stored and not answered.
            with impatient(), pytest.raises(RequestTimeout):
                await _append(bus, "alerting", first)
            assert bus.full and bus.healthy() == STUCK
            with pytest.raises(BusFull):  # known by now: nothing is sent
                await _append(bus, "answered", first)
            last = await bus.last(SCOPE, certain=True)
            assert last is not None and last.seq == first  # what is there can be read
            disk.free()
            await asyncio.sleep(PROBE)
            with impatient(), pytest.raises(RequestTimeout):
                await _append(bus, "alerting", first)
            assert bus.healthy() == STUCK
        async with running(port, *command):
            async with asyncio.timeout(PATIENCE):
                while not bus.connected:
                    await asyncio.sleep(0.02)
            second = await _append(bus, "alerting", first)
            assert not bus.full and bus.healthy() is None
            assert [entry.seq async for entry in bus.replay(SCOPE)] == [first, second]
            await bus.close()


async def test_a_quota_that_is_used_up_is_noticed_and_more_of_it_mends_it(tmp_path: Path) -> None:
    await _quota(tmp_path)


async def _tried(bus: NatsBus, expect: int) -> int | None:
    with contextlib.suppress(BusFull):
        return await _append(bus, "ended", expect)
    return None


async def _quota(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "quota.conf"
    config.write_text(CONFIG.format(port=port, store=tmp_path / "js", limit="1MB"))
    async with process(NATS_SERVER, "-c", str(config)) as server:
        async with asyncio.timeout(PATIENCE):
            while not await nats_answers(port):
                await asyncio.sleep(0.02)
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="one")
        await bus.ensure_streams()
        seq = 0
        with pytest.raises(BusFull):
            for number in range(20):
                seq = await _append(bus, f"note{number}", seq)
        assert bus.full and bus.healthy() == FULL
        config.write_text(CONFIG.format(port=port, store=tmp_path / "js", limit="8MB"))
        server.send_signal(1)  # SIGHUP: read the configuration again
        assert await until(lambda: _tried(bus, seq), bool) == seq + 1
        assert not bus.full and bus.healthy() is None
        await bus.close()
