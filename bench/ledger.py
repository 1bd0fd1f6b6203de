"""How many events of a journal the ledger folds in a second, against hand-written SQL, and in PostgreSQL.

`python -m bench.ledger <file or URL> [all]` prints the rate of one run, of the tables that the hand-written one has, or
of all: each run has a process of its own, since what one does to the driver is not to help or hinder another.
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from actors.adapters.ledger.postgresql import PostgresLedger
from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.ledger.store import SqlStore
from actors.ledger.kinds import PROJECTIONS
from actors.ledger.model import Projection
from bench.journal import EVENTS, GROUP, Rate
from bench.journal import measure as rate_of
from bench.parts import output, python
from bench.postgres import NotInstalled, postgres_server
from bench.table import Row

ROUNDS = 5
WRITTEN_BY_HAND = {"calls", "slots", "commands", "trunks", "audit"}  # tables of `bare_ledger.py`


async def measure(folder: Path) -> list[Row]:
    """With SQLite by the time of the thread that folds, so that what else the machine does counts for less; with
    PostgreSQL, which has processes of its own, by the clock on the wall."""
    pairs = [
        (await _rate("bench.ledger", folder), await _rate("bench.bare_ledger", folder)) for _ in range(ROUNDS)
    ]
    whole = median([(await _rate("bench.ledger", folder, "all")).cpu for _ in range(ROUNDS)])
    ours, bare = median(one.cpu for one, _ in pairs), median(other.cpu for _, other in pairs)
    ratio = median(one.cpu / other.cpu for one, other in pairs)
    what = f"events folded a second, {EVENTS} in groups of {GROUP}"
    rows = [
        Row(what, f"{ours:,.0f}", f"hand-written SQL {bare:,.0f}", ratio, ">= 1.0"),
        Row("the same into all tables", f"{whole:,.0f}", f"into those {ours:,.0f}", whole / ours, ">= 0.4"),
    ]
    try:
        with postgres_server() as url:
            there = median([(await _run("bench.ledger", url)).wall for _ in range(ROUNDS)])
    except NotInstalled as error:
        print(f"bench: without PostgreSQL: {error}")
    else:
        wall = median(one.wall for one, _ in pairs)
        rows.append(Row("the same in PostgreSQL", f"{there:,.0f}", f"SQLite {wall:,.0f}", there / wall, ">= 0.1"))
    return rows


async def _rate(module: str, folder: Path, *more: str) -> Rate:
    with TemporaryDirectory(dir=folder) as place:
        return await _run(module, str(Path(place) / "ledger"), *more)


async def _run(module: str, where: str, *more: str) -> Rate:
    return msgspec.json.decode(await output(*python("-m", module, where, *more)), type=Rate)


def _store(where: str, tables: Sequence[Projection[Any]]) -> SqlStore:
    if where.startswith("postgresql:"):
        return PostgresLedger(where, "bench", projections=tables)
    return SqliteLedger(Path(where), projections=tables)


def main() -> None:
    where, *more = sys.argv[1:]
    tables = PROJECTIONS if more else tuple(one for one in PROJECTIONS if one.table.name in WRITTEN_BY_HAND)
    with closing(_store(where, tables)) as ledger:
        ledger.drop()
        ledger.sequence()
        print(msgspec.json.encode(rate_of(ledger.fold)).decode())


if __name__ == "__main__":
    main()
