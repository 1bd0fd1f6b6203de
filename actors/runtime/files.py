"""Files that any host and any gateway can read: in pieces, under keys of a bucket of their own, which forgets them when
they are old. Nobody ever holds more than a piece of one in memory.
"""

import asyncio
import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable

from actors.runtime.bus import Bus, BusError, NoResponders, RequestTimeout
from bus_schemas.imports import StoredFile

BUCKET = "OTTB_FILE"
STREAM = f"KV_{BUCKET}"
PIECE = 512 * 1024  # bytes; a message of the bus takes 1 MB
AT_ONCE = 8  # pieces that are removed at once
TRIES = 3


class FileGone(Exception):
    """A piece of the file is not there any more."""

    def __init__(self) -> None:
        super().__init__("the file is not there any more, since it is old or others were larger: send it again")


class PieceWriter(ABC):
    """Bytes that come as they come, sent on in pieces of `most` bytes: no more than one of them is held."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = bytearray()
        self._digest = hashlib.sha256()
        self.size = 0
        self.pieces = 0

    async def add(self, data: bytes) -> None:
        """Write what is next. Raises what `put` raises."""
        self._digest.update(data)
        self.size += len(data)
        self._waiting += data
        while len(self._waiting) >= self._most:
            await self._send(bytes(self._waiting[: self._most]))
            del self._waiting[: self._most]

    async def flush(self) -> str:
        """Write the rest. The SHA-256 of all of it."""
        if self._waiting:
            await self._send(bytes(self._waiting))
            self._waiting.clear()
        return self._digest.hexdigest()

    @abstractmethod
    async def put(self, number: int, piece: bytes) -> None:
        """Send a piece, which is that many behind the first."""

    async def _send(self, piece: bytes) -> None:
        await self.put(self.pieces, piece)
        self.pieces += 1


class FileWriter(PieceWriter):
    """A file that is being written. Raises BusError."""

    def __init__(self, bus: Bus, key: str) -> None:
        super().__init__(PIECE)
        self._bus = bus
        self._key = key

    async def finish(self) -> StoredFile:
        """Write the rest. Raises BusError."""
        digest = await self.flush()
        return StoredFile(key=self._key, size=self.size, pieces=self.pieces, digest=digest)

    async def undo(self) -> None:
        """Remove what has been written of it, also where that was not answered."""
        await forget(self._bus, pieces_of(self._key, self.pieces + 1))

    async def put(self, number: int, piece: bytes) -> None:
        await put(self._bus, f"{self._key}.{number}", piece)


async def put(bus: Bus, key: str, data: bytes) -> None:
    """Set a key, whatever it holds. Raises BusError."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(RequestTimeout):  # once more writes the same
            await bus.put(BUCKET, key, data, expect=None)
            return
    await bus.put(BUCKET, key, data, expect=None)


async def piece(bus: Bus, key: str) -> bytes:
    """What a key holds. Raises FileGone, BusError."""
    for _ in range(TRIES):
        with contextlib.suppress(RequestTimeout, NoResponders):
            found = await bus.get(BUCKET, key)
            if found is None or found.data is None:  # any replica may have answered, and be a moment behind
                found = await bus.get(BUCKET, key, certain=True)
            if found is None or found.data is None:
                raise FileGone()
            return found.data
    raise RequestTimeout(key)


async def read(bus: Bus, key: str, pieces: int) -> AsyncIterator[bytes]:
    """A file, piece by piece. Raises FileGone, BusError."""
    for name in pieces_of(key, pieces):
        yield await piece(bus, name)


def pieces_of(key: str, pieces: int) -> list[str]:
    """The names under which the pieces of a file are."""
    return [f"{key}.{number}" for number in range(pieces)]


async def forget(bus: Bus, keys: Iterable[str]) -> None:
    """Remove what is under these keys, as far as that can be done now: what stays is removed by its age."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def remove(key: str) -> None:
        async with gate:
            with contextlib.suppress(BusError):
                await bus.delete(BUCKET, key)

    await asyncio.gather(*map(remove, keys))
