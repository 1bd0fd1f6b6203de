"""Section 3 of the interface, over HTTP against the running system."""

import pytest

from actors.slot.machine import FOREIGN_AGAIN
from tests.support.site import Client, until


async def _slot(client: Client, number: int) -> dict:
    return (await client.get(f"/api/slots/{number}"))[1]


async def _read_again(client: Client, number: int) -> None:
    """Break the phone's connections: what it says of itself is read as soon as it is back, else every 15 s."""
    await client.phones("POST", f"/phones/{number}/drop")
    await until(lambda: _slot(client, number), lambda slot: slot["status"] == "ONLINE")


async def test_the_list_shows_every_slot_as_documented(operator: Client, admin: Client) -> None:
    assert [slot["id"] for slot in (await admin.get("/api/slots"))[1]] == [11, 12, 13, 14, 44, 45]
    status, slots = await operator.get("/api/slots")
    assert status == 200
    assert [slot["id"] for slot in slots] == [11, 12, 13, 14, 44]  # the own one and the pool
    ours = next(slot for slot in slots if slot["id"] == 44)
    assert (ours["status"], ours["device"], ours["user"], ours["trunk"]) == ("ONLINE", "A52", "op12", "trunk-1")
    assert ours["metrics"]["battery"] == 82 and ours["last_activity"].endswith("Z")
    _, owned = await operator.get("/api/slots?user=op12")
    assert [slot["id"] for slot in owned] == [44]
    _, page = await operator.get("/api/slots?limit=4")
    cursor = operator.last_headers["X-Next-Cursor"]
    _, rest = await operator.get(f"/api/slots?limit=4&cursor={cursor}")
    assert [slot["id"] for slot in page + rest] == [slot["id"] for slot in slots]


@pytest.mark.first
async def test_the_details_are_the_phones_own(admin: Client) -> None:
    await admin.phones("POST", "/phones/44/set", {"battery": 61, "temperature": 41.4})
    slot = await until(lambda: _slot(admin, 44), lambda slot: slot["battery"] == "61%")
    assert slot["temperature"] == "41C"
    assert slot["config"]["id"] == 44 and slot["network"]["in_service"] is True
    assert slot["android"] == "14" and slot["last_event"]
    await admin.phones("POST", "/phones/44/set", {"battery": 82, "temperature": 38})
    await _read_again(admin, 44)
    await until(lambda: _slot(admin, 44), lambda slot: slot["battery"] == "82%")


async def test_an_adb_command_answers_at_once_and_tells_how_it_went(admin: Client) -> None:
    status, started = await admin.post("/api/slots/44/adb-command", {"command": "getprop ro.product.model; false"})
    assert (status, started["status"], started["slot"]) == (202, "executing", 44)
    path = f"/api/slots/44/adb-command/{started['command_id']}"

    async def look() -> dict:
        return (await admin.get(path))[1]

    done = await until(look, lambda command: command["status"] != "executing")
    assert (done["status"], done["exit_code"], done["output"], done["user"]) == ("done", 1, "A52\n", "admin")
    assert (await admin.get("/api/slots/12/adb-command/" + started["command_id"]))[0] == 404


async def test_a_command_that_hangs_fails_in_time(admin: Client) -> None:
    _, started = await admin.post("/api/slots/44/adb-command", {"command": "sleep 60", "timeout": 0.5})
    path = f"/api/slots/44/adb-command/{started['command_id']}"

    async def look() -> dict:
        return (await admin.get(path))[1]

    done = await until(look, lambda command: command["status"] != "executing")
    assert done["status"] == "failed" and "0.5 s" in done["error"]


async def test_a_shell_is_no_way_around_the_dial_gate(admin: Client) -> None:
    before = await admin.phones("GET", "/dials")
    for command in (
        "am start -a android.intent.action.CALL -d tel:112",
        "input keyevent 5",
        "service call telecom 30",
        "input keyevent KEYCODE_CALL",
    ):
        status, refused = await admin.post("/api/slots/44/adb-command", {"command": command})
        assert (status, refused["code"]) == (400, "INVALID_PARAMS"), command
    assert await admin.phones("GET", "/dials") == before


