"""What a replay asks of a real server, which works on one batch after the other before it reads anything else of a
connection, a lease for instance; and to which a wildcard is a look through the subjects of a block for each entry."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from actors.adapters import nats_bus
from actors.adapters.nats_bus import BATCHES_AT_ONCE, GENTLE_BATCH, GENTLE_BYTES, GENTLE_LEAST, NatsBus
from actors.adapters.nats_reading import FIGURES, JOURNAL, LOG, OUTPUT
from actors.runtime.bus import Message, Recorded
from bus_schemas.log import LOG_SCOPE
from bus_schemas.monitor import FIGURES_SCOPE
from bus_schemas.pipeline_events import OUTPUT_SCOPE
from tests.support.own_bus import own_bus

BATCH, FIRST_BATCH, LEAST_BATCH = 128, 16, 4
SCOPE, ENTRIES = "ottb.v1.evt.call.slot-1.*.*", 3 * BATCH


class Asked:
    """What the server is asked for, and how much of it at once."""

    def __init__(self, bus: NatsBus) -> None:
        self.sizes: list[int] = []
        self.bytes: list[int] = []
        self.ends: list[tuple[float, float]] = []  # when each began and was over
        self.most = self._now = 0
        self._read = bus._read
        bus._read = self._watched  # type: ignore[method-assign]

    async def _watched(self, stream: str, query: Mapping[str, object]) -> tuple[list[Recorded], bool]:
        self.sizes.append(int(str(query["batch"])))
        self.bytes.append(int(str(query["max_bytes"])))
        began = time.monotonic()
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            return await self._read(stream, query)
        finally:
            self._now -= 1
            self.ends.append((began, time.monotonic()))


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NatsBus]:
    monkeypatch.setattr(nats_bus, "BATCH", BATCH)
    monkeypatch.setattr(nats_bus, "FIRST_BATCH", FIRST_BATCH)
    monkeypatch.setattr(nats_bus, "LEAST_BATCH", LEAST_BATCH)
    async with own_bus(tmp_path) as bus:
        await asyncio.gather(*(_write(bus, place) for place in range(ENTRIES)))
        yield bus


async def _write(bus: NatsBus, place: int) -> None:
    subject = f"ottb.v1.evt.call.slot-1.c{place}.dialing"
    await bus.append(subject, b"{}", {}, scope=subject, expect=0)


@pytest.fixture
def asked(bus: NatsBus) -> Asked:
    return Asked(bus)


async def _count(bus: NatsBus) -> int:
    return len([entry async for entry in bus.replay(SCOPE)])


async def test_a_quick_server_is_asked_for_more_each_time(
    bus: NatsBus, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_bus, "BATCH_SECONDS", 60.0)
    assert await _count(bus) == ENTRIES
    assert asked.sizes[:4] == [FIRST_BATCH, FIRST_BATCH * 2, FIRST_BATCH * 4, BATCH] and max(asked.sizes) == BATCH


async def test_a_server_that_takes_long_is_asked_for_less(
    bus: NatsBus, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that has few entries of a line among a million others."""
    monkeypatch.setattr(nats_bus, "BATCH_SECONDS", 0.0)
    assert await _count(bus) == ENTRIES
    assert asked.sizes[:2] == [FIRST_BATCH, FIRST_BATCH // 2] and min(asked.sizes) == LEAST_BATCH


async def test_who_reads_beside_others_asks_for_little_and_rests(
    bus: NatsBus, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As clients that come back do, over the connection on which everybody else is answered."""

    async def late(stream: str, query: Mapping[str, object]) -> tuple[list[Recorded], bool]:
        await asyncio.sleep(0.03)
        return await read(stream, query)

    found = [entry.seq async for entry in bus.replay(SCOPE, gently=True)]
    assert len(found) == ENTRIES and {*asked.sizes} == {GENTLE_BATCH} and max(asked.bytes) == GENTLE_BYTES
    asked.sizes.clear()
    asked.ends.clear()
    read, asked._read = asked._read, late
    assert [entry.seq async for entry in bus.replay(SCOPE, gently=True)] == found
    assert min(asked.sizes) == GENTLE_LEAST
    for (began, over), (again, _) in pairwise(asked.ends):
        assert again - over > 0.9 * (over - began)


async def test_many_replays_at_once_ask_in_turn(bus: NatsBus, asked: Asked) -> None:
    """A host that has lost what it kept of its slots reads them all anew."""
    assert await asyncio.gather(*(_count(bus) for _ in range(20))) == [ENTRIES] * 20
    print(f"20 replays of {ENTRIES} entries at once: {asked.most} batches under way at most")
    assert asked.most == BATCHES_AT_ONCE


async def _sought(bus: NatsBus, name: str, scope: str) -> set[str]:
    """What entries are sought by when a stream is read."""
    queries = list[bytes]()

    async def hear(message: Message) -> None:
        queries.append(message.data)

    stop = await bus.subscribe(f"$JS.API.DIRECT.GET.{name}", hear)
    await bus.size()  # by now the server has heard of it
    stream = {JOURNAL: bus, LOG: bus.log, FIGURES: bus.figures, OUTPUT: bus.outputs}[name]
    async for _ in stream.replay(scope):
        pass
    await stop()
    return {msgspec.json.decode(query)["next_by_subj"] for query in queries}


@pytest.mark.parametrize(
    ("name", "scope"),
    [(JOURNAL, "ottb.v1.evt.>"), (LOG, LOG_SCOPE), (FIGURES, FIGURES_SCOPE), (OUTPUT, OUTPUT_SCOPE)],
)
async def test_a_whole_stream_is_read_by_no_subject(bus: NatsBus, name: str, scope: str) -> None:
    assert await _sought(bus, name, scope) == {">"}


async def test_a_part_of_a_stream_is_read_by_its_subject(bus: NatsBus) -> None:
    assert await _sought(bus, JOURNAL, "ottb.v1.evt.call.>") == {"ottb.v1.evt.call.>"}
