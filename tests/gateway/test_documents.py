"""OpenAPI and AsyncAPI say all that the tables say, and the interface's own examples are valid."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bus_schemas.campaign import (
    CAMPAIGN_LEAD_CHANGED,
    CAMPAIGN_LEAD_MERGED,
    CAMPAIGN_LEAD_UNMERGED,
    CAMPAIGN_LEADS_ASSIGNED,
)
from bus_schemas.catalogue import RPCS, TOPICS
from bus_schemas.errors import ErrorCode
from bus_schemas.lead import CHANGEABLE, CampaignLeadMerged, CampaignLeadUnmerged
from bus_schemas.permissions import BUILT_IN_ROLES, Access, Action, resolve
from bus_schemas.pipeline_events import PIPELINE_STARTED
from gateway.errors import HTTP_STATUS
from gateway.openapi import PAGES, asyncapi, openapi
from gateway.routes import Part
from gateway.surface import ROOMS, ROUTES, routes_of

ROOT = Path(__file__).parents[2]
DOCUMENT = openapi()

# The examples of the documented interface: method, path, body, answer.
EXAMPLES: list[tuple[str, str, Any, Any]] = [
    ("POST", "/api/auth/login", {"username": "op12", "password": "1234"},
     {"token": "jwt_token_here", "role": "operator", "expires": 3600, "permissions": {"OTTB": ["read"]}}),
    ("POST", "/api/auth/refresh", None, {"token": "new_jwt_token", "expires": 3600}),
    ("GET", "/api/point/rolecheck", None,
     {"allowed": True, "permissions": ["call.start", "slot.view", "pipeline.run"]}),
    ("POST", "/api/slots/{slot}/restart", None, {"status": "restarting", "slot": 44}),
    ("POST", "/api/slots/{slot}/adb-command", {"command": "input tap 200 400"}, None),
    ("POST", "/api/call/start", {"number": "+380991234567", "slot": "AUTO"},
     {"call_id": "c_882", "slot": 44, "state": "RING"}),
    ("POST", "/api/call/end", {"call_id": "c_882"}, None),
]  # fmt: skip

# Answers of which the documented fields are a part: ours have more.
DOCUMENTED_FIELDS = [
    ("GET", "/api/slots", {"id", "status", "device", "user", "trunk", "last_activity", "metrics"}),
    ("GET", "/api/slots/{slot}", {"id", "status", "device", "user", "trunk", "temperature", "battery", "last_event",
                                  "config", "network"}),
    ("GET", "/api/call/{call_id}", {"call_id", "slot", "number", "status", "start_time", "end_time", "duration"}),
    ("GET", "/api/calls/feed", {"call_id", "slot", "number", "user", "status", "start_time"}),
]  # fmt: skip


def _operation(method: str, path: str) -> dict[str, Any]:
    return DOCUMENT["paths"][path][method.lower()]


def _answer_schema(operation: dict[str, Any]) -> dict[str, Any]:
    good = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    return good["content"]["application/json"]["schema"] | {"components": DOCUMENT["components"]}


def test_every_route_is_in_the_document() -> None:
    documented = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert documented == {(route.method, route.path) for route in ROUTES} | {("GET", path) for path, *_ in PAGES}


def test_what_every_path_may_answer_is_said_of_each() -> None:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            for status in ("429", "415", "417"):
                said = operation["responses"][status]
                name = said.get("$ref", "").removeprefix("#/components/responses/")
                assert "description" in (DOCUMENT["components"]["responses"][name] if name else said), (method, path)


def test_what_no_route_asks_for_is_documented_on_every_port() -> None:
    for part in Part:
        paths = openapi(routes_of(part))["paths"]
        assert {"/livez", "/readyz", "/version", "/metrics", "/.well-known/jwks.json"} <= paths.keys()
        assert paths["/metrics"]["get"]["x-permission"] == Action.METRICS_VIEW


def test_every_route_has_a_permission_of_its_own_kind() -> None:
    for route in ROUTES:
        assert isinstance(route.permission, Action | Access)
        assert route.rpc in RPCS
    assert {route.path for route in ROUTES if route.permission is Access.PUBLIC} == {"/api/auth/login"}


def test_workspace_serves_everything() -> None:
    assert routes_of(Part.WORKSPACE) == ROUTES
    assert {route.part for route in routes_of(Part.POINT)} == {Part.POINT}


def test_every_event_is_in_the_document() -> None:
    document = asyncapi()
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {topic.subject for topic in TOPICS} <= addresses
    assert {row.event for row in ROOMS} <= addresses
    assert document["asyncapi"].startswith("3.")
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]


def test_live_updates_are_documented_as_they_are_said() -> None:
    document = asyncapi()
    for row in ROOMS:
        payload = document["components"]["messages"][row.event.replace(".", "_")]["payload"]
        assert payload["properties"]["data"]["$ref"].endswith(f"/{row.update.__name__}")
    schemas = document["components"]["schemas"]
    assert {"booked", "released", "linked"} <= set(schemas["SlotUpdate"]["properties"]["change"]["enum"])
    assert set(schemas["SlotUpdate"]["required"]) == {"slot", "at", "change"}
    assert not {"mono", "boot", "ref", "after_ref"} & set(schemas["CallUpdate"]["properties"])


INTERNAL = {  # what events tell owners alone
    "mono", "boot", "ref", "after_ref", "leases", "host", "heard", "lent", "predecessors", "position",
    "run", "scripts", "given", "ussd", "traced", "board", "after", "service_token", "delivery",
}  # fmt: skip
NAMED = {
    CAMPAIGN_LEAD_CHANGED: {*CHANGEABLE, "place"},
    CAMPAIGN_LEAD_MERGED: {*CampaignLeadMerged.__struct_fields__},
    CAMPAIGN_LEAD_UNMERGED: {*CampaignLeadUnmerged.__struct_fields__},
    CAMPAIGN_LEADS_ASSIGNED: {"assigned_seller", "leads", "places"},
    PIPELINE_STARTED: {"token"},
}  # what is known of people: boards hear which field it is


def test_an_update_says_every_field_of_its_kinds_events() -> None:
    for room in ROOMS:
        for topic in room.topics:
            if topic.kind == room.kind.name:
                said = {*room.update.__struct_fields__, *INTERNAL, *NAMED.get(topic, ())}
                missing = set(topic.event.__struct_fields__) - said
                assert not missing, (topic.subject, missing)


def test_every_reference_leads_somewhere() -> None:
    for document in (DOCUMENT, asyncapi()):
        schemas = document["components"]["schemas"]
        for reference in _references(document):
            if reference.startswith("#/components/schemas/"):
                assert reference.rsplit("/", 1)[1] in schemas, reference


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in _references(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in _references(inner)]
    return []


@pytest.mark.parametrize(("method", "path", "body", "answer"), EXAMPLES)
def test_the_documented_examples_are_valid(method: str, path: str, body: Any, answer: Any) -> None:
    operation = _operation(method, path)
    if body is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.validate(body, schema | {"components": DOCUMENT["components"]})
    if answer is not None:
        jsonschema.validate(answer, _answer_schema(operation))


@pytest.mark.parametrize(("method", "path", "fields"), DOCUMENTED_FIELDS)
def test_the_documented_fields_are_promised(method: str, path: str, fields: set[str]) -> None:
    schema = _answer_schema(_operation(method, path))
    reference = schema.get("$ref") or schema["items"]["$ref"]
    assert fields <= set(DOCUMENT["components"]["schemas"][reference.rsplit("/", 1)[1]]["required"])


def test_every_error_code_has_a_status_and_the_documented_shape() -> None:
    assert set(HTTP_STATUS) == set(ErrorCode)
    refused = DOCUMENT["components"]["schemas"]["Refused"]
    jsonschema.validate(
        {"error": True, "code": "SLOT_BUSY", "message": "Slot is currently used."},
        refused | {"required": ["error", "code", "message"], "components": DOCUMENT["components"]},
    )


def test_the_operator_holds_what_the_interface_shows() -> None:
    assert {"call.start", "slot.view", "pipeline.run"} <= resolve(BUILT_IN_ROLES["operator"])
    assert "slot.shell" not in resolve(BUILT_IN_ROLES["operator"])
    assert resolve(BUILT_IN_ROLES["admin"]) == set(Action)


def test_the_documents_are_json() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_the_documents_name_paths_that_there_are() -> None:
    routes = [(route.method, re.sub(r"\{\w+\}", "[^/]+", route.path)) for route in ROUTES]
    tried = 0
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if document.name == "add-a-kind.md":  # makes one up
            continue
        for method, path in re.findall(r"`(GET|POST|PATCH|PUT|DELETE) (/api/[^`?\s]+)", document.read_text()):
            assert any(method == one and re.fullmatch(known, path) for one, known in routes), (document.name, path)
            tried += 1
    assert tried > 20
