"""Section 4 of the interface (without campaigns), over HTTP against the running system."""

import asyncio
import os
import re
import signal

import aiohttp
import pytest

from tests.support.site import Client, Site, until

ISO_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z\Z")


async def _start(client: Client, number: str, slot: object = "AUTO") -> dict[str, object]:
    status, started = await client.post("/api/call/start", {"number": number, "slot": slot})
    assert status == 201, started
    return started


async def test_a_call_rings_connects_and_ends_as_documented(operator: Client) -> None:
    started = await _start(operator, "+380991230006")
    assert set(started) == {"call_id", "slot", "state"}
    assert (started["slot"], started["state"]) == (44, "RING")  # the caller's own slot before the shared pool

    ringing = await operator.call_until(started["call_id"], lambda call: call["phase"] == "alerting")
    assert (ringing["status"], ringing["end_time"], ringing["duration"]) == ("ringing", None, None)
    assert ISO_UTC.match(ringing["start_time"])
    connected = await operator.call_until(started["call_id"], lambda call: call["status"] == "connected")
    assert (connected["state"], connected["number"], connected["slot"]) == ("ACTIVE", "+380991230006", 44)
    ended = await operator.call_until(started["call_id"], lambda call: call["status"] == "ended")
    assert (ended["state"], ended["reason"], ended["duration"]) == ("ENDED", "hangup_remote", 3)

    status, cdr = await operator.get(f"/api/call/{started['call_id']}/cdr")
    assert status == 200
    assert (cdr["talk_seconds"], cdr["outcome"], cdr["user"], cdr["ended_by"]) == (3, "ENDED", "op12", "remote")
    assert cdr["trace_id"]


@pytest.mark.parametrize(
    ("number", "state", "reason"),
    [
        ("+380991230001", "FAILED", "busy"),
        ("+380991230003", "FAILED", "rejected"),
        ("+380991230004", "FAILED", "invalid_number"),
        ("+380991230005", "FAILED", "network"),
        ("+380991230008", "ENDED", "network"),
    ],
)
async def test_each_outcome_is_told_in_the_phones_own_words(
    operator: Client, number: str, state: str, reason: str
) -> None:
    started = await _start(operator, number)
    ended = await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    assert (ended["state"], ended["reason"]) == (state, reason)
    assert ended["cause"]


async def test_a_ringing_call_can_be_ended(operator: Client) -> None:
    started = await _start(operator, "+380991230002")
    await operator.call_until(started["call_id"], lambda call: call["phase"] == "alerting")
    status, ending = await operator.post("/api/call/end", {"call_id": started["call_id"]})
    assert status == 200 and ending["call_id"] == started["call_id"]
    ended = await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    assert (ended["state"], ended["reason"], ended["duration"]) == ("ENDED", "hangup_local", 0)
    status, again = await operator.post("/api/call/end", {"call_id": started["call_id"]})
    assert status == 200 and again["end_time"] == ended["end_time"]


@pytest.mark.first
async def test_a_cancel_reaches_a_phone_that_is_slow_to_answer(operator: Client) -> None:
    await operator.phones("POST", "/phones/13/set", {"slow": 1.1})
    try:
        started = await _start(operator, "+380991234567", 13)
        await asyncio.sleep(0.3)
        status, _ = await operator.post("/api/call/end", {"call_id": started["call_id"]})
        assert status == 200
        await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None, 60)
        assert (await operator.phones("GET", "/phones/13"))["calls"] == 0
    finally:
        await operator.phones("POST", "/phones/13/set", {"slow": 0})


async def test_a_busy_slot_is_refused_and_free_again_after_the_call(operator: Client) -> None:
    started = await _start(operator, "+380991234567", 12)
    status, refused = await operator.post("/api/call/start", {"number": "+380991234567", "slot": 12})
    assert (status, refused["error"], refused["code"]) == (409, True, "SLOT_BUSY")
    await operator.post("/api/call/end", {"call_id": started["call_id"]})
    await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    await until(lambda: _slot(operator, 12), lambda slot: slot["call_id"] is None)
    again = await _start(operator, "+380991230001", 12)
    await operator.call_until(again["call_id"], lambda call: call["end_time"] is not None)


async def _slot(client: Client, number: int) -> dict[str, object]:
    return (await client.get(f"/api/slots/{number}"))[1]


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("112", "emergency"),
        ("+380112", "emergency"),
        ("101", "emergency"),
        ("1-1-2", "emergency"),
        ("*100#", "mmi"),
        ("104", "short"),
        ("+38099", "short"),
        ("not a number", "format"),
        ("+380991234567\r\nAT", "format"),
        ("+12025550123", "country"),
        ("+380900212345", "premium"),
    ],
)
async def test_the_gate_says_which_rule_forbids_a_number(operator: Client, number: str, rule: str) -> None:
    before = await operator.phones("GET", "/dials")
    status, refused = await operator.post("/api/call/start", {"number": number})
    assert status in (400, 422)
    assert (refused["error"], refused["details"]["rule"]) == (True, rule)
    assert await operator.phones("GET", "/dials") == before  # nothing reached any phone


