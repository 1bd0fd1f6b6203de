"""Section 11 of the interface: Socket.IO on the workspace port, with the real JavaScript client."""

import jsonschema
import pytest

from tests.support.js_client import JsClient
from tests.support.site import Client, Site


def _url(site: Site) -> str:
    return site.url("workspace", "")


def _is(name: str, **fields: object):
    def wanted(said: dict) -> bool:
        if said.get("name") != name:
            return False
        data = said["payload"]["data"]
        return all(data.get(field) == value for field, value in fields.items())

    return wanted


@pytest.mark.parametrize("transports", ["websocket", "polling,websocket"])
async def test_a_call_is_heard_from_ring_to_end(site: Site, operator: Client, transports: str) -> None:
    async with JsClient(_url(site), operator.token, transports) as client:
        await client.expect(lambda said: said.get("connected"))
        ack = await client.ask("subscribe:calls")
        assert ack["error"] is False and isinstance(ack["seq"], int)
        _, started = await operator.post("/api/call/start", {"number": "+380991230006"})
        call_id = started["call_id"]
        for state, status in (("RING", "ringing"), ("ACTIVE", "connected"), ("ENDED", "ended")):
            said = await client.expect(_is("call.update", call_id=call_id, state=state, status=status))
            assert set(said["payload"]) == {"event", "data", "seq"}
            assert said["payload"]["event"] == "call.update"
            assert said["payload"]["data"]["slot"] == started["slot"]
        sequence = [event["seq"] for event in client.events("call.update")]
        assert sequence == sorted(set(sequence)) and sequence[0] > ack["seq"]
        assert not client.events("slot.update")  # not subscribed


async def test_slots_are_heard_too(site: Site, admin: Client) -> None:
    async with JsClient(_url(site), admin.token) as client:
        await client.expect(lambda said: said.get("connected"))
        assert (await client.ask("subscribe:slots"))["error"] is False
        assert (await admin.post("/api/slots/11/restart"))[0] == 202
        await client.expect(_is("slot.update", slot=11, status="RESTARTING"))
        await client.expect(_is("slot.update", slot=11, status="ONLINE"))
        telemetry = await client.expect(_is("slot.update", change="telemetry"))
        assert telemetry["payload"]["data"]["metrics"]["battery"] is not None


async def test_a_slot_is_busy_while_its_phone_is_in_a_call(site: Site, operator: Client) -> None:
    async with JsClient(_url(site), operator.token) as client:
        await client.expect(lambda said: said.get("connected"))
        assert (await client.ask("subscribe:slots"))["error"] is False
        _, started = await operator.post("/api/call/start", {"number": "+380991230006"})
        slot, call_id = started["slot"], started["call_id"]
        said = await client.expect(_is("slot.update", slot=slot, change="booked", call_id=call_id))
        assert "+380991230006" not in str(said)
        await operator.post("/api/call/end", {"call_id": call_id})
        await client.expect(_is("slot.update", slot=slot, change="released", call_id=None))


async def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(site: Site, operator: Client) -> None:
    async with JsClient(_url(site), operator.token) as client:
        await client.expect(lambda said: said.get("connected"))
        first = await client.ask("subscribe:calls")
        _, started = await operator.post("/api/call/start", {"number": "+380991230006"})
        last = (await client.expect(_is("call.update", call_id=started["call_id"])))["payload"]["seq"]
        client.tell(drop=True)
        await client.expect(lambda said: "disconnected" in said)
        await client.expect(lambda said: said.get("connected"))
        await operator.call_until(started["call_id"], lambda call: call["status"] == "ended")
        assert (await client.ask("subscribe:calls", {"since": last}))["error"] is False
        if not any(_is("call.update", state="ENDED", call_id=started["call_id"])(said) for said in client.heard):
            await client.expect(_is("call.update", call_id=started["call_id"], state="ENDED"))
        changes = [e["data"]["change"] for e in client.events("call.update") if e["seq"] > first["seq"]]
        assert changes == ["dialing", "alerting", "connected", "ended"]


async def test_a_page_begins_with_how_things_are_and_goes_on_with_what_changes(site: Site, operator: Client) -> None:
    _, started = await operator.post("/api/call/start", {"number": "+380991230006"})
    async with JsClient(_url(site), operator.token) as client:
        await client.expect(lambda said: said.get("connected"))
        slots = await client.ask("subscribe:slots", {"snapshot": True, "slot": started["slot"]})
        listed = (await operator.get("/api/slots"))[1]
        [shown] = slots["snapshot"]
        [slot] = [one for one in listed if one["id"] == started["slot"]]
        assert shown.keys() == slot.keys() and shown["call_id"] == started["call_id"]
        calls = await client.ask("subscribe:calls", {"snapshot": True})
        assert started["call_id"] in [call["call_id"] for call in calls["snapshot"]]
        await operator.post("/api/call/end", {"call_id": started["call_id"]})
        await client.expect(_is("call.update", call_id=started["call_id"], state="ENDED"))
        told = [event["seq"] for event in client.events("call.update")]
        assert told == sorted(set(told)) and told[0] > calls["seq"]
        again = await client.ask("subscribe:calls", {"snapshot": True})
        assert started["call_id"] not in [call["call_id"] for call in again["snapshot"]]


