"""A phone of a running site that hangs is mended, or left alone with a reason, as users see it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.healing.policy import BUILT_IN
from tests.support.site import Client, Site, running_site, until

POLICY = BUILT_IN.read_text().replace("wait = 20.0", "wait = 2.0").replace("wait = 40.0", "wait = 32.0").replace(
    "[symptoms.unauthorized]\nafter = 20.0", "[symptoms.unauthorized]\nafter = 2.0"
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("healing")
    policy = folder / "healing.toml"
    policy.write_text(POLICY)
    more = f'[campaigns]\npresets = []\n[healing]\npolicy = "{policy}"\n'
    with running_site(folder, {11: None, 12: None, 13: None}, more) as running:
        yield running


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        yield client


async def _slot(admin: Client, number: int) -> Any:
    return (await admin.get(f"/api/slots/{number}"))[1]


async def _said(admin: Client, slot: int) -> list[str]:
    """What the platform's log says of a slot, the oldest first."""
    _, lines = await admin.get(f"/api/dci/logs?module=OTTB&slot={slot}&limit=100", part="dci")
    return [line["message"] for line in reversed(lines)]


async def test_a_phone_that_hangs_is_restarted_and_serves_again(admin: Client) -> None:
    await until(lambda: _slot(admin, 12), lambda slot: slot["status"] == "ONLINE")
    await admin.phones("POST", "/phones/12/hang", {"what": "phone"})
    await until(lambda: _slot(admin, 12), lambda slot: slot["status"] == "REBOOTING", 120)
    await until(lambda: _slot(admin, 12), lambda slot: slot["status"] == "ONLINE", 60)
    said = await until(lambda: _said(admin, 12), lambda said: any("reboot" in line for line in said))
    done = [line for line in said if line.startswith("Slot 12: silent")]
    assert [line.rpartition(" ")[2] for line in done] == ["reconnect", "adb_reconnect", "reboot"]
    status, call = await admin.post("/api/call/start", {"number": "+380991230001", "slot": 12})
    assert status == 201, call


async def test_a_phone_that_nothing_helps_is_left_alone_until_somebody_was_there(admin: Client) -> None:
    await admin.phones("POST", "/phones/13/unauthorized")
    slot = await until(lambda: _slot(admin, 13), lambda slot: slot["quarantine"] is not None, 90)
    assert slot["quarantine"]["symptom"] == "unauthorized" and "always allow" in slot["quarantine"]["to_do"]
    _, slots = await admin.get("/api/slots")
    assert [one["id"] for one in slots if one["quarantine"] is not None] == [13]
    status, refused = await admin.post("/api/call/start", {"number": "+380991230001", "slot": 13})
    assert (status, refused["code"]) == (409, "SLOT_OFFLINE") and "has not accepted" in refused["message"]
    await admin.phones("POST", "/phones/13/allow")
    await until(lambda: _slot(admin, 13), lambda slot: slot["status"] == "ONLINE" and slot["quarantine"] is None, 30)


async def test_a_hot_phone_is_called_hot_and_not_dialled_with(admin: Client) -> None:
    await admin.phones("POST", "/phones/11/set", {"temperature": 50})
    slot = await until(lambda: _slot(admin, 11), lambda slot: slot["conditions"], 90)
    assert [(one["name"], one["words"][:4]) for one in slot["conditions"]] == [("hot", "50 C")]
    status, refused = await admin.post("/api/call/start", {"number": "+380991230001", "slot": 11})
    assert refused["code"] == "CALL_FAILED" and "hot" in refused["message"], status
    await admin.phones("POST", "/phones/11/set", {"temperature": 38})
    await until(lambda: _slot(admin, 11), lambda slot: not slot["conditions"], 60)


async def test_a_slot_with_another_sim_is_not_dialled_from(site: Site, admin: Client) -> None:
    slot = {"slot": 12, "serial": site.serials[12], "hub": "HUB1", "port": 2, "region": "UA"}
    assert (await admin.post("/api/slots", {**slot, "expected_operator": "255 01"}))[1]["code"] == "INVALID_PARAMS"
    assert (await admin.post("/api/slots", {**slot, "expected_operator": "25501"}))[0] in (200, 201)
    await admin.phones("POST", "/phones/12/set", {"sim_operator": "25503"})
    found = await until(lambda: _slot(admin, 12), lambda slot: slot["conditions"], 90)
    assert [one["name"] for one in found["conditions"]] == ["wrong_sim"]
    status, refused = await admin.post("/api/call/start", {"number": "+380991230001", "slot": 12})
    assert refused["code"] == "CALL_FAILED" and "put the right one in" in refused["message"], status
    await admin.phones("POST", "/phones/12/set", {"sim_operator": "25501"})
    await until(lambda: _slot(admin, 12), lambda slot: not slot["conditions"], 60)
