"""What the body of a request is, at whichever door it came in."""

import codecs
from typing import Any

import msgspec

from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, RefusalTemplate
from gateway import shapes

LATE = RefusalTemplate(ErrorCode.INVALID_PARAMS, "The body did not arrive in time.")
BROKEN_OFF = RefusalTemplate(ErrorCode.INVALID_PARAMS, "The request broke off.")

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def object_in(body: bytes, struct: type) -> dict[str, Any]:
    """The JSON object of a body; one of blanks is empty. `struct`: what it is to be. Raises Refusal(INVALID_PARAMS)."""
    if not body.strip():
        return {}
    body = body.removeprefix(codecs.BOM_UTF8)  # RFC 8259, 8.1: it may be there
    try:
        values = _decode_object(body)
    except (*UNDECODABLE, ValueError) as error:
        raise shapes.unreadable(error, body, struct) from None
    shapes.must_name_once(body, values)
    return values
