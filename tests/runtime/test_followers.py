"""Followers of the real journal that fall behind, miss something or are slow: all of it is heard, once, in order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from actors.adapters.nats_bus import NatsBus
from actors.runtime.bus import Recorded
from tests.runtime.test_buses import server
from tests.support.site import PATIENCE

QUICK = 'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{store}" }}\n'
QUICKLY, MANY = 60_000, 70_000


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with server(tmp_path, QUICK) as port:
        yield f"nats://127.0.0.1:{port}"


@pytest.fixture
async def bus(url: str) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(url, name="follower")
    await bus.ensure_streams()
    yield bus
    await bus.close()


async def _write(url: str, count: int) -> None:
    """Entries of a hundred calls, past the port, as fast as the server takes them."""
    client = Client()
    await client.connect(url)
    for number in range(count):
        await client.publish(f"ottb.v1.write.call.slot-1.c{number % 100}.alerting", b'{"some": "event of a call"}')
        if number % 5000 == 0:
            await client.flush()
    await client.flush()
    js = client.jetstream()
    while (await js.stream_info("OTTB_EVT")).state.messages < count:
        await asyncio.sleep(0.05)
    await client.close()


class _Ear:
    """Hears entries: slowly (but steadily) or not at all until it is let to."""

    def __init__(self, pause: float | None = None, quick: int = 0) -> None:
        self._quick = quick
        self._pause = pause
        self.go_on = asyncio.Event()
        self.heard: list[int] = []

    async def __call__(self, entry: Recorded) -> None:
        if self._pause is None:
            await self.go_on.wait()
        elif not self.go_on.is_set() and len(self.heard) >= self._quick:
            await asyncio.sleep(self._pause)
        self.heard.append(entry.seq)

    async def all_of(self, count: int) -> list[int]:
        async with asyncio.timeout(60):
            while len(self.heard) < count and self.heard[-1:] != [count]:
                await asyncio.sleep(0.05)
        return self.heard


async def test_a_follower_that_falls_far_behind_hears_all(bus: NatsBus, url: str) -> None:
    """More than nats-py keeps, and small ones, so that the server's own flow control, which has learned from the
    quick beginning to let 32 MB through, does not stop them."""
    await _write(url, QUICKLY + MANY)
    ear = _Ear(pause=0.01, quick=QUICKLY)
    await bus.follow("ottb.v1.evt.>", ear, after=0)
    async with asyncio.timeout(30):
        while len(ear.heard) <= QUICKLY:
            await asyncio.sleep(0.05)
    await asyncio.sleep(3.0)  # what the server would send has arrived
    ear.go_on.set()
    assert await ear.all_of(QUICKLY + MANY) == list(range(1, QUICKLY + MANY + 1))


async def test_what_is_lost_on_the_way_is_heard_all_the_same(
    bus: NatsBus, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nats-py throws away what does not fit: entries, heartbeats, questions of the flow control."""
    monkeypatch.setattr("actors.adapters.nats_follower.PENDING_MESSAGES", 300)
    ear = _Ear()
    await bus.follow("ottb.v1.evt.call.*.*.alerting", ear, after=0)
    await _write(url, 5000)
    ear.go_on.set()
    assert await ear.all_of(5000) == list(range(1, 5001))


async def test_the_last_entries_lost_are_missed_by_the_heartbeat(
    bus: NatsBus, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes after them that would show the gap."""
    monkeypatch.setattr("actors.adapters.nats_follower.PENDING_MESSAGES", 50)
    ear = _Ear()
    await bus.follow("ottb.v1.evt.>", ear, after=0)
    await _write(url, 60)
    ear.go_on.set()
    assert await ear.all_of(60) == list(range(1, 61))


async def test_a_slow_handler_is_not_taken_for_silence(bus: NatsBus, url: str) -> None:
    heard: list[int] = []

    async def hear(entry: Recorded) -> None:
        await asyncio.sleep(2.5)  # longer than a silent consumer is waited for
        heard.append(entry.seq)

    await bus.follow("ottb.v1.evt.>", hear, after=0)
    await _write(url, 2)
    async with asyncio.timeout(PATIENCE):
        while len(heard) < 2:
            await asyncio.sleep(0.05)
    assert heard == [1, 2]
    assert (await bus._js.stream_info("OTTB_EVT")).state.consumer_count == 1
