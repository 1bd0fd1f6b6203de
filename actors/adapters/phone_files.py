"""A phone's files, apps and log over adb: the `PhoneTools` port.

The file service (`sync:`, AOSP file_sync_protocol.h) is spoken here and not by adbutils, whose `push` hands pieces of
4 KB to `send()` of a socket with a timeout, which may take a part of one: a large file would arrive damaged. Here each
piece has a deadline, waits for its reader, and nothing takes a thread.
"""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from actors.adapters.adb import AdbClient, AdbServerGone, Wire
from actors.by_hand.port import FileStat
from actors.runtime.turns import Turns
from actors.script.quoting import NotSendable, line
from actors.slot.phone import PhoneRefused, PhoneUncertain, PhoneUnreachable, ShellResult

Answer = TypeVar("Answer")

ANSWER_SECONDS = 15.0  # for what a phone says, and for a piece that it takes or gives
FINISH_SECONDS = 25.0  # its storage may be slow
CHUNK = 64 * 1024  # bytes of one DATA
SMALL_PIECES, PIECE_AT_LEAST = 16, 1024  # DATA of one read: so many of any size, and one more for so many bytes
SAID_LIMIT = 4096

_HEAD = struct.Struct("<4sI")
_STAT = struct.Struct("<4sIQQIIIIQqqq")


class SyncReader:
    """A file that comes. `read` gives what is there, whole chunks or a part of one, within one deadline. A phone may
    send what it likes as fast as it can: others have their turn meanwhile, and pieces that are nothing or next to
    nothing, of which it could send any number, are refused."""

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire = wire
        self._name = name
        self._rest = b""
        self._done = False
        self._closed = False
        self._turns = Turns()

    async def read(self, most: int) -> bytes:
        return await _answered(self._read(most), self._name, ANSWER_SECONDS)

    async def _read(self, most: int) -> bytes:
        data, pieces = bytearray(), SMALL_PIECES + most // PIECE_AT_LEAST
        while len(data) < most and not self._done:
            if not self._rest:
                pieces -= 1
                self._rest = await self._chunk(pieces)
            room = most - len(data)
            data += self._rest[:room]
            self._rest = self._rest[room:]
        return bytes(data)

    async def _chunk(self, pieces: int) -> bytes:
        """The next, of which there may be so many more."""
        if self._closed:
            raise PhoneUnreachable(f"{self._name}: nobody reads the file any more")
        word, length = _HEAD.unpack(await self._wire.reader.readexactly(_HEAD.size))
        if word == b"DATA" and 0 < length <= CHUNK and pieces >= 0:
            data = await self._wire.reader.readexactly(length)
            await self._turns.after(length)
            return data
        if word == b"DONE":
            self._done = True
            return b""
        if word == b"DATA":
            raise PhoneRefused(f"{self._name}: it sends a file in pieces that no phone makes")
        raise await _refused(self._wire, word, length, self._name)

    def close(self) -> None:
        self._closed = True
        self._wire.close()


class SyncWriter:
    """A file that goes. What is closed before it is finished, the phone's adbd removes."""

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire = wire
        self._name = name

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            chunk = data[start : start + CHUNK]
            sent = self._wire.send(_HEAD.pack(b"DATA", len(chunk)) + chunk)
            await _answered(sent, self._name, ANSWER_SECONDS)

    async def finish(self) -> None:
        await _answered(self._finish(), self._name, FINISH_SECONDS)
        self._wire.close()

    async def _finish(self) -> None:
        await self._wire.send(_HEAD.pack(b"DONE", int(time.time())))
        word, length = _HEAD.unpack(await self._wire.reader.readexactly(_HEAD.size))
        if word != b"OKAY":
            raise await _refused(self._wire, word, length, self._name)

    def close(self) -> None:
        self._wire.close()


class AdbTools:
    """One phone of an adb server, by the name that its slot has for it."""

    def __init__(self, *, client: AdbClient, name: str) -> None:
        self._client = client
        self._name = name

    async def stat(self, path: str) -> FileStat | None:
        wire = await self._asked(b"LST2", path)
        try:
            answer = await _answered(wire.reader.readexactly(_STAT.size), self._name, ANSWER_SECONDS)
        finally:
            wire.close()
        word, error, _, _, mode, _, _, _, size, *_ = _STAT.unpack(answer)
        if word != b"LST2":
            raise PhoneRefused(f"{self._name}: its file service is too old")
        return None if error else FileStat(mode=mode, size=size)

    async def reader(self, path: str) -> SyncReader:
        return SyncReader(await self._asked(b"RECV", path), self._name)

    async def writer(self, path: str, mode: int) -> SyncWriter:
        return SyncWriter(await self._asked(b"SEND", f"{path},{mode}"), self._name)

    async def run(self, words: Sequence[str], *, timeout: float, most: int = 64 * 1024) -> ShellResult:
        return await self._client.shell(self._name, self._line(words), timeout=timeout, max_output=most)

    def lines(self, words: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        return self._client.lines(self._name, self._line(words))

    def _line(self, words: Sequence[str]) -> str:
        try:
            return line(words)
        except NotSendable as error:
            raise PhoneRefused(f"{self._name}: {error}") from None

    async def _asked(self, word: bytes, argument: str) -> Wire:
        wire = await self._client.open_service(self._name, "sync:")
        said = argument.encode()
        try:
            await _answered(wire.send(_HEAD.pack(word, len(said)) + said), self._name, ANSWER_SECONDS)
        except BaseException:
            wire.close()
            raise
        return wire


async def _answered(work: Awaitable[Answer], name: str, seconds: float) -> Answer:
    """What comes of a step, within its time."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise PhoneUncertain(f"{name}: its file service says nothing for {seconds:g} s") from None
    except (OSError, asyncio.IncompleteReadError, AdbServerGone) as error:
        raise PhoneUnreachable(f"{name}: the connection for files broke off: {error!r}") from None


async def _refused(wire: Wire, word: bytes, length: int, name: str) -> PhoneRefused:
    """What the phone says instead."""
    if word != b"FAIL" or length > SAID_LIMIT:
        return PhoneRefused(f"{name}: no answer of a file service: {word!r}")
    said = (await wire.reader.readexactly(length)).decode(errors="replace")
    return PhoneRefused(f"{name}: {said}")
