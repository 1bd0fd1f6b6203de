"""Orders to the sandbox's control ports: a mistake is told with its field, and nothing of it is carried out."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from actors.adapters.adb import AdbClient
from actors.adapters.adb_place import AdbFile
from actors.slot.phone import PhoneUnreachable
from simulators.pbx.channel import Trunk
from simulators.pbx.control import control as pbx_control
from simulators.pbx.virtual_pbx import VirtualPbx
from simulators.phone.adb_front import AdbFront
from simulators.phone.android import AmFault, Identity
from simulators.phone.control import control as phone_control
from simulators.phone.dumps import Quirk
from simulators.phone.fleet import Fleet
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import Server

Client = TestClient[Any, Any]
PHONE, PBX = "/phones/44/", "/"

MISTAKES = [
    (PHONE + "set", {"battery": "low"}, "battery"),
    (PHONE + "set", {"battery": 1e9}, "battery"),
    (PHONE + "set", {"battery": 101}, "battery"),
    (PHONE + "set", {"in_service": "false"}, "in_service"),
    (PHONE + "set", {"am_fault": "explodes"}, "am_fault"),
    (PHONE + "set", {"quirks": "arabic"}, "quirks"),
    (PHONE + "set", {"quirks": ["arabic", "klingon"]}, "quirks[1]"),
    (PHONE + "set", {"batery": 7}, "batery"),
    (PHONE + "set", {"battery": 7, "slow": -1}, "slow"),
    (PHONE + "incoming", {"number": 380441112233}, "number"),
    (PHONE + "incoming", {"numbr": "+380441112233"}, "numbr"),
    (PHONE + "by_hand", {"number": "Ann"}, "number"),
    (PHONE + "hang_up", {"call": "2"}, "call"),
    (PHONE + "hang_up", {"call": "TC@99"}, "call"),
    (PHONE + "step_clock", {"seconds": "an hour"}, "seconds"),
    (PHONE + "step_clock", {"seconds": 1e30}, "seconds"),
    (PHONE + "unplug", {"seconds": 5}, "seconds"),
    (PHONE + "screen", {"layout": 3}, "layout"),
    (PHONE + "screen", {"language": "de"}, "language"),
    (PHONE + "screen", {"popups": 1.5}, "popups"),
    (PHONE + "screen", {"pin": "12a4"}, "pin"),
    (PHONE + "screen", {"size": "huge", "layout": 1}, "size"),
    (PHONE + "list", {"usb": "usb:1-2"}, "usb"),
    (PHONE + "list", {"serial": "a\nb"}, "serial"),
    ("/list", {"lines": ["a\nb"]}, "lines[0]"),
    ("/scale", {}, "scale"),
    ("/scale", {"scale": 0}, "scale"),
]
PBX_MISTAKES = [
    ("/contact", {"endpoint": "trunk-1"}, "status"),
    ("/contact", {"endpoint": "trunk-9", "status": "Reachable"}, "endpoint"),
    ("/contact", {"endpoint": "trunk-1", "status": "reachable"}, "status"),
    ("/contact", {"endpoint": "trunk-1", "status": "Reachable", "number": 0}, "number"),
    ("/refuse", {"calls": "five"}, "calls"),
    ("/refuse", {"calls": -1}, "calls"),
    ("/refuse", {"causes": 21}, "causes"),
    ("/refuse", {"sip": 4030}, "sip"),
    ("/refuse", {"text": "a\r\nEvent: x"}, "text"),
    ("/extension", {"slot": 12, "state": "asleep"}, "state"),
    ("/extension", {"slot": "12", "state": "busy"}, "slot"),
    ("/pass_on", {"call": "c_none"}, "call"),
    ("/registration", {"endpoint": "trunk-9", "status": "Rejected"}, "endpoint"),
    ("/registration", {"endpoint": "trunk-1", "status": "Rejected"}, "endpoint"),
    ("/cut", {"now": True}, "now"),
]


@pytest.fixture
async def fleet(server: Server) -> AsyncIterator[Fleet]:
    async with VirtualPhone(identity=Identity(serial="T44")) as phone:
        yield Fleet({44: phone}, [AdbFront(server.place)], AdbClient(server.place))


@pytest.fixture
async def phones(fleet: Fleet) -> AsyncIterator[Client]:
    async with TestClient(TestServer(phone_control(fleet))) as client:
        yield client


@pytest.fixture
def pbx() -> VirtualPbx:
    return VirtualPbx(user="ottb", secret="secret", trunks={"trunk-1": Trunk()})


@pytest.fixture
async def exchange(pbx: VirtualPbx) -> AsyncIterator[Client]:
    async with TestClient(TestServer(pbx_control(pbx))) as client:
        yield client


async def refused(client: Client, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await client.post(path, **body)
    told: dict[str, Any] = await answer.json()
    assert told["error"] is True and {"code", "message", "details", "request_id"} >= set(told) - {"error"}
    return answer.status, told


def is_told(status: int, told: dict[str, Any], field: str) -> bool:
    code = "CONFLICT" if status == 409 else "INVALID_PARAMS"
    return (told["code"], told["details"]["field"]) == (code, field) and f"`{field}`: " in told["message"]


@pytest.mark.parametrize(("path", "order", "field"), MISTAKES)
async def test_a_mistake_in_an_order_to_a_phone_is_told(
    phones: Client, fleet: Fleet, path: str, order: dict[str, Any], field: str
) -> None:
    status, told = await refused(phones, path, json=order)
    assert status in (400, 409) and is_told(status, told, field), told
    phone = fleet.phones[44]
    assert (phone.android.level, phone.telephony.live, phone.telephony.scale) == (82, [], 1.0)
    assert (await phones.get("/phones/44")).status == 200


@pytest.mark.parametrize(("path", "order", "field"), PBX_MISTAKES)
async def test_a_mistake_in_an_order_to_the_pbx_is_told(
    exchange: Client, pbx: VirtualPbx, path: str, order: dict[str, Any], field: str
) -> None:
    status, told = await refused(exchange, path, json=order)
    assert status in (400, 409) and is_told(status, told, field), told
    assert not pbx.calls.refusals and not pbx.calls.extensions and pbx.calls.trunks["trunk-1"].contacts == ["Reachable"]


CHOICES = [
    (PHONE + "set", {"am_fault": "explodes"}, ["refused", "killed_before", "killed_after", "silent", "warned"]),
    (PHONE + "set", {"input_fault": ""}, ["refused", "silent"]),
    (PHONE + "set", {"quirks": ["klingon"]}, [quirk.value for quirk in Quirk]),
]
PBX_CHOICES = [
    ("/contact", {"endpoint": "trunk-1", "status": "reachable"}, ["Reachable", "Unreachable", "Removed"]),
    ("/registration", {"endpoint": "trunk-1", "status": "Gone"}, ["Registered", "Rejected", "Unregistered", "Stopped"]),
]


@pytest.mark.parametrize(("path", "order", "choices"), CHOICES + PBX_CHOICES)
async def test_a_mistake_in_a_word_lists_the_choices(
    phones: Client, exchange: Client, path: str, order: dict[str, Any], choices: list[str]
) -> None:
    _, told = await refused(phones if path.startswith(PHONE) else exchange, path, json=order)
    assert all(f"`{choice}`" in told["message"] for choice in choices), told["message"]


async def test_a_registration_that_there_is_becomes_what_is_ordered(exchange: Client, pbx: VirtualPbx) -> None:
    pbx.calls.trunks["trunk-1"].registration = "Registered"
    order = {"endpoint": "trunk-1", "status": "Rejected"}
    assert (await exchange.post("/registration", json=order)).status == 200
    assert pbx.calls.trunks["trunk-1"].registration == "Rejected"


async def test_what_the_phone_asked_about_before_it_dialled_is_no_dial(phones: Client, fleet: Fleet) -> None:
    phone = fleet.phones[44]
    phone.telephony.asks_for_sim = True
    start = ["am", "start", "-a", "android.intent.action.CALL", "-d", "tel:%2B380991230007"]
    phone.android.run(start, b"")
    assert phone.telephony.live and await (await phones.get("/dials")).json() == {}
    phone.telephony.reset()
    phone.telephony.asks_for_sim = False
    phone.android.run(start, b"")
    assert await (await phones.get("/dials")).json() == {"+380991230007": 1}


@pytest.mark.parametrize("body", [b"{", b"battery=7", b"[]", b"7", b'"battery"', b"null", b"\xff\xfe"])
async def test_what_is_no_order_is_told(phones: Client, exchange: Client, body: bytes) -> None:
    for client, path in ((phones, "/phones/44/set"), (exchange, "/refuse")):
        status, told = await refused(client, path, data=body)
        assert (status, told["code"]) == (400, "INVALID_PARAMS") and "JSON" in told["message"]


async def test_orders_and_phones_that_there_are_not_are_not_found(phones: Client, exchange: Client) -> None:
    for path in ("/phones/45/plug", "/phones/x/plug", "/phones/44/explode", "/nowhere"):
        status, told = await refused(phones, path)
        assert (status, told["code"]) == (404, "NOT_FOUND")
    status, told = await refused(exchange, "/explode")
    assert status == 404 and "refuse" in told["message"]


async def test_a_choice_that_there_is_not_is_told_with_those_that_there_are(phones: Client, exchange: Client) -> None:
    for client, path, order, choice in (
        (phones, "/phones/44/set", {"am_fault": "loud"}, "`killed_before`"),
        (phones, "/phones/44/set", {"quirks": ["linker", "odd"]}, "`whole_degrees`"),
        (exchange, "/contact", {"endpoint": "trunk-1", "status": "Down"}, "`Unreachable`"),
    ):
        _, told = await refused(client, path, json=order)
        assert choice in told["message"], told


async def test_an_order_that_is_right_is_carried_out(phones: Client, fleet: Fleet) -> None:
    phone = fleet.phones[44]
    wanted: dict[str, Any] = {"battery": 7, "temperature": 41.4, "in_service": False, "slow": 0}
    wanted |= {"am_fault": "warned", "quirks": ["linker"]}
    assert (await phones.post("/phones/44/set", json=wanted)).status == 200
    android = phone.android
    assert (android.level, android.tenths, phone.telephony.in_service) == (7, 414, False)
    assert (android.am_fault, android.quirks) == (AmFault.WARNED, {Quirk.LINKER})
    assert (await phones.post("/phones/44/set", json={"am_fault": None})).status == 200
    assert android.am_fault is None and android.level == 7
    assert (await phones.post("/phones/44/incoming")).status == 200 and phone.telephony.live


async def test_the_screens_are_as_they_are_ordered(phones: Client, fleet: Fleet) -> None:
    screens = fleet.phones[44].android.screens
    wanted: dict[str, Any] = {"layout": 2, "language": "uk", "size": "small", "pin": "1234", "helper": True}
    wanted |= {"turned": 1, "popups": 0.5, "seed": 3, "ticking": 0}
    assert (await phones.post("/phones/44/screen", json=wanted)).status == 200
    assert (await phones.post("/phones/44/screen", json={"moves": 0})).status == 200
    profile = screens.profile
    assert (profile.layout, profile.language.value, profile.display, profile.moves) == (2, "uk", (720, 1600, 320), 0)
    assert (screens.troubles.popups, screens.troubles.ticking, screens.rotation) == (0.5, 0, 1)
    screens.power()
    screens.power()
    assert screens.locked
    told = (await (await phones.get("/phones/44")).json())["screen"]
    assert (told["layout"], told["language"], told["size"]) == (2, "uk", "small")
    assert told["front"] == "NotificationShade"
    screens.did("setting", "wifi", "off")
    told = (await (await phones.get("/phones/44")).json())["screen"]
    assert [(line["what"], line["where"], line["data"]) for line in told["did"]] == [("setting", "wifi", "off")]


@pytest.mark.parametrize(
    ("order", "right"),
    [({"sip": 403}, 21), ({"sip": 486}, 17), ({"sip": 302}, 23), ({"sip": 402}, 127), ({"sip": 607}, 127),
     ({"sip": 599}, 34), ({"sip": 0}, 38), ({}, 38), ({"sip": 403, "cause": 34}, 34), ({"sip": 403, "cause": 0}, 0)],
)  # fmt: skip
async def test_a_refusal_by_its_status_has_the_cause_of_asterisk(
    exchange: Client, pbx: VirtualPbx, order: dict[str, Any], right: int
) -> None:
    assert (await exchange.post("/refuse", json=order)).status == 200
    assert [one.q850 for one in pbx.calls.refusals] == [right]


@pytest.mark.parametrize("end", [("/refuse", {"calls": 0}), ("/restart", None)])
async def test_refusals_queue_until_they_are_ended(exchange: Client, pbx: VirtualPbx, end: tuple[str, Any]) -> None:
    for order in ({"calls": 2, "cause": 20, "sip": 480}, {"cause": 1}):
        assert (await exchange.post("/refuse", json=order)).status == 200
    assert [one.q850 for one in pbx.calls.refusals] == [20, 20, 1]
    assert (await exchange.post(end[0], json=end[1])).status == 200
    assert not pbx.calls.refusals


async def test_a_phone_is_listed_as_it_is_ordered(phones: Client, fleet: Fleet, server: Server, tmp_path: Path) -> None:

    (front,) = fleet.fronts
    async with front.serving(tmp_path / "front.sock"):
        client = AdbClient(AdbFile(tmp_path / "front.sock"))
        serial = fleet.phones[44].serial
        await client.connect(serial)
        assert list(await client.devices()) == [serial]
        wanted = {"serial": "0123456789ABCDEF", "usb": "1-2.4.2"}
        assert (await phones.post("/phones/44/list", json=wanted)).status == 200
        (seen,) = (await client.devices()).values()
        assert (seen.serial, seen.usb, seen.state) == ("0123456789ABCDEF", "1-2.4.2", "device")
        for name in ("0123456789ABCDEF", "usb:1-2.4.2"):
            assert (await client.shell(name, "echo hello", timeout=5, max_output=100)).output == "hello\n"
        lines = [" ABC", "????????????           no permissions (x); see [http://x] usb:1-2.9 transport_id:99"]
        assert (await phones.post("/list", json={"lines": lines})).status == 200
        assert list(await client.devices()) == ["0123456789ABCDEF", "connection of line 2", "usb:1-2.9"]
        for path in ("/phones/44/list", "/list"):
            assert (await phones.post(path)).status == 200
        assert list(await client.devices()) == [serial]


async def test_a_phone_on_usb_that_is_unplugged_is_not_listed(phones: Client, fleet: Fleet, server: Server) -> None:
    """adb itself goes on listing what it had on TCP, as offline."""
    (front,) = fleet.fronts
    async with front.serving(server.folder / "front.sock"):
        client = AdbClient(AdbFile(server.folder / "front.sock"))
        await client.connect(fleet.phones[44].serial)
        assert (await phones.post("/phones/44/list", json={"serial": "CHEAP", "usb": "1-2.3"})).status == 200
        assert [one.state for one in (await client.devices()).values()] == ["device"]
        assert (await phones.post("/phones/44/unplug")).status == 200
        async with asyncio.timeout(5):
            while await client.devices():
                await asyncio.sleep(0.05)
            for name in ("CHEAP", "usb:1-2.3"):
                with pytest.raises(PhoneUnreachable):
                    await client.shell(name, "echo hello", timeout=5, max_output=100)
            assert (await phones.post("/phones/44/plug")).status == 200
            while [one.state for one in (await client.devices()).values()] != ["device"]:
                await asyncio.sleep(0.05)


async def test_a_fleet_of_somebody_elses_server_cannot_be_listed_otherwise(fleet: Fleet) -> None:
    async with TestClient(TestServer(phone_control(Fleet(fleet.phones)))) as client:
        status, told = await refused(client, "/phones/44/list", json={"usb": "1-2"})
        assert (status, told["code"]) == (409, "CONFLICT")
