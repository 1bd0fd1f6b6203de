"""No accepted request stops a restart: whatever a text field says, new hosts, POINT, ledger, audit and gateway read the
journal that it has left, and leave nothing alone."""

import asyncio
import copy
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_type_hints
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus_schemas.alert import AcknowledgeAlert, EndSilence, MakeSilence
from bus_schemas.call import CallDialing, EndCall, StartCall
from bus_schemas.campaign import (
    ArchiveCampaign,
    ConfigureCampaign,
    CreateCampaign,
    PauseCampaign,
    ResumeCampaign,
    RunCampaign,
    StopCampaign,
)
from bus_schemas.campaign_outlook import DryRun
from bus_schemas.catalogue import RPCS, TOPICS
from bus_schemas.crm import AssignLeads, CreateLead, EditLead, MergeLead, UnmergeLead
from bus_schemas.do_not_call import AddDoNotCall, RemoveDoNotCall
from bus_schemas.erasure import ErasePerson
from bus_schemas.imports import CancelImport, CreateImport, ImportFromPath, MapColumns, StartImport
from bus_schemas.introspection import Introspect
from bus_schemas.lead import MarkLead
from bus_schemas.link import MakeLink
from bus_schemas.log import LogEvent
from bus_schemas.note import AddNote, DeleteNote, EditNote
from bus_schemas.operator import AssignOperator, DisposeCall, ExtendWrapUp, SetOperatorStatus, SetOwnStatus
from bus_schemas.pipeline import (
    ApproveStep,
    CheckPipeline,
    DefinePipeline,
    DeletePipeline,
    RunPipeline,
    StopPipeline,
    TriggerPipeline,
)
from bus_schemas.preview import BeginPreviewed, PreviewLead, SkipPreviewed
from bus_schemas.script import CheckScript, RunScript, StopRun
from bus_schemas.slot import (
    AdbCommand,
    ConfigureSlot,
    EndReservation,
    RebootDevice,
    RemoveSlot,
    ReserveSlot,
    RestartSlot,
    SlotConfig,
)
from bus_schemas.slot_files import InstallApp, PushFile, UninstallApp
from bus_schemas.slot_screen import (
    PressKeyOnScreen,
    StartRecording,
    StopRecording,
    SwipeScreen,
    TapScreen,
    TypeOnScreen,
)
from bus_schemas.trunk import DialPbx
from bus_schemas.usb import PowerPort
from bus_schemas.user import (
    ChangePassword,
    ChangeUser,
    CreateToken,
    CreateUser,
    DeleteRole,
    DeleteUser,
    EndSessions,
    Login,
    Logout,
    Refresh,
    RevokeToken,
    SetRole,
)
from bus_schemas.webhook import ChangeWebhook, CreateWebhook, DeleteWebhook, PingWebhook, Redeliver, RotateSecret
from gateway.routes import Route
from gateway.surface import ROUTES
from tests.support.depth import DEPTH
from tests.support.whole import PASSWORD, Whole

NASTY = (
    "", " ", "a.b", "..", "*", ">", "a.>", "a b", "a ", "a\x00b", "\ud800", "a\nb", "a\r\nOttb-User: admin", "x" * 59,
    "x" * 65, "x" * 5000, "\u00fc\u00f1\u00ef", "\u202eabc", "\U0001f600" * 16, "-", "$SYS", "a/../b", "%00", '"\\',
    "system", "directory", "1e999", "+380 50 123-00-02",
)  # fmt: skip

SETTINGS = {
    "mode": "progressive", "ratio": 2.0, "abandoned_share": 0.03, "hours": "09:00-18:00", "attempts_per_lead": 6,
    "attempts_per_number": 3, "attempts_per_day": 2, "attempts_per_30_days": 9, "pause_minutes": 1,
    "retry_minutes": {"busy": 5}, "quiet_hours": 1, "final": ["invalid_number"], "consent": False,
    "operators": "slots", "dispositions": {"visit": "done"}, "weight": 10, "priority": 0, "carriers": {
        "slots": {"of": "both", "regions": ["UA"], "slots": [11], "weight": 1},
        "trunks": {"trunks": ["trunk-1"], "extensions": [11], "weight": 1},
    },
}  # fmt: skip

