"""OpenAPI 3.1 from ROUTES, AsyncAPI 3 from the topics: the documents say what the tables say."""

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from bus_schemas.catalogue import NAMES, TOPICS
from bus_schemas.contract import ALWAYS_POSSIBLE
from bus_schemas.errors import ErrorCode, Refused
from bus_schemas.permissions import Access, Action
from bus_schemas.rights import guards
from gateway.errors import HTTP_STATUS
from gateway.live.narrows import narrows_of
from gateway.routes import FILE_KINDS, XLSX, AnyRoom, Passed, Route
from gateway.surface import LIVE, ROUTES

TITLE = "OTTB"
VERSION = "1.0.0"
REF = "#/components/schemas/{name}"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

# What every path may answer, and why: said once. By their names in the document.
ANYWHERE = {
    "TooManyConnections": (429, "RATE_LIMITED: too many connections of this user or address (`details.rule`)."),
    "NotAsItIs": (415, "UNSUPPORTED_MEDIA_TYPE: the body is encoded, or is not of the kind that is taken."),
    "NoExpectation": (417, "INVALID_PARAMS: the `Expect` of the request cannot be met."),
}

# What every port answers beside its routes: path, summary, schema of the answer.
ANYTHING = {"type": "object"}
PAGES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("/livez", "Whether the gateway runs.", ANYTHING),
    ("/readyz", "Whether the site serves; 503: not. `verbose` (with any value) says what does not.", ANYTHING),
    ("/version", "The version, and which part of the interface this port serves.", ANYTHING),
    ("/.well-known/jwks.json", "The keys with which access tokens are checked (RFC 7517).", ANYTHING),
    ("/metrics", "Figures for Prometheus.", {"type": "string"}),
)


def openapi(routes: Iterable[Route] = ROUTES) -> dict[str, Any]:
    """The document of the routes that one port serves."""
    routes = tuple(routes)
    schemas = _components(routes)
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    for path, summary, schema in PAGES:
        paths[path] = {"get": _page(path, summary, schema)}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {name: _refusal(why) for name, (_, why) in ANYWHERE.items()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def name_of(route: Route) -> str:
    """What programs call a route: as its contract line, of which another one may be there too."""
    name = NAMES[route.rpc]
    if route.followed:
        return name.replace("list", "follow", 1)
    first = next(one for one in ROUTES if one.rpc is route.rpc)
    return name if first.path == route.path else f"{name}_at_{route.path.split('/')[2]}"


def _components(routes: Iterable[Route]) -> dict[str, Any]:
    types = [Refused]
    for route in routes:
        types += [kind for kind in (route.rpc.request, route.rpc.reply) if kind not in types]
    _, components = msgspec.json.schema_components(types, ref_template=REF)
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(components))  # defaults are values of ours
    return found


def _schema(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REF)
    return schema


def _operation(route: Route, schemas: Mapping[str, Any]) -> dict[str, Any]:
    request = schemas[route.rpc.request.__name__]
    in_path = re.findall(r"\{(\w+)\}", route.path)
    has_body = route.method in ("POST", "PATCH", "PUT") and route.upload is None
    operation: dict[str, Any] = {
        "operationId": name_of(route),
        "summary": route.rpc.summary,
        "description": (route.rpc.request.__doc__ or "").strip(),
        "tags": [route.part.value],
        "parameters": _parameters(route, request, in_path, has_body),
        "responses": _responses(route),
    }
    if has_body:
        body = _body_schema(request, in_path)
        content = {kind: {"schema": body} for kind in ((JSON, FORM) if route.form else (JSON,))}
        if route.signing:
            body = ANYTHING
            content = {JSON: {"schema": ANYTHING}}
        if route.lines:
            binary = {XLSX: {"format": "binary"}}
            content = {kind: {"schema": {"type": "string", **binary.get(kind, {})}} for kind in FILE_KINDS}
        operation["requestBody"] = {"required": bool(body.get("required")), "content": content}
    if route.upload is not None:
        schema = {"type": "string", "format": "binary"}
        operation["requestBody"] = {"required": True, "content": {"application/octet-stream": {"schema": schema}}}
    if route.permission not in (Access.PUBLIC, Access.SIGNED):
        operation["security"] = [{"bearer": []}]
        operation["x-permission"] = str(route.permission)
    return operation