async def test_a_restart_and_a_reboot_come_back(admin: Client) -> None:
    status, restarting = await admin.post("/api/slots/12/restart")
    assert (status, restarting) == (202, {"status": "restarting", "slot": 12})
    await until(lambda: _slot(admin, 12), lambda slot: slot["status"] == "ONLINE")
    status, rebooting = await admin.post("/api/slots/12/reboot-device")
    assert (status, rebooting["slot"]) == (202, 12)
    assert (await _slot(admin, 12))["status"] == "REBOOTING"
    back = await until(lambda: _slot(admin, 12), lambda slot: slot["status"] == "ONLINE", 30)
    assert back["metrics"]["uptime_s"] is None or back["last_event"] in ("slot.online", "slot.reboot")


async def test_a_slot_in_a_call_is_neither_restarted_nor_rebooted(admin: Client) -> None:
    _, started = await admin.post("/api/call/start", {"number": "+380991234567", "slot": 11})
    for action in ("restart", "reboot-device"):
        status, refused = await admin.post(f"/api/slots/11/{action}")
        assert (status, refused["code"]) == (409, "SLOT_BUSY")
    await admin.post("/api/call/end", {"call_id": started["call_id"]})
    await admin.call_until(started["call_id"], lambda call: call["end_time"] is not None)


async def test_a_slot_is_made_changed_and_removed_over_the_api(admin: Client) -> None:
    status, made = await admin.post("/api/slots", {"slot": 77, "serial": "127.0.0.1:9", "region": "UA"})
    assert (status, made["id"], made["user"]) == (200, 77, None)
    assert [s["id"] for s in (await admin.get("/api/slots"))[1]] == [11, 12, 13, 14, 44, 45, 77]
    status, changed = await admin.post("/api/slots", {"slot": 77, "serial": "127.0.0.1:9", "user": "op12"})
    assert (status, changed["user"]) == (200, "op12")
    status, refused = await admin.post("/api/slots", {"slot": 78, "serial": "127.0.0.1:9"})
    assert (status, refused["code"]) == (409, "CONFLICT")
    assert (await admin.post("/api/slots", {"slot": 79}))[0] == 400
    status, refused = await admin.post("/api/slots", {"slot": 79, "serial": "127.0.0.1:8", "region": "UK"})
    assert (status, refused["details"]["field"]) == (400, "region") and "perhaps `GB`" in refused["message"]
    assert (await admin.call("DELETE", "/api/slots/77"))[0] == 200
    assert (await admin.get("/api/slots/77"))[0] == 404
    assert (await admin.call("DELETE", "/api/slots/77"))[0] == 404


async def test_an_unauthorized_phone_is_told_apart_from_an_offline_one(admin: Client) -> None:
    await admin.phones("POST", "/phones/13/unauthorized")
    slot = await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "UNAUTHORIZED")
    assert slot["status_detail"].startswith("unauthorized: accept")
    await admin.phones("POST", "/phones/13/allow")
    await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "ONLINE")


@pytest.mark.first
async def test_a_frozen_phone_is_noticed_though_adb_still_lists_it(admin: Client) -> None:
    await admin.phones("POST", "/phones/13/freeze")
    slot = await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "OFFLINE", 40)
    assert "does not answer" in slot["status_detail"] or slot["status_detail"] == "offline"
    await admin.phones("POST", "/phones/13/thaw")
    await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "ONLINE", 40)


async def test_a_phone_in_a_call_of_its_own_is_not_used(admin: Client) -> None:
    await admin.phones("POST", "/phones/11/incoming", {"number": "+380441112233"})
    await until(lambda: _slot(admin, 11), lambda slot: slot["external_call"])
    status, refused = await admin.post("/api/call/start", {"number": "+380991234567", "slot": 11})
    assert (status, refused["code"]) == (409, "SLOT_BUSY")
    await admin.post("/api/slots/11/adb-command", {"command": "input keyevent 6"})
    await until(lambda: _slot(admin, 11), lambda slot: not slot["external_call"])


