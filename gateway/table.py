"""Lists as a table: CSV that a spreadsheet opens without running anything that is in it."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import suppress
from operator import itemgetter
from typing import Any, Final

import msgspec

from actors.runtime.cells import all_defused, defused
from bus_schemas.errors import misfit

PIECE, CELLS = 200, 5_000  # rows, and cells of them, that are written before others have their turn: a millisecond
_WRITTEN_AS_THEY_ARE: Final = {int, float, type(None)}  # `csv` leaves a cell without a value empty
_TEXTS: Final = {str, type(None)}
MOST_COLUMNS = 1_000  # of one table: each row has all of them, whoever has their own fields in only one


def to_csv(rows: bytes) -> bytes:
    """A JSON array of flat objects as CSV: UTF-8, CRLF, one column for each key that occurs. A nested value is its
    JSON, null is empty. Raises msgspec.DecodeError for anything that is not such an array."""
    return b"".join(csv_pieces(rows))


def csv_pieces(rows: bytes, known: Iterable[str] = ()) -> Iterator[bytes]:
    """The same, a few rows at a time. `known`: the columns of a list without rows. Raises
    Refusal(INVALID_PARAMS) for too many columns."""
    decoded: list[dict[str, Any]] = msgspec.json.decode(rows, type=list[dict[str, Any]])
    columns = columns_of(decoded) or list(known)
    must_be_a_table(columns)
    if columns:
        yield _lines([[defused(column) for column in columns]])
        yield from in_pieces(decoded, columns)


def must_be_a_table(columns: Sized) -> None:
    """Raise Refusal(INVALID_PARAMS) for more columns than one has: rows whose fields are all their own would make a
    table of a thousand times their size."""
    if len(columns) > MOST_COLUMNS:
        why = f"it would have more than {MOST_COLUMNS:,} columns. Ask for `format=json`, in pages."
        raise misfit("format", why)


def in_pieces(rows: Sequence[Mapping[str, Any]], columns: Collection[str]) -> Iterator[bytes]:
    """Rows with these columns, a few at a time."""
    most = max(min(PIECE, CELLS // max(len(columns), 1)), 1)
    for first in range(0, len(rows), most):
        yield rows_of(rows[first : first + most], columns)


def _lines(cells: Iterable[Sequence[str | int | float | None]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(cells)
    return text.getvalue().encode()


def rows_of(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> bytes:
    """Rows with these columns, without the line of their names."""
    return _lines(zip(*map(_column, _by_columns(rows, tuple(columns))), strict=True))


def _by_columns(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Iterable[Sequence[Any]]:
    """The values of each. Rows of most lists have all of them."""
    if len(columns) > 1:
        with suppress(KeyError):
            return list(zip(*map(itemgetter(*columns), rows), strict=True))
    return ([row.get(column) for row in rows] for column in columns)


def _column(values: Sequence[Any]) -> Sequence[str | int | float | None]:
    """Its cells. Most columns are the same kind of plain thing from top to bottom, and told by one look."""
    kinds = {*map(type, values)}
    if kinds <= _WRITTEN_AS_THEY_ARE:
        return values
    if kinds <= _TEXTS:
        return all_defused([value or "" for value in values] if type(None) in kinds else values)
    return [_cell(value) for value in values]


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One for each key that occurs."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _cell(value: Any) -> str | int | float:
    match value:
        case None:
            return ""
        case str():
            return defused(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case _:
            return defused(msgspec.json.encode(value).decode())
