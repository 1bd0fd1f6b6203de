"""What a request asks, as the struct of its row: the path's fields, then the query's or the body's."""

import asyncio
import re
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from actors.point.tokens import claimed
from actors.runtime.lane import Lane
from bus_schemas.errors import ErrorCode, Refusal, misfit
from bus_schemas.link import PARAMETER
from bus_schemas.names import Share
from bus_schemas.user import Login, Refresh
from gateway import errors, shapes
from gateway.auditor import RPC_REQUEST
from gateway.bodies import BROKEN_OFF, LATE, object_in, request_of
from gateway.large_bodies import read_in_pieces
from gateway.routes import BODY_LIMIT, Route

BODY_SECONDS, LARGE_BODY_SECONDS = 10.0, 60.0
FORM_FIELDS = 64  # in a body that is a form; more of them take long to be told apart
WITH_BODY = ("POST", "PATCH", "PUT")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

BY_LINK: web.RequestKey[bool] = web.RequestKey("by_link", bool)  # somebody was let in by a link

Reader = Callable[[web.Request, bytes], Any]

NO_FILE = {"key": "none", "size": 0, "pieces": 0, "digest": ""}  # until the body has been read
LONGEST_HEADER = 1000  # characters of one that signs
_NUMBER = re.compile(r"-?[0-9]{1,18}\Z")
_DECIMAL = re.compile(r"-?[0-9]{1,18}\.[0-9]{1,18}\Z")


def reader_of(route: Route) -> Reader:
    """How the row's request struct is read: the path's fields, then the query's or the body's."""
    struct = route.rpc.request
    hints = get_type_hints(struct, include_extras=True)
    types = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}
    in_path = re.findall(r"\{(\w+)\}", route.path)
    has_body = route.method in WITH_BODY and route.upload is None
    in_body = {} if route.upload is None else {route.upload.field: NO_FILE}
    types = {name: kind for name, kind in types.items() if name not in in_body}
    whole = {name for name in in_path if _is_whole(types[name])}
    if route.signing:
        return partial(_signed, struct, types, in_path, route.signing)

    def read(request: web.Request, body: bytes) -> Any:
        if has_body and not (route.form and request.content_type == FORM):
            _must_be_json(request, body)
            if route.parts is not None and len(body.strip()) > BODY_LIMIT:
                return read_in_pieces(body, struct, route.parts.listed, partial(of_body, request))
            return of_body(request, body)
        values = _decode_form(body) if has_body else _decode_query(request, types, in_path)
        values |= of_path(request, values)
        try:
            return msgspec.convert(values | in_body, struct)
        except msgspec.ValidationError as error:
            raise shapes.undecodable(error, values, struct) from None

    def of_body(request: web.Request, body: bytes) -> Any:
        said = object_in(body, struct)
        return request_of(said, struct, of_path(request, said.fields))

    def of_path(request: web.Request, said: Container[str]) -> dict[str, Any]:
        for name in in_path:
            if name in said:
                raise misfit(name, "it is in the path already.")
        given = request.match_info
        return {
            name: int(given[name])  # the struct says which are good
            if name in whole and _NUMBER.match(given[name])
            else _convert_text(given[name], types[name], name)
            for name in in_path
        }

    return read


def _signed(
    struct: type[Any], types: Mapping[str, Any], in_path: list[str], signing: tuple[str, ...], request: web.Request,
    body: bytes,
) -> Any:  # any: the struct
    """The body as it is, with the headers that sign it; what is no text of ASCII signs nothing."""
    _must_be_json(request, body)
    path = {name: _convert_text(request.match_info[name], types[name], name) for name in in_path}
    given = {name: request.headers.get(name, "") for name in signing}
    headers = {name: value for name, value in given.items() if value.isascii() and 0 < len(value) <= LONGEST_HEADER}
    return struct(**path, body=body, headers=headers)


async def read_with(read: Reader, request: web.Request, body: bytes, large: Lane, share: Share) -> Any:
    """What a request of this share asks. A `large` body is read in a thread: that takes long, and others want to be
    answered."""
    if len(body) <= BODY_LIMIT:
        return read(request, body)
    return await large.read(share, partial(read, request, body))


async def body_of(request: web.Request, most: int) -> bytes:
    """The body, of `most` bytes. Raises Refusal."""
    if request.method not in WITH_BODY:
        return b""
    large = most > BODY_LIMIT
    try:
        async with asyncio.timeout(LARGE_BODY_SECONDS if large else BODY_SECONDS):
            return await (request.clone(client_max_size=most) if large else request).read()
    except TimeoutError:
        raise LATE() from None
    except (ConnectionError, web.RequestPayloadError):
        raise BROKEN_OFF() from None
    except web.HTTPRequestEntityTooLarge as error:
        raise errors.of_http(error, request.path) from None


def _must_be_json(request: web.Request, body: bytes) -> None:
    if body.strip() and request.content_type != JSON:
        raise Refusal(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send application/json.")


def _decode_form(body: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict",
            max_num_fields=FORM_FIELDS,
        )  # fmt: skip
    except ValueError:
        raise Refusal(ErrorCode.INVALID_PARAMS, "The body is not a form.") from None
    values: dict[str, Any] = dict(pairs)
    if len(values) < len(pairs):
        raise Refusal(ErrorCode.INVALID_PARAMS, "A field of the form is given more than once.")
    return values


def _decode_query(request: web.Request, types: Mapping[str, Any], in_path: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in request.query:
        if name == PARAMETER and BY_LINK in request:
            continue
        if name not in types or name in in_path:
            raise shapes.no_such(name, "parameter", (one for one in types if one not in in_path))
        if len(request.query.getall(name)) > 1:
            raise misfit(name, "it is given more than once.")
        values[name] = _convert_text(request.query[name], types[name], name)
    return values


def _convert_text(text: str, kind: Any, name: str) -> Any:
    """A text of an address as what it is there: nothing but digits is a number, with a point in it where fractions are
    taken, and no word is null."""
    value: int | float | str
    try:
        return msgspec.convert(text, kind)
    except msgspec.ValidationError:
        value = int(text) if _NUMBER.match(text) else text
    if _DECIMAL.match(text) and _takes_fractions(kind):
        value = float(text)
    if kind is bool:
        value = {"true": True, "false": False}.get(text, text)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise shapes.wrong_kind(name, kind, value, more=shapes.LOST_PLUS if text.startswith(" ") else "") from None


def _is_whole(kind: Any) -> bool:
    return kind is int or (get_origin(kind) is Annotated and kind.__origin__ is int)


def _takes_fractions(kind: Any) -> bool:
    return kind is float or any(_takes_fractions(one) for one in get_args(kind))


def login_of(request: web.Request) -> Share | None:
    """Of whose logins a request is one: whom a login or a refresh token names. Before it is answered that is only said:
    who says another's name is held up by what that one has done, not the other way."""
    match request.get(RPC_REQUEST):
        case Refresh(refresh_token=str(token)):
            return "user", claimed(token)[0]
        case Login(username=name):
            return "user", name
    return None
