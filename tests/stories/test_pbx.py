"""Section 6 of the interface over HTTP: trunks, their calls, records and recordings, on the sandbox's virtual PBX."""

import asyncio
import csv
import io

import pytest

from tests.stories.test_point import made
from tests.support.site import Client, until

INJECTIONS = ["\r", "\n", "\r\n", "\0", "\r\nAction: Command", "\nApplication: System", "5" * 1025, "\x1b", "\u2028"]


async def dial(client: Client, number: str, slot: int = 12, trunk: str = "trunk-1") -> dict[str, object]:
    body = {"from": f"slot_{slot}", "to": number, "trunk": trunk}
    status, started = await client.post("/api/pbx/dial", body)
    assert status == 201, started
    return started  # type: ignore[no-any-return]


async def over(client: Client, started: dict[str, object]) -> dict[str, object]:
    return await client.call_until(str(started["call_id"]), lambda call: call["end_time"] is not None)  # type: ignore[no-any-return]


async def healthy(client: Client) -> dict[str, dict[str, object]]:
    """The trunks by name, once none is DOWN."""

    async def look() -> dict[str, dict[str, object]]:
        status, answer = await client.get("/api/pbx/status")
        assert status == 200
        return {trunk["name"]: trunk for trunk in answer["trunks"]}

    return await until(look, lambda trunks: all(trunk["state"] != "DOWN" for trunk in trunks.values()))  # type: ignore[no-any-return]


async def test_the_status_is_as_documented(operator: Client) -> None:
    await healthy(operator)

    async def look() -> dict[str, dict[str, object]]:
        return {trunk["name"]: trunk for trunk in (await operator.get("/api/pbx/status"))[1]["trunks"]}

    trunks = await until(look, lambda trunks: trunks["trunk-1"]["rtt_ms"] is not None)
    assert list(trunks) == ["ottb-sip-1", "ottb-sip-2", "trunk-1"]
    one = trunks["trunk-1"]
    assert {"name", "state", "failed", "last_check"} <= set(one)
    assert (one["state"], one["failed"], one["reason"], one["contact"]) == ("OK", 0, None, "Reachable")
    assert str(one["last_check"]).endswith("Z") and one["rtt_ms"] == 0.6


async def test_a_trunk_call_lives_like_any_other(operator: Client) -> None:
    await healthy(operator)
    started = await dial(operator, "+380995550006")
    assert (started["slot"], started["trunk"], started["state"]) == (12, "trunk-1", "RING")
    ringing = await operator.call_until(str(started["call_id"]), lambda call: call["phase"] == "alerting")
    assert (ringing["status"], ringing["trunk"], ringing["slot"]) == ("ringing", "trunk-1", 12)
    _, feed = await operator.get("/api/calls/feed")
    assert started["call_id"] in [call["call_id"] for call in feed]
    await operator.call_until(str(started["call_id"]), lambda call: call["status"] == "connected")
    ended = await over(operator, started)
    assert (ended["state"], ended["reason"], ended["duration"]) == ("ENDED", "hangup_remote", 3)

    status, cdr = await operator.get(f"/api/pbx/cdr/{started['call_id']}")
    assert status == 200
    assert (cdr["trunk"], cdr["slot"], cdr["number"], cdr["user"]) == ("trunk-1", 12, "+380995550006", "op12")
    assert (cdr["talk_seconds"], cdr["ended_by"], cdr["cause"]) == (3, "remote", "Q.850 16 Normal Clearing")
    assert cdr["recording"] == f"/api/pbx/recordings/{started['call_id']}" and cdr["trace_id"]

    async def record() -> dict[str, object]:
        return (await operator.get(f"/api/pbx/cdr/{started['call_id']}"))[1]  # type: ignore[no-any-return]

    counted = await until(record, lambda cdr: cdr["disposition"] is not None)
    assert counted["disposition"] == "ANSWERED" and counted["billable_seconds"] in (2, 3)
    dials = await operator.pbx("GET", "/dials")
    assert dials["+380995550006"] == 1


@pytest.mark.parametrize(
    ("number", "state", "reason", "cause"),
    [
        ("+380991230001", "FAILED", "busy", "SIP 486"),
        ("+380991230003", "FAILED", "rejected", "SIP 403"),
        ("+380991230004", "FAILED", "invalid_number", "SIP 404"),
        ("+380991230008", "ENDED", "network", "Q.850 41"),
    ],
)
async def test_each_outcome_is_told_in_the_words_of_sip(
    operator: Client, number: str, state: str, reason: str, cause: str
) -> None:
    await healthy(operator)
    ended = await over(operator, await dial(operator, number, trunk="ottb-sip-2"))
    assert (ended["state"], ended["reason"]) == (state, reason)
    assert str(ended["cause"]).startswith(cause)


