"""Orders to a simulator's control port: what is one, and how a mistake in one is told, as the platform's own API tells
refusals."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct, UnsetType

from bus_schemas.errors import ErrorCode, Refusal, misfit
from bus_schemas.fields import plainly

STATUS: Mapping[ErrorCode, int] = {
    ErrorCode.INVALID_PARAMS: 400, ErrorCode.AUTH_FAIL: 401, ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405, ErrorCode.CONFLICT: 409, ErrorCode.PAYLOAD_TOO_LARGE: 413,
}  # fmt: skip
_CODES = {status: code for code, status in STATUS.items()}

Order = TypeVar("Order", bound="Plain")


class Plain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order of which nothing more is to be said."""


@web.middleware
async def refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals in the documented form."""
    try:
        return await handler(request)
    except Refusal as refusal:
        said = refusal
    except web.HTTPException as error:
        if error.status not in _CODES:
            raise
        said = Refusal(_CODES[error.status], error.text or error.reason)
    body = msgspec.json.encode(said.as_refused())
    return web.Response(body=body, status=STATUS[said.code], content_type="application/json")


async def order_of(request: web.Request, kind: type[Order]) -> Order:
    """The order in a request's body; no body says nothing more. Raises Refusal(INVALID_PARAMS)."""
    body = await request.read()
    try:
        values = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(ErrorCode.INVALID_PARAMS, f"The body is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise Refusal(ErrorCode.INVALID_PARAMS, "The body is not a JSON object.")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise _mistake(plainly(error), kind) from None


def _mistake(said: str, kind: type[Struct]) -> Refusal:
    said, _, place = said.partition(" - at `")
    if said.startswith(("Object contains unknown field `", "Object missing required field `")):
        words, _, field = said.rstrip("`").partition("`")
        names = ", ".join(f"`{name}`" for name in kind.__struct_fields__) or "none"
        known = f"there is no such field; the fields: {names}." if "unknown" in words else "it must be given."
        return misfit(field, known)
    field = place.rstrip("`").removeprefix("$.")
    known = ""
    if said.startswith("Invalid enum value"):
        choices = _choices(get_type_hints(kind).get(field.partition("[")[0]))
        known = f"; the choices: {', '.join(f'`{choice}`' for choice in choices)}"
    return misfit(field or "?", f"{said[:1].lower()}{said[1:]}{known}.")


def _choices(wanted: Any) -> list[str]:
    """The words that a field's type lets through, as far as it is made of words."""
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return [str(one.value) for one in wanted] if wanted is not UnsetType else []
    if get_origin(wanted) is Literal:
        return list(get_args(wanted))
    return [choice for part in get_args(wanted) for choice in _choices(part)]


def no_such(what: str, name: str, known: Mapping[str, object]) -> Refusal:
    """A name in an address that there is not."""
    return Refusal(ErrorCode.NOT_FOUND, f"There is no {what} `{name}`; there are {', '.join(known)}.")
