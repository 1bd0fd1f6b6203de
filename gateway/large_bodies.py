"""A body that is one long list of objects, read in pieces.

Whoever reads 16 MiB at one go keeps all other threads of the process from their work for as long, also from answering.
Where a piece ends is found by a pattern that passes over texts and objects and never goes back: a list of what is no
object, or of objects in objects in objects, is refused at the first of them.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, get_type_hints

import msgspec

from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import Refusal, misfit
from gateway import shapes
from gateway.routes import BODY_LIMIT, Listed

PIECE_BYTES = 256 * 1024  # of one piece at most, and so of an element
PIECE = 2_000  # elements

# Python 3.11.2 takes one repetition too many of a group that is repeated possessively, so groups are atomic instead.
_TEXT = rb'"(?>(?:[^"\\]+|\\.)*)"'
_INSIDE = rb'(?>(?:[^"{}\[\]]+|%b)*)' % _TEXT
_OBJECT = rb"\{%b(?>(?:\{%b\}%b)*)\}" % (_INSIDE, _INSIDE, _INSIDE)  # with objects in it that have none
_OBJECTS = re.compile(
    rb"(?>(?:\s*+%b\s*+,){0,%d})(?>(?:\s*+%b\s*+(?=\]))?)" % (_OBJECT, PIECE - 1, _OBJECT), re.DOTALL
)
_END = re.compile(rb"\s*+\]")
_MEMBER = rb'\s*+%b\s*+:\s*+(?:%b|[^"{}\[\],]++)\s*+,' % (_TEXT, _TEXT)


def read_in_pieces(body: bytes, struct: type, listed: Listed, read: Callable[[bytes], Any]) -> Any:
    """The request of a large body, a `struct` whose field `listed` is what is large. `read`: reads a small one. Raises
    Refusal(INVALID_PARAMS)."""
    body = body.removeprefix(codecs.BOM_UTF8)
    begun = _beginning(listed.field).match(body, 0, BODY_LIMIT)
    if begun is None:
        raise _sound(body, struct) or _other_large(listed)
    found, first, at = list[Any](), b"", begun.end()
    for piece in _pieces(body, at):
        found += _elements(piece.rstrip(b","), body, struct, listed, before=len(found))
        if len(found) > listed.most:
            raise misfit(listed.field, f"more than {listed.most:,} of them.")
        first, at = first or piece, at + len(piece)
    end = _END.match(body, at, at + BODY_LIMIT)
    if end is None or body[at - 1 : at] == b",":
        raise _stuck(body, at, struct, listed, before=len(found))
    if len(body) - end.end() > BODY_LIMIT:
        raise _sound(body, struct) or _other_large(listed)
    rest = read(body[: begun.end()] + first.rstrip(b",") + body[end.end() - 1 :])
    return msgspec.structs.replace(rest, **{listed.field: tuple(found)})


def _other_large(listed: Listed) -> Refusal:
    return misfit(listed.field, "in a large body this is a list of objects, and nothing beside it is large.")


def _pieces(body: bytes, at: int) -> Iterator[bytes]:
    """The elements of a list from this place on, as far as they are objects as above."""
    while (piece := _OBJECTS.match(body, at, at + PIECE_BYTES)) is not None and piece.end() > at:
        yield piece[0]
        at = piece.end()


def _elements(piece: bytes, body: bytes, struct: type, listed: Listed, before: int) -> tuple[Any, ...]:
    """Some elements as what they are to be. `before`: how many others come before them."""
    text = b'{"%b":[%b]}' % (listed.field.encode(), piece)
    shapes.must_name_once(text, (listed.field,))
    try:
        decoder = _decoder_of(struct, listed.field)
        elements: tuple[Any, ...] = getattr(decoder.decode(text), listed.field)
        return elements
    except msgspec.ValidationError as error:
        raise shapes.undecodable(error, {listed.field: msgspec.Raw(b"[%b]" % piece)}, struct, before=before) from None
    except (*UNDECODABLE, ValueError) as error:
        raise _sound(body, struct) or shapes.unreadable(error, body, struct) from None


def _stuck(body: bytes, at: int, struct: type, listed: Listed, before: int) -> Refusal:
    """Why there is no further element at this place, and no end."""
    if (refusal := _sound(body, struct)) is not None:
        return refusal
    text = body[at : at + PIECE_BYTES].decode(errors="replace").lstrip()
    try:
        _, end = _ONE.raw_decode(text)
        _elements(text[:end].encode(), body, struct, listed, before)
    except Refusal as said:
        return said
    except (ValueError, RecursionError):
        pass
    return misfit(f"{listed.field}[{before}]", f"larger than {listed.largest:,} bytes.")


def _sound(body: bytes, struct: type) -> Refusal | None:
    """None: a whole body is JSON. It is only passed over."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (*UNDECODABLE, ValueError) as error:
        return shapes.unreadable(error, body, struct)
    return None


_ONE = json.JSONDecoder(parse_int=len, parse_float=len)


@cache
def _beginning(field: str) -> re.Pattern[bytes]:
    """An object up to the first element of this list, where what comes before is neither list nor object."""
    return re.compile(rb'\s*+\{(?:%b)*?\s*+"%b"\s*+:\s*+\[' % (_MEMBER, field.encode()), re.DOTALL)


@cache
def _decoder_of(struct: type, field: str) -> msgspec.json.Decoder[Any]:  # any: of a struct with that field alone
    kind = get_type_hints(struct, include_extras=True)[field]
    return msgspec.json.Decoder(msgspec.defstruct(f"Piece{struct.__name__}", [(field, kind)]))
