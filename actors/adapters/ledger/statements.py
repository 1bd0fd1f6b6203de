"""The statements by which the rows of a projection are read and written, made once for a database."""

from collections.abc import Callable
from functools import partial
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import astuple
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from actors.ledger.model import Projection
from actors.ledger.words import WordIndex

# Rows of a list that one statement adds in SQLite: between two statements another thread takes the interpreter, for
# longer than a large statement costs more than small ones. PostgreSQL copies as many as there are.
AT_ONCE = 50
HASHED = 8_000_000  # bytes of an index of words that are in memory before they are written


class Statements:
    """In plain SQL: `make` is for the table and its indexes; `probe` finds nothing, if it can be asked; `select` takes
    many keys as one value; the others take the values of many rows. In SQLite an index of words is a table, which is
    written with the rows."""

    def __init__(self, projection: Projection[Any], dialect: sa.Dialect, schema: str | None) -> None:
        text = partial(text_of, dialect=dialect, schema=schema)
        table, key = projection.table, projection.table.c[projection.key]
        [primary] = table.primary_key.columns
        names = [column.name for column in table.columns]
        assert list(projection.row.__struct_fields__) == names, f"{table.name}: the row's fields are not the columns"
        changing = [name for name in names if name not in (*projection.once, key.name, primary.name)]
        self.row = projection.row
        self.key = itemgetter(names.index(key.name))
        # Somebody who only adds rows need not read them first: what is there stays.
        self.adds_only = not changing
        self.make = [text(CreateTable(table)), *(text(CreateIndex(index)) for index in table.indexes)]
        self.probe = text(sa.select(table).where(sa.false()))
        among, self.to_select = _among(key, dialect)
        self.select = text(sa.select(table).where(among))
        insert = sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)
        inserted = insert.values(_bound(names))
        self.insert = text(inserted.on_conflict_do_nothing() if self.adds_only else inserted)
        many = _many if dialect.name == "sqlite" or self.adds_only else _copied  # a copy leaves out none that is there
        self._insert_many = many(self.insert) if projection.listed else None
        known = primary == sa.bindparam("_primary")
        self.delete = text(sa.delete(table).where(known))
        # SQLite takes a row out of the index of each column that is set and puts it in again, changed or not.
        indexed = {column.name for index in table.indexes for column in index.columns}.intersection(changing)
        resting = [name for name in changing if name not in indexed]
        self._update = text(sa.update(table).where(known).values(_bound(changing))) if changing else ""
        self._indexed = attrgetter(*indexed) if indexed and resting else None
        if self._indexed is not None:
            self._update_resting = text(sa.update(table).where(known).values(_bound(resting)))
        self._words = None
        if projection.sought is not None and dialect.name == "sqlite":
            assert set(projection.sought.columns) <= projection.once and not self.adds_only
            self._words = Words(projection.sought, names)
            self.make += self._words.make
        self._once = attrgetter(*sorted(projection.once)) if projection.rewritten else None
        self._primary = names.index(primary.name)
        self._changed = itemgetter(*(names.index(name) for name in (*changing, primary.name)))
        self._resting = itemgetter(*(names.index(name) for name in (*resting, primary.name)))

    def inserts(self, rows: list[tuple[Any, ...]]) -> list[tuple[str, list[tuple[Any, ...]]]]:
        """What adds these rows, as tuples: statements, each with the values of its runs."""
        if self._words is not None:
            return [*self._inserts(rows), (self._words.insert, list(map(self._words.of, rows)))]
        return self._inserts(rows)

    def _inserts(self, rows: list[tuple[Any, ...]]) -> list[tuple[str, list[tuple[Any, ...]]]]:
        if self._insert_many is None or len(rows) < AT_ONCE:
            return [(self.insert, rows)]
        if is_copy(self._insert_many):
            return [(self._insert_many, rows)]
        together = len(rows) - len(rows) % AT_ONCE
        groups = [tuple(chain.from_iterable(rows[first : first + AT_ONCE])) for first in range(0, together, AT_ONCE)]
        return [(self._insert_many, groups), (self.insert, rows[together:])]

    def deletes(self, rows: list[tuple[Any, ...]]) -> list[tuple[str, list[tuple[Any, ...]]]]:
        """What takes these rows away, as they are there."""
        found = [(self.delete, [(row[self._primary],) for row in rows])]
        if self._words is not None:
            found.append((self._words.delete, list(map(self._words.of, rows))))
        return found

    def is_another(self, was: Any, row: Any) -> bool:
        """Whether a row that is there has to be written anew: what changes of it is not all that has changed."""
        return self._once is not None and bool(self._once(was) != self._once(row))

    def updates(self, rows: list[tuple[Any, Any]]) -> list[tuple[str, list[tuple[Any, ...]]]]:
        """What changes rows: each as it is there, and as it is to be."""
        if self._indexed is None:
            return [(self._update, [self._changed(astuple(row)) for _, row in rows])]
        changed: list[tuple[Any, ...]] = []
        resting: list[tuple[Any, ...]] = []
        for was, row in rows:
            if self._indexed(was) == self._indexed(row):
                resting.append(self._resting(astuple(row)))
            else:
                changed.append(self._changed(astuple(row)))
        return [(self._update, changed), (self._update_resting, resting)]


