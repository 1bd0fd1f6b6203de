"""What the dashboard costs with ten million calls of 400 days behind it, asked of the store as the ledger asks it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from time import thread_time
from typing import Any
from zoneinfo import ZoneInfo

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.ledger.dashboard import (
    ALL,
    CALL_COUNTS,
    COUNTS,
    DAY,
    HOUR,
    QUARTER,
    Span,
    breakdown,
    edges,
    key_of,
    series,
    today,
)
from actors.ledger.model import Query
from actors.runtime import memory
from bench.table import Row

MOST = 20.0  # ms for one answer
DAYS, CALLS, SLOTS = 400, 10_000_000, 40
LAST = int(datetime(2026, 11, 27, 15, tzinfo=UTC).timestamp()) // QUARTER
FIRST = LAST - DAYS * DAY
ZONE = ZoneInfo("Europe/Kyiv")
TIMES = 40


async def measure(folder: Path) -> list[Row]:
    file = folder / "dashboard"
    with closing(SqliteLedger(file)) as store:
        store.sequence()  # makes the tables
    _fill(file)
    day = Span(LAST - 13 * HOUR, LAST)
    asked: dict[str, Query[Any]] = {
        "the dashboard": today(ALL, "", day, None),
        "a day by hours": series(ALL, "", edges(day, "hour", ZONE)),
        "7 days by quarters": series(ALL, "", edges(Span(LAST - 7 * DAY, LAST), "quarter", ZONE)),
        "92 days by hours": series(ALL, "", edges(Span(LAST - 92 * DAY, LAST), "hour", ZONE)),
        "400 days of a slot": series("slot", "7", edges(Span(FIRST, LAST), "day", ZONE)),
        "31 days of all slots": breakdown("slot", Span(LAST - 31 * DAY - 1, LAST - 1), 100),
    }
    memory.freeze(memory.RARELY)  # as a host of actors does
    with closing(SqliteLedger(file)) as store:
        return [_row(name, _p95(store, query)) for name, query in asked.items()]


def _fill(file: Path) -> None:
    marks = ",".join("?" * len(CALL_COUNTS.columns))
    with closing(sqlite3.connect(file)) as db:
        db.executemany(f"INSERT INTO {CALL_COUNTS.name} VALUES ({marks})", _rows())
        db.commit()
        [counted] = db.execute(f"SELECT sum(calls) FROM {CALL_COUNTS.name} WHERE of = 'all' AND long = 1").fetchone()
    assert counted >= CALLS


def _rows() -> Iterator[tuple[Any, ...]]:
    each = -(-CALLS // (LAST - FIRST))
    for of, values, lengths in ((ALL, [""], (1, HOUR)), ("slot", [*map(str, range(SLOTS))], (1, HOUR, DAY))):
        for value in values:
            for long in lengths:
                for at in range(FIRST - FIRST % long, LAST, long):
                    counts = (each * long // len(values) + 1,) * len(COUNTS)
                    yield key_of(of, value, long, at), of, value, long, at, *counts


def _p95(store: SqliteLedger, query: Query[Any]) -> float:
    """Milliseconds of the processor, for the thread that asks."""
    took = []
    for _ in range(TIMES):
        began = thread_time()
        assert store.read(query)
        took.append(1000 * (thread_time() - began))
    return quantiles(took, n=20)[-1]


def _row(name: str, took: float) -> Row:
    return Row(f"dashboard, 10^7 calls: {name}", f"{took:.1f} ms", f"at most {MOST:.0f} ms", took / MOST, "<= 1.0")
