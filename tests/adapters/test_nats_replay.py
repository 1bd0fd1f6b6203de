"""What a replay asks the server for: a wildcard costs it a look through the subjects of a block for each entry."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_reading import FIGURES, JOURNAL, LOG, OUTPUT
from actors.runtime.bus import Message
from bus_schemas.log import LOG_SCOPE
from bus_schemas.monitor import FIGURES_SCOPE
from bus_schemas.pipeline_events import OUTPUT_SCOPE
from tests.support.own_bus import own_bus


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[NatsBus]:
    async with own_bus(tmp_path) as bus:
        yield bus


async def _asked(bus: NatsBus, name: str, scope: str) -> set[str]:
    """What entries are sought by when a stream is read."""
    queries = list[bytes]()

    async def hear(message: Message) -> None:
        queries.append(message.data)

    stop = await bus.subscribe(f"$JS.API.DIRECT.GET.{name}", hear)
    await bus.size()  # by now the server has heard of it
    stream = {JOURNAL: bus, LOG: bus.log, FIGURES: bus.figures, OUTPUT: bus.outputs}[name]
    assert [entry async for entry in stream.replay(scope)] == []
    await stop()
    return {msgspec.json.decode(query)["next_by_subj"] for query in queries}


@pytest.mark.parametrize(
    ("name", "scope"),
    [(JOURNAL, "ottb.v1.evt.>"), (LOG, LOG_SCOPE), (FIGURES, FIGURES_SCOPE), (OUTPUT, OUTPUT_SCOPE)],
)
async def test_a_whole_stream_is_read_by_no_subject(bus: NatsBus, name: str, scope: str) -> None:
    assert await _asked(bus, name, scope) == {">"}


async def test_a_part_of_a_stream_is_read_by_its_subject(bus: NatsBus) -> None:
    assert await _asked(bus, JOURNAL, "ottb.v1.evt.call.>") == {"ottb.v1.evt.call.>"}
