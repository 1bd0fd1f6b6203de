"""Do-not-call lists of a million numbers: what an entry weighs in a host, how long a start reads, what a call pays."""

import gc
import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import psutil

from actors.adapters.nats_bus import NatsBus
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.do_not_call.followed import Followed
from actors.runtime.bus import ID
from actors.runtime.host import Host
from actors.runtime.marks import Marks
from bench.bus import Owned
from bench.parts import nats_server
from bench.table import Row
from bus_schemas.do_not_call import AT_ONCE, DO_NOT_CALL_ADDED, DoNotCallAdded, Listed

ENTRIES = 1_000_000
ASKED = 500
WEIGHS, STARTS, PAYS = 100, 15.0, 5.0  # bytes; seconds; milliseconds


async def measure(folder: Path) -> list[Row]:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(nats_server(folder))
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
        stack.push_async_callback(bus.close)
        await bus.ensure_streams()
        await _write(bus)
        host = Host(name="bench", bus=bus, clock=SystemClock(), ids=RandomIds(), ownership=Owned())
        gc.collect()
        before = psutil.Process().memory_info().rss
        lists, began = Followed(host=host, marks=Marks(b"key")), time.perf_counter()
        await lists.follow()
        stack.push_async_callback(lists.stop)
        assert await lists.is_current(300.0)
        seconds = time.perf_counter() - began
        gc.collect()
        each = (psutil.Process().memory_info().rss - before) / ENTRIES
        assert len(lists.known("global")) == ENTRIES
        began = time.perf_counter()
        for number in range(ASKED):
            assert await lists.is_current(1.0) and lists.lists(f"+38099{number:07}", None)
        pays = 1000 * (time.perf_counter() - began) / ASKED
    return [
        Row("memory per do-not-call entry", f"{each:.0f} B", f"goal {WEIGHS} B", each / WEIGHS, "<= 1.0"),
        Row("1,000,000 entries at a start", f"{seconds:.1f} s", f"goal {STARTS:.0f} s", seconds / STARTS, "<= 1.0"),
        Row("a call's question to the lists", f"{pays:.2f} ms", f"goal {PAYS:.0f} ms", pays / PAYS, "<= 1.0"),
    ]


async def _write(bus: NatsBus) -> None:
    seq = 0
    for first in range(0, ENTRIES, AT_ONCE):
        entries = tuple(Listed(entry=f"+38099{end:07}") for end in range(first, first + AT_ONCE))
        event = DoNotCallAdded(list="global", at="2026-01-01T00:00:00.000Z", by="op", source="file", entries=entries)
        subject = DO_NOT_CALL_ADDED.subject_for(event)
        seq = await bus.append(subject, msgspec.json.encode(event), {ID: f"w{first}"}, scope=subject, expect=seq)
