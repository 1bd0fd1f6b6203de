"""What a step writes gets to its stream in whole lines, numbered, soon, and all of it."""

import asyncio
from typing import cast

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.runner.output import PIECE, Output
from bus_schemas.pipeline_events import OutputLines, output_subject
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.loop import SimLoop, run

SUBJECT = output_subject(1, 2, "a")
PATIENCE = 30.0


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus(MemoryBroker(clock=SystemClock()))


def output_on(bus: MemoryBus, *, anew: bool = False) -> Output:
    return Output(bus=bus, ids=RandomIds(), pipeline=1, run=2, step="a", patience=PATIENCE, anew=anew)


async def said(bus: MemoryBus) -> list[OutputLines]:
    return [msgspec.json.decode(entry.data, type=OutputLines) async for entry in bus.outputs.replay(SUBJECT)]


async def test_lines_are_numbered_and_their_bytes_follow_each_other(bus: MemoryBus) -> None:
    output = output_on(bus)
    written = b"".join(f"line {number} \xd1\x8f\n".encode() for number in range(5000)) + "кінець".encode()
    for at in range(0, len(written), 777):  # also in the middle of a letter
        await output.write(written[at : at + 777])
    await output.close()
    found = await said(bus)
    assert "".join(one.text for one in found).encode() == written
    assert output.lines == 5000
    first = offset = 0
    for one in found:
        assert (one.first, one.offset) == (first + 1, offset) and len(one.text.encode()) <= PIECE
        first, offset = first + one.text.count("\n"), offset + len(one.text.encode())
    assert all(one.text.endswith("\n") for one in found[:-1])


async def test_a_line_is_on_its_way_before_the_step_ends(bus: MemoryBus) -> None:
    output = output_on(bus)
    await output.write(b"one\ntw")
    async with asyncio.timeout(2):
        while not (found := await said(bus)):
            await asyncio.sleep(0.01)
    assert [one.text for one in found] == ["one\n"]
    await output.close()
    assert [one.text for one in await said(bus)] == ["one\n", "tw"]


async def test_a_line_without_an_end_does_not_stay_in_memory(bus: MemoryBus) -> None:
    output = output_on(bus)
    for _ in range(40):
        await output.write(b"x" * 20_000)
    await output.close()
    found = await said(bus)
    assert sum(len(one.text) for one in found) == 800_000 and len(found) > 10


async def test_nothing_is_lost_while_the_bus_stores_nothing(bus: MemoryBus) -> None:
    output = output_on(bus)
    bus._broker.stuck = True
    await output.write(b"one\n")
    await asyncio.sleep(0.2)
    bus._broker.stuck = False
    await output.close()
    assert [one.text for one in await said(bus)] == ["one\n"]


@pytest.mark.parametrize("seconds", [PATIENCE - 8, 10 * PATIENCE])
def test_what_a_run_that_goes_on_writes_is_not_lost(seconds: float) -> None:
    """While the bus is away for less than a run goes on unheard; after that, nobody waits for each piece anew."""

    async def scenario() -> tuple[list[str], float]:
        loop = asyncio.get_running_loop()
        bus = MemoryBus(MemoryBroker(clock=SimClock(cast(SimLoop, loop))))
        output, began = output_on(bus), loop.time()
        bus._broker.full = True
        loop.call_later(seconds, setattr, bus._broker, "full", False)
        for number in range(5):
            await output.write(f"{number}\n".encode() * PIECE)
        await output.close()
        return [one.text for one in await said(bus)], loop.time() - began

    found, took = run(scenario, 1)
    print(f"a bus that is away for {seconds:g} s: {len(found)} pieces, over after {took:.0f} s")
    whole = "".join(f"{number}\n" * PIECE for number in range(5))
    assert "".join(found) == (whole if seconds < PATIENCE else "") and took < 4 * PATIENCE


@pytest.mark.parametrize("before", ["one\ntwo\n", "one\ntw", ""])
async def test_what_a_run_writes_that_is_begun_anew_comes_behind(bus: MemoryBus, before: str) -> None:
    """Else readers take it for what they have: the log would say what the attempt before has written."""
    for text, anew in ((before, False), ("three\n", True), ("four\n", True)):
        output = output_on(bus, anew=anew)
        await output.write(text.encode())
        await output.close()
    found, lines = await said(bus), output.lines
    begun = "[ottb] the run is begun anew\n"
    start = "" if before.endswith("\n") or not before else "\n"
    whole = f"{before}{start}{begun if before else ''}three\n{begun}four\n"
    assert "".join(one.text for one in found) == whole and lines == whole.count("\n")
    at, first = 0, 1
    for one in found:
        assert (one.offset, one.first) == (at, first)
        at, first = at + len(one.text.encode()), first + one.text.count("\n")
