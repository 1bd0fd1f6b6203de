"""What a read model is made of: tables that events are folded into, and queries to them.

A kind has one file here: the struct of a row (its fields are the columns), the table, a pure fold (the row before, an
event -> the row after) and its queries. The store runs any of them, in SQLite or PostgreSQL, and knows none.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql

from actors.ledger.words import WordIndex

METADATA = sa.MetaData()
# Texts sort and compare by their bytes everywhere: times are ISO 8601 in UTC, so they sort as text.
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # 64 bits in both
TYPES: dict[type, sa.types.TypeEngine[Any]] = {str: TEXT, int: INTEGER, bool: sa.Boolean()}

Row = TypeVar("Row", bound=Struct)
Answer = TypeVar("Answer")

Position = tuple[str, int]  # of a row in a list by time: when, and which of what was then


@dataclass(frozen=True, kw_only=True)
class Projection(Generic[Row]):
    """One table and how events change it. `key`: the column, and the field of an event, that says which row an event
    is about. `parts`: what an event that is about several rows is taken apart into; `summed`: what several events
    are together, where all that counts is what they add. `fold` is pure and gives the row
    after, None for no row. `once`: columns that never change once the row is there; with all of them, rows are not
    read before they are written. `outdated`: which rows are no longer kept once a part is in, of an entry with that
    number; only for rows of `once` columns. `rewritten`: now and then what is in `once` changes all the same, and then
    the row is written anew. `listed`: hundreds of rows come with one event. `sought`: in which `once` columns texts are
    sought. `version` goes up when `fold` says something else than before."""

    table: sa.Table
    row: type[Row]
    key: str
    events: tuple[type, ...]
    fold: Callable[[Row | None, Any, int], Row | None]
    parts: Callable[[Any], Iterable[Any]] | None = None
    summed: Callable[[Iterable[Any]], Iterable[Any]] | None = None
    once: frozenset[str] = frozenset()
    outdated: Callable[[Any, int], sa.ColumnElement[bool]] | None = None
    listed: bool = False
    rewritten: bool = False
    sought: WordIndex | None = None
    version: int = 1


@dataclass(frozen=True)
class Query(Generic[Answer]):
    """A question to the tables, and what makes an answer of each row found."""

    statement: sa.Select[Any]
    view: Callable[[sa.Row[Any]], Answer]


@dataclass(frozen=True)
class Placed(Generic[Answer]):
    """What a query has found. `seq`: of the last entry of the journal that was in then: what was found is of all up to
    there, and of nothing behind it."""

    seq: int
    found: list[Answer]


def columns(row: type[Struct], *, primary: str, unique: str = "") -> list[sa.Column[Any]]:
    """The columns of a table whose rows are such structs: str, int or bool, `| None` where there may be nothing. Raises
    TypeError, which names the field, for one of another type and for a key that is none."""
    hints = get_type_hints(row)
    for key in (primary, unique):
        if key and key not in hints:
            raise TypeError(f"{row.__name__} has no field {key}, which is to be a key")
    return [_column(row, name, hint, primary=primary, unique=unique) for name, hint in hints.items()]


def _column(row: type[Struct], name: str, hint: Any, *, primary: str, unique: str) -> sa.Column[Any]:
    options = get_args(hint) if isinstance(hint, UnionType) or get_origin(hint) is Union else (hint,)
    types = [option for option in options if option is not NoneType]
    if len(types) != 1 or types[0] not in TYPES:
        raise TypeError(
            f"{row.__name__}.{name}: {hint}: no column takes that, but str, int or bool, each also `| None`. Write a"
            " list or a table as JSON into a str, a moment as a Utc text, and a number with a fraction as an int of a"
            " smaller unit"
        )
    return sa.Column(
        name,
        TYPES[types[0]],
        primary_key=name == primary,
        unique=name == unique or None,
        nullable=NoneType in options,
        autoincrement=False,
    )


def made_of(row: type[Row], view: Callable[[Row], Answer]) -> Callable[[sa.Row[Any]], Answer]:
    """The view of a query that selects all columns of a table."""

    def of_found(found: sa.Row[Any]) -> Answer:
        values: tuple[Any, ...] = tuple(found)
        return view(row(*values))

    return of_found


class Newest:
    """A list, the newest first. By time, any span of it, and of what has an index with the time behind it, is in order
    as it is found; `number`: of a row, by which those of one moment are in order, or all where it is not by time.
    SQLite has it in every index."""

    def __init__(self, at: sa.Column[Any], number: sa.Column[Any], *, by_time: bool = True) -> None:
        self._by = (at, number) if by_time else (number,)
        # Where a row is in the list: a Position, or where it is not by time an int.
        self.key: Callable[[Struct], Any] = attrgetter(*(column.name for column in self._by))

    def page(self, found: sa.Select[Any], limit: int) -> sa.Select[Any]:
        """The first of them, and one more than there may be."""
        columns = found.selected_columns
        return found.order_by(*(columns[column.name].desc() for column in self._by)).limit(limit + 1)

    def behind(self, before: Position | int | None) -> list[sa.ColumnElement[bool]]:
        """The condition that a row comes after the one of this key, the last of a page."""
        if before is None:
            return []
        values = (before,) if isinstance(before, int) else before
        return [sa.tuple_(*self._by) < sa.tuple_(*map(sa.literal, values))]


def unindexed(column: sa.ColumnElement[Any]) -> Any:  # any: an expression, where a column was
    """The same, for which no index is looked at: an expression has none."""
    return column + 0 if isinstance(column.type, sa.Integer) else column.concat("")


def given(*conditions: tuple[sa.ColumnElement[Any], Callable[[Any, Any], Any], object]) -> list[sa.ColumnElement[bool]]:
    """The conditions (column, operator, value) that somebody asked for: those whose value is not None. A text with NUL,
    which PostgreSQL takes for an error, is in no record."""
    return [
        sa.false() if isinstance(value, str) and "\0" in value else operator(column, value)
        for column, operator, value in conditions
        if value is not None
    ]
