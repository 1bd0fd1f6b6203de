"""Other systems on the bus: a POINT identity gets the subjects of its actions, and nothing else."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from bus_schemas.catalogue import RPCS, TOPICS, rights_in
from bus_schemas.permissions import BUILT_IN_ROLES, Action, resolve
from tests.stories.test_point import made
from tests.support.js_client import JsClient
from tests.support.site import Client, Site, until


class Tried:
    """A connection that remembers what the server refused."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.left: list[float] = []
        self.back: list[float] = []
        self.nats = Nats()

    async def violates(self, work: Callable[[], Any]) -> bool:
        """Whether the server refuses this."""
        before = len(self.refused)
        await work()
        for _ in range(2):  # the first ping may leave before what was asked, the second one's answer follows a refusal
            await self.nats.flush()
        return len(self.refused) > before


@asynccontextmanager
async def on_bus(
    site: Site, name: str, secret: str, *, inbox: str = "", websocket: bool = False, tries: int = 3
) -> AsyncIterator[Tried]:
    tried = Tried()

    async def error(problem: Exception) -> None:
        if "ermissions violation" in str(problem):
            tried.refused.append(str(problem))

    async def lost() -> None:
        tried.left.append(time.monotonic())

    async def again() -> None:
        tried.back.append(time.monotonic())

    url = f"ws://127.0.0.1:{site.websocket_port}" if websocket else f"nats://127.0.0.1:{site.nats_port}"
    await tried.nats.connect(
        url, user=name, password=secret, inbox_prefix=inbox or f"_INBOX.u.{name}", error_cb=error,
        disconnected_cb=lost, reconnected_cb=again, reconnect_time_wait=0.05, max_reconnect_attempts=tries,
        allow_reconnect=tries > 0,
    )  # fmt: skip
    try:
        yield tried
    finally:
        await tried.nats.close()


def subscriptions(user: str, actions: frozenset[Action]) -> dict[str, bool]:
    """Subjects, and whether somebody with these actions may hear them."""
    may = actions.__contains__
    wanted = {f"_INBOX.u.{user}.>": True}
    for kind, view, view_any in (
        ("call", Action.CALL_VIEW, Action.CALL_VIEW_ANY), ("slot", Action.SLOT_VIEW, Action.SLOT_VIEW_ANY)
    ):  # fmt: skip
        every = may(view) and may(view_any)
        own = may(view) and not may(view_any)
        whole = every and rights_in(kind) <= actions  # with the fields that need a right of their own
        wanted |= {f"ottb.v1.evt.{kind}.>": whole, f"ottb.v1.tel.{kind}.>": every}
        wanted[f"ottb.v1.all.evt.{kind}.>"] = every and bool(rights_in(kind))
        wanted |= {f"ottb.v1.own.{user}.evt.{kind}.>": own, f"ottb.v1.shared.evt.{kind}.>": own}
        wanted |= {f"ottb.v1.own.somebody.evt.{kind}.>": False}
    wanted["ottb.v1.evt.audit.>"] = may(Action.AUDIT_VIEW)
    forbidden = (
        ">", "*", "ottb.>", "ottb.v1.>", "ottb.v1.evt.>", "ottb.v1.evt.point.>", "ottb.v1.evt.point.directory.*",
        "ottb.v1.write.>", "ottb.v1.cmd.>", "ottb.v1.qry.>", "ottb.v1.own.>", f"ottb.v1.own.{user}.cmd.>",
        "ottb.v1.all.>", "ottb.v1.all.evt.>",
        "_INBOX.>", "_INBOX_core.>", "_INBOX_gateway.>", f"_INBOX_{user}.>", "_INBOX.u.>", "_INBOX.u.somebody.>",
        f"_INBOX.t.{user}.>", "$SYS.>", "$JS.>", "$JS.API.>",
        "$JS.EVENT.>", "$KV.>", "$KV.OTTB_OWN.>",
    )  # fmt: skip
    return wanted | dict.fromkeys(forbidden, False)


