"""An index of words has what is there, and nothing of what was taken away, on both databases."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from msgspec import Struct
from structlog.testing import LogCapture

from actors.adapters.ledger import postgresql
from actors.adapters.ledger.store import SqlStore
from actors.ledger.model import Projection, Query, columns
from actors.ledger.store import JournalEntry
from actors.ledger.words import WordIndex
from tests.ledger.places import Files, Place, Schemas


class Known(Struct, frozen=True):
    id: str
    text: str


class Erased(Struct, frozen=True):
    id: str


class PersonRow(Struct, frozen=True):
    id: str
    text: str
    came: int
    seen: bool = False


def fold(row: PersonRow | None, event: Known | Erased, seq: int) -> PersonRow | None:
    return (row or PersonRow(event.id, event.text, seq)) if isinstance(event, Known) else None


PEOPLE = sa.Table("people", sa.MetaData(), *columns(PersonRow, primary="id"))
WORDS = WordIndex(PEOPLE.c.text, PEOPLE.c.came)
PROJECTION = Projection(
    table=PEOPLE, row=PersonRow, key="id", events=(Known, Erased), fold=fold, once=frozenset({"id", "text", "came"}),
    sought=WORDS,
)  # fmt: skip
EVENTS = (Known("k", "іван петренко"), Known("l", "petra"), Erased("k"), Known("k", "марія"))


def found(store: SqlStore, *texts: str) -> list[int]:
    statement = sa.select(WORDS.place.label("place")).select_from(WORDS.rows).where(WORDS.hints([texts]))
    return store.read(Query(statement.where(WORDS.has(texts)).order_by(WORDS.place), lambda row: int(row.place)))


def kept(store: SqlStore, name: str = "people_words") -> list[Any]:
    """What is in SQLite's index, whatever rows there are."""
    with store.reading() as db:
        db.exec_driver_sql(f"CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, {name}, instance)")
        rows = db.exec_driver_sql("SELECT term, doc FROM vocabulary ORDER BY term, doc").all()
        db.exec_driver_sql("DROP TABLE temp.vocabulary")
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("groups", [((0,), (1,), (2,), (3,)), ((0, 1), (2, 3)), ((0, 1, 2, 3),), ((0, 1, 2), (3,))])
def test_what_was_erased_is_not_in_the_index(place: Place, groups: Sequence[Sequence[int]]) -> None:
    with closing(place.store(projections=(PROJECTION,))) as store:
        store.sequence()
        for group in groups:
            assert store.fold([JournalEntry(seq=at + 1, event=EVENTS[at]) for at in group]) == []
        assert found(store, "петр") == found(store, "іва") == [] and found(store, "petr") == [2]
        assert found(store, "марі") == found(store, "рія", "мар") == [4]
        if isinstance(place, Files):
            there = {("pet", 2), ("etr", 2), ("tra", 2), ("мар", 4), ("арі", 4), ("рія", 4)}
            assert {(term, doc) for term, doc in kept(store)} == there


def test_many_rows_at_once_are_in_the_index(place: Place) -> None:
    with closing(place.store(projections=(PROJECTION,))) as store:
        store.sequence()
        people = [Known(f"p{number}", f"person number{number}") for number in range(1, 131)]
        assert store.fold([JournalEntry(seq=at, event=one) for at, one in enumerate(people, 1)]) == []
        assert found(store, "mber12") == [12, *range(120, 130)] and len(found(store, "person")) == 130


@pytest.mark.postgresql
def test_postgresql_looks_into_the_index(schemas: Schemas) -> None:
    with closing(schemas.store(projections=(PROJECTION,))) as store:
        store.sequence()
        store.fold([JournalEntry(seq=1, event=EVENTS[0])])
        with schemas.connect() as db:
            db.execute("SET enable_seqscan TO off")
            plan = "\n".join(row[0] for row in db.execute("EXPLAIN SELECT * FROM people WHERE text LIKE '%petr%'"))
        assert "people_words" in plan


@pytest.mark.postgresql
def test_without_pg_trgm_texts_are_found_all_the_same(
    schemas: Schemas, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = LogCapture()
    monkeypatch.setattr(postgresql, "log", structlog.wrap_logger(None, [told], structlog.stdlib.BoundLogger))
    with closing(schemas.store(projections=(PROJECTION,))) as store, schemas.connect() as db:
        db.execute("DROP EXTENSION IF EXISTS pg_trgm CASCADE")
        db.execute("ALTER SCHEMA public RENAME TO private")
        try:
            store.sequence()
            store.fold([JournalEntry(seq=1, event=EVENTS[1])])
            assert found(store, "petr") == [1]
            assert [line["event"] for line in told.entries] == ["texts are sought slowly: there is no index of words"]
        finally:
            db.execute("ALTER SCHEMA private RENAME TO public")
    with closing(schemas.store(projections=(PROJECTION,))) as store:  # the index is made where it can be, later
        assert store.sequence() == 1 and found(store, "petr") == [1]
        with schemas.connect() as db:
            assert db.execute("SELECT to_regclass('people_words') IS NOT NULL").fetchone() == (True,)


