"""How many events of a journal the ledger folds in a second, against hand-written SQL, and in PostgreSQL."""

import gc
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from actors.adapters.ledger.postgresql import PostgresLedger
from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.ledger.store import SqlStore
from actors.ledger.store import JournalEntry
from bench.bare_ledger import BareLedger
from bench.journal import events
from bench.postgres import NotInstalled, postgres_server
from bench.table import Row

EVENTS, GROUP, ROUNDS = 100_000, 1_000, 5


async def measure(folder: Path) -> list[Row]:
    """Rates of the processor's time of the thread that folds, so that what else the machine does counts for less; with
    PostgreSQL, which has processes of its own, of the clock on the wall."""
    groups = list(_groups())
    with _few_collections():
        pairs = [(_sqlite(groups, folder), _bare(groups, folder)) for _ in range(ROUNDS)]
        ours, bare = (median(rates) for rates in zip(*((one.cpu, other.cpu) for one, other in pairs), strict=True))
        ratio = median(one.cpu / other.cpu for one, other in pairs)
        what = f"events folded a second, {EVENTS} in groups of {GROUP}"
        rows = [Row(what, f"{ours:,.0f}", f"hand-written SQL {bare:,.0f}", ratio, ">= 1.0")]
        wall = median(one.wall for one, _ in pairs)
        try:
            with postgres_server() as url:
                there = median(_postgres(groups, url, number).wall for number in range(ROUNDS))
        except NotInstalled:
            print("bench: PostgreSQL is not installed, and left out")
        else:
            rows.append(Row("the same in PostgreSQL", f"{there:,.0f}", f"SQLite {wall:,.0f}", there / wall, ">= 0.1"))
    return rows


class Rate:
    """Events a second: of the thread's time, and of the clock on the wall."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.thread_time(), time.perf_counter()

    def done(self) -> "Rate":
        self.cpu = EVENTS / (time.thread_time() - self._cpu)
        self.wall = EVENTS / (time.perf_counter() - self._wall)
        return self


def _groups() -> Iterator[list[JournalEntry]]:
    entries = (JournalEntry(seq=seq, event=event) for seq, event in enumerate(islice(events(), EVENTS), start=1))
    while group := list(islice(entries, GROUP)):
        yield group


@contextmanager
def _few_collections() -> Iterator[None]:
    """The journal in memory is not looked through again and again: the ledger holds one group at a time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _sqlite(groups: list[list[JournalEntry]], folder: Path) -> Rate:
    with TemporaryDirectory(dir=folder) as place:
        return _fold(groups, SqliteLedger(Path(place) / "ledger"))


def _postgres(groups: list[list[JournalEntry]], url: str, number: int) -> Rate:
    return _fold(groups, PostgresLedger(url, f"bench_{number}"))


def _fold(groups: list[list[JournalEntry]], ledger: SqlStore) -> Rate:
    with closing(ledger):
        ledger.sequence()
        rate = Rate()
        for group in groups:
            assert ledger.fold(group) == []
        return rate.done()


def _bare(groups: list[list[JournalEntry]], folder: Path) -> Rate:
    with TemporaryDirectory(dir=folder) as place, closing(BareLedger(Path(place) / "ledger")) as ledger:
        rate = Rate()
        for group in groups:
            ledger.fold(group)
        return rate.done()
