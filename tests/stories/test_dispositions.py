"""What an operator says of a call of a campaign, over HTTP on a whole site: lead, list and record follow."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from simulators.carrier.rules import mobile
from tests.stories.test_point import made
from tests.support.site import Client, until

ALL, RUN, STOP = "/api/autodialer/campaigns", "/api/autodialer/run-campaign", "/api/autodialer/stop-campaign"
OWN_SLOT = 13
NEXT_YEAR = datetime.now(UTC).year + 1
FIRST, TALKS = 9500, "2003"  # the numbers are nobody else's here
WORDS = {"visit": "done", "refuses": "do_not_call", "later": "callback"}


@pytest.fixture
async def seller(admin: Client) -> AsyncIterator[Client]:
    """Somebody who runs campaigns, and sits at a phone of their own."""
    client = await made(admin, "seller", "supervisor")
    _, slot = await admin.get(f"/api/slots/{OWN_SLOT}")
    place = {"slot": OWN_SLOT} | {name: slot["config"][name] for name in ("serial", "hub", "port", "region")}
    assert (await admin.post("/api/slots", place | {"user": "seller"}))[0] == 200
    yield client
    await admin.post(STOP, {"campaign_id": "words_1", "mode": "hangup"})
    await client.post("/api/operators/me/status", {"status": "offline"})  # who is ready gets calls of other stories
    await until(lambda: admin.post("/api/slots", place), lambda said: said[0] == 200)


async def test_an_operator_s_word_is_followed_by_everybody(seller: Client, admin: Client) -> None:
    assert (await seller.post("/api/operators/me/status", {"status": "ready"}))[0] == 200
    settings = {"dispositions": WORDS, "attempts_per_lead": 9}
    assert (await seller.post(ALL, {"campaign_id": "words_1", "settings": settings}))[0] == 201
    _, listed = await seller.get("/api/dispositions?campaign_id=words_1")
    assert {one["disposition"]: one["meaning"] for one in listed} == WORDS
    assert (await seller.get("/api/dispositions?campaign_id=nobodys"))[1]["code"] == "NOT_FOUND"
    numbers = [mobile(FIRST + place, TALKS) for place in range(12)]
    await seller.post(RUN, {"campaign_id": "words_1", "leads": [{"number": number} for number in numbers]})

    async def me() -> Any:
        return (await seller.get("/api/operators/me"))[1]

    mine = await until(me, lambda view: bool(view["calls"]), 30)
    [call] = mine["calls"]
    assert call["campaign_id"] == "words_1"
    path = f"/api/call/{call['call_id']}/disposition"
    status, refused = await seller.post(path, {"disposition": "sale"})
    assert (status, refused["details"]["known"]) == (400, sorted(WORDS))
    assert (await seller.post(path, {"disposition": "refuses"}))[1]["meaning"] == "do_not_call"

    async def marked() -> Any:
        return (await seller.get(f"{ALL}/words_1/leads?status=do_not_call"))[1]

    [lead] = await until(marked, bool)
    [number] = lead["lead"]["numbers"]
    _, standing = await admin.get(f"/api/do-not-call/check?number={number[1:]}")
    [entry] = standing["entries"]
    assert standing["listed"] and (entry["list"], entry["source"], entry["by"]) == ("global", "disposition", "seller")
    _, corrected = await seller.post(path, {"disposition": "later", "callback": f"{NEXT_YEAR}-01-01T10:00:00"})
    assert corrected["callback"] == f"{NEXT_YEAR}-01-01T08:00:00.000Z"  # in Kyiv

    async def again() -> Any:
        return (await seller.get(f"{ALL}/words_1/leads?status=callback"))[1]

    [lead] = await until(again, bool)
    assert (lead["disposition"], lead["operator"]) == ("later", "seller")
    assert lead["callback"] == corrected["callback"]
    _, explained = await seller.get(f"{ALL}/words_1/explain")
    assert sum(group["leads"] for group in explained["reasons"]) == len(numbers)


async def test_a_call_of_no_campaign_puts_its_number_on_the_list_of_all(admin: Client) -> None:
    may, may_not = await made(admin, "lister", "supervisor"), await made(admin, "no_lister", "operator")
    for client, number in ((may_not, mobile(FIRST + 50, TALKS)), (may, mobile(FIRST + 51, TALKS))):
        await client.post("/api/operators/me/status", {"status": "ready"})
        call = (await client.post("/api/call/start", {"number": number}))[1]["call_id"]

        async def me(client: Client = client) -> Any:
            return (await client.get("/api/operators/me"))[1]

        await until(me, lambda view: bool(view["calls"]), 30)
        path, check = f"/api/call/{call}/disposition", f"/api/do-not-call/check?number={number[1:]}"
        if client is may_not:
            status, refused = await client.post(path, {"disposition": "do_not_call"})
            assert (status, refused["details"]) == (403, {"permission": "do_not_call.edit"})
            assert refused["message"].startswith("The call is of no campaign")  # and nothing was noted
            assert (await admin.get(check))[1] == {"number": number, "listed": False, "entries": []}
            assert (await client.post(path, {"disposition": "no_decision"}))[0] == 200  # nothing was said before
            continue
        for _ in range(2):  # the same again changes nothing
            status, said = await client.post(path, {"disposition": "do_not_call"})
            assert (status, said["meaning"]) == (200, "do_not_call")
        [entry] = (await admin.get(check))[1]["entries"]
        assert (entry["list"], entry["source"], entry["by"]) == ("global", "disposition", "lister")
        assert entry["reason"] == f"do_not_call, {call}"
        refused = (await client.post("/api/call/start", {"number": number}))[1]
        assert refused["details"]["rule"] == "do_not_call"
    for client in (may, may_not):
        await client.post("/api/operators/me/status", {"status": "offline"})
