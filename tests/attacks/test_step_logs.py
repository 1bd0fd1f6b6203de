"""What steps have written is long, and is read by a gateway whose other answers come over the same connection: they
wait for no more than a little of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_streams import OUTPUT
from actors.runtime.bus import ID, Message
from bus_schemas.pipeline_events import OutputLines, output_subject
from gateway.step_outputs import StepOutputs
from tests.support.own_bus import own_bus

ENTRIES, SIZE = 40, 60_000
LOST = 5_000_001  # bytes
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


async def test_what_the_stream_has_forgotten_is_not_made_up_in_one_piece(bus: NatsBus) -> None:
    """A step of six attempts has had 180 MB, of which the last line is there still: the rest are blanks, for each of
    some readers who take none of it."""
    said = OutputLines(pipeline=7, run=1, step="build", first=9, offset=LOST, text="the end\n")
    await bus.outputs.write(SUBJECT, msgspec.json.encode(said), {ID: "last"})
    size = LOST + len(said.text)
    sizes = [len(piece) async for piece in StepOutputs(bus)._text(SUBJECT, b"", size)]
    print(f"{size} bytes in {len(sizes)} pieces, of {max(sizes)} at most")
    assert sum(sizes) == size and max(sizes) <= 64 * 1024
    cut = [piece async for piece in StepOutputs(bus)._text(SUBJECT, b"", LOST)]  # of before the line came
    assert sum(map(len, cut)) == LOST and not b"".join(cut).strip()