def _parameters(route: Route, request: Mapping[str, Any], in_path: list[str], has_body: bool) -> list[Any]:
    parameters: list[Any] = []
    for name, schema in request.get("properties", {}).items():
        if name in in_path:
            parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
        elif not has_body and (route.upload is None or name != route.upload.field):
            required = name in request.get("required", ())
            parameters.append({"name": name, "in": "query", "required": required, "schema": schema})
    text = {"type": "string"}
    parameters += ({"name": name, "in": "header", "required": False, "schema": text} for name in route.signing)
    if route.effect:
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema})
    return parameters


def _body_schema(request: Mapping[str, Any], in_path: list[str]) -> dict[str, Any]:
    properties = {name: schema for name, schema in request.get("properties", {}).items() if name not in in_path}
    required = [name for name in request.get("required", ()) if name not in in_path]
    body: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        body["required"] = required
    return body


def _responses(route: Route) -> dict[str, Any]:
    codes = set(route.rpc.refusals | ALWAYS_POSSIBLE)
    if route.audited or route.followed:
        codes.add(ErrorCode.RATE_LIMITED)  # too many changes or followers of one user, or a journal that is nearly full
    if route.rpc.fallback is not None:
        codes |= route.rpc.fallback.refusals
    if route.permission is not Access.PUBLIC:
        codes.add(ErrorCode.AUTH_FAIL)
    if not isinstance(route.permission, Access):
        codes.add(ErrorCode.PERMISSION_DENIED)
    if route.method in ("POST", "PATCH", "PUT"):
        codes |= {ErrorCode.PAYLOAD_TOO_LARGE, ErrorCode.UNSUPPORTED_MEDIA_TYPE}
    if route.effect:
        codes |= {ErrorCode.CONFLICT, ErrorCode.IDEMPOTENCY_MISMATCH}
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(HTTP_STATUS[code], []).append(code.value)
    responses: dict[str, Any] = {str(route.status): {"description": "Done.", "content": _content(route)}}
    if route.ranged:
        responses["206"] = responses[str(route.status)] | {"description": "The part that `Range` asks for."}
        responses["304"] = {"description": "`If-None-Match` has it."}
        responses["416"] = _refusal("INVALID_PARAMS")
    if route.as_table is not None:
        responses["307"] = {"description": f"The table is at `{route.as_table}`."}
    for status, names in sorted(by_status.items()):
        responses[str(status)] = _refusal(", ".join(names))
    return _anywhere() | responses


MEDIA = {
    Passed.FILE: ("application/octet-stream",), Passed.PICTURE: ("image/png", "image/jpeg"),
    Passed.FRAMES: ("multipart/x-mixed-replace",), Passed.LINES: ("text/event-stream",),
}  # fmt: skip


def _content(route: Route) -> dict[str, Any]:
    """What a good answer is, by its media type."""
    text, binary = {"schema": {"type": "string"}}, {"schema": {"type": "string", "format": "binary"}}
    if route.followed:
        return {"text/event-stream": text}
    if route.output:
        return {"text/plain": text}
    if route.stored:
        return {"application/octet-stream": binary} if route.ranged else {"text/csv": text}
    if route.passed is not None:
        return dict.fromkeys(MEDIA[route.passed], binary)
    content = {JSON: {"schema": _schema(route.rpc.reply)}}
    if route.table or route.as_table is not None:  # whoever follows gets it there
        content["text/csv"] = text
    return content


def _refusal(why: str) -> dict[str, Any]:
    return {"description": why, "content": {JSON: {"schema": {"$ref": REF.format(name="Refused")}}}}


def _anywhere() -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{name}"} for name, (status, _) in ANYWHERE.items()}


