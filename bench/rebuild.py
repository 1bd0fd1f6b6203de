"""How many events a second come from a journal on a server into the records, when those are made anew, against the
least that somebody has to do for it in one process: read the same entries, decode them, and run a hand-written
statement for each (docs/decisions/0064).

`python -m bench.rebuild <port> <file> [bare]` prints the rate of one run: by the time of the process that does it, and
by the clock on the wall, while the server reads and others have the machine, too.
"""

import asyncio
import logging
import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median

import msgspec
import structlog

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_wire import encode_headers
from actors.adapters.random_ids import RandomIds
from actors.ledger.follow import CATCHING_UP
from actors.ledger.ledger import Ledger
from actors.ledger.store import JournalEntry
from actors.runtime.bus import ID
from actors.runtime.memory import RARELY, freeze
from bench.bare_ledger import BareLedger
from bench.journal import DECODERS, EVENTS, GROUP, OWNERS, Rate, entry_of, events
from bench.parts import nats_server, output, python
from bench.table import Row
from bus_schemas.contract import ROOT, kind_of, verb_of

ROUNDS = 3


async def measure(folder: Path) -> list[Row]:
    place = folder / "rebuild"
    place.mkdir()
    async with nats_server(place, sync='"1m"') as port:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
        await bus.ensure_streams()
        await _write(bus)
        pairs = [
            (await _run(port, place / f"ledger-{number}"), await _run(port, place / f"bare-{number}", "bare"))
            for number in range(ROUNDS)
        ]
        await bus.close()
    ours, bare = median(one.cpu for one, _ in pairs), median(other.cpu for _, other in pairs)
    ratio, wall = median(one.cpu / other.cpu for one, other in pairs), median(one.wall for one, _ in pairs)
    what = f"events a second from a journal of {EVENTS} to all tables"
    return [Row(what, f"{ours:,.0f} (the wall's {wall:,.0f})", f"read, and bare SQL {bare:,.0f}", ratio, ">= 0.75")]


async def _write(bus: NatsBus) -> None:
    """By plain messages: an acknowledgement of each would take minutes."""
    ids = RandomIds()
    for number, event in enumerate(islice(events(), EVENTS)):
        subject, data = entry_of(event)
        await bus._link.publish(subject, data, encode_headers({ID: ids.new(), **OWNERS}))
        while number % GROUP == 0 and (await bus.size()).entries <= number:
            await asyncio.sleep(0.01)
    while (await bus.size()).entries < EVENTS:
        await asyncio.sleep(0.01)


async def _run(port: int, file: Path, *more: str) -> Rate:
    return msgspec.json.decode(await output(*python("-m", "bench.rebuild", str(port), str(file), *more)), type=Rate)


async def _rebuild(port: int, file: Path) -> Rate:
    bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
    ledger = Ledger(bus=bus, store=SqliteLedger(file))
    freeze(RARELY)  # as a host does
    cpu, wall = time.process_time(), time.perf_counter()
    await ledger.start()
    rate = Rate(EVENTS / (time.process_time() - cpu), EVENTS / (time.perf_counter() - wall))
    assert ledger.health.ready and ledger.folded == EVENTS, ledger.health
    await ledger.stop()
    await bus.close()
    return rate


async def _bare(port: int, file: Path) -> Rate:
    bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
    ledger, group, done = BareLedger(file), list[JournalEntry](), 0
    freeze(RARELY)
    cpu, wall = time.process_time(), time.perf_counter()
    async for entry in bus.replay(f"{ROOT}.evt.>"):
        decode = DECODERS[kind_of(entry.subject), verb_of(entry.subject)]
        group.append(JournalEntry(seq=entry.seq, event=decode(entry.data)))
        if len(group) >= CATCHING_UP:
            ledger.fold(group)
            done += len(group)
            group.clear()
    ledger.fold(group)
    rate = Rate(EVENTS / (time.process_time() - cpu), EVENTS / (time.perf_counter() - wall))
    assert done + len(group) == EVENTS
    await bus.close()
    return rate


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    port, file, *bare = sys.argv[1:]
    rate = asyncio.run((_bare if bare else _rebuild)(int(port), Path(file)))
    print(msgspec.json.encode(rate).decode())


if __name__ == "__main__":
    main()
