"""What the tests of trunks under load share: callers, and the judge of what they were told."""

import asyncio
import json
from collections import Counter
from typing import Any

import aiohttp

from actors.adapters.nats_bus import NatsBus
from tests.support.site import Client, Site, until

SLOTS: dict[int, str | None] = {11: None}
LIMITS = """
[calls]
lost_timeout = 20.0
[dial]
user_pool_share = 1.0
extension_calls = 10000
user_calls_per_minute = 100000
user_concurrent_calls = 10000
"""
TRUNK = """
[[trunks]]
name = "trunk-1"
endpoint = "trunk-1"
channels = 2000
calls_per_second = 1000
"""


async def dial(client: Client, number: str) -> str | None:
    """The call's id, if it was acknowledged."""
    body = {"from": "slot_11", "to": number, "trunk": "trunk-1"}
    try:
        async with asyncio.timeout(12):
            status, answer = await client.post("/api/pbx/dial", body)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    assert status != 400, answer
    return answer["call_id"] if status == 201 else None


async def usable(client: Client, seconds: float = 30.0) -> None:
    """Until the trunk may carry calls."""

    async def look() -> Any:
        return (await client.get("/api/pbx/status"))[1]

    await until(look, lambda answer: all(trunk["state"] != "DOWN" for trunk in answer["trunks"]), seconds)


async def live(client: Client) -> int:
    return len((await client.get("/api/calls/feed?limit=500"))[1])


async def records(client: Client, ids: list[str]) -> list[dict[str, Any]]:
    """The record of each call. Fails where there is none."""
    found = []
    for call_id in ids:
        status, record = await client.get(f"/api/pbx/cdr/{call_id}")
        assert status == 200, (call_id, record)
        found.append(record)
    return found


async def terminal_events(site: Site) -> Counter[str]:
    """Terminal events in the journal, by call."""
    password = json.loads((site.state / "secrets.json").read_text())["core"]
    bus = await NatsBus.connect(f"nats://127.0.0.1:{site.nats_port}", name="judge", user="core", password=password)
    found: Counter[str] = Counter()
    async for recorded in bus.replay("ottb.v1.evt.call.*.*.ended"):
        found[recorded.subject.split(".")[5]] += 1
    await bus.close()
    return found
