"""How many events a second come from a journal on a server into the records, when those are made anew.

`python -m bench.rebuild <port> <file>` prints the rate of one run: by the time of the process that does it, and by the
clock on the wall, while the server reads and others have the machine, too.
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
from actors.ledger.ledger import Ledger
from actors.runtime.bus import ID
from actors.runtime.memory import RARELY, freeze
from bench.journal import EVENTS, GROUP, OWNERS, Rate, entry_of, events
from bench.parts import nats_server, output, python
from bench.table import Row

ROUNDS = 3
PROMISED = 100_000


async def measure(folder: Path) -> list[Row]:
    place = folder / "rebuild"
    place.mkdir()
    async with nats_server(place, sync='"1m"') as port:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
        await bus.ensure_streams()
        await _write(bus)
        rates = [await _run(port, place / f"ledger-{number}") for number in range(ROUNDS)]
        await bus.close()
    ours, wall = median(rate.cpu for rate in rates), median(rate.wall for rate in rates)
    what = f"events a second from a journal of {EVENTS} to all tables"
    return [Row(what, f"{ours:,.0f}", f"promised {PROMISED:,} (the wall's {wall:,.0f})", ours / PROMISED, ">= 1.0")]


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


async def _run(port: int, file: Path) -> Rate:
    return msgspec.json.decode(await output(*python("-m", "bench.rebuild", str(port), str(file))), type=Rate)


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


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    print(msgspec.json.encode(asyncio.run(_rebuild(int(sys.argv[1]), Path(sys.argv[2])))).decode())


if __name__ == "__main__":
    main()