async def test_a_ringing_call_can_be_ended(operator: Client) -> None:
    await healthy(operator)
    started = await dial(operator, "+380991230002")
    await operator.call_until(str(started["call_id"]), lambda call: call["phase"] == "alerting")
    assert (await operator.post("/api/call/end", {"call_id": started["call_id"]}))[0] == 200
    ended = await over(operator, started)
    assert (ended["reason"], ended["duration"]) == ("hangup_local", 0)
    assert started["call_id"] not in await operator.pbx("GET", "/calls")
    assert (await operator.get(f"/api/pbx/cdr/{started['call_id']}"))[1]["ended_by"] == "op12"


async def test_the_extension_of_a_slot_is_in_one_call_at_a_time(operator: Client) -> None:
    await healthy(operator)
    started = await dial(operator, "+380991234567", 13)
    status, refused = await operator.post("/api/pbx/dial", {"from": "slot_13", "to": "+380991234567"})
    assert (status, refused["code"]) == (409, "SLOT_BUSY")
    phone = await operator.post("/api/call/start", {"number": "+380991230001", "slot": 13})
    assert phone[0] == 201  # its phone is another line
    await operator.post("/api/call/end", {"call_id": started["call_id"]})
    await over(operator, started)
    await over(operator, phone[1])


async def test_of_many_at_once_one_gets_the_extension(operator: Client) -> None:
    await healthy(operator)
    body = {"from": "slot_14", "to": "+380991234567", "trunk": "trunk-1"}
    answers = await asyncio.gather(*(operator.post("/api/pbx/dial", body) for _ in range(8)))
    started = [answer for status, answer in answers if status == 201]
    assert len(started) == 1 and {answer["code"] for status, answer in answers if status != 201} == {"SLOT_BUSY"}
    await operator.post("/api/call/end", {"call_id": started[0]["call_id"]})
    await over(operator, started[0])


async def test_auto_takes_the_least_loaded_healthy_trunk_that_may_call_there(operator: Client) -> None:
    await healthy(operator)
    first = await dial(operator, "+380991234567", 11, "AUTO")
    second = await dial(operator, "+380991234567", 12, "AUTO")
    assert {first["trunk"], second["trunk"]} == {"trunk-1", "ottb-sip-2"}  # ottb-sip-1 may call Poland only
    for started in (first, second):
        await operator.post("/api/call/end", {"call_id": started["call_id"]})
        await over(operator, started)
    await operator.pbx("POST", "/contact", {"endpoint": "ottb-sip-2", "status": "Unreachable"})
    try:

        async def state() -> str:
            _, answer = await operator.get("/api/pbx/status")
            return next(trunk["state"] for trunk in answer["trunks"] if trunk["name"] == "ottb-sip-2")  # type: ignore[no-any-return]

        await until(state, lambda seen: seen == "DOWN")
        for slot in (11, 12):
            started = await dial(operator, "+380991230001", slot, "AUTO")
            assert started["trunk"] == "trunk-1"
            await over(operator, started)
        refused = await operator.post(
            "/api/pbx/dial", {"from": "slot_11", "to": "+380991234567", "trunk": "ottb-sip-2"}
        )
        assert (refused[1]["code"], refused[1]["details"]["rule"]) == ("CALL_FAILED", "trunk_down")
    finally:
        await operator.pbx("POST", "/contact", {"endpoint": "ottb-sip-2", "status": "Reachable"})
    await healthy(operator)


async def test_a_trunk_carries_no_more_than_its_channels(operator: Client) -> None:
    await healthy(operator)
    started = [await dial(operator, "+48601123456", slot, "ottb-sip-1") for slot in (11, 12)]  # their share of the pool
    status, refused = await operator.post(
        "/api/pbx/dial", {"from": "slot_44", "to": "+48601123456", "trunk": "ottb-sip-1"}
    )
    assert (status, refused["details"]["rule"]) == (429, "trunk_channels")
    for one in started:
        await operator.post("/api/call/end", {"call_id": one["call_id"]})
        await over(operator, one)


@pytest.mark.parametrize(
    ("number", "rule"),
    [("112", "emergency"), ("*100#", "mmi"), ("104", "short"), ("+12025550123", "country"), ("500&PJSIP/9", "format"),
     ("+380900212345", "premium")],
)  # fmt: skip
async def test_the_same_gate_stands_before_a_trunk(operator: Client, number: str, rule: str) -> None:
    before = await operator.pbx("GET", "/dials")
    status, refused = await operator.post("/api/pbx/dial", {"from": "slot_12", "to": number, "trunk": "trunk-1"})
    assert status in (400, 422) and refused["details"]["rule"] == rule
    assert status == 422 or refused["details"]["field"] == "to"
    assert await operator.pbx("GET", "/dials") == before


