"""A campaign on a whole site that dials more calls than there are operators ready, on a virtual PBX or a real one."""

from collections.abc import Sequence
from typing import Any

from simulators.carrier.rules import mobile
from tests.support.site import Client, until

ALL, RUN, ME = "/api/autodialer/campaigns", "/api/autodialer/run-campaign", "/api/operators/me"
NUMBERS = tuple(mobile(place, "2004") for place in range(9800, 9803))  # that are nobody else's here


async def taken_to_an_operator(operator: Client, admin: Client, name: str, extension: str = "601") -> None:
    """One who is ready gets one of two who answer at once, at their own extension; the other one is let go."""
    patched = await admin.call("PATCH", f"/api/users/{name}", {"extension": extension}, part="point")
    assert patched[0] == 200, patched
    carriers = {"slots": None, "trunks": {"trunks": ["trunk-1"]}}
    settings = {
        "operators": "team", "mode": "power", "ratio": 3, "abandoned_share": 1, "attempts_per_lead": 1,
        "carriers": carriers,
    }  # fmt: skip
    assert (await admin.post(ALL, {"campaign_id": "joins_1", "settings": settings}))[0] == 201
    await _ready(operator)
    found = await _ran(operator, admin, NUMBERS[:1])
    assert (found["answered"], found["abandoned"]) == (1, 0)
    await _ready(operator)
    found = await _ran(operator, admin, NUMBERS[1:])
    assert (found["attempts"], found["answered"], found["abandoned"]) == (3, 3, 1)
    _, explained = await admin.get(f"{ALL}/joins_1/explain")
    assert (explained["mode"], explained["fallback"], explained["no_extension"]) == ("power", None, [])
    await operator.post(f"{ME}/status", {"status": "offline"})
    _, records = await admin.get("/api/pbx/cdr?campaign=joins_1")
    assert [record["slot"] for record in records] == [None] * 3
    joined = [(record["operator"], record["extension"], record["trunk"]) for record in records]
    assert sorted(joined, key=str) == [(name, extension, "trunk-1")] * 2 + [(None, None, "trunk-1")]
    for record in records:
        assert record["answer_time"] is not None
        assert record["operator"] is not None or record["talk_seconds"] <= 4, record
    assert {record["reason"] for record in records if record["operator"]} == {"hangup_remote"}


async def _ready(operator: Client) -> None:
    async def look() -> Any:
        await operator.post(f"{ME}/status", {"status": "ready"})
        return (await operator.get(ME))[1]

    await until(look, lambda found: found["status"] == "ready", 30)


async def _ran(operator: Client, admin: Client, numbers: Sequence[str]) -> Any:
    """The campaign, once it has called them."""
    body = {"campaign_id": "joins_1", "leads": [{"number": number} for number in numbers]}
    assert (await admin.post(RUN, body))[0] == 200

    async def view() -> Any:
        await operator.get(ME)  # which says that they are there
        return (await admin.get(f"{ALL}/joins_1"))[1]

    return await until(view, lambda found: found["status"] == "finished", 60)