def _page(path: str, summary: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    kind = "text/plain" if schema["type"] == "string" else JSON
    page: dict[str, Any] = {
        "operationId": f"get_{re.sub('[^a-z]+', '_', path).strip('_')}",
        "summary": summary,
        "description": "On every port.",
        "parameters": [],
        "responses": _anywhere() | {"200": {"description": "Done.", "content": {kind: {"schema": schema}}}},
    }
    if path == "/readyz":
        page["parameters"] = [{"name": "verbose", "in": "query", "required": False, "schema": {"type": "string"}}]
        page["responses"]["503"] = {"description": "Not ready.", "content": {JSON: {"schema": ANYTHING}}}
    if path == "/metrics":
        page |= {"security": [{"bearer": []}], "x-permission": str(Action.METRICS_VIEW)}
        for code in (ErrorCode.AUTH_FAIL, ErrorCode.PERMISSION_DENIED, ErrorCode.UNAVAILABLE):
            page["responses"][str(HTTP_STATUS[code])] = _refusal(code.value)
    return page


def asyncapi() -> dict[str, Any]:
    """The events: on NATS for other systems, and as Socket.IO clients hear them."""
    heard = [(row, *one) for row in LIVE for one in _heard(row)]
    types = list(dict.fromkeys([topic.event for topic in TOPICS] + [data for _, _, data, _ in heard]))
    _, components = msgspec.json.schema_components(types, ref_template=REF)
    for topic in TOPICS:
        if guarded := guards(topic.event):
            _loosen(components[topic.event.__name__], guarded)
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for topic in TOPICS:
        name = topic.event.__name__
        fields = re.findall(r"\{(\w+)\}", topic.subject)
        channels[name] = {
            "address": topic.subject,
            "title": topic.summary,
            "servers": [{"$ref": "#/servers/nats"}],
            "parameters": {field: {"description": f"`{field}` of the event"} for field in fields},
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        operations[f"hear{name}"] = {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}}
    for row, event, _, _ in heard:
        key = event.replace(".", "_")
        channels[key] = {
            "address": event,
            "title": f"Socket.IO event {event}, in the room {row.kind.room}",
            "servers": [{"$ref": "#/servers/socketio"}],
            "messages": {key: {"$ref": f"#/components/messages/{key}"}},
        }
        operations[f"hear_{key}"] = {"action": "receive", "channel": {"$ref": f"#/channels/{key}"}}
    messages = {
        topic.event.__name__: {"payload": {"$ref": REF.format(name=topic.event.__name__)}, "contentType": JSON}
        for topic in TOPICS
    }
    for _, event, data, place in heard:
        payload = _live_payload(event, data, place)
        messages[event.replace(".", "_")] = {"payload": payload, "contentType": JSON}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": TITLE, "version": VERSION},
        "defaultContentType": JSON,
        "servers": {
            "nats": {"host": "localhost:14222", "protocol": "nats"},
            "socketio": {"host": "localhost:3000", "pathname": "/socket.io/", "protocol": "socketio"},
        },
        "channels": channels,
        "operations": operations,
        "components": {"schemas": components, "messages": messages},
    }


def _loosen(schema: dict[str, Any], guarded: Iterable[str]) -> None:
    """Who lacks the right that a field needs (`x-permission`) gets the event without it."""
    schema["required"] = [name for name in schema.get("required", ()) if name not in guarded]


def _heard(row: AnyRoom) -> list[tuple[str, type[Struct], str]]:
    """What is heard in a room: the name of each event, its data, and the field that says its place."""
    return [(row.event, row.update, "seq"), *((one.event, one.data, one.place) for one in row.beside)]


def _live_payload(event: str, data: type[Struct], place: str) -> dict[str, Any]:
    of = {"$ref": REF.format(name=data.__name__)}
    properties = {"event": {"const": event}, "data": of, place: {"type": "integer"}}
    return {"type": "object", "properties": properties, "required": ["event", "data", place]}


def types() -> dict[str, Any]:
    """All that a typed client needs, in one OpenAPI document: the routes, the bus events, `LiveEvents`, the payload of
    each Socket.IO event by its name, `LiveRooms`, what each room may be narrowed by, and `LiveThings`, what a snapshot
    of one has. `make types` turns it into TypeScript."""
    document, events = openapi(), asyncapi()["components"]
    live = {row.event: _live_payload(row.event, row.update, "seq") for row in LIVE}
    rooms = {row.kind.room: _narrowed(row) for row in LIVE}
    things = {row.kind.room: _schema(row.listing.thing) for row in LIVE if row.listing is not None}
    named = {
        name: {"type": "object", "properties": found, "required": list(found)}
        for name, found in (("LiveEvents", live), ("LiveRooms", rooms), ("LiveThings", things))
    }
    document["components"]["schemas"] |= events["schemas"] | named
    return document


def _narrowed(row: AnyRoom) -> dict[str, Any]:
    properties = {name: _schema(kind) for name, kind in narrows_of(row)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(types()))
