"""Campaigns on a whole site: run as documented, seen live, explained, stopped; and what is no campaign."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest

from simulators.carrier.rules import mobile
from tests.stories.test_point import made
from tests.support.js_client import JsClient
from tests.support.site import Client, Site, until

RUN, STOP, ALL = "/api/autodialer/run-campaign", "/api/autodialer/stop-campaign", "/api/autodialer/campaigns"
BUSY, TALKS, LONG = "0001", "2003", "9999"
FIRST = 9000  # the numbers of campaigns are nobody else's here


def leads(count: int, ending: str, first: int) -> list[dict[str, Any]]:
    return [{"number": mobile(FIRST + place, ending), "name": f"N{place}"} for place in range(first, first + count)]


@pytest.fixture
async def fast(admin: Client) -> AsyncIterator[Client]:
    """Somebody who runs campaigns, at a carrier that is ten times as fast."""
    await admin.phones("POST", "/scale", {"scale": 0.1})
    yield admin
    await admin.phones("POST", "/scale", {"scale": 1.0})


async def dials(client: Client, wanted: list[dict[str, Any]]) -> dict[str, int]:
    """How often the phones say that each of these was dialled."""
    counts = await client.phones("GET", "/dials")
    return {lead["number"]: counts.get(lead["number"], 0) for lead in wanted}


async def test_a_campaign_runs_as_documented_and_is_seen(site: Site, fast: Client) -> None:
    wanted = [*leads(12, TALKS, 0), *leads(8, BUSY, 20)]
    body = {"campaign_id": "story_1", "leads": wanted}
    bus = await nats.connect(
        f"nats://127.0.0.1:{site.nats_port}", user="admin", password=site.admin_password, inbox_prefix="_INBOX.u.admin"
    )
    said = await bus.subscribe("ottb.v1.evt.campaign.story_1.>")
    async with JsClient(site.url("workspace", ""), fast.token) as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:campaigns"))["error"] is False
        created = await fast.post(ALL, {"campaign_id": "story_1", "settings": {"attempts_per_lead": 1}})
        assert created[0] == 201 and created[1]["status"] == "draft"
        status, answer = await fast.post(RUN, body)
        assert status == 200 and answer == {
            "campaign_id": "story_1", "status": "running", "accepted": 20, "duplicates": 0, "invalid": [],
            "invalid_more": 0,
        }  # fmt: skip
        again = await fast.post(RUN, body)
        assert again[1] | {"status": "running"} == answer | {"accepted": 0, "duplicates": 20}

        async def view() -> Any:
            return (await fast.get(f"{ALL}/story_1"))[1]

        found = await until(view, lambda found: found["status"] == "finished", 60)
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("change") == "finished")
        updates = [update["data"] for update in socket.events("campaign.update")]
    assert await dials(fast, wanted) == {lead["number"]: 1 for lead in wanted}
    assert (found["attempts"], found["answered"], found["in_progress"]) == (20, 12, 0)
    assert found["by_status"] == {"done": 12, "in_progress": 8} and found["answer_rate"] == 0.6
    _, hours = await fast.get(f"{ALL}/story_1/report?day={found['created'][:10]}")
    assert sum(hour["attempts"] for hour in hours) == 20 or found["created"][11:13] == "23"
    assert sum(hour["contacts"] + hour["busy"] for hour in hours) == sum(hour["attempts"] for hour in hours)
    changes = [update["change"] for update in updates]
    assert changes[:2] == ["created", "started"] and "counts" in changes and len(changes) < 60
    verbs = [message.subject.rsplit(".", 1)[1] async for message in heard(said)]
    assert verbs.count("attempt_claimed") == verbs.count("attempt_ended") == 20
    await bus.close()
    _, text = await metrics(fast)
    assert 'ottb_campaign_attempts{campaign="story_1"} 20.0' in text


async def heard(subscription: Any) -> AsyncIterator[Any]:
    while subscription.pending_msgs:
        yield await subscription.next_msg(1)


async def metrics(client: Client) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {client.token}"}
    await asyncio.sleep(1.1)
    async with client.session.get(client.site.url("ottb", "/metrics"), headers=headers) as answer:
        return answer.status, await answer.text()


async def test_a_stopped_campaign_dials_nobody_any_more(fast: Client) -> None:
    wanted = leads(40, LONG, 100)
    await fast.post(RUN, {"campaign_id": "story_2", "leads": wanted})

    async def explained() -> Any:
        return (await fast.get(f"{ALL}/story_2/explain"))[1]

    busy = await until(explained, lambda found: any(one["reason"] == "slots_busy" for one in found["reasons"]))
    assert sum(one["leads"] for one in busy["reasons"]) == 40
    status, answer = await fast.post(STOP, {"campaign_id": "story_2", "mode": "hangup"})
    assert status == 200 and answer["status"] in ("draining", "stopped")
    before = await dials(fast, wanted)

    async def view() -> Any:
        return (await fast.get(f"{ALL}/story_2"))[1]

    found = await until(view, lambda found: found["status"] == "stopped")
    assert await dials(fast, wanted) == before  # what was claimed and not dialled was called off
    assert found["attempts"] >= max(answer["in_progress"], sum(before.values()), 1) and found["in_progress"] == 0
    again = await fast.post(STOP, {"campaign_id": "story_2"})
    assert again == (200, {"campaign_id": "story_2", "status": "stopped", "in_progress": 0})
    _, rows = await fast.get(f"{ALL}/story_2/leads?limit=1")
    _, one = await fast.get(f"{ALL}/story_2/leads/{rows[0]['lead']['id']}")
    assert one["attempts"][0]["number"] == wanted[0]["number"]
    _, why = await fast.get(f"{ALL}/story_2/leads/{rows[0]['lead']['id']}/explain")
    assert why["reason"] in ("stopped", "done", "retry", "not_dialed")


async def test_a_campaign_of_who_was_deleted_calls_nobody_any_more(admin: Client) -> None:
    maker = await made(admin, "leaver", "supervisor")
    body = {"campaign_id": "story_left", "leads": leads(60, LONG, 600)}
    assert (await maker.post(RUN, body))[1]["status"] == "running"
    assert (await admin.call("DELETE", "/api/users/leaver", part="point"))[0] == 200

    async def paused() -> Any:
        return (await admin.get(f"{ALL}/story_left"))[1]["status"] == "paused"

    await until(paused, bool, 30)
    await admin.post(STOP, {"campaign_id": "story_left", "mode": "hangup"})


async def test_leads_of_16_mib_cross_the_bus_in_parts(fast: Client) -> None:
    wanted: list[dict[str, Any]] = leads(4500, BUSY, 0)  # the numbers repeat after 6,000
    wanted[4400] = {"number": "12"}
    wanted[4450] = wanted[0]
    await fast.post(ALL, {"campaign_id": "story_3", "settings": {"hours": "00:00-00:01", "consent": True}})
    body = {"campaign_id": "story_3", "leads": [lead | {"custom": {"note": "x" * 400}} for lead in wanted]}
    assert len(json.dumps(body)) > 2_000_000
    status, answer = await fast.post(RUN, body)
    assert status == 200, answer
    assert [row["row"] for row in answer["invalid"]] == [4401]
    assert answer["accepted"] + answer["duplicates"] == 4499
    assert (await fast.post(RUN, body))[1]["accepted"] == 0
    too_many = {"campaign_id": "story_3", "leads": [{"number": "1"}] * 100_001}
    assert (await fast.post(RUN, too_many))[1]["details"]["field"] == "leads"
    assert (await fast.post(RUN, {"campaign_id": "story_3", "leads": [{"number": "x" * 17_000_000}]}))[0] == 413
    await fast.post(STOP, {"campaign_id": "story_3"})
    headers = {"Authorization": f"Bearer {fast.token}"}
    url = fast.site.url("ottb", f"{ALL}/story_3/export?format=csv&limit=5")
    async with fast.session.get(url, headers=headers) as table:
        rows = list(csv.DictReader(io.StringIO(await table.text())))
    assert len(rows) == 5 and rows[0]["number"] == "'" + wanted[0]["number"]
    url = fast.site.url("ottb", f"{ALL}/story_3/leads?format=csv")
    async with fast.session.get(url, headers=headers) as table:
        rows = list(csv.DictReader(io.StringIO((await table.read()).decode("utf-8-sig"))))
    assert len(rows) == answer["accepted"] and rows[-1]["status"] == "new"


BAD = [
    (RUN, {"campaign_id": "no blank", "leads": [{"number": "1"}]}, 400, "campaign_id"),
    (RUN, {"campaign_id": "c", "leads": []}, 400, "leads"),
    (RUN, {"campaign_id": "c", "leads": [{"number": "1"}, {"number": 5}]}, 400, "leads[1].number"),
    (RUN, {"campaign_id": "c", "leads": [{"name": "nobody"}]}, 400, "leads[0].number"),
    (RUN, {"campaign_id": "c", "leads": [{"number": "1", "colour": "red"}]}, 400, "leads[0].colour"),
    (ALL, {"campaign_id": "c", "settings": {"hours": "never"}}, 400, "settings.hours"),
    (ALL, {"campaign_id": "c", "settings": {"retry_minutes": {"busy": -1}}}, 400, "settings.retry_minutes.busy"),
    (ALL, {"campaign_id": "c", "settings": {"attempts_per_lead": 0}}, 400, "settings.attempts_per_lead"),
    (STOP, {"campaign_id": "nobodys"}, 404, None),
    (STOP, {"campaign_id": "nobodys", "mode": "softly"}, 400, "mode"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "field"), BAD)
async def test_what_cannot_be_is_refused_by_its_field(
    admin: Client, path: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    code, answer = await admin.post(path, body)
    assert code == status and (answer["details"] or {}).get("field") == field, answer