def publications(user: str, actions: frozenset[Action]) -> dict[str, bool]:
    """Subjects, and whether somebody with these actions may publish to them."""
    wanted = {}
    for rpc in RPCS:
        subject = rpc.pattern.replace("*", "x").removeprefix("ottb.v1.")
        wanted[f"ottb.v1.own.{user}.{subject}"] = isinstance(rpc.permission, Action) and rpc.permission in actions
        wanted[f"ottb.v1.own.somebody.{subject}"] = False
        wanted[f"ottb.v1.{subject}"] = False
    for topic in TOPICS:
        event = topic.pattern.replace("*", "x")
        wanted[event] = False
        wanted[event.replace(".evt.", ".write.")] = False
    others = (
        "$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.CREATE.X", "$JS.API.STREAM.PURGE.OTTB_EVT",
        "$JS.API.STREAM.DELETE.OTTB_EVT", "$JS.API.CONSUMER.CREATE.OTTB_EVT", "$JS.API.DIRECT.GET.OTTB_EVT",
        "$JS.API.STREAM.MSG.GET.OTTB_EVT", "$JS.ACK.x", "$KV.OTTB_OWN.host.local", "$KV.OTTB_SNAP.x", "$KV.OTTB_IDEM.x",
        "$SYS.REQ.USER.AUTH", "$SYS.REQ.SERVER.PING", "_INBOX_core.x", "_INBOX_gateway.x", f"_INBOX.u.{user}.x",
        f"ottb.v1.own.{user}.evt.call.x.ended", "ottb.v1.shared.evt.slot.1.linked", "ottb.v1.tel.slot.1",
    )  # fmt: skip
    return wanted | dict.fromkeys(others, False)


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
async def test_a_role_gets_its_subjects_and_no_other(admin: Client, site: Site, role: str) -> None:
    user = f"b_{role}"
    await made(admin, user, role)
    actions = resolve(BUILT_IN_ROLES[role])
    tries = wrong = 0

    async def heard(message: Msg) -> None: ...

    async with on_bus(site, user, "secure123") as tried:
        for subject, allowed in subscriptions(user, actions).items():
            for queue in ("", f"u.{user}.q", f"u.{user}", f"t.{user}.q", "u.somebody.q", "q"):
                refused = await tried.violates(
                    lambda subject=subject, queue=queue: tried.nats.subscribe(subject, queue=queue, cb=heard)
                )
                granted = allowed and queue in ("", f"u.{user}.q")  # groups of one's own alone
                tries, wrong = tries + 1, wrong + (refused == granted)
                assert refused != granted, (subject, queue)
        for subject, allowed in publications(user, actions).items():
            refused = await tried.violates(lambda subject=subject: tried.nats.publish(subject, b"{"))
            tries, wrong = tries + 1, wrong + (refused == allowed)
            assert refused != allowed, subject
    print(f"{role}: {tries} subscriptions and publications, {wrong} wrong answers")


@pytest.mark.parametrize(
    ("name", "secret"),
    [("b_wrong", "wrong"), ("b_nobody", "1234"), ("", ""), ("b_wrong", "a.b.c"), ("b_wrong", "ottb_st_x_" + "0" * 40)],
)
async def test_nobody_gets_in_with_something_wrong(site: Site, admin: Client, name: str, secret: str) -> None:
    body = {"username": "b_wrong", "password": "secure123", "role": "admin", "must_change_password": False}
    assert (await admin.post("/api/users", body, part="point"))[0] in (201, 409)
    with pytest.raises((nats.errors.Error, OSError, TimeoutError)):
        async with asyncio.timeout(6), on_bus(site, name, secret, inbox="x", tries=0):
            pass


async def request(tried: Tried, subject: str, body: Any = None, **more: Any) -> tuple[str, Any]:
    answer = await tried.nats.request(subject, json.dumps(body or {}).encode(), timeout=10, **more)
    return (answer.headers or {}).get("Ottb-Error", ""), json.loads(answer.data)