async def test_nothing_that_is_injected_reaches_the_pbx(operator: Client) -> None:
    before = await operator.pbx("GET", "/received")
    good = {"from": "slot_12", "to": "+380991234567", "trunk": "trunk-1"}
    for field in good:
        for text in [*INJECTIONS, "500&PJSIP/9@x", "a" * 129, "*", ">", ""]:
            right = good[field]
            for value in {text, right + text, text + right, right[:5] + text + right[5:]} - {right}:
                if field == "to" and value.strip() == right:
                    continue  # a line end around a number is not dialled (tests/field)
                status, refused = await operator.post("/api/pbx/dial", {**good, field: value})
                assert (status, refused["code"]) == (400, "INVALID_PARAMS"), (field, value, refused)
    many = {f"X-{number}": "x" for number in range(129)}
    assert (await operator.post("/api/pbx/dial", {**good, **many}))[0] == 400
    after = await operator.pbx("GET", "/received")
    for action in ("originate", "hangup", "status", "command"):
        assert after.get(action) == before.get(action)


async def test_slots_and_trunks_that_are_not_there(operator: Client) -> None:
    good = {"from": "slot_12", "to": "+380991234567", "trunk": "trunk-1"}
    assert (await operator.post("/api/pbx/dial", {**good, "from": "slot_999"}))[0] == 404
    assert (await operator.post("/api/pbx/dial", {**good, "from": "slot_45"}))[0] == 404  # somebody else's
    assert (await operator.post("/api/pbx/dial", {**good, "trunk": "trunk-9"}))[0] == 404
    assert (await operator.get("/api/pbx/cdr/c_absent"))[0] == 404
    assert (await operator.get("/api/pbx/recordings/c_absent"))[0] in (403, 404)


async def test_records_are_found_by_what_is_known_of_them(operator: Client, admin: Client) -> None:
    await healthy(operator)
    busy = await dial(operator, "+380997770001", 11, "ottb-sip-2")
    await over(operator, busy)
    phone = (await operator.post("/api/call/start", {"number": "+380997780001", "slot": 12}))[1]
    await over(operator, phone)
    for query, wanted in {
        "number=99777": {busy["call_id"]},
        "number=%2B38099778": {phone["call_id"]},
        "number=099%20778": {phone["call_id"]},
        "number=+380997780001%20": {phone["call_id"]},
        "number=0(99)778-00-01": {phone["call_id"]},
        "number=9977": {busy["call_id"], phone["call_id"]},
        "number=9977&trunk=ottb-sip-2": {busy["call_id"]},
        "number=9977&slot=12": {phone["call_id"]},
        "number=9977&outcome=FAILED&reason=busy": {busy["call_id"], phone["call_id"]},
        "number=9977&outcome=ENDED": set(),
        "number=9977&user=somebody": set(),
        "number=9977&user=op12&since=2020-01-01": {busy["call_id"], phone["call_id"]},
        "number=9977&until=2020-01-01": set(),
    }.items():
        status, rows = await operator.get(f"/api/pbx/cdr?{query}")
        assert status == 200 and {row["call_id"] for row in rows} == wanted, query
    by_phone, by_trunk = (
        await operator.get(f"/api/pbx/cdr/{phone['call_id']}"),
        await operator.get(f"/api/pbx/cdr/{busy['call_id']}"),
    )
    assert set(by_phone[1]) == set(by_trunk[1])  # one shape for both
    for bad in ("number=abc", "number=%20", "since=2026-11-26&until=2026-11-25", "since=yesterday", "outcome=x",
                "limit=0", "cursor=zzz", "slot=x", "other=1"):
        assert (await operator.get(f"/api/pbx/cdr?{bad}"))[0] == 400, bad

    stranger = await made(admin, "op_cdr", "operator")
    assert (await stranger.get("/api/pbx/cdr?number=9977"))[1] == []
    assert (await stranger.get(f"/api/pbx/cdr/{busy['call_id']}"))[0] == 404