class Words:
    """The statements for an index of words in SQLite. It has no copy of the texts, so what is taken out is said again.
    No trigger writes it: each row would be a segment of the index of its own, which takes four times as long."""

    def __init__(self, index: WordIndex, names: list[str]) -> None:
        words, place = index.columns
        name = index.name
        options = "tokenize = 'trigram case_sensitive 1', content = '', detail = none, columnsize = 0"
        self.make = [
            f"CREATE VIRTUAL TABLE {name} USING fts5({words}, {options})",
            f"INSERT INTO {name} ({name}, rank) VALUES ('automerge', 8)",
            f"INSERT INTO {name} ({name}, rank) VALUES ('hashsize', {HASHED})",
        ]
        self.insert = f"INSERT INTO {name} (rowid, {words}) VALUES (?, ?)"
        self.delete = f"INSERT INTO {name} ({name}, rowid, {words}) VALUES ('delete', ?, ?)"
        self.of = itemgetter(names.index(place), names.index(words))


MADE: dict[tuple[Projection[Any], str, str | None], Statements] = {}  # making them takes some milliseconds


def statements_of(projection: Projection[Any], dialect: sa.Dialect, schema: str | None) -> Statements:
    """The statements of a projection: those that were made for the first store in such a database, and such a schema
    of it."""
    key = (projection, dialect.name, schema)
    if key not in MADE:
        MADE[key] = Statements(projection, dialect, schema)
    return MADE[key]


def text_of(statement: sa.ClauseElement, *, dialect: sa.Dialect, schema: str | None) -> str:
    """A statement as the database takes it, with its tables in a schema, if there are any."""
    if schema is None:
        return str(statement.compile(dialect=dialect))
    return str(statement.compile(dialect=dialect, schema_translate_map={None: schema}, render_schema_translate=True))


def is_copy(statement: str) -> bool:
    """Whether it takes the rows as a stream, and not as values of its own."""
    return statement.startswith("COPY ")


def _copied(insert: str) -> str:
    """The same as a stream of rows: PostgreSQL then reads no statement and binds no values for each."""
    into, _ = insert.removeprefix("INSERT INTO ").split(" VALUES ")
    return f"COPY {into} FROM STDIN"


def _many(insert: str) -> str:
    """The same for AT_ONCE rows."""
    begin, row = insert.split(" VALUES ")
    assert row.startswith("(") and row.endswith(")"), insert
    return f"{begin} VALUES {', '.join([row] * AT_ONCE)}"


def _bound(names: list[str]) -> dict[str, sa.BindParameter[Any]]:
    return {name: sa.bindparam(name) for name in names}


def _among(
    key: sa.Column[Any], dialect: sa.Dialect
) -> tuple[sa.ColumnElement[bool], Callable[[list[Any]], tuple[Any, ...]]]:
    """Whether a key is one of many, which are one value, so that the statement stays the same; and what makes it."""
    if dialect.name == "sqlite":
        listed = sa.func.json_each(sa.bindparam("keys")).table_valued("value")
        return key.in_(sa.select(listed.c.value)), lambda keys: (msgspec.json.encode(keys).decode(),)
    return key == sa.any_(sa.bindparam("keys", type_=postgresql.ARRAY(key.type))), lambda keys: (keys,)
