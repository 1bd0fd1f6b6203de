"""How many events of sealed days are read and decoded in a second, against Python's own gzip and msgspec on the same
file (docs/decisions/0064), and what a day of calls takes on the disk.

By the time of the thread that reads: what else the machine does counts for less.
"""

import gzip
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

from actors.adapters.archive_folder import ArchiveFolder
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.archive.archive import Archive
from actors.archive.whole import ALL, Whole
from actors.ledger.decode import decode
from actors.runtime import memory
from actors.runtime.bus import ID
from bench.journal import DECODERS, events
from bench.table import Row
from bus_schemas.catalogue import TOPICS
from bus_schemas.contract import kind_of, verb_of
from bus_schemas.kinds import owners_header
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

EVENTS, ROUNDS = 200_000, 5


class Line(Struct):
    subject: str = ""
    data: msgspec.Raw = msgspec.Raw()


LINE = msgspec.json.Decoder(Line).decode


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
        rates = [(await _read(whole), _bare(Path(place) / sealed.name)) for _ in range(ROUNDS)]
    ours, bare = median(one for one, _ in rates), median(other for _, other in rates)
    ratio = median(one / other for one, other in rates)
    packed, written = sealed.size / EVENTS, EVENTS / sealing
    return [
        Row("events of sealed days, read, decoded", f"{ours:,.0f}/s", f"gzip, msgspec {bare:,.0f}/s", ratio, ">= 0.75"),
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


def _bare(file: Path) -> float:
    """The same, of who needs no checksum, no order, no headers and no place in a journal."""
    began, count = time.thread_time(), -2  # without the first line and the last
    with gzip.open(file) as lines:
        for line in lines:
            count += 1
            said = LINE(line)
            if said.subject:
                DECODERS[kind_of(said.subject), verb_of(said.subject)](said.data)
    assert count == EVENTS, count
    return count / (time.thread_time() - began)
