"""Whether a ledger is what its journal says: everything in its tables, and what a fresh fold makes of the entries."""

from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.ledger.store import LEFT_OUT, POSITION, SqlStore
from actors.ledger.decode import Unreadable, decode
from actors.ledger.store import JournalEntry
from actors.runtime.bus import Recorded

GROUP = 1_000

Tables = dict[str, list[tuple[Any, ...]]]


def tables(path: Path) -> Tables:
    """All rows of all tables of a ledger's file, by table, in the order of their keys. The ledger may run."""
    with closing(SqliteLedger(path)) as store:
        return tables_of(store)


def tables_of(store: SqlStore) -> Tables:
    """The same of any store."""
    # How many entries are in is not in the tables: a ledger may have seen some whose time is over by now.
    statements = {table.name: sa.select(table).order_by(table.c[0]) for table in store.tables}
    del statements[LEFT_OUT.name]  # why something is not in is said in a database's own words
    statements[POSITION.name] = sa.select(POSITION.c.seq)
    with store.reading() as db, store.of_one_moment(db):
        return {name: [tuple(row) for row in db.execute(each)] for name, each in sorted(statements.items())}


def fold_fresh(entries: Iterable[Recorded], path: Path, *, group: int = GROUP) -> Tables:
    """Fold a journal's entries into a new file and give back its tables. A file that was there is dropped."""
    with closing(SqliteLedger(path)) as store:
        return fold_anew(entries, store, group=group)


def fold_anew(entries: Iterable[Recorded], store: SqlStore, *, group: int = GROUP) -> Tables:
    """Fold a journal's entries into an emptied store and give back its tables. What nobody can read is left out, as the
    running ledger does."""
    store.drop()
    store.sequence()
    left = iter(entries)
    while batch := [journal_entry(entry) for entry in islice(left, group)]:
        store.fold(batch)
    return tables_of(store)


def journal_entry(entry: Recorded) -> JournalEntry:
    try:
        return JournalEntry(seq=entry.seq, event=decode(entry))
    except Unreadable:
        return JournalEntry(seq=entry.seq, event=None)
