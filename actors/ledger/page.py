"""Pages of a list: cursors, moments as the records write them, and what fits into one answer."""

import base64
import binascii
from datetime import UTC
from typing import TypeVar

import msgspec
from msgspec import Struct

from actors.runtime.clock import parse_utc, utc
from bus_schemas.errors import ErrorCode, Refusal

PAGE = 800_000  # bytes of a page: an answer has to fit into one message of the bus (1 MB)

Row = TypeVar("Row", bound=Struct)


def moment(text: str | None) -> str | None:
    """A date or a time as the records write it, so that they compare as text. Raises Refusal(INVALID_PARAMS)."""
    if text is None:
        return None
    try:
        return utc(parse_utc(text).replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Refusal(ErrorCode.INVALID_PARAMS, "No such date or time.", given=text) from None


def fitting(rows: list[Row]) -> list[Row]:
    """As many of the first rows as go into one answer."""
    size = 0
    for place, row in enumerate(rows):
        size += len(msgspec.json.encode(row))
        if size > PAGE:
            return rows[:place]
    return rows


def to_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def from_cursor(cursor: str | None) -> str | None:
    """The key in a cursor. Raises Refusal(INVALID_PARAMS)."""
    if cursor is None:
        return None
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        key = ""
    if not key.isdigit() or len(key) > 18:
        raise Refusal(ErrorCode.INVALID_PARAMS, "Not a cursor of this list.")
    return key
