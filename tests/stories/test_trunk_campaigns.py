"""Campaigns on trunks over HTTP, on the sandbox's virtual PBX: what carries their calls, set, changed and explained."""

from typing import Any

import pytest

from simulators.carrier.rules import mobile
from tests.stories.test_campaigns import ALL, RUN, STOP
from tests.stories.test_pbx import healthy
from tests.support.site import Client, until

BUSY, TALKS, LONG = "0001", "2002", "9999"
FIRST = 12_000  # the numbers of these campaigns are nobody else's here
TRUNKS = {"slots": None, "trunks": {"extensions": [11, 12, 13], "trunks": ["trunk-1"]}}


def leads(count: int, ending: str, first: int) -> list[dict[str, Any]]:
    return [{"number": mobile(FIRST + place, ending)} for place in range(first, first + count)]


async def reasons(client: Client, campaign: str) -> dict[str, dict[str, Any]]:
    status, found = await client.get(f"{ALL}/{campaign}/explain")
    assert status == 200 and sum(one["leads"] for one in found["reasons"]) == found["leads"]
    return {one["reason"]: one for one in found["reasons"]}


async def test_a_campaign_calls_through_a_trunk(admin: Client) -> None:
    await healthy(admin)
    settings = {"carriers": TRUNKS, "attempts_per_lead": 1}
    status, made = await admin.post(ALL, {"campaign_id": "trunks_1", "settings": settings})
    assert status == 201 and made["settings"]["carriers"]["trunks"]["extensions"] == [11, 12, 13]
    wanted = [*leads(6, TALKS, 0), *leads(3, BUSY, 10)]
    assert (await admin.post(RUN, {"campaign_id": "trunks_1", "leads": wanted}))[0] == 200

    async def view() -> Any:
        return (await admin.get(f"{ALL}/trunks_1"))[1]

    found = await until(view, lambda found: found["status"] == "finished", 60)
    assert (found["attempts"], found["answered"]) == (9, 6) and found["by_status"] == {"done": 6, "in_progress": 3}
    counts = await admin.phones("GET", "/dials")
    assert not {lead["number"] for lead in wanted} & counts.keys()
    for lead in wanted:
        _, calls = await admin.get(f"/api/pbx/cdr?number={lead['number'][1:]}")
        assert [(call["trunk"], call["slot"] in (11, 12, 13)) for call in calls] == [("trunk-1", True)]


async def test_why_a_trunk_campaign_does_not_dial_is_said(admin: Client) -> None:
    await healthy(admin)
    missing = {"slots": None, "trunks": {"extensions": [13], "trunks": ["not-yet"]}}
    await admin.post(ALL, {"campaign_id": "trunks_2", "settings": {"carriers": missing}})
    abroad = {"number": "+13055551234"}
    await admin.post(RUN, {"campaign_id": "trunks_2", "leads": [*leads(3, LONG, 20), abroad]})

    async def explained() -> Any:
        return await reasons(admin, "trunks_2")

    found = await until(explained, lambda found: "no_line" in found)
    assert "there is no trunk not-yet" in found["no_line"]["words"]
    there = {"slots": None, "trunks": {"extensions": [13], "trunks": ["trunk-1"]}}
    status, changed = await admin.call("PATCH", f"{ALL}/trunks_2", {"carriers": there})
    assert status == 200 and changed["settings"]["carriers"]["trunks"]["trunks"] == ["trunk-1"]
    found = await until(explained, lambda found: {"extensions_busy", "under_way"} <= found.keys())
    assert found["under_way"]["leads"] == 1 and found["extensions_busy"]["leads"] == 2
    assert found["country"]["words"] == "no line that it may use may call US" and found["country"]["leads"] == 1
    _, forecast = await admin.post(f"{ALL}/trunks_2/dry-run", {"minutes": 5, "answered": 1.0, "seconds": 5, "lines": 2})
    assert forecast["by_status"] == {"done": 3, "new": 1}  # the one abroad is called by nobody
    status, _ = await admin.post(STOP, {"campaign_id": "trunks_2", "mode": "hangup"})
    assert status == 200


@pytest.mark.parametrize(("settings", "field"), [
    ({"carriers": {"slots": None}}, "settings.carriers"),
    ({"carriers": {"slots": {"regions": ["UA", "UK"]}}}, "settings.carriers.slots.regions[1]"),
    ({"carriers": {"trunks": {"extensions": []}}}, "settings.carriers.trunks.extensions"),
    ({"carriers": {"trunks": {}}}, "settings.carriers.trunks.extensions"),
    ({"carriers": {"trunks": {}}, "mode": "power"}, "settings.carriers.trunks.extensions"),
    ({"carriers": {"trunks": {}}, "operators": "team"}, "settings.carriers.trunks.extensions"),
    ({"carriers": {"trunks": {"extensions": [11], "trunks": ["tr unk"]}}}, "settings.carriers.trunks.trunks[0]"),
    ({"carriers": {"slots": {"of": "mine"}}}, "settings.carriers.slots.of"),
    ({"carriers": {"slots": {"tag": "x"}}},
     "`settings.carriers.slots.tag`: there is no such field. The fields: `of`, `regions`, `slots`"),
    ({"carriers": {"slots": {"weight": 0}}}, "settings.carriers.slots.weight"),
    ({"weight": 101}, "settings.weight"),
    ({"priority": 101}, "settings.priority"),
])  # fmt: skip
async def test_carriers_that_cannot_be_are_refused_with_their_place(
    admin: Client, settings: dict[str, Any], field: str
) -> None:
    status, answer = await admin.post(ALL, {"campaign_id": "trunks_3", "settings": settings})
    assert (status, answer["code"]) == (400, "INVALID_PARAMS"), answer
    assert field in str(answer), answer
    assert (await admin.get(f"{ALL}/trunks_3"))[0] == 404
