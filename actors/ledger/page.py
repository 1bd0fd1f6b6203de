"""Pages of a list: cursors, moments as the records write them, and what fits into one answer."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC
from typing import TypeVar

import msgspec
from msgspec import Struct

from actors.runtime.clock import parse_utc, utc
from actors.runtime.wire import Page
from bus_schemas.errors import ErrorCode, Refusal

PAGE = 800_000  # bytes of a page: an answer has to fit into one message of the bus (1 MB)

View = TypeVar("View", bound=Struct)


def moment(text: str | None) -> str | None:
    """A date or a time as the records write it, so that they compare as text. Raises Refusal(INVALID_PARAMS)."""
    if text is None:
        return None
    try:
        return utc(parse_utc(text).replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Refusal(ErrorCode.INVALID_PARAMS, "No such date or time.", given=text) from None


def page(found: Sequence[tuple[int, View]], *, limit: int) -> Page:
    """The first of what was found, each with the key after which the next page begins, as far as the limit and one
    answer go. Whoever wants to know whether there are more asks for one more than the limit."""
    body = fitting([view for _, view in found[:limit]])
    more = len(found) > len(body)
    return Page(body=body, next_cursor=to_cursor(found[len(body) - 1][0]) if more else None)


def fitting(views: list[View]) -> list[View]:
    """As many of the first ones as go into one answer, and one at least."""
    size = 0
    for place, view in enumerate(views):
        size += len(msgspec.json.encode(view))
        if size > PAGE:
            return views[: max(place, 1)]
    return views


def to_cursor(key: int) -> str:
    """The place after which a page begins: after this key, in the list's order."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def from_cursor(cursor: str | None) -> int | None:
    """The key in a cursor. Raises Refusal(INVALID_PARAMS)."""
    if cursor is None:
        return None
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        key = ""
    if not key.isdigit() or len(key) > 18:
        raise Refusal(ErrorCode.INVALID_PARAMS, "Not a cursor of this list.")
    return int(key)
