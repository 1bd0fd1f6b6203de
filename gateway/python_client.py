"""The methods of the Python client (`ottb_client/routes/`, `ottb_client/rooms.py`), written from the tables: one for
each route and each room. `make client` writes them."""

import re
import textwrap
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from gateway import surface
from gateway.live.narrows import narrows_of
from gateway.openapi import name_of
from gateway.python_types import WIDTH, Source, folded, or_unset
from gateway.routes import AnyRoom, Route
from gateway.surface import LIVE

PACKAGE = Path(__file__).resolve().parents[1] / "ottb_client"
BY_HAND = ("login", "refresh", "logout")  # they keep the tokens: `ottb_client/http.py`
FORM = ("format",)  # what a method asks for by itself
NOT_FOLLOWED = ("until", "limit", "cursor")
HEAD = '"""{what} Written by `make client` from the contract."""\n'


@dataclass(frozen=True)
class Call:
    """What a method does. `how`: it is defined; `result`: its type; `asks`: what it calls, with `arguments`."""

    how: str
    result: str
    asks: str
    arguments: Sequence[str]


def files() -> dict[str, str]:
    """The text of each file, by its place in the package."""
    kinds = {name: file.ROUTES for name, file in sorted(vars(surface).items()) if isinstance(file, types.ModuleType)}
    texts = {f"routes/{kind}.py": _routes_file(kind, routes) for kind, routes in kinds.items()}
    return texts | {"routes/__init__.py": _joined(list(kinds)), "rooms.py": _rooms_file()}


def write() -> None:
    """Write them, and remove those that are none any more."""
    texts = files()
    for path in (PACKAGE / "routes").glob("*.py"):
        if f"routes/{path.name}" not in texts:
            path.unlink()
    for name, text in texts.items():
        (PACKAGE / name).write_text(text)


# --- routes


def _class_of(kind: str) -> str:
    return f"{kind.title().replace('_', '')}Routes"


def _joined(kinds: Sequence[str]) -> str:
    imports = "".join(f"from ottb_client.routes.{kind} import {_class_of(kind)}\n" for kind in kinds)
    bases = "".join(f"    {_class_of(kind)},\n" for kind in kinds)
    routes = f'class Routes(\n{bases}):\n    """A method for each route."""\n'
    return f"{HEAD.format(what='All routes, joined from the kinds.')}\n{imports}\n\n{routes}"


def _routes_file(kind: str, routes: Iterable[Route]) -> str:
    source = Source()
    source.use("ottb_client.http", "Http")
    called = (route for route in routes if name_of(route) not in BY_HAND and not route.signing)
    methods = "\n".join(_method(route, source) for route in called)
    body = f'class {_class_of(kind)}(Http):\n    """What is asked over HTTP."""\n\n{methods}'
    return f"{HEAD.format(what=f'Routes: {kind}.')}\n{source.imports()}\n\n{body}"


def _method(route: Route, source: Source) -> str:
    fields = _fields(route)
    in_path = re.findall(r"\{(\w+)\}", route.path)
    first = [f"{_name(field.name)}: {source.of(field.type, given=True)}" for field in fields if field.name in in_path]
    first += ["file: bytes"] if route.upload or route.lines else []
    named = [_parameter(field, source) for field in fields if field.name not in in_path]
    named += ["key: str | None = None"] if route.effect else []
    call = _call(route, source, {field.encode_name: _name(field.name) for field in fields})
    return _written(name_of(route), [*first, *(["*", *named] if named else [])], call, _doc(route))


def _written(name: str, parameters: Sequence[str], call: Call, doc: str) -> str:
    """A method of one statement."""
    begin = f"    {call.how} {name}("
    inside, end = ["self", *parameters], f") -> {call.result}:"
    line = f"{begin}{', '.join(inside)}{end}\n"
    if len(line) > WIDTH + 1:
        line = f"{begin}\n{folded(inside, 8)}    {end}  # fmt: skip\n"
    text = "".join(f"        {one}\n" for one in textwrap.wrap(f'"""{doc}"""', WIDTH - 8))
    statement = f"return {'await ' if call.how.startswith('async') else ''}{call.asks}("
    done = f"        {statement}{', '.join(call.arguments)})\n"
    if len(done) > WIDTH + 1:
        done = f"        {statement}\n{folded(call.arguments, 12)}        )  # fmt: skip\n"
    return line + text + done


def _doc(route: Route) -> str:
    key = " `key`: an Idempotency-Key; one is made up where none is given." if route.effect else ""
    return f"{route.rpc.summary}: `{route.method} {route.path}`.{key} Raises ApiError."