async def test_a_phone_without_network_is_refused_as_call_failed(admin: Client) -> None:
    await admin.phones("POST", "/phones/11/set", {"in_service": False})
    try:
        await _read_again(admin, 11)
        await until(lambda: _slot(admin, 11), lambda slot: not slot["network"]["in_service"])
        status, refused = await admin.post("/api/call/start", {"number": "+380991230004", "slot": 11})
        assert refused.get("code") == "CALL_FAILED", (status, refused)
    finally:
        await admin.phones("POST", "/phones/11/set", {"in_service": True})
    await _read_again(admin, 11)
    await until(lambda: _slot(admin, 11), lambda slot: slot["network"]["in_service"])


async def test_a_call_on_hold_that_blocks_the_slot_is_told_soon(admin: Client) -> None:
    """Long before the slot looks again by itself; and when it is taken back."""
    await admin.phones("POST", "/phones/12/incoming")
    await admin.phones("POST", "/phones/12/answer")
    await until(lambda: _slot(admin, 12), lambda slot: slot["external_call"])
    try:
        for order, told in (("hold", True), ("swap", False), ("hold", True)):
            await admin.phones("POST", f"/phones/12/{order}")
            words = "is on hold" if told else ""
            await until(lambda: _slot(admin, 12), lambda slot, w=words: _says(slot, w), FOREIGN_AGAIN / 2)
    finally:
        await admin.phones("POST", "/phones/12/hang_up")
    await until(lambda: _slot(admin, 12), lambda slot: not slot["external_call"] and not slot["status_detail"])


async def test_unknown_slots_are_not_found(admin: Client) -> None:
    for method, path, body in (
        ("GET", "/api/slots/999", None),
        ("POST", "/api/slots/999/restart", None),
        ("POST", "/api/slots/999/reboot-device", None),
        ("POST", "/api/slots/999/adb-command", {"command": "id"}),
    ):
        status, refused = await admin.call(method, path, body)
        assert (status, refused["code"]) == (404, "NOT_FOUND"), path
    status, refused = await admin.get("/api/slots/0")
    assert (status, refused["code"]) == (400, "INVALID_PARAMS")


def _says(slot: dict[str, object], words: str) -> bool:
    """Whether a slot's detail holds these words; there is none, where there are no words."""
    return words in str(slot["status_detail"]) if words else not slot["status_detail"]


# --- phones that must not be dialled with -------------------------------------------------------------------------


async def _made(admin: Client, slot: int, fault: dict[str, object], detail: str) -> None:
    """Make a phone what it is, begin afresh with it, and wait until its slot says so."""
    await admin.phones("POST", f"/phones/{slot}/set", fault)
    assert (await admin.post(f"/api/slots/{slot}/restart"))[0] == 202

    def said(shown: dict[str, object]) -> bool:
        return shown["status"] == "ONLINE" and _says(shown, detail)

    await until(lambda: _slot(admin, slot), said)


async def test_a_phone_that_cannot_hang_up_is_refused_with_what_to_do(admin: Client) -> None:
    try:
        await _made(admin, 12, {"input_fault": "refused"}, "does not hang up")
        status, refused = await admin.post("/api/call/start", {"number": "+380991230077", "slot": 12})
        assert (status, refused["code"]) == (422, "CALL_FAILED") and "Security settings" in refused["message"]
    finally:
        await _made(admin, 12, {"input_fault": None}, "")


