import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.adapters.nats_bus import NatsBus
from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import Recorded
from actors.runtime.ownership import Lease
from bench.parts import free_port, nats_server, process
from cli.up import nats_answers
from simulators.memory_bus import MemoryBroker, MemoryBus
from tests.runtime.bus_contract import BusContract, _append


class TestMemoryBus(BusContract):
    @pytest.fixture
    async def broker(self) -> MemoryBroker:
        return MemoryBroker(clock=SystemClock())

    @pytest.fixture
    async def bus(self, broker: MemoryBroker) -> MemoryBus:
        return MemoryBus(broker)

    @pytest.fixture
    async def other(self, broker: MemoryBroker) -> MemoryBus:
        return MemoryBus(broker)


class TestNatsBus(BusContract):
    @pytest.fixture
    async def url(self, tmp_path: Path) -> AsyncIterator[str]:
        async with nats_server(tmp_path) as port:
            yield f"nats://127.0.0.1:{port}"

    @pytest.fixture
    async def bus(self, url: str) -> AsyncIterator[NatsBus]:
        bus = await NatsBus.connect(url, name="one")
        await bus.ensure_streams()
        yield bus
        await bus.close()

    @pytest.fixture
    async def other(self, url: str, bus: NatsBus) -> AsyncIterator[NatsBus]:
        other = await NatsBus.connect(url, name="two")
        yield other
        await other.close()

    async def test_a_lease_moves_only_when_it_has_run_out(self, bus: NatsBus, other: NatsBus) -> None:
        clock = SystemClock()
        mine = Lease(bus=bus, clock=clock, key="host.x", holder="me", ttl=1.0)
        yours = Lease(bus=other, clock=clock, key="host.x", holder="you", ttl=1.0)
        assert await mine.acquire() and mine.held
        assert not await yours.acquire() and not yours.held
        assert await mine.renew()
        async with asyncio.timeout(5):
            while not await yours.acquire():
                await asyncio.sleep(0.02)
        assert not mine.held  # it knew by its own clock before the other one began
        assert yours.epoch > mine.epoch
        assert not await mine.renew()


CONFIG = 'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{store}", sync_interval: always }}\n'


async def test_a_killed_server_loses_nothing_and_is_followed_on(tmp_path: Path) -> None:
    """kill -9 and a new start on the same store: writes go on, the follower misses and repeats nothing."""
    import sys

    port = free_port()
    config = tmp_path / "nats.conf"
    config.write_text(CONFIG.format(port=port, store=tmp_path / "js"))
    command = [str(Path(sys.executable).with_name("nats-server")), "-c", str(config)]
    heard: list[int] = []

    async def hear(entry: Recorded) -> None:
        heard.append(entry.seq)

    seqs, seq = [], 0
    async with process(*command) as first:
        async with asyncio.timeout(10):
            while not await nats_answers(port):
                await asyncio.sleep(0.02)
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="t")
        await bus.ensure_streams()
        await bus.follow("ottb.v1.evt.>", hear, after=0)
        for number in range(20):
            seqs.append(seq := await _append(bus, "alerting", seq, id=f"a{number}"))
        os.kill(first.pid, signal.SIGKILL)
        await first.wait()
    async with process(*command):
        async with asyncio.timeout(10):
            while not bus.connected:
                await asyncio.sleep(0.02)
        for number in range(20):
            seqs.append(seq := await _append(bus, "alerting", seq, id=f"b{number}"))
        async with asyncio.timeout(10):
            while len(heard) < len(seqs):
                await asyncio.sleep(0.02)
        assert heard == seqs
        await bus.close()
