"""The real JavaScript client loses its connection again and again while much happens, and says where it was."""

import asyncio

import pytest

from tests.support.js_client import JsClient
from tests.support.site import Client, Site

LOSSES, WRITERS = 100, 3
PAUSE = 0.02  # seconds between two notes of a writer
APART = 0.1  # seconds from a subscription to the next loss


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_hundred_lost_connections_miss_nothing_and_repeat_nothing(site: Site, operator: Client) -> None:
    _, started = await operator.post("/api/call/start", {"number": "+380991230001"})
    added, over = list[str](), asyncio.Event()

    async def write() -> None:
        while not over.is_set():
            body = {"call_id": started["call_id"], "text": "again"}
            status, note = await operator.post("/api/crm/note", body, part="workspace")
            assert status == 201, note
            added.append(note["note"])
            await asyncio.sleep(PAUSE)

    async with JsClient(site.url("workspace", ""), operator.token) as client:
        await client.expect(lambda said: said.get("connected"))
        first = (await client.ask("subscribe:notes", {"call_id": started["call_id"]}))["seq"]
        last = first

        def heard() -> list[tuple[int, str]]:
            return [(one["seq"], one["data"]["note"]) for one in client.events("note.update")]

        async with asyncio.TaskGroup() as tasks:
            for _ in range(WRITERS):
                tasks.create_task(write())
            for _ in range(LOSSES):
                await asyncio.sleep(APART)
                client.tell(drop=True)
                await client.expect(lambda said: "disconnected" in said)
                await client.expect(lambda said: said.get("connected"))
                last = max([last, *(seq for seq, _ in heard())])
                ack = await client.ask("subscribe:notes", {"call_id": started["call_id"], "since": last})
                assert ack["error"] is False, ack
            over.set()
        async with asyncio.timeout(30):
            while len(heard()) < len(added):
                await client.expect(lambda said: said.get("name") == "note.update", 30.0)
        found = heard()
    numbers = [seq for seq, _ in found]
    print(f"{LOSSES} connections lost, {len(added)} notes meanwhile: {len(found)} heard")
    assert numbers == sorted(set(numbers)) and numbers[0] > first
    assert sorted(note for _, note in found) == sorted(added)