async def test_history_older_than_memory_comes_from_the_journal(site: Site, operator: Client) -> None:
    _, started = await operator.post("/api/call/start", {"number": "+380991230001"})
    await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    history = len((await operator.get("/api/calls/feed?all=1&limit=500"))[1])
    assert history > 0
    site.kill("gateway")  # a fresh gateway remembers no events
    await _ready(operator)
    async with JsClient(_url(site), operator.token) as client:
        await client.expect(lambda said: said.get("connected"))
        ack = await client.ask("subscribe:calls", {"since": 0})
        assert ack["error"] is False
        while len({event["data"]["call_id"] for event in client.events("call.update")}) < history:
            await client.expect(lambda said: said.get("name") == "call.update")
        sequence = [event["seq"] for event in client.events("call.update")]
        assert sequence == sorted(set(sequence))


async def _ready(client: Client) -> None:
    import aiohttp

    from tests.support.site import until

    async def look() -> int:
        try:
            return (await client.get("/readyz"))[0]
        except aiohttp.ClientError:
            return 0

    await until(look, lambda status: status == 200)


@pytest.mark.parametrize("token", ["none", "forged", "a.b.c"])
async def test_a_client_without_a_valid_token_is_refused_in_the_error_format(site: Site, token: str) -> None:
    async with JsClient(_url(site), token) as client:
        refused = (await client.expect(lambda said: "refused" in said))["refused"]
        assert refused["error"] is True and refused["code"] == "AUTH_FAIL" and refused["message"]


@pytest.mark.parametrize(
    ("argument", "field"),
    [({"since": -1}, "since"), ({"since": "x"}, "since"), ({"since": 10**12}, "since"), ({"other": 1}, "other"),
     ([1], None)],
)  # fmt: skip
async def test_a_wrong_subscription_is_acknowledged_as_an_error(
    site: Site, operator: Client, argument: object, field: str | None
) -> None:
    async with JsClient(_url(site), operator.token) as client:
        await client.expect(lambda said: said.get("connected"))
        ack = await client.ask("subscribe:calls", argument)
        assert (ack["error"], ack["code"]) == (True, "INVALID_PARAMS")
        assert (ack["details"] or {}).get("field") == field


async def test_binary_packets_are_refused(site: Site, operator: Client) -> None:
    async with JsClient(_url(site), operator.token) as client:
        await client.expect(lambda said: said.get("connected"))
        client.tell(binary=True)
        assert (await client.ask("subscribe:calls"))["error"] is False  # nothing is collected, the session goes on
        assert not any("ack" in said and said["ack"] is None for said in client.heard)


async def test_logging_out_ends_the_live_session(site: Site, operator: Client) -> None:
    async with JsClient(_url(site), operator.token) as client:
        await client.expect(lambda said: said.get("connected"))
        assert (await operator.post("/api/auth/logout", part="point"))[0] == 200
        revoked = await client.expect(lambda said: said.get("name") == "auth.revoked")
        assert revoked["payload"]["code"] == "AUTH_FAIL"
        await client.expect(lambda said: "disconnected" in said)


async def test_a_trunk_that_goes_down_and_comes_back_is_heard(site: Site, operator: Client) -> None:
    async with JsClient(_url(site), operator.token) as client:
        await client.expect(lambda said: said.get("connected"))
        assert (await client.ask("subscribe:trunks"))["error"] is False
        for status, state in (("Unreachable", "DOWN"), ("Reachable", "OK")):
            await operator.pbx("POST", "/contact", {"endpoint": "ottb-sip-1", "status": status})
            said = await client.expect(_is("trunk.update", trunk="ottb-sip-1", state=state))
            assert said["payload"]["data"]["reason"] == (None if state == "OK" else "the provider does not answer")


LIVE_CHANGES = {
    "call.update": {"dialing", "alerting", "connected", "ending", "ended"},
    "slot.update": {"configured", "removed", "linked", "restarting", "booked", "released", "command_started",
                    "command_done", "telemetry"},
    "trunk.update": {"changed"},
}  # fmt: skip


async def test_every_live_event_of_a_story_is_as_its_document_says(site: Site, admin: Client) -> None:
    document = (await admin.get("/asyncapi.json"))[1]
    async with JsClient(_url(site), admin.token) as client:
        await client.expect(lambda said: said.get("connected"))
        for room in ("calls", "slots", "trunks"):
            assert (await client.ask(f"subscribe:{room}", {"since": 0}))["error"] is False
        await _story(admin)
        for name, changes in LIVE_CHANGES.items():
            for change in changes:
                if not any(payload["data"]["change"] == change for payload in client.events(name)):
                    await client.expect(_is(name, change=change))
            message = document["components"]["messages"][name.replace(".", "_")]["payload"]
            update = document["components"]["schemas"][message["properties"]["data"]["$ref"].rsplit("/", 1)[1]]
            for payload in client.events(name):
                jsonschema.validate(payload, message | {"components": document["components"]})
                assert payload["data"].keys() <= update["properties"].keys(), "what is sent is documented"


async def _story(admin: Client) -> None:
    """One of everything that is heard live."""
    assert (await admin.post("/api/slots", {"slot": 77, "serial": "spare"}))[0] == 200
    assert (await admin.call("DELETE", "/api/slots/77"))[0] == 200
    await admin.post("/api/slots/12/restart")
    await admin.post("/api/slots/13/adb-command", {"command": "echo hello"})
    _, started = await admin.post("/api/call/start", {"number": "+380991234567", "slot": 14})
    await admin.call_until(started["call_id"], lambda call: call["status"] == "connected")
    await admin.post("/api/call/end", {"call_id": started["call_id"]})
    _, dialled = await admin.post("/api/pbx/dial", {"from": "slot_11", "to": "+380991770006", "trunk": "trunk-1"})
    for call in (started, dialled):  # nothing is left over for the next story
        await admin.call_until(call["call_id"], lambda call: call["end_time"] is not None)
