"""What the body of a request is, at whichever door it came in."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, RefusalTemplate
from gateway import shapes

LATE = RefusalTemplate(ErrorCode.INVALID_PARAMS, "The body did not arrive in time.")
BROKEN_OFF = RefusalTemplate(ErrorCode.INVALID_PARAMS, "The request broke off.")

_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True)
class Body:
    """A JSON object. `fields`: what stands under its names, of which nothing has been read: a list of numbers can cost
    fifty times as much to read as to pass over, and most are where no number is wanted."""

    text: bytes
    fields: Mapping[str, msgspec.Raw]


NOTHING = Body(b"{}", {})


def object_in(body: bytes, struct: type) -> Body:
    """The JSON object of a body; one of blanks is empty. `struct`: what it is to be. Raises Refusal(INVALID_PARAMS)."""
    if not body.strip():
        return NOTHING
    text = body.removeprefix(codecs.BOM_UTF8)  # RFC 8259, 8.1: it may be there
    try:
        fields = _decode_names(text)
    except (*UNDECODABLE, ValueError) as error:
        raise shapes.unreadable(error, text, struct) from None
    shapes.must_name_once(text, fields)
    return Body(text, fields)


def request_of(body: Body, struct: type, more: Mapping[str, Any]) -> Any:
    """The request struct of a body and of what was said elsewhere (`more`), each field read as what it is to be.
    Raises Refusal(INVALID_PARAMS)."""
    try:
        return _decoder_of(struct).decode(_with(body, more) if more else body.text)
    except msgspec.ValidationError as error:
        raise shapes.undecodable(error, {**body.fields, **more}, struct) from None
    except (*UNDECODABLE, ValueError) as error:
        raise shapes.unreadable(error, body.text, struct) from None


def _with(body: Body, more: Mapping[str, Any]) -> bytes:
    begun = msgspec.json.encode(more)[:-1]
    return begun + (b"," if body.fields else b"") + body.text.lstrip()[1:]


@cache
def _decoder_of(struct: type) -> msgspec.json.Decoder[Any]:  # any: of its struct
    return msgspec.json.Decoder(struct)