DEFINITION = 'id = 9\nname = "nine"\n[[steps]]\nname = "a"\ndo = "run"\ncommands = ["true"]\n'

# One request of each changing line, with every field.
BASE: dict[type, dict[str, Any]] = {
    AcknowledgeAlert: {"alert": "al_none", "note": "on my way"},
    MakeSilence: {"matcher": {"rule": "slot_hot", "severity": "info", "kind": "slot", "id": "44", "hub": "HUB1",
                              "host": "local"}, "until": "2100-01-01T00:00:00Z", "why": "x"},
    EndSilence: {"silence": "si_none"},
    Login: {"username": "op12", "password": "1234"},
    Refresh: {"refresh_token": "x"},
    Introspect: {"token": "x", "token_type_hint": "access_token"},
    MakeLink: {"path": "/api/dci/logs?limit=1", "seconds": 60},
    Logout: {"everywhere": False, "end_tokens": False},
    ChangePassword: {"password": PASSWORD, "new_password": "another-secret", "end_tokens": False},
    CreateUser: {"username": "made", "password": PASSWORD, "role": "operator", "email": "a@example.com",
                 "must_change_password": False, "extension": "601"},
    ChangeUser: {"user": "op34", "email": "b@example.com", "role": "operator", "password": PASSWORD,
                 "status": "active", "must_change_password": False, "end_tokens": False, "extension": "602"},
    DeleteUser: {"user": "op35"},
    EndSessions: {"user": "op34", "end_tokens": False},
    SetRole: {"role": "made", "permissions": {"OTTB": ["read"], "WORKSPACE": ["view"]}},
    DeleteRole: {"role": "made"},
    CreateToken: {"name": "crm", "actions": ["call.view"], "expires_in": 3600},
    RevokeToken: {"token_id": "t0000000000000000"},
    ConfigureSlot: {"slot": 50, "serial": "p50", "hub": "HUB1", "port": 1, "user": "op12", "trunk": "trunk-1",
                    "region": "UA", "sim": "1",
                    "expected_iccid": "8938001234567890123", "expected_operator": "25501"},
    RemoveSlot: {"slot": 50},
    RestartSlot: {"slot": 44},
    RebootDevice: {"slot": 77},
    AdbCommand: {"slot": 44, "command": "echo x", "timeout": 1.0},
    ReserveSlot: {"slot": 44, "minutes": 30, "lease": "night"},
    EndReservation: {"slot": 44, "lease": "night"},
    PowerPort: {"hub": "HUB1", "port": 1, "host": "local", "action": "cycle", "seconds": 1.0, "dry": False},
    TapScreen: {"slot": 44, "x": 5, "y": 5, "seconds": 1.0},
    SwipeScreen: {"slot": 44, "x": 5, "y": 5, "to_x": 9, "to_y": 9, "seconds": 0.3},
    TypeOnScreen: {"slot": 44, "text": "x", "secret": False},
    PressKeyOnScreen: {"slot": 44, "key": "home"},
    StartRecording: {"slot": 44},
    StopRecording: {"slot": 44},
    PushFile: {"slot": 44, "path": "/sdcard/x", "file": "x"},
    InstallApp: {"slot": 44, "file": "x", "grant": False},
    UninstallApp: {"slot": 44, "package": "org.example.app"},
    RunScript: {"slot_id": 44, "script": "clear_app", "params": {"app": "com.example", "n": 1}, "queue": False},
    StopRun: {"script_id": "gacs_none"},
    DefinePipeline: {"text": DEFINITION},
    CheckPipeline: {"text": DEFINITION},
    RunPipeline: {"pipeline": 9, "branch": "main", "parameters": {"version": "1.0"}},
    StopPipeline: {"pipeline": 1, "run": 1},
    TriggerPipeline: {"pipeline": 9, "body": "e30=", "headers": {}},  # and signed by nobody
    DeletePipeline: {"pipeline": 9, "stop": True},
    ApproveStep: {"pipeline": 1, "run": 1, "step": "ask", "approve": True, "comment": "x"},
    CheckScript: {"text": "name = 'x'", "name": "x"},
    StartCall: {"number": "+380501230001", "slot": "AUTO"},
    EndCall: {"call_id": "c_none"},
    DialPbx: {"from": "slot_44", "to": "+380501230001", "trunk": "AUTO"},
    CreateCampaign: {"campaign_id": "c2", "settings": SETTINGS, "like": None},
    RunCampaign: {"campaign_id": "c1", "goes_on": False, "leads": [
        {"number": "+380501230001", "number_2": "+380501230002", "number_3": "x", "number_4": "x", "number_5": "x",
         "lead_id": "l1", "name": "Olena", "timezone": "Europe/Kyiv", "priority": 1, "language": "uk",
         "source": "spring", "consent": True, "custom": {"city": "Lviv"}},
        {"number": "+380501230003"}]},
    StopCampaign: {"campaign_id": "c1", "mode": "drain"},
    PreviewLead: {"campaign_id": "c1"},
    BeginPreviewed: {"campaign_id": "c1", "lead": "l1"},
    SkipPreviewed: {"campaign_id": "c1", "lead": "l1"},
    PauseCampaign: {"campaign_id": "c1"},
    ResumeCampaign: {"campaign_id": "c1"},
    ArchiveCampaign: {"campaign_id": "c3"},
    ConfigureCampaign: {"campaign_id": "c1", **SETTINGS},
    DryRun: {"campaign_id": "c1", "minutes": 1, "lines": 1, "answered": 0.3, "seconds": 30, "wrap_up": 1},
    CreateLead: {"campaign_id": "c1", "number": "+380501230011", "number_2": "+380501230012", "number_3": "x",
                 "number_4": "x", "number_5": "x", "lead_id": "l9", "name": "Olena", "timezone": "Europe/Kyiv",
                 "priority": 1, "language": "uk", "source": "spring", "consent": True, "custom": {"city": "Lviv"}},
    EditLead: {"campaign_id": "c1", "lead": "l1", "numbers": ["+380501230021"], "name": "Olena", "timezone": None,
               "priority": 1, "language": "uk", "source": "spring", "consent": True, "custom": {"city": None},
               "status": "done", "assigned_seller": "op12"},
    AssignLeads: {"filter": {"status": "new", "assigned_seller": "op12", "campaign_id": "c1", "number": "38050",
                             "text": "olena", "outcome": "busy", "disposition": "later",
                             "contacted_since": "2026-01-01", "contacted_until": "2026-01-02",
                             "callback_until": "2026-01-02"},
                  "assigned_seller": "op12", "limit": 10},
    MergeLead: {"campaign_id": "c1", "lead": "l1", "duplicate": "l2"},
    UnmergeLead: {"campaign_id": "c1", "lead": "l2"},
    ErasePerson: {"numbers": ["+380501239999"], "reason": "asked"},
    MarkLead: {"campaign_id": "c1", "lead": "l1", "status": "callback", "callback": "2026-11-26T14:30:00+02:00",
               "operator": "op12", "disposition": "later"},
    AddDoNotCall: {"list": "global", "entries": ["+380957770001", "+44843*"], "reason": "asked", "source": "crm",
                   "expires": "2999-01-01"},
    RemoveDoNotCall: {"list": "global", "entries": ["+380957770001"]},
    SetOwnStatus: {"status": "ready", "reason": "tea"},
    SetOperatorStatus: {"user": "admin", "status": "break", "reason": "tea"},
    ExtendWrapUp: {"seconds": 60},
    AssignOperator: {"user": "admin", "campaigns": ["camp"]},
    DisposeCall: {"call_id": "c_none", "disposition": "callback", "note": "x", "callback": "2099-01-01T10:00:00Z",
                  "callback_to": "same"},
    CreateImport: {"campaign_id": "c2", "name": "leads.csv", "begin": True, "run": False,
                   "file": "phone,name\n0501230001,Olena\n"},
    ImportFromPath: {"campaign_id": "c2", "path": "leads.csv", "begin": True, "run": False},
    MapColumns: {
        "import_id": "imp_none", "fields": ["number", "custom:city"], "header": True, "skip": 1, "unsure": [2],
    },
    StartImport: {"import_id": "imp_none", "run": False},
    CancelImport: {"import_id": "imp_none"},
    AddNote: {"text": "asks for @op12", "call_id": None, "campaign_id": "c1", "lead": "l1"},
    EditNote: {"note": "n_none", "text": "asks for @op12"},
    DeleteNote: {"note": "n_none"},
    CreateWebhook: {"url": "https://example.com/hook", "events": ["call.*", "call.ended"], "filter": {"user": "op12"},
                    "description": "CRM", "since": 1},
    ChangeWebhook: {"webhook": "wh_none", "url": "https://example.com", "events": ["call.*"], "filter": {"slot": 1},
                    "description": "CRM", "enabled": True, "since": 1},
    DeleteWebhook: {"webhook": "wh_none"},
    RotateSecret: {"webhook": "wh_none", "keep_seconds": 60},
    PingWebhook: {"webhook": "wh_none"},
    Redeliver: {"webhook": "wh_none", "n": 1},
    LogEvent: {"module": "crm", "severity": "warning", "message": "late", "user_id": "op12",
               "context": {"slot_id": 44, "call_id": "c_none", "trace_id": "t1", "more": {"of": ["x"]}}},
}  # fmt: skip
CHANGING = [route for route in ROUTES if route.method != "GET" and not route.lines]  # files are in tests/field
LISTS = ("/api/slots", "/api/calls/feed?all=1", "/api/users", "/api/roles", "/api/tokens", "/api/audit",
         "/api/pbx/status", "/api/pbx/cdr", "/api/autodialer/campaigns", "/api/autodialer/imports", "/api/do-not-call",
         "/api/operators", "/api/reports/operators", "/api/crm/leads", "/api/dci/logs", "/api/dashboard",
         "/api/webhooks", "/api/crm/erasures", "/api/gacs/runs", "/api/gacs/scripts",
         "/api/dashboard/series?step=day", "/api/dashboard/breakdown?by=slot", "/api/monitor/usb")  # fmt: skip