async def test_records_page_and_are_a_table(operator: Client) -> None:
    await healthy(operator)
    for number in ("+380996660001", "+380996670001", "+380996680001"):
        await over(operator, await dial(operator, number, 11))
    seen: list[str] = []
    path = "/api/pbx/cdr?number=99666&limit=1"
    pages = "/api/pbx/cdr?number=9966&limit=2"
    assert len((await operator.get(path))[1]) == 1
    while pages:
        _, rows = await operator.get(pages)
        seen += [row["number"] for row in rows]
        cursor = operator.last_headers.get("X-Next-Cursor")
        pages = f"/api/pbx/cdr?number=9966&limit=2&cursor={cursor}" if cursor else ""
    assert seen == ["+380996680001", "+380996670001", "+380996660001"]
    url = operator.site.url("ottb", "/api/pbx/cdr?number=9966&format=csv")
    async with operator.session.get(url, headers={"Authorization": f"Bearer {operator.token}"}) as answer:
        assert answer.content_type == "text/csv"
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [row["number"].lstrip("'") for row in rows] == seen and {row["trunk"] for row in rows} == {"trunk-1"}


async def test_recordings_are_for_who_may_listen(operator: Client, admin: Client) -> None:
    await healthy(operator)
    started = await dial(operator, "+380991230006")
    await over(operator, started)
    path = f"/api/pbx/recordings/{started['call_id']}"
    assert (await operator.get(path))[0] == 403  # an operator may not listen

    async def fetch(**headers: str) -> tuple[int, bytes, str]:
        auth = {"Authorization": f"Bearer {admin.token}", "X-Request-ID": "listened"}
        async with admin.session.get(admin.site.url("ottb", path), headers=auth | headers) as answer:
            return answer.status, await answer.read(), answer.headers.get("Content-Range", "")

    status, whole, _ = await fetch()
    assert status == 200 and whole[:4] == b"RIFF" and len(whole) > 40_000  # three seconds at 8 kHz
    assert await fetch(Range="bytes=0-99") == (206, whole[:100], f"bytes 0-99/{len(whole)}")
    assert (await fetch(Range="bytes=100-"))[1] == whole[100:]
    assert (await fetch(Range="bytes=-10"))[1] == whole[-10:]
    assert (await fetch(Range=f"bytes={len(whole)}-"))[0] == 416
    assert (await fetch(Range="bytes=x"))[0] in (200, 400)
    records = await admin.audit("request_id=listened")
    assert records[-1]["subject"] == {"call_id": started["call_id"]}
    unrecorded = await dial(operator, "+380991230001", trunk="ottb-sip-2")
    await over(operator, unrecorded)
    assert (await admin.get(f"/api/pbx/recordings/{unrecorded['call_id']}"))[0] == 404


async def test_a_cut_connection_ends_no_call_and_a_lost_pbx_ends_each_once(operator: Client) -> None:
    await healthy(operator)
    started = await dial(operator, "+380991234567")
    await operator.call_until(str(started["call_id"]), lambda call: call["status"] == "connected")
    await operator.pbx("POST", "/cut")
    await asyncio.sleep(0.5)
    await healthy(operator)
    assert (await operator._view(str(started["call_id"])))["status"] == "connected"
    await operator.pbx("POST", "/restart")
    ended = await over(operator, started)
    assert (ended["reason"], ended["state"]) == ("trunk_lost", "ENDED")
    await healthy(operator)


async def test_a_host_that_is_killed_takes_its_trunk_calls_over(operator: Client) -> None:
    await healthy(operator)
    started = await dial(operator, "+380991234567")
    await operator.call_until(str(started["call_id"]), lambda call: call["status"] == "connected")
    site = operator.site
    old = site.pid("actors")
    site.kill("actors")

    async def pid() -> int | None:
        return site.pid("actors")

    await until(pid, lambda found: found not in (None, old))
    await until(lambda: operator.get("/readyz"), lambda answer: answer[0] == 200)
    await healthy(operator)
    assert (await operator._view(str(started["call_id"])))["status"] == "connected"
    await operator.post("/api/call/end", {"call_id": started["call_id"]})
    ended = await over(operator, started)
    assert ended["reason"] == "hangup_local"
    assert started["call_id"] not in await operator.pbx("GET", "/calls")


async def test_the_same_idempotency_key_dials_once(operator: Client) -> None:
    await healthy(operator)
    body = {"from": "slot_12", "to": "+380991239901", "trunk": "trunk-1"}
    answers = await asyncio.gather(
        *(operator.post("/api/pbx/dial", body, headers={"Idempotency-Key": "sip-once"}) for _ in range(8))
    )
    started = {answer["call_id"] for status, answer in answers if status == 201}
    assert len(started) == 1 and all(status in (201, 409) for status, _ in answers)
    dials = await until(lambda: operator.pbx("GET", "/dials"), lambda dials: "+380991239901" in dials)
    assert dials["+380991239901"] == 1
    call_id = started.pop()
    await operator.post("/api/call/end", {"call_id": call_id})
    await over(operator, {"call_id": call_id})
