"""Texts and values of anybody's, so that whatever shows them does nothing but show them. Pure.

What a terminal, a page or a table would obey (escape sequences, line ends that begin a line of somebody else's, marks
that turn the direction of writing) is replaced by a sign that is seen. It is done where an event is taken in, so every
way out is harmless: answers, tables, streams, and whoever reads the bus.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from bus_schemas.errors import misfit
from bus_schemas.fields import UNSEEN
from bus_schemas.log import CONTEXT_BYTES, CONTEXT_DEPTH, CONTEXT_VALUES

_UNSEEN = re.compile(f"[{UNSEEN}]")
_PICTURES, _DELETE, _OTHER = 0x2400, "\u2421", "\ufffd"

Json = Any  # any: what msgspec reads of JSON


def harmless(text: str) -> str:
    """The text, with a sign for each character that is not seen: ESC is `␛`, a line feed `␊`, others `�`."""
    return _UNSEEN.sub(lambda found: _sign(found[0]), text)


def _sign(character: str) -> str:
    number = ord(character)
    return chr(_PICTURES + number) if number < 0x20 else _DELETE if number == 0x7F else _OTHER


def bounded(context: dict[str, Json]) -> dict[str, Json]:
    """A context that is not too much, with harmless texts and names. Raises Refusal(INVALID_PARAMS)."""
    for counted, depth in enumerate(_depths(context)):  # the context itself is none of its values
        if depth > CONTEXT_DEPTH:
            raise misfit("context", f"it has more than {CONTEXT_DEPTH} objects or lists in each other.")
        if counted > CONTEXT_VALUES:
            raise misfit("context", f"it has more than {CONTEXT_VALUES} values.")
    found: dict[str, Json] = _cleaned(context)
    size = len(msgspec.json.encode(found))
    if size > CONTEXT_BYTES:
        raise misfit("context", f"it has {size} bytes of JSON, and may have {CONTEXT_BYTES}.")
    return found


def _depths(context: dict[str, Json]) -> Iterator[int]:
    """For each value, in how many objects and lists it is, and for each of those how deep that goes. Without recursion:
    how deep it goes is up to the sender."""
    left: list[tuple[Json, int]] = [(context, 1)]
    while left:
        value, depth = left.pop()
        yield depth if isinstance(value, dict | list) else depth - 1
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        left.extend((one, depth + 1) for one in inside)


def _cleaned(value: Json) -> Json:
    match value:
        case str():
            return harmless(value)
        case dict():
            return {harmless(name): _cleaned(one) for name, one in value.items()}
        case list():
            return [_cleaned(one) for one in value]
    return value
