"""Whether a ledger is what its journal says: everything in its tables, and what a fresh fold makes of the entries."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from actors.adapters.ledger.store import SqliteLedger
from actors.ledger.decode import Unreadable, decode
from actors.ledger.repository import Folded
from actors.runtime.bus import Recorded

GROUP = 1_000

Tables = dict[str, list[tuple[Any, ...]]]


def tables(path: Path) -> Tables:
    """All rows of all tables of a ledger's file, by table, in the order of their keys. The ledger may run."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
        db.execute("BEGIN")  # all of one moment
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        found = {name: db.execute(f'SELECT * FROM "{name}" ORDER BY 1').fetchall() for name in names}
        # How many entries are in is not in the tables: a ledger may have seen some whose time is over by now.
        return found | {"position": db.execute("SELECT seq FROM position").fetchall()}


def fold_fresh(entries: Iterable[Recorded], path: Path, *, group: int = GROUP) -> Tables:
    """Fold a journal's entries into a new file and give back its tables. What nobody can read is left out, as the
    running ledger does; a file that was there is dropped."""
    store = SqliteLedger(path)
    try:
        store.drop()
        store.sequence()
        left = iter(entries)
        while batch := [_folded(entry) for entry in islice(left, group)]:
            store.fold(batch)
    finally:
        store.close()
    return tables(path)


def _folded(entry: Recorded) -> Folded:
    try:
        return Folded(seq=entry.seq, event=decode(entry))
    except Unreadable:
        return Folded(seq=entry.seq, event=None)