async def test_a_phone_that_asks_for_a_sim_ends_the_call_and_is_marked(admin: Client) -> None:
    await admin.phones("POST", "/phones/14/set", {"asks_for_sim": True})
    try:
        status, started = await admin.post("/api/call/start", {"number": "+380991230076", "slot": 14})
        assert status == 201
        ended = await admin.call_until(started["call_id"], lambda call: call["end_time"] is not None)
        assert (ended["state"], ended["reason"]) == ("FAILED", "phone_asks_for_sim")
        shown = await until(lambda: _slot(admin, 14), lambda slot: bool(slot["status_detail"]))
        assert "which SIM" in shown["status_detail"]
        status, refused = await admin.post("/api/call/start", {"number": "+380991230076", "slot": 14})
        assert (status, refused["code"]) == (422, "CALL_FAILED")
    finally:
        await _made(admin, 14, {"asks_for_sim": False}, "")


async def test_of_two_apps_that_can_call_none_is_told_to(admin: Client) -> None:
    """Since the phone was probed: the call ends before anything is shown."""
    await admin.phones("POST", "/phones/14/set", {"asks_for_app": True})
    try:
        status, refused = await admin.post("/api/call/start", {"number": "+380991230075", "slot": 14})
        if status == 201:
            ended = await admin.call_until(refused["call_id"], lambda call: call["end_time"] is not None)
            assert (ended["state"], ended["reason"]) == ("FAILED", "not_dialed") and "which app" in ended["cause"]
        shown = await until(lambda: _slot(admin, 14), lambda slot: bool(slot["status_detail"]))
        assert "which app" in shown["status_detail"]
        assert (await admin.phones("GET", "/phones/14"))["shows"] == ""
    finally:
        await _made(admin, 14, {"asks_for_app": False}, "")


async def test_a_dial_that_the_phone_refused_is_said_not_to_be_one(admin: Client) -> None:
    await admin.phones("POST", "/phones/14/set", {"am_fault": "refused"})
    try:
        status, started = await admin.post("/api/call/start", {"number": "+380991230074", "slot": 14})
        assert status == 201
        ended = await admin.call_until(started["call_id"], lambda call: call["end_time"] is not None)
        assert (ended["state"], ended["reason"]) == ("FAILED", "not_dialed"), ended
        assert "Activity not started" in ended["cause"]
    finally:
        await admin.phones("POST", "/phones/14/set", {"am_fault": None})


# --- phones on hubs, as adb lists them ------------------------------------------------------------------------------

CHEAP = "0123456789ABCDEF"


async def _configured(admin: Client, slot: int, **where: object) -> None:
    status, answer = await admin.post("/api/slots", {"slot": slot, "region": "UA", **where})
    assert status in (200, 201), answer


async def test_a_call_is_ended_where_it_is_while_a_second_phone_has_the_serial(admin: Client) -> None:
    """And what hangs elsewhere is not taken for the slot's phone, whatever its serial."""
    before = {slot: (await _slot(admin, slot))["config"] for slot in (13, 14)}
    try:
        await admin.phones("POST", "/phones/13/list", {"serial": CHEAP, "usb": "2-1.3"})  # at SuperSpeed
        await _configured(admin, 13, serial=CHEAP, hub="HUB1", port=3)
        await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "ONLINE" and not slot["status_detail"])
        status, started = await admin.post("/api/call/start", {"number": "+380991239074", "slot": 13})
        assert status == 201, started
        await admin.call_until(started["call_id"], lambda call: call["status"] == "connected")
        await admin.phones("POST", "/phones/14/list", {"serial": CHEAP, "usb": "1-1.4"})
        await until(lambda: _slot(admin, 14), lambda slot: slot["status"] == "OFFLINE")
        await admin.post("/api/call/end", {"call_id": started["call_id"]})
        ended = await admin.call_until(started["call_id"], lambda call: call["end_time"] is not None)
        assert ended["reason"] == "hangup_local" and (await admin.phones("GET", "/phones/13"))["calls"] == 0
        await admin.phones("POST", "/phones/13/list", {"serial": CHEAP, "usb": "1-1.9"})
        gone = await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "OFFLINE")
        assert "not at usb:1-1.3" in gone["status_detail"]
    finally:
        for slot, config in before.items():
            await admin.phones("POST", f"/phones/{slot}/list")
            await _configured(admin, slot, **{name: config[name] for name in ("serial", "hub", "port")})
            await until(lambda slot=slot: _slot(admin, slot), lambda shown: shown["status"] == "ONLINE", 30)


