"""Lists as CSV (RFC 4180), safe to open in a spreadsheet."""

import csv
import io
from typing import Any

import msgspec

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_csv(data: bytes) -> bytes:
    """The JSON array of objects as CSV in UTF-8, nested values as JSON text."""
    rows: list[dict[str, Any]] = msgspec.json.decode(data)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """One value; text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP)."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = text.replace("\0", "")
    return f"'{text}" if text.startswith(FORMULA) else text
