"""Leads one by one on the running system: who adds and changes them, and what is seen of it."""

from typing import Any
from uuid import uuid4

import pytest

from simulators.carrier.rules import mobile
from tests.stories.test_point import made
from tests.support.site import Client

ALL, LEADS = "/api/autodialer/campaigns", "/api/crm/leads"
BUSY = "0001"
FIRST = 9700  # the numbers of these leads are nobody else's here


class Crm:
    """One user's door to leads."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def create(self, campaign: str, number: str, key: str | None = None, **more: Any) -> tuple[int, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        body = {"campaign_id": campaign, "number": number, **more}
        return await self.client.call("POST", LEADS, body, part="workspace", headers=headers)

    async def listed(self, query: str) -> list[Any]:
        status, found = await self.client.get(f"{LEADS}?{query}", part="workspace")
        assert status == 200, found
        return list(found)


@pytest.fixture
async def campaign(admin: Client) -> str:
    """A draft of the admin's."""
    id = f"crm_{uuid4().hex[:8]}"
    assert (await admin.post(ALL, {"campaign_id": id}))[0] == 201
    return id


@pytest.fixture
async def stranger(admin: Client) -> Client:
    return await made(admin, f"u{uuid4().hex[:10]}", "operator")


async def test_a_lead_is_created_once_and_is_in_all_lists(admin: Client, stranger: Client, campaign: str) -> None:
    crm, number, key = Crm(admin), mobile(FIRST, BUSY), uuid4().hex
    status, lead = await crm.create(campaign, number, key, name="Olena", custom={"city": "Lviv"})
    assert (status, lead["status"], lead["lead"]["numbers"]) == (201, "new", [number])
    assert await crm.create(campaign, number, key, name="Olena", custom={"city": "Lviv"}) == (201, lead)
    assert await crm.listed(f"campaign_id={campaign}&text=olena") == [lead]  # read your own writes
    status, refused = await crm.create(campaign, number)
    assert (status, refused["code"], refused["details"]) == (409, "CONFLICT", {"lead": lead["lead"]["id"]})
    status, refused = await crm.create(campaign, "12")
    assert (status, refused["code"], refused["details"]["field"]) == (400, "INVALID_PARAMS", "number")
    assert (await Crm(stranger).create(campaign, mobile(FIRST + 1, BUSY)))[0] == 404
    entries = await admin.audit(f"action=POST%20{LEADS}&result=OK")
    assert {"campaign_id": campaign, "lead": lead["lead"]["id"]} in [entry["subject"] for entry in entries]
