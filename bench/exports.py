"""All records of calls as one table: how long a client waits for it, from the records, over the bus and through a
gateway, against SQLite's own cursor and Python's `csv`; and by how much memory both processes grow.

`python -m bench.exports <folder>` prints the figures of one run, of which it is the gateway; `... <folder> <port>` is
the host with the records, on the bus of this port.
"""

import asyncio
import csv
import logging
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import psutil
import structlog
from aiohttp import web
from msgspec import Struct

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.nats_bus import NatsBus
from actors.ledger.answers import ReadModel
from actors.ledger.call import READ_MODEL as CALL
from actors.ledger.ledger import Ledger
from actors.ledger.store import JournalEntry
from actors.runtime.bus import Bus, Message, Recorded, Size, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.memory import RARELY, freeze
from actors.runtime.wire import ask_raw
from bench.journal import Event, call_of
from bench.parts import START_SECONDS, free_port, nats_server, output, process, python
from bench.table import Row
from bus_schemas.call import LIST_CDRS, Cdr, ListCdrs
from bus_schemas.errors import Refusal
from bus_schemas.permissions import Action
from gateway import whole_tables

CALLS, GROUP, ROUNDS = 250_000, 2_000, 3
MB = 2**20
GROWS = 32  # MB: some pages, as rows, as JSON and as text
CLIENT = "import shutil, sys, urllib.request as u; shutil.copyfileobj(u.urlopen(sys.argv[1]), open('/dev/null', 'wb'))"
EVERYBODY = Context(command_id="x", user="admin", actions=frozenset(Action))


class Spent(Struct, frozen=True):
    """Seconds, ours and bare, and megabytes by which the processes have grown."""

    ours: float
    bare: float
    grown: float


class Over:
    """A journal that ends where the records do."""

    def __init__(self, last: int) -> None:
        self._last = last

    async def size(self) -> Size:
        return Size(entries=self._last, last_seq=self._last)

    async def last_seq(self) -> int:
        return self._last

    async def last(self, scope: str, *, certain: bool = False) -> Recorded | None:
        return None

    async def follow(
        self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int
    ) -> Unsubscribe:
        async def stop() -> None: ...

        return stop


async def measure(folder: Path) -> list[Row]:
    place = folder / "exports"
    place.mkdir()
    fill(place / "ledger", CALLS)
    runs = [msgspec.json.decode(await output(*python("-m", "bench.exports", str(place))), type=Spent)
            for _ in range(ROUNDS)]  # fmt: skip
    ours, bare = median(one.ours for one in runs), median(one.bare for one in runs)
    ratio, grown = median(one.ours / one.bare for one in runs), median(one.grown for one in runs)
    what = f"records of {CALLS:,} calls as one table"
    return [
        Row(what, f"{ours:.1f} s", f"bare SQLite and csv {bare:.1f} s", ratio, "<= 2.0"),
        Row(f"memory for {what}", f"{grown:.0f} MB", f"promised {GROWS} MB", grown / GROWS, "<= 1.0"),
    ]


def fill(path: Path, calls: int) -> None:
    """Fold so many calls into new records."""
    fill_with(path, chain.from_iterable(map(call_of, range(calls))))


def fill_with(path: Path, events: Iterable[Event], models: Sequence[ReadModel] = (CALL,)) -> None:
    """Fold events into new records."""
    with closing(_store(path, models)) as store:
        store.sequence()
        entries = (JournalEntry(seq=seq, event=event) for seq, event in enumerate(events, 1))
        while batch := list(islice(entries, GROUP)):
            store.fold(batch)


def _store(path: Path, models: Sequence[ReadModel]) -> SqliteLedger:
    return SqliteLedger(path, projections=[one for model in models for one in model.projections])


async def _exported(place: Path) -> Spent:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(nats_server(place, sync='"1m"'))
        host = await stack.enter_async_context(process(*python("-m", "bench.exports", str(place), str(port))))
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="bench")
        url, runner = await _serve(bus)
        await _until_the_host_answers(bus)
        freeze(RARELY)
        ours = [psutil.Process(), psutil.Process(host.pid)]
        before, began = _memory(ours), time.perf_counter()
        await output(*python("-c", CLIENT, url))
        spent, grown = time.perf_counter() - began, (_memory(ours) - before) / MB
        await runner.cleanup()
        await bus.close()
    return Spent(spent, _bare(place / "ledger"), grown)


def _memory(processes: list[psutil.Process]) -> int:
    return sum(one.memory_info().rss for one in processes)


async def _until_the_host_answers(bus: NatsBus) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            with suppress(Refusal):
                await ask_raw(bus, LIST_CDRS, ListCdrs(limit=1), EVERYBODY)
                return


async def _host(place: Path, port: int) -> None:
    """Serve the records until the process is ended."""
    bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="host")
    await bus.ensure_streams()
    await ledger_of(place / "ledger", bus).start()
    freeze(RARELY)
    await asyncio.Event().wait()


def ledger_of(path: Path, bus: Bus, models: Sequence[ReadModel] = (CALL,)) -> Ledger:
    """Whoever answers from records that are whole."""
    store = _store(path, models)
    stream: Any = Over(store.sequence())
    return Ledger(bus=bus, store=store, stream=stream, models=models)


async def _serve(bus: NatsBus) -> tuple[str, web.AppRunner]:
    """A gateway's half of it."""

    async def page(cursor: str | None) -> Message:
        return await ask_raw(bus, LIST_CDRS, ListCdrs(cursor=cursor, limit=whole_tables.PAGE), EVERYBODY)

    async def still(cursor: str | None) -> None:
        """Everybody may."""

    async def send(request: web.Request) -> web.StreamResponse:
        return await whole_tables.send(request, page, still, {}, Cdr.__struct_encode_fields__, more=False)

    app = web.Application()
    app.router.add_get("/", send)
    runner, port = web.AppRunner(app), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return f"http://127.0.0.1:{port}/", runner


def _bare(path: Path) -> float:
    began = time.perf_counter()
    with closing(sqlite3.connect(path)) as db, Path("/dev/null").open("w") as file:
        found = db.execute("SELECT * FROM calls WHERE phase = 'ended' ORDER BY start_time DESC, seq DESC")
        csv.writer(file).writerows(found)
    return time.perf_counter() - began


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    place, port = Path(sys.argv[1]), sys.argv[2:]
    if port:
        asyncio.run(_host(place, int(port[0])))
    else:
        print(msgspec.json.encode(asyncio.run(_exported(place))).decode())


if __name__ == "__main__":
    main()
