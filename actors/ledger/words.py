"""Texts that are sought at any place of a column, through an index of its trigrams: FTS5 in SQLite, where that is a
table of its own beside the rows, and pg_trgm in PostgreSQL, where it is an index like others."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import Join

from bus_schemas.errors import misfit

SHORTEST = 3  # characters: shorter texts are in no trigram
LONGEST = 64
ENOUGH = 8  # characters of one text by which it is looked for, the last ones: a number's first ones are in all numbers


def texts_in(text: str | None) -> tuple[str, ...] | None:
    """The words of a text that is sought, as `words` columns have them; None: none is. Raises
    Refusal(INVALID_PARAMS)."""
    if text is None:
        return None
    if not SHORTEST <= len(text.strip()) <= LONGEST:
        raise misfit("text", f"it has to have {SHORTEST} to {LONGEST} characters, without the blanks around it.")
    words = tuple(dict.fromkeys(text.casefold().split()))
    if all(len(word) < SHORTEST for word in words):
        raise misfit("text", f"one of its words has to have {SHORTEST} characters.")
    if "\0" in text:  # PostgreSQL takes NUL for an error
        raise misfit("text", "it has a NUL in it, which no text on record has.")
    return words


class WordIndex:
    """Of a table's column `words`. `place`: its column that says which row it is, a whole number above 0. Where one
    of them changes, the row is written anew."""

    def __init__(self, words: sa.Column[Any], place: sa.Column[Any]) -> None:
        table = words.table
        assert isinstance(table, sa.Table)
        self.words, self._place = words, place
        self.columns = (words.name, place.name)
        self.name = f"{table.name}_words"
        self._found = sa.table(self.name, sa.column("rowid", sa.Integer()), sa.column(self.name, sa.Text()))
        self.rows = _Found(table, self._found, place == self._found.c.rowid)  # FROM this, they are found by the index
        self.alone = _Alone(table, self._found, place == self._found.c.rowid)  # which the index finds, of whatever rows
        # Of `rows`: those of SQLite are in its order as they are found. PostgreSQL would look through all in that order
        # rather than sort those that are found, unless it is an expression.
        self.place, self.place_of_few = _either(self._found.c.rowid, place), _either(self._found.c.rowid, place + 0)

    def has(self, texts: Iterable[str]) -> sa.ColumnElement[bool]:
        """Whether each of them is in it."""
        return sa.and_(*(self.words.contains(text, autoescape=True) for text in texts))

    def hints(self, *wanted: Iterable[Sequence[str]]) -> sa.ColumnElement[bool]:
        """Of `rows`: leaves out most of those that have not, of each wanted, all of one of its groups of texts, which
        are of `SHORTEST` characters and more."""
        asked = " AND ".join(f"({' OR '.join(_trigrams(group) for group in groups)})" for groups in wanted)
        return _either(self._found.c[self.name].op("MATCH", is_comparison=True)(asked), sa.true())

    def about(self, condition: sa.ColumnElement[bool], *wanted: Iterable[Sequence[str]]) -> sa.ColumnElement[bool]:
        """Of `alone`: what `hints` of a condition leaves, without a look at each row; in PostgreSQL the condition."""
        return sa.and_(self.hints(*wanted), _either(sa.true(), condition))

    def says(self, column: sa.Column[Any], value: str) -> sa.ColumnElement[bool]:
        """Of `rows`, beside `hints`: whether a column says this. PostgreSQL takes its index, too, where that helps.
        SQLite takes no other index than that of the words; but of each row that this finds it can look into an index of
        the column and the place, which is narrow, before it reads the row."""
        indexes, wanted = self.words.table.indexes, [column.name, self._place.name]
        index = next((one for one in indexes if one.columns.keys() == wanted), None)
        if index is None:
            return _either(column.concat(""), column) == value
        one, place = f"said_{column.name}", f"{self._found.name}.{self._found.c.rowid.name}"
        there = sa.text(
            f"EXISTS (SELECT 1 FROM {self.words.table.name} AS {one} INDEXED BY {index.name}"
            f" WHERE {one}.{column.name} = :{one} AND {one}.{self._place.name} = {place})"
        ).bindparams(sa.bindparam(one, value))
        return _either(there, column == value)



def among(column: sa.ColumnElement[Any], found: sa.Select[Any]) -> sa.ColumnElement[bool]:
    """Whether a column says one of some values that are found by themselves. In PostgreSQL they are found first: then
    one of several such conditions has an index that goes with that of words, and not each row is looked at."""
    return _either(column.in_(found), column == sa.any_(sa.func.array(found.scalar_subquery())))


class _Found(Join):
    """A table's rows with what its index says of them; in PostgreSQL the table alone."""

    inherit_cache = True


class _Alone(Join):
    """What an index finds, without the rows; in PostgreSQL the table."""

    inherit_cache = True


class _either(FunctionElement[Any]):
    """The first in SQLite, the second in PostgreSQL."""

    inherit_cache = True


@compiles(_Found, "postgresql")
@compiles(_Alone, "postgresql")
def _table_alone(found: Join, compiler: Any, **more: Any) -> str:
    return str(compiler.process(found.left, **more))


@compiles(_Alone)
def _index_alone(alone: _Alone, compiler: Any, **more: Any) -> str:
    return str(compiler.process(alone.right, **more))


@compiles(_either)
def _first(either: _either, compiler: Any, **more: Any) -> str:
    return str(compiler.process(next(iter(either.clauses)), **more))


@compiles(_either, "postgresql")
def _second(either: _either, compiler: Any, **more: Any) -> str:
    return str(compiler.process(list(either.clauses)[1], **more))


def _trigrams(texts: Iterable[str]) -> str:
    ends = [text[-ENOUGH:] for text in texts]
    found = {end[at : at + SHORTEST] for end in ends for at in range(len(end) - SHORTEST + 1)}
    return "(" + " AND ".join('"' + one.replace('"', '""') + '"' for one in sorted(found)) + ")"