async def test_a_slot_that_is_told_its_place_loses_the_doubt(admin: Client) -> None:
    """A second phone has had its serial: what to do is in its detail, and doing it helps."""
    before = (await _slot(admin, 13))["config"]
    try:
        await admin.phones("POST", "/phones/13/list", {"serial": CHEAP, "usb": "1-1.3"})
        await _configured(admin, 13, serial=CHEAP)
        await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "ONLINE" and not slot["status_detail"])
        await admin.phones("POST", "/phones/14/list", {"serial": CHEAP, "usb": "1-1.4"})
        doubted = await until(lambda: _slot(admin, 13), lambda slot: _says(slot, "another phone could be meant"))
        assert "by hub and port" in doubted["status_detail"]
        await _configured(admin, 13, hub="HUB1", port=3)
        await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "ONLINE" and not slot["status_detail"])
        status, started = await admin.post("/api/call/start", {"number": "+380991230001", "slot": 13})
        assert status == 201, started
        ended = await admin.call_until(started["call_id"], lambda call: call["end_time"] is not None)
        assert ended["reason"] == "busy"
    finally:
        for slot in (13, 14):
            await admin.phones("POST", f"/phones/{slot}/list")
        await _configured(admin, 13, **{name: before[name] for name in ("serial", "hub", "port")})
        for slot in (13, 14):
            await until(lambda slot=slot: _slot(admin, slot), lambda shown: shown["status"] == "ONLINE", 30)


async def test_a_call_is_lost_when_another_phone_is_put_in_the_place(admin: Client) -> None:
    """With the same serial: what it says of itself shows that, and the call is not said to be over."""
    before = (await _slot(admin, 13))["config"]
    try:
        await admin.phones("POST", "/phones/13/list", {"serial": CHEAP, "usb": "1-1.3"})
        await _configured(admin, 13, serial=CHEAP)
        await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "ONLINE")
        status, started = await admin.post("/api/call/start", {"number": "+380991239073", "slot": 13})
        assert status == 201, started
        await admin.call_until(started["call_id"], lambda call: call["status"] == "connected")
        await admin.phones("POST", "/phones/13/list", {"serial": "ELSEWHERE", "usb": "1-1.9"})
        await admin.phones("POST", "/phones/14/list", {"serial": CHEAP, "usb": "1-1.3"})
        ended = await admin.call_until(started["call_id"], lambda call: call["end_time"] is not None)
        assert ended["reason"] == "phone_lost" and "another phone" in ended["cause"]
        assert (await admin.phones("GET", "/phones/13"))["calls"] == 1, "it goes on where it is"
    finally:
        for slot in (14, 13):
            await admin.phones("POST", f"/phones/{slot}/list")
        await _configured(admin, 13, **{name: before[name] for name in ("serial", "hub", "port")})
        for slot in (13, 14):
            await until(lambda slot=slot: _slot(admin, slot), lambda shown: shown["status"] == "ONLINE", 30)

    async def phone() -> dict:
        return await admin.phones("GET", "/phones/13")

    await until(phone, lambda phone: phone["calls"] == 0)  # its own phone is back: the call is ended there


async def test_a_line_of_adbs_list_that_cannot_be_read_is_told(admin: Client) -> None:
    try:
        await admin.phones("POST", "/list", {"lines": [" P9"]})
        found = await until(lambda: _unassigned(admin), bool)
        assert "cannot be read" in found[0]["state"] and (await _slot(admin, 44))["status"] == "ONLINE"
    finally:
        await admin.phones("POST", "/list", {"lines": []})
    await until(lambda: _unassigned(admin), lambda found: not found)


async def _unassigned(client: Client) -> list[dict[str, str]]:
    return (await client.get("/api/slots/unassigned"))[1]
