"""Files that any host and any gateway can read: in pieces, under keys of a bucket of their own, which forgets them when
they are old. Nobody ever holds more than a piece of one in memory.
"""

import asyncio
import contextlib
import hashlib
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


class FileWriter:
    """A file that is being written, in pieces of a size of its own. The bytes come as they come."""

    def __init__(self, bus: Bus, key: str) -> None:
        self._bus = bus
        self._key = key
        self._waiting = bytearray()
        self._digest = hashlib.sha256()
        self._pieces = 0
        self.size = 0

    async def add(self, data: bytes) -> None:
        """Write what is next. Raises BusError."""
        self._digest.update(data)
        self.size += len(data)
        self._waiting += data
        while len(self._waiting) >= PIECE:
            await self._put(bytes(self._waiting[:PIECE]))
            del self._waiting[:PIECE]

    async def finish(self) -> StoredFile:
        """Write the rest. Raises BusError."""
        if self._waiting:
            await self._put(bytes(self._waiting))
            self._waiting.clear()
        return StoredFile(key=self._key, size=self.size, pieces=self._pieces, digest=self._digest.hexdigest())

    async def undo(self) -> None:
        """Remove what has been written of it, also where that was not answered."""
        await forget(self._bus, pieces_of(self._key, self._pieces + 1))

    async def _put(self, piece: bytes) -> None:
        await put(self._bus, f"{self._key}.{self._pieces}", piece)
        self._pieces += 1


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
