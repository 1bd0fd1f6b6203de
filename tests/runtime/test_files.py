"""Files in pieces: what goes in comes out, and what is gone is said to be."""

import asyncio
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime import files
from actors.runtime.files import FileGone, FileWriter
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.loop import SimLoop, run
from tests.support.depth import examples


def bus() -> MemoryBus:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return MemoryBus(MemoryBroker(clock=SimClock(loop)))


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=20))
def test_what_goes_in_comes_out_in_pieces_of_one_size(given: list[bytes]) -> None:
    async def story() -> None:
        one, whole = bus(), b"".join(given)
        writer = FileWriter(one, "f")
        for data in given:
            await writer.add(data)
        stored = await writer.finish()
        assert (stored.size, stored.digest) == (len(whole), hashlib.sha256(whole).hexdigest())
        pieces = [piece async for piece in files.read(one, stored.key, stored.pieces)]
        assert b"".join(pieces) == whole and {len(piece) for piece in pieces[:-1]} <= {files.PIECE}
        await files.forget(one, files.pieces_of(stored.key, stored.pieces))
        for name in files.pieces_of(stored.key, stored.pieces):
            with pytest.raises(FileGone):
                await files.piece(one, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PIECE", 16)
        run(story, 1)


def test_what_was_broken_off_leaves_nothing() -> None:
    async def story() -> None:
        one = bus()
        writer = FileWriter(one, "f")
        await writer.add(bytes(3 * files.PIECE + 5))
        await writer.undo()
        for name in files.pieces_of("f", 4):
            with pytest.raises(FileGone):
                await files.piece(one, name)

    run(story, 1)
