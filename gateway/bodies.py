"""What the body of a request is, at whichever door it came in."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import msgspec
from msgspec import inspect

from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from bus_schemas.fields import MOST_VALUES
from gateway import shapes

LATE = RefusalTemplate(ErrorCode.INVALID_PARAMS, "The body did not arrive in time.")
BROKEN_OFF = RefusalTemplate(ErrorCode.INVALID_PARAMS, "The request broke off.")

_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# A text, or what has nothing in it, or what a value stands behind.
_PART = re.compile(rb'"(?>(?:[^"\\]+|\\.)*)"|[\[{]\s*+[\]}]|[,\[{]', re.DOTALL)


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
    for name, most in _counted(struct).items():
        if name in body.fields and _has_more(bytes(body.fields[name]), most):
            raise misfit(name, f"it has more than {most} values.")
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
def _counted(struct: type) -> Mapping[str, int]:
    """The fields that take any JSON, and how many values each may have."""
    kind = inspect.type_info(struct)
    assert isinstance(kind, inspect.StructType)
    more = {
        field.encode_name: field.type.extra or {} for field in kind.fields if isinstance(field.type, inspect.Metadata)
    }
    return {name: extra[MOST_VALUES] for name, extra in more.items() if MOST_VALUES in extra}


def _has_more(text: bytes, most: int) -> bool:
    """Whether more values than that are in an object or a list, at any depth, without reading one."""
    counted = (1 for part in _PART.finditer(text) if len(part[0]) == 1)
    return next(islice(counted, most, None), None) is not None


@cache
def _decoder_of(struct: type) -> msgspec.json.Decoder[Any]:  # any: of its struct
    return msgspec.json.Decoder(struct)