async def test_a_call_is_made_and_heard_over_the_bus(site: Site, operator: Client, admin: Client) -> None:
    heard: list[str] = []

    async def hear(message: Msg) -> None:
        heard.append(message.subject)

    async with on_bus(site, "op12", "1234") as tried:
        await tried.nats.subscribe("ottb.v1.own.op12.evt.call.>", cb=hear)
        body = {"number": "+380991230001", "slot": 44}
        error, started = await request(
            tried, "ottb.v1.own.op12.cmd.call.start", body, headers={"Nats-Msg-Id": "once-1"}
        )
        assert not error and started["slot"] == 44, started
        _, again = await request(tried, "ottb.v1.own.op12.cmd.call.start", body, headers={"Nats-Msg-Id": "once-1"})
        assert again["call_id"] == started["call_id"]
        call = started["call_id"]
        await operator.call_until(call, lambda seen: seen["end_time"] is not None)
        error, seen = await request(tried, f"ottb.v1.own.op12.cmd.call.{call}.get")
        assert not error and seen["call_id"] == call
        await until(lambda: asyncio.sleep(0, heard), lambda said: any(s.endswith(f"{call}.ended") for s in said))
        assert f"ottb.v1.own.op12.evt.call.slot-44.{call}.dialing" in heard
        error, refused = await request(tried, "ottb.v1.own.op12.cmd.slot.45.get")
        assert (error, refused["code"]) == ("NOT_FOUND", "NOT_FOUND")
        error, _ = await request(tried, "ottb.v1.own.op12.cmd.call.start", {"number": 5})
        assert error == "INVALID_PARAMS"
    records = await admin.audit("user=op12&action=ottb.v1.cmd.call.start", 3)
    assert [record["result"] for record in records[:3]] == ["INVALID_PARAMS", "OK", "OK"]
    assert records[1]["door"] == "bus" and records[1]["subject"]["call_id"] == call


async def test_an_answer_goes_to_no_subject_that_the_asker_chose(site: Site, operator: Client) -> None:
    async with on_bus(site, "op12", "1234") as tried:
        for reply in ("ottb.v1.cmd.call.start", "ottb.v1.evt.call.x.ended", "_INBOX_core.x", "_INBOX.u.op1.x"):
            await tried.nats.publish("ottb.v1.own.op12.qry.call.feed", b"{}", reply=reply)
        await tried.nats.flush()
        error, _ = await request(tried, "ottb.v1.own.op12.qry.call.feed")
        assert not error
    assert "request without an inbox of its own" in (site.state / "log" / "gateway.log").read_text()


async def test_a_service_token_has_subjects_of_its_own(site: Site, admin: Client) -> None:
    body = {"name": "bus", "actions": ["call.view", "call.view_any"]}
    _, created = await admin.post("/api/tokens", body, part="point")
    id = created["id"]
    for websocket in (False, True):
        async with on_bus(site, id, created["token"], inbox=f"_INBOX.t.{id}", websocket=websocket) as tried:
            error, feed = await request(tried, f"ottb.v1.token.{id}.qry.call.feed", {"all": 1})
            assert not error and isinstance(feed, list)
            assert await tried.violates(lambda: tried.nats.publish(f"ottb.v1.token.{id}.cmd.call.start", b"{}"))
            assert await tried.violates(lambda: tried.nats.publish("ottb.v1.own.admin.qry.call.feed", b"{}"))
            for group, own in ((f"t.{id}.q", True), (f"u.{id}.q", False), ("u.admin.q", False)):
                refused = await tried.violates(
                    lambda group=group: tried.nats.subscribe("ottb.v1.evt.call.>", queue=group)
                )
                assert refused != own, group
            if websocket:
                await admin.call("DELETE", f"/api/tokens/{id}", part="point")
                await until(lambda: asyncio.sleep(0, tried.nats.is_connected), lambda up: not up, 1.0)


