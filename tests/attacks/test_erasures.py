"""Somebody words a lead of theirs so that its erasure takes their own deeds off the audit, or phones out of service."""

import asyncio
from typing import Any

import aiohttp

from simulators.carrier.rules import mobile
from tests.stories.test_audit_head import audit
from tests.support.site import Client, Site, until

CAMPAIGNS, LEADS, ERASURES = "/api/autodialer/campaigns", "/api/crm/leads", "/api/crm/erasures"
WORDED = (  # an operator's own name, the day, what slots say of themselves, a status of operators, who runs the site
    {"name": "mallory", "custom": {"birthday": "2026-11-27"}},
    {"name": "ONLINE virtual local", "custom": {"x": "slot-44 trunk-1 "}},
    {"name": "ready", "custom": {"x": "POST /api/crm/erasures"}},
    {"name": "admin recorded", "custom": {"x": "mallory "}},
)
PASSWORD = "a long one, Zoe 9"


async def _team(admin: Client, site: Site, session: aiohttp.ClientSession) -> Client:
    """Mallory, with leads of their own that they have worded."""
    user = {"username": "mallory", "password": PASSWORD, "role": "operator", "must_change_password": False}
    assert (await admin.post("/api/users", user, part="point"))[0] in (200, 201)
    mallory = Client(site, session)
    await mallory.login("mallory", PASSWORD)
    made = {"campaign_id": "c1", "settings": {"operators": "team"}}
    assert (await admin.post(CAMPAIGNS, made))[0] == 201
    for place in range(len(WORDED)):
        lead = {"campaign_id": "c1", "number": mobile(7000 + place, "2010"), "lead_id": f"L{place}"}
        assert (await admin.post(LEADS, lead, part="workspace"))[0] == 201
    own = {"filter": {"campaign_id": "c1"}, "assigned_seller": "mallory"}

    async def assigned() -> Any:
        return (await admin.post(f"{LEADS}/assign", own, part="workspace"))[1]

    await until(assigned, lambda got: got.get("matched") == len(WORDED))
    assert (await mallory.post("/api/operators/me/status", {"status": "ready"}, part="workspace"))[0] == 200
    for place, worded in enumerate(WORDED):
        async def edit(place: int = place, worded: Any = worded) -> Any:
            return (await mallory.call("PATCH", f"{LEADS}/c1/L{place}", worded, part="workspace"))[0]

        await until(edit, lambda status: status == 200)
    return mallory


async def _erase(admin: Client, number: str) -> Any:
    asked = {"numbers": [number], "reason": "letter 17"}
    status, begun = await admin.post(ERASURES, asked, part="workspace")
    assert status == 202, begun

    async def look() -> Any:
        return (await admin.get(f"{ERASURES}/{begun['erasure']}", part="workspace"))[1]

    found = await until(look, lambda got: got.get("status") in ("done", "failed"), 90)
    assert found["status"] == "done", found
    return found


async def _deeds(admin: Client) -> list[Any]:
    """All that was done by mallory and the administrator, without what erasures themselves say."""
    rows = [
        row
        for user in ("mallory", "admin")
        for row in await admin.audit(f"user={user}&limit=1000&until=2099-01-01")
        if "erasures" not in row["action"]
    ]
    return [(row["number"], row["at"], row["user"], row["door"], row["action"], row["result"]) for row in rows]


async def _slots(admin: Client) -> Any:
    return sorted((slot["id"], slot["status"]) for slot in (await admin.get("/api/slots"))[1])


async def test_no_wording_of_a_lead_takes_anything_else_away(runner_site: Site) -> None:
    site = runner_site
    async with aiohttp.ClientSession() as session:
        admin = Client(site, session)
        await admin.login("admin", site.admin_password)
        await _team(admin, site, session)
        await asyncio.sleep(1.0)
        slots, deeds = await _slots(admin), await _deeds(admin)
        assert {deed[2] for deed in deeds} == {"mallory", "admin"}
        assert {status for _, status in slots} == {"ONLINE"}
        found = [await _erase(admin, mobile(7000 + place, "2010")) for place in range(len(WORDED))]
        print([one["erased"] for one in found])

        async def there() -> Any:
            return (await admin.get("/api/audit?limit=1", part="point"))[0]

        await until(there, lambda status: status == 200)
        assert (await _deeds(admin)) == deeds
        code, said = audit(site, "verify")
        assert code == 0, said
        site.kill("actors")

        async def ready() -> Any:
            async with session.get(site.url("workspace", "/readyz?verbose")) as answer:
                return answer.status, await answer.json()

        await asyncio.sleep(2.0)
        said = (await until(ready, lambda got: got[0] == 200, 60))[1]
        assert not any(host["quarantined"] for host in said["hosts"]), said
        await until(lambda: _slots(admin), lambda got: got == slots, 30)
        assert (await _deeds(admin))[: len(deeds)] == deeds
