"""Pages of a list: cursors, spans, and what fits into one answer."""

import base64
import binascii
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.moments import moment
from actors.runtime.wire import Page
from bus_schemas.errors import misfit

NOT_A_CURSOR = partial(misfit, "cursor", "not one of this list's.")
AT_A_GLANCE = 10  # views that are measured together
PAGE = 800_000  # bytes of a page: an answer has to fit into one message of the bus (1 MB)

Key = TypeVar("Key", int, tuple[str, int])
View = TypeVar("View", bound=Struct)
Item = TypeVar("Item")


def with_moments(request: View, *fields: str) -> View:
    """A request whose fields, dates or times, are as the records write them. Raises Refusal(INVALID_PARAMS)."""
    return replace(request, **{field: moment(getattr(request, field), field) for field in fields})


def with_span(request: View) -> View:
    """The same of `since` and `until`, in which something must be able to be. Raises Refusal(INVALID_PARAMS)."""
    wanted: Any = with_moments(request, "since", "until")
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        raise misfit("until", "it is not after `since`: there is nothing in between.")
    return cast(View, wanted)


def page(found: Sequence[tuple[Key, Item]], *, limit: int, seq: int = 0) -> Page:
    """The first of what was found, each with the key after which the next page begins, as far as the limit and one
    answer go. Whoever wants to know whether there are more asks for one more than the limit."""
    body = fitting([view for _, view in found[:limit]])
    more = len(found) > len(body)
    return Page(body=body, next_cursor=to_cursor(found[len(body) - 1][0]) if more else None, seq=seq)


def fitting(views: list[Item]) -> list[Item]:
    """As many of the first ones as go into one answer, and one at least. Few behind those are looked at: five hundred
    of 64 kB take 0.2 s."""
    size = 0
    for first in range(0, len(views), AT_A_GLANCE):
        some = views[first : first + AT_A_GLANCE]
        if size + (together := len(msgspec.json.encode(some))) <= PAGE:  # with brackets and commas
            size += together
            continue
        for place, view in enumerate(some, first):
            size += len(msgspec.json.encode(view)) + 1  # a comma
            if size > PAGE:
                return views[: max(place, 1)]
    return views


def to_cursor(key: Key) -> str:
    """The place after which a page begins: after this key, in the list's order."""
    text = str(key) if isinstance(key, int) else f"{key[0]} {key[1]}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_cursor(cursor: str | None) -> int | None:
    """The key in a cursor. Raises Refusal(INVALID_PARAMS)."""
    return _number(_text(cursor)) if cursor is not None else None


def from_cursor_of_two(cursor: str | None) -> tuple[str, int] | None:
    """The same of a list whose keys are two, by the first of which it is in order. Raises Refusal(INVALID_PARAMS)."""
    if cursor is None:
        return None
    first, blank, last = _text(cursor).rpartition(" ")
    if not blank:
        raise NOT_A_CURSOR()
    return first, _number(last)


def _text(cursor: str) -> str:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        raise NOT_A_CURSOR() from None
    if not text.isprintable():  # PostgreSQL takes NUL for an error
        raise NOT_A_CURSOR()
    return text


def _number(text: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise NOT_A_CURSOR()
    return int(text)