async def test_logging_out_is_felt_within_a_second_everywhere(site: Site, admin: Client) -> None:
    user = await made(admin, "b_leaver", "supervisor")
    assert user.token
    felt: dict[str, float] = {}
    async with JsClient(site.url("workspace", ""), user.token) as live, on_bus(site, "b_leaver", user.token) as bus:
        await live.expect(lambda said: said.get("connected"))
        began = time.monotonic()
        assert (await user.post("/api/auth/logout", part="point"))[0] == 200

        async def http() -> None:
            await until(lambda: user.get("/api/slots"), lambda seen: seen[0] == 401, 1.0)
            felt["HTTP"] = time.monotonic() - began

        async def socket() -> None:
            await live.expect(lambda said: said.get("name") == "auth.revoked")
            felt["Socket.IO"] = time.monotonic() - began

        async def nats_() -> None:
            await until(lambda: asyncio.sleep(0, bool(bus.left)), bool, 1.0)
            felt["NATS"] = bus.left[0] - began

        await asyncio.gather(http(), socket(), nats_())
    print("logout felt after", ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in felt.items()))
    assert max(felt.values()) <= 1.0


async def test_a_changed_role_is_felt_on_the_bus(site: Site, admin: Client) -> None:
    await made(admin, "b_changed", "operator")
    async with on_bus(site, "b_changed", "secure123") as bus:
        assert await bus.violates(lambda: bus.nats.subscribe("ottb.v1.evt.call.>"))
        began = time.monotonic()
        await admin.call("PATCH", "/api/users/b_changed", {"role": "supervisor"}, part="point")
        await until(lambda: asyncio.sleep(0, bool(bus.back)), bool, 2.0)
        print(f"a changed role was felt on the bus after {1000 * (bus.left[0] - began):.0f} ms")
        assert bus.left[0] - began <= 1.0
        assert not await bus.violates(lambda: bus.nats.subscribe("ottb.v1.evt.call.>"))


async def test_all_doors_show_the_same_things(site: Site, admin: Client) -> None:
    """Two calls, one of somebody else's: HTTP, Socket.IO and the bus show an operator the own one and no other."""
    viewer = await made(admin, "b_viewer", "operator")
    assert viewer.token
    on_nats: set[str] = set()

    async def hear(message: Msg) -> None:
        on_nats.add(json.loads(message.data)["call_id"])

    async with JsClient(site.url("workspace", ""), viewer.token) as live, on_bus(site, "b_viewer", "secure123") as bus:
        await live.expect(lambda said: said.get("connected"))
        assert (await live.ask("subscribe:calls"))["error"] is False
        assert (await live.ask("subscribe:slots"))["error"] is False
        await bus.nats.subscribe("ottb.v1.own.b_viewer.evt.call.>", cb=hear)
        await bus.nats.flush()
        calls = []
        for client, slot in ((admin, 45), (viewer, 13)):
            status, started = await client.post("/api/call/start", {"number": "+380991230001", "slot": slot})
            assert status == 201, started
            calls.append(started["call_id"])
            await client.call_until(started["call_id"], lambda call: call["end_time"] is not None)
        foreign, own = calls
        await live.expect(lambda said: "released" in str(said))  # 13 is free again; of 45 nothing is heard
        await until(lambda: asyncio.sleep(0, on_nats), lambda seen: own in seen)
    on_http = {call["call_id"] for call in (await viewer.get("/api/calls/feed?all=1&limit=500"))[1]}
    on_socket = {said["data"].get("call_id") for said in live.events("call.update")}
    assert on_nats == on_socket == on_http == {own}
    slots = {said["data"]["slot"] for said in live.events("slot.update")}
    assert 13 in slots and not slots & {44, 45}
    assert foreign not in str(live.heard)


async def test_a_changed_role_is_felt_on_the_socket(site: Site, admin: Client) -> None:
    user = await made(admin, "b_socket", "operator")
    assert user.token
    await admin.post("/api/roles/deaf", {"permissions": {"DCI": ["read"]}}, part="point")
    async with JsClient(site.url("workspace", ""), user.token) as live:
        await live.expect(lambda said: said.get("connected"))
        assert (await live.ask("subscribe:calls"))["error"] is False
        began = time.monotonic()
        await admin.call("PATCH", "/api/users/b_socket", {"role": "deaf"}, part="point")
        changed = await live.expect(lambda said: said.get("name") == "auth.changed", 1.0)
        print(f"a changed role was felt on the socket after {1000 * (time.monotonic() - began):.0f} ms")
        assert changed["payload"]["code"] == "PERMISSION_DENIED"
        assert (await live.ask("subscribe:calls"))["code"] == "PERMISSION_DENIED"
