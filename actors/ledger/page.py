"""Pages of a list: cursors, moments as the records write them, and what fits into one answer."""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import parse_utc, utc
from actors.runtime.wire import Page
from bus_schemas.errors import misfit

PAGE = 800_000  # bytes of a page: an answer has to fit into one message of the bus (1 MB)

# An offset whose `+` became a blank, as it does in an address where it is not written `%2B`.
_LOST_PLUS = re.compile(r"(T[0-9:.]+) ([0-9]{2}:?(?:[0-9]{2})?)\Z")

View = TypeVar("View", bound=Struct)


def moment(text: str | None, field: str) -> str | None:
    """A date or a time as the records write it, so that they compare as text; UTC where it has no offset. `field`: of
    the request that has it. Raises Refusal(INVALID_PARAMS), which names it."""
    if text is None:
        return None
    try:
        said = parse_utc(_LOST_PLUS.sub(r"\1+\2", text.upper()))  # RFC 3339 allows `t` and `z`
        return utc(said if said.tzinfo is not None else said.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        why = "no date or time like 2025-11-15T10:30:00Z or 2025-11-15T12:30:00+02:00."
        raise misfit(field, why, given=text) from None


def with_moments(request: View, *fields: str) -> View:
    """A request whose fields, dates or times, are as the records write them. Raises Refusal(INVALID_PARAMS)."""
    return replace(request, **{field: moment(getattr(request, field), field) for field in fields})


def with_span(request: View) -> View:
    """The same of `since` and `until`, in which something must be able to be. Raises Refusal(INVALID_PARAMS)."""
    wanted: Any = with_moments(request, "since", "until")
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        raise misfit("until", "it is not after `since`: there is nothing in between.")
    return cast(View, wanted)


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
        raise misfit("cursor", "not one of this list's.")
    return int(key)
