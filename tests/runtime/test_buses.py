import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig
from nats.js.errors import APIError

from actors.adapters.nats_bus import EXPECT, EXPECT_SCOPE, NatsBus
from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import ID, Fenced, Recorded
from actors.runtime.ownership import Lease
from bench.parts import free_port, process
from cli.site.probes import nats_answers
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.runtime.bus_contract import BusContract, _append
from tests.support.site import PATIENCE
from tests.support.tcp_proxy import Wire, wire

NATS_SERVER = str(Path(sys.executable).with_name("nats-server"))


class MemoryLab:
    """The lab for memory: a broker with a fault at the next step."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(clock=SystemClock())
        self.victim: MemoryBus | None = None
        self._cut_after: float | None = None

    async def step(self, name: str) -> None:
        if self._cut_after is not None and name.startswith(("after append", "after put")):
            seconds, self._cut_after = self._cut_after, None
            self.cut_for(seconds)

    async def raw_write(self, subject: str, id: str, *, scope: str, expect: int) -> tuple[int, bool] | None:
        try:
            ack = self.broker.write(subject, b"", {ID: id}, scope=scope, expect=expect)
        except Fenced:
            return None
        return ack.seq, ack.duplicate

    def cut_after_next_write(self, seconds: float) -> None:
        self._cut_after = seconds

    def cut_for(self, seconds: float) -> None:
        assert self.victim is not None
        self.broker.cut(self.victim)
        asyncio.get_running_loop().call_later(seconds, self.broker.mend, self.victim)

    async def fill(self) -> None:
        self.broker.full = True

    async def free(self) -> None:
        self.broker.full = False

    def few_may_wait(self, limit: int) -> None:
        self.broker.pending_limit = limit


class TestMemoryBus(BusContract):
    @pytest.fixture
    async def lab(self) -> MemoryLab:
        return MemoryLab()

    @pytest.fixture
    async def bus(self, lab: MemoryLab) -> MemoryBus:
        lab.victim = MemoryBus(lab.broker, step=lab.step)
        return lab.victim

    @pytest.fixture
    async def other(self, lab: MemoryLab) -> MemoryBus:
        return MemoryBus(lab.broker)


SMALL = """listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}", sync_interval: always, max_file_store: 48MB }}
"""


class NatsLab:
    """The lab for NATS: a wire between one client and the server, and a client past the port."""

    def __init__(self, wire: Wire, raw: Client, patch: pytest.MonkeyPatch) -> None:
        self.wire = wire
        self._raw = raw
        self._patch = patch

    async def raw_write(self, subject: str, id: str, *, scope: str, expect: int) -> tuple[int, bool] | None:
        headers = {ID: id, EXPECT: str(expect), EXPECT_SCOPE: scope}
        written = subject.replace("ottb.v1.evt.", "ottb.v1.write.")
        try:
            ack = await self._raw.jetstream().publish(written, b"", headers=headers)
        except APIError as error:
            assert error.err_code == 10071
            return None
        return ack.seq, bool(ack.duplicate)

    def cut_after_next_write(self, seconds: float) -> None:
        self.wire.cut_after(b"HPUB ottb.v1.write.", b"HPUB $KV.", seconds=seconds)

    def cut_for(self, seconds: float) -> None:
        self.wire.cut_for(seconds)

    async def fill(self) -> None:
        js = self._raw.jetstream()
        await js.add_stream(StreamConfig(name="FILLER", subjects=["filler"]))
        with pytest.raises(APIError):
            for size in [900_000] * 100 + [5_000] * 1000:
                await js.publish("filler", b"x" * size)

    async def free(self) -> None:
        await self._raw.jetstream().purge_stream("FILLER")

    def few_may_wait(self, limit: int) -> None:
        self._patch.setattr("actors.adapters.nats_bus.PENDING_MESSAGES", limit)


class TestNatsBus(BusContract):
    @pytest.fixture
    async def port(self, tmp_path: Path) -> AsyncIterator[int]:
        async with server(tmp_path, SMALL) as port:
            yield port

    @pytest.fixture
    async def lab(self, port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NatsLab]:
        raw = Client()
        await raw.connect(f"nats://127.0.0.1:{port}")
        async with wire(port) as between:
            yield NatsLab(between, raw, monkeypatch)
        await raw.close()

    @pytest.fixture
    async def bus(self, lab: NatsLab) -> AsyncIterator[NatsBus]:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{lab.wire.port}", name="one")
        await bus.ensure_streams()
        yield bus
        await bus.close()

    @pytest.fixture
    async def other(self, port: int, bus: NatsBus) -> AsyncIterator[NatsBus]:
        other = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="two")
        yield other
        await other.close()

    async def test_a_lease_moves_only_when_it_has_run_out(self, bus: NatsBus, other: NatsBus) -> None:
        clock = SystemClock()
        mine = Lease(bus=bus, clock=clock, key="host.x", holder="me", ttl=2.0)
        yours = Lease(bus=other, clock=clock, key="host.x", holder="you", ttl=2.0)
        assert await mine.acquire() and mine.held
        assert not await yours.acquire() and not yours.held
        assert await mine.renew()
        async with asyncio.timeout(PATIENCE):
            while not await yours.acquire():
                await asyncio.sleep(0.02)
        assert not mine.held  # it knew by its own clock before the other one began
        assert yours.epoch > mine.epoch
        assert not await mine.renew()


@asynccontextmanager
async def server(folder: Path, config: str) -> AsyncIterator[int]:
    """A server with a configuration of its own. Gives its port."""
    port = free_port()
    file = folder / f"nats-{port}.conf"
    file.write_text(config.format(port=port, store=folder / f"js-{port}"))
    async with process(NATS_SERVER, "-c", str(file)):
        async with asyncio.timeout(PATIENCE):
            while not await nats_answers(port):
                await asyncio.sleep(0.02)
        yield port


CONFIG = 'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{store}", sync_interval: always }}\n'


async def test_a_killed_server_loses_nothing_and_is_followed_on(tmp_path: Path) -> None:
    """kill -9 and a new start on the same store: writes go on, the follower misses and repeats nothing."""
    port = free_port()
    config = tmp_path / "nats.conf"
    config.write_text(CONFIG.format(port=port, store=tmp_path / "js"))
    command = [NATS_SERVER, "-c", str(config)]
    heard: list[int] = []

    async def hear(entry: Recorded) -> None:
        heard.append(entry.seq)

    seqs, seq = [], 0
    async with process(*command) as first:
        async with asyncio.timeout(PATIENCE):
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
        async with asyncio.timeout(PATIENCE):
            while not bus.connected:
                await asyncio.sleep(0.02)
        for number in range(20):
            seqs.append(seq := await _append(bus, "alerting", seq, id=f"b{number}"))
        async with asyncio.timeout(PATIENCE):
            while len(heard) < len(seqs):
                await asyncio.sleep(0.02)
        assert heard == seqs
        await bus.close()
