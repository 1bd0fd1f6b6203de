"""Lists as a table: CSV that a spreadsheet opens without running anything that is in it."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet takes a text that begins so for a formula


def to_csv(rows: bytes) -> bytes:
    """A JSON array of flat objects as CSV: UTF-8, CRLF, one column for each key that occurs. A nested value is its
    JSON, null is empty. Raises msgspec.DecodeError for anything that is not such an array."""
    decoded: list[dict[str, Any]] = msgspec.json.decode(rows, type=list[dict[str, Any]])
    columns = _columns(decoded)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    if columns:
        writer.writerow([_defused(column) for column in columns])
        writer.writerows([_cell(row.get(column)) for column in columns] for row in decoded)
    return text.getvalue().encode()


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _cell(value: Any) -> str | int | float:
    match value:
        case None:
            return ""
        case str():
            return _defused(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case _:
            return _defused(msgspec.json.encode(value).decode())


def _defused(text: str) -> str:
    text = text.replace("\0", "")
    return f"'{text}" if text.startswith(FORMULA) else text
