"""A campaign with operators on a whole site: who is ready over HTTP gets calls, with the campaign and the lead."""

from datetime import UTC, datetime
from typing import Any

from simulators.carrier.rules import mobile
from tests.support.site import Client, until
from tests.support.team_calls import NUMBERS, taken_to_an_operator

ALL, RUN = "/api/autodialer/campaigns", "/api/autodialer/run-campaign"
FIRST = 9700  # numbers that are nobody else's here
TALKS, BUSY = "2002", "0001"
TIMES = ("talk", "wrap_up", "idle")


async def test_calls_that_are_answered_are_those_of_ready_operators(operator: Client, admin: Client) -> None:
    began, settings = datetime.now(UTC), {"operators": "team", "mode": "predictive", "attempts_per_lead": 1}
    assert (await admin.post(ALL, {"campaign_id": "team_1", "settings": settings}))[0] == 201
    numbers = [mobile(FIRST, TALKS), mobile(FIRST + 1, BUSY), mobile(FIRST + 2, TALKS)]
    body = {"campaign_id": "team_1", "leads": [{"number": number} for number in numbers]}
    assert (await admin.post(RUN, body))[0] == 200
    _, explained = await admin.get(f"{ALL}/team_1/explain")
    [why] = explained["reasons"]  # operators of other stories serve every campaign, and are at a break
    assert why["reason"] in ("no_operators", "no_operator_ready") and why["leads"] == 3
    assert (await operator.post("/api/operators/me/status", {"status": "ready"}))[1]["status"] == "ready"
    seen = list[dict[str, Any]]()

    async def me() -> Any:
        """How they are, who are ready again as soon as they have talked."""
        _, found = await operator.get("/api/operators/me")
        seen.append(found)
        if found["status"] == "wrap_up":
            await operator.post("/api/operators/me/status", {"status": "ready"})
        return found

    async def view() -> Any:
        await me()
        return (await admin.get(f"{ALL}/team_1"))[1]

    first = await until(me, lambda found: found["calls"] and found["calls"][0]["lead"] is not None, 30)
    assert (first["status"], first["calls"][0]["campaign_id"]) == ("on_call", "team_1")
    _, explained = await admin.get(f"{ALL}/team_1/explain")
    assert (explained["mode"], explained["fallback"]) == ("progressive", "own_lines")
    shown = await until(view, lambda found: found["mode"] is not None)
    assert (shown["mode"], shown["fallback"]) == ("progressive", "own_lines")
    talk = first["calls"][0]
    for who in (admin, operator):
        _, lead = await who.get(f"{ALL}/team_1/leads/{talk['lead']}")
        assert lead["attempts"][0]["number"] == talk["number"] and talk["number"] in numbers
        _, call = await who.get(f"/api/call/{talk['call_id']}")
        assert (call["operator"], call["number"]) == (first["user"], talk["number"])
    other = next(one["lead"]["id"] for one in (await admin.get(f"{ALL}/team_1/leads"))[1] if not one["attempts"])
    assert (await operator.get(f"{ALL}/team_1/leads/{other}"))[0] == 404
    found = await until(view, lambda found: found["status"] == "finished", 60)
    await operator.post("/api/operators/me/status", {"status": "offline"})
    assert (found["attempts"], found["answered"], found["abandoned"]) == (3, 2, 0)
    hours = [
        hour for day in {began.date(), datetime.now(UTC).date()}
        for hour in (await admin.get(f"{ALL}/team_1/report?day={day}"))[1]
    ]  # fmt: skip
    talked_for, wrap_up, idle = (sum(hour[f"operators_{what}_seconds"] for hour in hours) for what in TIMES)
    assert talked_for >= 2 and abs(talked_for - found["talk_seconds"]) <= 2 and wrap_up >= 0
    assert 0 < idle <= (datetime.now(UTC) - began).total_seconds() + 1
    talked = {call["lead"] for one in seen for call in one["calls"]} - {None}  # which is said once they are joined
    assert len(talked) == 2
    dials = await admin.phones("GET", "/dials")
    assert [dials[number] for number in numbers] == [1, 1, 1]


async def test_of_two_who_answer_one_is_taken_to_who_is_ready(operator: Client, admin: Client) -> None:
    await taken_to_an_operator(operator, admin, "op12")
    log = [call for call in await admin.pbx("GET", "/log") if call["number"] in NUMBERS]
    assert sorted(call["exten"] for call in log) == ["601", "601", "wait"]


async def test_an_operator_looks_at_a_lead_and_begins_it(operator: Client, admin: Client) -> None:
    settings = {"operators": "team", "mode": "preview", "attempts_per_lead": 1}
    assert (await admin.post(ALL, {"campaign_id": "team_2", "settings": settings}))[0] == 201
    number, one = mobile(FIRST + 10, TALKS), f"{ALL}/team_2/preview"
    body = {"campaign_id": "team_2", "leads": [{"number": number}]}
    assert (await admin.post(RUN, body))[0] == 200

    async def shown() -> Any:
        return await operator.post(one, {})

    for status in ("ready", "offline"):  # from now on they are an operator, who is told of the campaign
        await operator.post("/api/operators/me/status", {"status": status})
    await until(shown, lambda found: found[1]["code"] == "CONFLICT")
    await operator.post("/api/operators/me/status", {"status": "ready"})
    status, lead = await until(shown, lambda found: found[0] == 200)
    assert (status, lead["number"], lead["begun"]) == (200, number, False)
    assert (await operator.post(f"{one}/begin", {"lead": "lead_of_nobody"}))[1]["code"] == "CONFLICT"
    assert (await operator.post(f"{one}/begin", {"lead": lead["lead"]}))[1]["begun"] is True

    async def view() -> Any:
        return (await admin.get(f"{ALL}/team_2"))[1]

    found = await until(view, lambda found: found["status"] == "finished", 30)
    await operator.post("/api/operators/me/status", {"status": "offline"})
    assert (found["attempts"], found["answered"]) == (1, 1)
