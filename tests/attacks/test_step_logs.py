"""What steps have written is long, and is read by a gateway whose other answers come over the same connection: they
wait for no more than a little of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_streams import OUTPUT
from actors.runtime.bus import ID, Message
from bus_schemas.pipeline_events import output_subject
from tests.support.own_bus import own_bus

ENTRIES, SIZE = 40, 60_000
READERS, MOST = 4, 2 * 2**20  # of one user, and bytes that may stand before others' answers
SUBJECT = output_subject(7, 1, "build")


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[NatsBus]:
    async with own_bus(tmp_path) as bus:
        yield bus


async def test_others_answers_wait_for_little_of_a_long_log(bus: NatsBus) -> None:
    for number in range(ENTRIES):
        await bus.outputs.write(SUBJECT, b"x" * SIZE, {ID: f"n{number}"})
    asked: list[bytes] = []

    async def hear(message: Message) -> None:
        asked.append(message.data)

    stop = await bus.subscribe(f"$JS.API.DIRECT.GET.{OUTPUT}", hear)
    read = [len(entry.data) async for entry in bus.outputs.replay(SUBJECT)]
    await stop()
    most = max(msgspec.json.decode(one)["max_bytes"] for one in asked)
    print(f"{len(read)} entries in {len(asked)} questions, {most} bytes at once: {READERS * most} by {READERS} readers")
    assert read == [SIZE] * ENTRIES and len(asked) > 1 and READERS * (most + 64 * 1024) <= MOST