ODD = (
    None, True, 0, -1, 1.5, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 10**30, -(2**63) - 1, 1e308, -1e308, 5e-324, [], {},
    "5", [[]], [None],
)  # fmt: skip

JSON = "application/json"
Place = tuple[str | int, ...]  # where in a request a text stands; the last may be a key


def places_in(value: Any, place: Place = ()) -> Iterator[Place]:
    """The places of all values in a request."""
    if place:
        yield place
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places_in(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places_in(inner, (*place, number))


def texts_in(request: dict[str, Any]) -> Iterator[Place]:
    return (place for place in places_in(request) if isinstance(_at(request, place), str))


def _at(base: dict[str, Any], place: Place) -> Any:
    inner: Any = base
    for step in place:
        inner = inner[step]
    return inner


def _word(value: object) -> str:
    """A value as it stands in a query."""
    return value if isinstance(value, str) else json.dumps(value)


def with_value(base: dict[str, Any], place: Place, value: object) -> dict[str, Any]:
    """The request with something else in a place."""
    changed = copy.deepcopy(base)
    inner: Any = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return changed


PLACES: list[tuple[Route, Place]] = [
    (route, place)
    for route in CHANGING
    for place in dict.fromkeys(
        [*texts_in(BASE[route.rpc.request]), *((name,) for name in re.findall(r"\{(\w+)\}", route.path))]
    )
]


def some(values: Sequence[Any], number: int) -> Sequence[Any]:
    """Of a place, by its number: every fourth at depth 1, so that four neighbours are given all of them; all at 4."""
    every = max(round(4 / DEPTH), 1)
    return values[number % every :: every]


LIVED = 24  # accepted requests that left something on record, until a new life begins on it


class Fuzzed:
    """A site that is asked, and begins new lives on what accepted requests have left on record."""

    def __init__(self, site: Whole) -> None:
        self.site = site
        self.asked = self.accepted = self.failed = 0
        self._users = self._wrong = 0
        self._left: list[object] = []  # what is on record and was not yet begun on
        self._root = ""

    async def begin(self) -> None:
        await self.site.start()
        await self.site.login()
        self._root = self.site.gateway.token
        for name in ("op34", "op35"):
            await self.site.ask("POST", "/api/users", {"username": name, "password": PASSWORD, "role": "operator"})

    async def try_one(self, route: Route, place: Place, value: object) -> None:
        await self._be_somebody(route)
        before = len(self.site.broker.journal)
        fields = with_value(BASE[route.rpc.request], place, value)
        path = route.path
        for name in re.findall(r"\{(\w+)\}", path):
            path = path.replace(f"{{{name}}}", quote(str(fields.pop(name)), safe="", errors="surrogatepass") or "%20")
        body, kind = json.dumps(fields).encode() if route.method != "DELETE" else None, JSON  # surrogates as escapes
        if route.upload is not None:
            body, kind = str(fields.pop(route.upload.field)).encode(errors="surrogatepass"), "text/csv"
            path += "?" + urlencode({name: _word(one) for name, one in fields.items()}, errors="surrogatepass")
        status, answer = await self.site.ask(route.method, path, body, **{"Content-Type": kind} if body else {})
        self.asked += 1
        self._wrong += status in (401, 429)
        if self._wrong > 20:  # a new life has forgotten the wrong passwords
            await self.live_again()
        self.failed += status == 500
        assert status != 500, (route.path, place, value, answer)
        if status < 400:
            self.accepted += 1
            if "call_id" in answer and route.path != "/api/call/end":  # the line is to be free for the next one
                await self.site.ask("POST", "/api/call/end", {"call_id": answer["call_id"]})
            if len(self.site.broker.journal) > before:
                self._left.append((route.method, route.path, place, value))
            if len(self._left) >= LIVED:
                await self.live_again()

    async def _be_somebody(self, route: Route) -> None:
        """Requests that end the asker's own session are those of a user made for it."""
        self.site.gateway.token = self._root
        if route.path in ("/api/auth/logout", "/api/auth/password"):
            self._users += 1
            name = f"made-{self._users}"
            user = {"username": name, "password": PASSWORD, "role": "admin"}
            status, answer = await self.site.ask("POST", "/api/users", user)
            assert status == 201, answer
            await self.site.login(name)

    async def live_again(self) -> None:
        what, self._left, self._wrong = self._left, [], 0
        await self.site.again()
        assert self.site.problems == [], (what, self.site.problems)
        self.site.gateway.token = self._root
        for path in LISTS:
            status, answer = await self.site.ask("GET", path)
            assert status == 200, (what, path, answer)
            if path == "/api/slots":
                for slot in answer:
                    assert (await self.site.ask("GET", f"/api/slots/{slot['id']}"))[0] == 200, (what, slot)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def fuzzed(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    fuzzed = Fuzzed(Whole(tmp_path_factory.mktemp("whole")))
    runner.run(fuzzed.begin())
    yield fuzzed
    runner.run(fuzzed.live_again())
    runner.run(fuzzed.site.stop())


def test_every_text_of_every_changing_route_is_tried() -> None:
    for route in CHANGING:
        fields = {field.encode_name for field in msgspec.structs.fields(route.rpc.request)}
        assert BASE[route.rpc.request].keys() == fields, route.path


def test_no_accepted_request_stops_a_restart(runner: asyncio.Runner, fuzzed: Fuzzed) -> None:
    before = None
    for number, (route, place) in enumerate(PLACES):
        as_it_is = [_at(BASE[route.rpc.request], place)] if route is not before else []  # one request, whichever place
        for text in (*as_it_is, *some(NASTY, number)):
            runner.run(fuzzed.try_one(route, place, text))
        before = route
    runner.run(fuzzed.live_again())
    print(
        f"{len(PLACES)} texts of {len(CHANGING)} routes, {fuzzed.asked} requests, {fuzzed.accepted} accepted,"
        f" {fuzzed.site.lives} lives: 0 things quarantined, {fuzzed.failed} failed inside"
    )
    assert fuzzed.accepted > 80


def test_nor_does_one_with_odd_values(runner: asyncio.Runner, fuzzed: Fuzzed) -> None:
    before, accepted = fuzzed.asked, fuzzed.accepted
    for number, (route, place) in enumerate((one, at) for one in CHANGING for at in places_in(BASE[one.rpc.request])):
        for value in some(ODD, number):
            runner.run(fuzzed.try_one(route, place, value))
    runner.run(fuzzed.live_again())
    print(f"{fuzzed.asked - before} odd values, {fuzzed.accepted - accepted} accepted: 0 things quarantined")
    assert fuzzed.accepted - accepted > 20


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=70) | st.text("aB0_-. *>", min_size=1, max_size=9)


@settings(
    max_examples=200, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(where=st.sampled_from(PLACES), text=ANY_TEXT)
def test_nor_does_one_with_any_text(runner: asyncio.Runner, fuzzed: Fuzzed, where: Any, text: str) -> None:
    runner.run(fuzzed.try_one(*where, text))


RAW = (b"\xff", b"\xed\xa0\x80", b"%ff", b"%00", b"%ed%a0%80", b"%0d%0a", "\u00fc".encode())


async def raw(site: Whole, line: bytes, *headers: bytes, body: bytes = b"{}") -> int:
    """One request, byte by byte as it is given. The status of the answer; 0: there was none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.gateway.listener.port)
    common = (b"Host: x", b"Connection: close", b"Content-Type: application/json", b"Content-Length: %d" % len(body),
              b"Authorization: Bearer " + site.gateway.token.encode())  # fmt: skip
    writer.write(b"\r\n".join([line + b" HTTP/1.1", *common, *headers, b"", body]))
    answered = await reader.read()
    writer.close()
    return int(answered.split(b" ", 2)[1]) if answered else 0


def test_bytes_that_are_no_text_fail_nothing_inside(runner: asyncio.Runner, fuzzed: Fuzzed) -> None:
    async def attack() -> list[int]:
        fuzzed.site.gateway.token = fuzzed._root
        found = []
        start = json.dumps(BASE[StartCall]).encode()
        for bad in RAW:
            for route in ROUTES:
                if route.path == "/api/auth/logout":
                    continue
                path = re.sub(rb"\{\w+\}", lambda _, bad=bad: b"a" + bad, route.path.encode())
                query = b"?user=" + bad + b"&cursor=" + bad if route.method == "GET" else b""
                found.append(await raw(fuzzed.site, route.method.encode() + b" " + path + query))
            for name in (b"Idempotency-Key", b"traceparent", b"X-Request-ID", b"Nats-Msg-Id"):
                line = name + b": a" + bad
                found.append(await raw(fuzzed.site, b"POST /api/call/start", line, body=start))
                found.append(await raw(fuzzed.site, b"GET /api/slots", line))
        await fuzzed.live_again()
        return found

    found = runner.run(attack())
    print(f"{len(found)} requests with bytes that are no text: {sum(one >= 500 for one in found)} failed inside")
    assert not [one for one in found if one in (0, 500)]


# --- the types


def refuses(kind: Any, text: str) -> bool:
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return True
    return False


def test_what_becomes_a_token_of_a_subject_takes_no_other_text() -> None:
    wanted = [(rpc.subject, rpc.request) for rpc in RPCS] + [(topic.subject, topic.event) for topic in TOPICS]
    wanted += [("{user} {trunk} {host} {id}", SlotConfig), ("{user}", CallDialing)]
    tried = 0
    for subject, struct in wanted:
        for name in re.findall(r"\{(\w+)\}", subject):
            kind = get_type_hints(struct, include_extras=True)[name]
            for text in ("", "a.b", "*", ">", "a b", "a\n", "x" * 65, "\u00fc"):
                assert refuses(kind, text), (subject, name, text)
                tried += 1
    print(f"{len(wanted)} lines and topics, {tried} texts that are no token: 0 taken")
