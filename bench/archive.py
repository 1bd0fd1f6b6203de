"""How many events of sealed days are read and decoded in a second, and what a day of calls takes on the disk.

By the time of the thread that reads: what else the machine does counts for less.
"""

import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec

from actors.adapters.archive_folder import ArchiveFolder
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.archive.archive import Archive
from actors.archive.whole import ALL, Whole
from actors.ledger.decode import decode
from actors.runtime import memory
from actors.runtime.bus import ID
from bench.journal import events
from bench.table import Row
from bus_schemas.catalogue import TOPICS
from bus_schemas.kinds import owners_header
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

EVENTS, ROUNDS = 200_000, 5
READ = 300_000  # events a second: the goal


class InTwoDays(SystemClock):
    """So that today is over."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=2)


def journal() -> MemoryBroker:
    """One day of a busy site."""
    broker = MemoryBroker(clock=SystemClock())
    ids, topics = RandomIds(), {topic.event: topic for topic in TOPICS if topic.kept}
    owners = owners_header({"call": ("op12",), "slot": (None,)})
    for event in islice(events(), EVENTS):
        headers = {ID: ids.new(), "Ottb-Command": ids.new(), **owners}
        broker.log.store(topics[type(event)].subject_for(event), msgspec.json.encode(event), headers)
    return broker


async def measure(folder: Path) -> list[Row]:
    with TemporaryDirectory(dir=folder) as place:
        bus = MemoryBus(journal())
        archive = Archive(
            bus=bus, clock=InTwoDays(), ids=RandomIds(), store=ArchiveFolder(Path(place)), threads=False
        )
        began = time.thread_time()
        sealed = await archive.seal("bench")
        sealing = time.thread_time() - began
        assert sealed is not None and sealed.entries == EVENTS, sealed
        memory.freeze(memory.RARELY)
        whole = Whole(bus=bus, archive=archive)
        rate = median([await _read(whole) for _ in range(ROUNDS)])
    packed, written = sealed.size / EVENTS, EVENTS / sealing
    return [
        Row("events of sealed days, read and decoded", f"{rate:,.0f}/s", f"goal {READ:,}/s", rate / READ, ">= 1.0"),
        Row("bytes of an event in a sealed day", f"{packed:.0f} B", "goal 100 B", packed / 100, "<= 1.0"),
        Row("events sealed and read back", f"{written:,.0f}/s", "goal 50,000/s", written / 50_000, ">= 1.0"),
    ]


async def _read(whole: Whole) -> float:
    """Events a second."""
    began, count = time.thread_time(), 0
    async for entry in whole.replay(ALL):
        count += decode(entry) is not None
    assert count >= EVENTS, count
    return count / (time.thread_time() - began)