def _fields(route: Route) -> list[FieldInfo]:
    """What a method takes; what has to be there first."""
    form = FORM if route.passed is None else ()  # of a picture it is whoever asks who chooses it
    left_out = {*form, *(NOT_FOLLOWED if route.followed else ()), *([route.upload.field] if route.upload else ())}
    fields = (field for field in msgspec.structs.fields(route.rpc.request) if field.encode_name not in left_out)
    return sorted(fields, key=lambda field: not field.required)


def _parameter(field: FieldInfo, source: Source) -> str:
    kind = source.of(field.type, given=True)
    if field.required:
        return f"{_name(field.name)}: {kind}"
    source.use("msgspec", "UNSET")
    source.use("msgspec", "UnsetType")
    return f"{_name(field.name)}: {or_unset(kind)} = UNSET"


def _call(route: Route, source: Source, fields: Mapping[str, str]) -> Call:
    path, given, reply = f'"{route.path}"', _given(fields), route.rpc.reply
    if route.file or route.stored or route.output or route.passed:
        return Call("def", source.use("ottb_client.answers", "Download"), "self._file", (path, *given))
    if route.followed:
        item = source.of(get_args(reply)[0])
        iterator = source.use("collections.abc", "AsyncIterator")
        return Call("def", f"{iterator}[{item}]", "self._follow", (path, item, *given))
    asked = {field.encode_name for field in msgspec.structs.fields(route.rpc.request)}
    if {"format", "cursor"} & asked:
        return _listing(source, path, given, reply, table="format" in asked)
    arguments = [f'"{route.method}"', path, source.of(reply), *given, *(["key"] if route.effect else [])]
    arguments += ["file=file"] if route.upload or route.lines else []
    return Call("async def", source.of(reply), "self._do" if route.effect else "self._ask", arguments)


def _listing(source: Source, path: str, given: Sequence[str], reply: Any, *, table: bool) -> Call:
    within = ""
    if get_origin(reply) is not list:  # it has something around it
        [inside] = [field for field in msgspec.structs.fields(reply) if get_origin(field.type) is list]
        within, reply = inside.encode_name, inside.type
    item = source.of(get_args(reply)[0])
    kind = source.use("ottb_client.answers", "Table" if table else "Listing")
    arguments = [path, f"list[{item}]", *given, *([f'within="{within}"'] if within else [])]
    return Call("def", f"{kind}[{item}]", "self._table" if table else "self._list", arguments)


def _given(fields: Mapping[str, str]) -> list[str]:
    """The parts of a dict."""
    pairs = [f'"{said}": {name}' for said, name in fields.items()] or [""]
    pairs[0], pairs[-1] = "{" + pairs[0], pairs[-1] + "}" if pairs[1:] else "{" + pairs[0] + "}"
    return pairs


def _name(field: str) -> str:
    """What a parameter is called."""
    return f"{field}_" if field in ("list", "key") else field  # which are said in the method, too


# --- rooms


def _rooms_file() -> str:
    source = Source()
    source.use("ottb_client.live", "Connection")
    source.use("ottb_client.subscription", "Subscription")
    methods = "\n".join(method for room in LIVE for method in _room(room, source))
    rooms = f'class Rooms(Connection):\n    """A method for each room."""\n\n{methods}'
    return f"{HEAD.format(what='What is heard of each kind.')}\n{source.imports()}\n\n{rooms}"


def _room(room: AnyRoom, source: Source) -> list[str]:
    """How it is heard, and how it is shown first."""
    update, name = source.of(room.update), room.kind.room
    narrows = narrows_of(room)
    for one in ("UNSET", "UnsetType") if narrows else ():
        source.use("msgspec", one)
    named = [f"{_name(field)}: {source.of(kind)} | UnsetType = UNSET" for field, kind in narrows]
    given = _given({field: _name(field) for field, _ in narrows})
    call = Call(
        "async def", f"Subscription[{update}]", "self._subscribe",
        (f'"{name}"', f'"{room.event}"', update, *given, "since"),
    )  # fmt: skip
    only, spoken = " or what these say alone" if narrows else "", name.replace("_", " ")
    doc = f"Hear of {spoken}: all{only}. `since`: behind this `seq`. Raises ApiError."
    heard = _written(name, ["*", *named, "since: int | None = None"], call, doc)
    if room.listing is None:
        return [heard]
    source.use("ottb_client.subscription", "ShownSubscription")
    thing = source.of(room.listing.thing)
    call = Call(
        "async def", f"ShownSubscription[{thing}, {update}]", "self._show",
        (f'"{name}"', f'"{room.event}"', thing, update, *given),
    )  # fmt: skip
    doc = f"How all {spoken} are{', or what these say alone' if narrows else ''}, then what changes. Raises ApiError."
    return [heard, _written(f"{name}_shown", ["*", *named] if named else [], call, doc)]


if __name__ == "__main__":
    write()