async def test_somebody_elses_slot_is_not_used(operator: Client) -> None:
    status, refused = await operator.post("/api/call/start", {"number": "+380991234567", "slot": 45})
    assert (status, refused["code"]) == (404, "NOT_FOUND")


async def test_unknown_things_are_not_found(operator: Client) -> None:
    assert (await operator.post("/api/call/start", {"number": "+380991234567", "slot": 999}))[0] == 404
    for status, refused in [
        await operator.get("/api/call/c_882"),
        await operator.post("/api/call/end", {"call_id": "c_882"}),
        await operator.get("/api/call/c_882/cdr"),
    ]:
        assert (status, refused["code"]) == (404, "NOT_FOUND")


async def test_an_offline_phone_is_refused_as_offline(operator: Client) -> None:
    await operator.phones("POST", "/phones/13/unplug")
    try:
        await until(lambda: _slot(operator, 13), lambda slot: slot["status"] == "OFFLINE")
        status, refused = await operator.post("/api/call/start", {"number": "+380991234567", "slot": 13})
        assert (status, refused["code"]) == (409, "SLOT_OFFLINE")
    finally:
        await operator.phones("POST", "/phones/13/plug")
    await until(lambda: _slot(operator, 13), lambda slot: slot["status"] == "ONLINE")


async def test_a_call_survives_a_short_unplugging(operator: Client) -> None:
    started = await _start(operator, "+380991234567", 14)
    await operator.call_until(started["call_id"], lambda call: call["status"] == "connected")
    await operator.phones("POST", "/phones/14/unplug")
    await until(lambda: _slot(operator, 14), lambda slot: slot["status"] == "OFFLINE")
    await operator.phones("POST", "/phones/14/plug")
    await until(lambda: _slot(operator, 14), lambda slot: slot["status"] == "ONLINE")
    still = await operator._view(started["call_id"])
    assert still["status"] == "connected"
    await operator.post("/api/call/end", {"call_id": started["call_id"]})
    ended = await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    assert ended["reason"] == "hangup_local"


async def test_a_lost_phone_ends_its_call_as_lost(operator: Client) -> None:
    started = await _start(operator, "+380991234567", 14)
    await operator.call_until(started["call_id"], lambda call: call["status"] == "connected")
    await operator.phones("POST", "/phones/14/unplug")
    try:
        ended = await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
        assert (ended["reason"], ended["state"]) == ("phone_lost", "ENDED")
    finally:
        await operator.phones("POST", "/phones/14/plug")
    # The phone still talks, and nobody is left to end that: the slot does, as soon as it can ask the phone.
    back = await until(lambda: _slot(operator, 14), lambda slot: slot["status"] == "ONLINE" and not
    slot["external_call"])
    assert back["call_id"] is None
    assert (await operator.phones("GET", "/phones/14"))["calls"] == 0
    again = await _start(operator, "+380991230001", 14)
    await operator.call_until(again["call_id"], lambda call: call["end_time"] is not None)


async def test_a_call_that_is_not_ours_keeps_its_slot_and_is_left_alone(operator: Client) -> None:
    await operator.phones("POST", "/phones/14/incoming")
    busy = await until(lambda: _slot(operator, 14), lambda slot: slot["external_call"])
    assert busy["call_id"] is None
    status, refused = await operator.post("/api/call/start", {"number": "+380991234567", "slot": 14})
    assert (status, refused["code"]) == (409, "SLOT_BUSY")
    assert (await operator.phones("GET", "/phones/14"))["calls"] == 1
    await operator.phones("POST", "/phones/14/reboot")
    await until(lambda: _slot(operator, 14), lambda slot: slot["status"] == "ONLINE" and not slot["external_call"])


async def test_the_feed_shows_live_calls_and_pages_through_history(operator: Client) -> None:
    started = await _start(operator, "+380991234567")
    status, feed = await operator.get("/api/calls/feed")
    assert status == 200
    row = next(call for call in feed if call["call_id"] == started["call_id"])
    assert {"call_id", "slot", "number", "user", "status", "start_time"} <= set(row)
    assert all(call["end_time"] is None for call in feed)
    await operator.post("/api/call/end", {"call_id": started["call_id"]})
    await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)

    seen: list[str] = []
    path = "/api/calls/feed?all=1&limit=3"
    while path:
        status, page = await operator.get(path)
        assert status == 200 and len(page) <= 3
        seen += [call["call_id"] for call in page]
        cursor = operator.last_headers.get("X-Next-Cursor")
        path = f"/api/calls/feed?all=1&limit=3&cursor={cursor}" if cursor else ""
    assert len(seen) == len(set(seen)) and started["call_id"] == seen[0]
    assert (await operator.get("/api/calls/feed?cursor=zzz"))[0] == 400


