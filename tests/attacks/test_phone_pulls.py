"""A phone whose files never end: it sends pieces of nothing, or of next to nothing, as fast as it can."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from actors.adapters import phone_files
from actors.adapters.adb import AdbClient
from actors.adapters.adb_place import AdbPort
from actors.adapters.phone_files import AdbTools
from actors.slot.phone import PhoneError, PhoneRefused, PhoneUncertain
from tests.support.turns import Others

SECONDS = 10.0  # at most, of a phone that sends without end
READ = 256 * 1024
PIECES = {"nothing": b"DATA\0\0\0\0", "drips": b"DATA\1\0\0\0x", "small": b"DATA\0\2\0\0" + 512 * b"x"}


@pytest.fixture
async def client() -> AsyncIterator[AdbClient]:
    """Of an adb server whose phones answer `RECV` by their names, for as long as they are read, up to SECONDS."""
    asked: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def request() -> str:
            return (await reader.readexactly(int(await reader.readexactly(4), 16))).decode()

        piece = PIECES.get((await request()).rpartition(":")[2], b"")
        writer.write(b"OKAY" + bytes(8))
        await request()
        writer.write(b"OKAY")
        until = time.monotonic() + SECONDS
        with contextlib.suppress(OSError):
            while time.monotonic() < until and not writer.is_closing():
                writer.write((8000 // len(piece) + 1) * piece if piece else b"DATA\x10\0\0\0" + 16 * b"x")
                await writer.drain()
                await asyncio.sleep(0 if piece else 0.05)
        writer.close()

    def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        asked.add(task)
        task.add_done_callback(asked.discard)

    listening = await asyncio.start_server(serving, "127.0.0.1", 0)
    yield AdbClient(AdbPort("127.0.0.1", listening.sockets[0].getsockname()[1]))
    listening.close()
    for task in asked:
        task.cancel()


@pytest.mark.parametrize("name", PIECES)
async def test_pieces_of_next_to_nothing_are_refused_soon(client: AdbClient, name: str) -> None:
    readers = [await AdbTools(client=client, name=name).reader("/sdcard/x") for _ in range(4)]
    others, began = Others(), time.monotonic()
    ended = await asyncio.gather(*(one.read(READ) for one in readers), return_exceptions=True)
    took, turns = time.monotonic() - began, others.end()
    print(f"4 pulls of {name}: refused after {took:.2f} s, others had {turns} turns meanwhile")
    for one in readers:
        one.close()
    assert all(isinstance(one, PhoneRefused) for one in ended) and took < SECONDS / 2


async def test_a_file_that_drips_slowly_has_one_deadline(client: AdbClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_files, "ANSWER_SECONDS", 0.5)
    reader = await AdbTools(client=client, name="slow").reader("/sdcard/x")
    began = time.monotonic()
    with pytest.raises(PhoneUncertain):
        await reader.read(READ)
    reader.close()
    assert time.monotonic() - began < 3.0


async def test_a_file_that_nobody_reads_is_read_no_further(
    client: AdbClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_files, "PIECE_AT_LEAST", 1)
    reader = await AdbTools(client=client, name="small").reader("/sdcard/x")
    reading = asyncio.ensure_future(reader.read(2**30))
    await asyncio.sleep(0.2)
    assert not reading.done()  # others have their turn while it reads
    reader.close()
    with pytest.raises(PhoneError):
        async with asyncio.timeout(2.0):
            await reading