async def test_the_same_idempotency_key_dials_once(operator: Client) -> None:
    body = {"number": "+380991239001", "slot": "AUTO"}
    answers = await asyncio.gather(
        *(operator.post("/api/call/start", body, headers={"Idempotency-Key": "once"}) for _ in range(8))
    )
    started = {answer["call_id"] for status, answer in answers if status == 201}
    assert len(started) == 1 and all(status in (201, 409) for status, _ in answers)
    replayed = await operator.post("/api/call/start", body, headers={"Idempotency-Key": "once"})
    assert replayed[0] == 201 and replayed[1]["call_id"] in started
    assert operator.last_headers["Idempotent-Replayed"] == "true"
    other = {"number": "+380991239002", "slot": "AUTO"}
    assert (await operator.post("/api/call/start", other, headers={"Idempotency-Key": "once"}))[0] == 422
    call_id = started.pop()
    await operator.post("/api/call/end", {"call_id": call_id})
    await operator.call_until(call_id, lambda call: call["end_time"] is not None)
    dials = await operator.phones("GET", "/dials")
    assert dials["+380991239001"] == 1 and "+380991239002" not in dials


async def test_the_same_key_gets_the_first_refusal_again(operator: Client) -> None:
    body, headers = {"number": "+380991239003", "slot": 45}, {"Idempotency-Key": "refused"}
    first = await operator.post("/api/call/start", body, headers=headers)
    assert first[0] == 404 and "Idempotent-Replayed" not in operator.last_headers
    again = await operator.post("/api/call/start", body, headers=headers)
    assert operator.last_headers["Idempotent-Replayed"] == "true"
    assert again[0] == 404 and (again[1]["code"], again[1]["message"]) == (first[1]["code"], first[1]["message"])
    assert again[1]["request_id"] != first[1]["request_id"]


async def test_a_key_whose_gateway_was_killed_is_not_said_to_be_running(site: Site, operator: Client) -> None:
    """The gateway dies while the phone's host, paused, has the command; the repeat sends the same one again."""
    body, headers = {"number": "+380991239004", "slot": "AUTO"}, {"Idempotency-Key": "killed"}
    assert (await operator.get("/api/slots"))[0] == 200  # the gateway knows who asks
    host, gateway = site.pid("actors"), site.pid("gateway")
    assert host is not None
    os.kill(host, signal.SIGSTOP)
    try:
        asked = asyncio.ensure_future(operator.post("/api/call/start", body, headers=headers))
        await asyncio.sleep(0.3)
        site.kill("gateway")
        assert isinstance((await asyncio.gather(asked, return_exceptions=True))[0], aiohttp.ClientError)
    finally:
        os.kill(host, signal.SIGCONT)

    async def ready() -> int:
        try:
            return (await operator.get("/readyz"))[0] if site.pid("gateway") != gateway else 0
        except aiohttp.ClientError:
            return 0

    await until(ready, lambda status: status == 200)
    status, started = await operator.post("/api/call/start", body, headers=headers)
    assert status == 201, started
    await operator.post("/api/call/end", {"call_id": started["call_id"]})
    await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    assert (await operator.phones("GET", "/dials"))["+380991239004"] == 1


async def test_a_host_that_is_asked_to_stop_leaves_its_calls_to_the_next(operator: Client) -> None:
    site = operator.site
    started = await _start(operator, "+380991234567", 11)
    await operator.call_until(started["call_id"], lambda call: call["status"] == "connected")
    old = site.pid("actors")
    assert old is not None
    os.kill(old, signal.SIGTERM)

    async def pid() -> int | None:
        return site.pid("actors")

    await until(pid, lambda found: found not in (None, old))
    await until(lambda: _slot(operator, 11), lambda slot: slot.get("status") == "ONLINE")
    taken_over = await operator._view(started["call_id"])
    assert taken_over["status"] == "connected"
    assert (await operator.phones("GET", "/phones/11"))["calls"] == 1  # nobody hung up
    status, _ = await operator.post("/api/call/end", {"call_id": started["call_id"]})
    assert status == 200
    ended = await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    assert ended["reason"] == "hangup_local" and ended["duration"] >= 1
    assert (await operator.phones("GET", "/dials"))["+380991234567"] >= 1
