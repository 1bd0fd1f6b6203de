"""Values that do not fit into one message of the bus: in pieces, under keys beside the one that says which they are.

There are two places, `a` and `b`. A new value is written to the one that the last was not written to, then the key is
set, then the pieces of the last one go. So whoever ends between any two of these steps leaves a key that says what is
there. Two who write at once may mix their pieces, and the bucket may forget some: each is known by its digest, so such
a value is as good as none.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from actors.runtime.bus import Bus, BusError

SIZE = 64 * 1024  # bytes from which on a piece is full: to make one, or read it, is a turn of a millisecond
Place = Literal["a", "b"]


class Pieces(Struct, frozen=True):
    """Where the pieces of a value are, and the digest of each in its order."""

    place: Place
    digests: tuple[str, ...]


class Missing(Exception):
    """A piece is not there, or is of another value."""


async def write(bus: Bus, bucket: str, key: str, pieces: Iterable[bytes], *, last: Pieces | None) -> Pieces:
    """Write the pieces of a value, one in a turn, beside the `last` ones. Raises BusError."""
    place: Place = "b" if last is not None and last.place == "a" else "a"
    digests = list[str]()
    for piece in pieces:
        await bus.put(bucket, f"{key}.{place}.{len(digests)}", piece, expect=None)
        digests.append(digest(piece))
    return Pieces(place, tuple(digests))


async def put(
    bus: Bus, bucket: str, key: str, pieces: Iterable[bytes], head: Callable[[Pieces], bytes], *, last: Pieces | None
) -> None:
    """Write the pieces of a value, set the key to its `head`, which says where they are, and have the `last` ones go.
    Raises BusError."""
    there = await write(bus, bucket, key, pieces, last=last)
    await bus.put(bucket, key, head(there), expect=None)
    if last is not None:
        await forget(bus, bucket, key, last)


async def read(bus: Bus, bucket: str, key: str, pieces: Pieces) -> AsyncIterator[bytes]:
    """The pieces of a value. Raises Missing, BusError."""
    for name, known in zip(_names(key, pieces), pieces.digests, strict=True):
        found = await bus.get(bucket, name)
        if found is None or found.data is None or digest(found.data) != known:
            raise Missing(f"{name} is not there, or of another value")
        yield found.data


async def forget(bus: Bus, bucket: str, key: str, pieces: Pieces) -> None:
    """Remove the pieces of a value, as far as that can be done now."""
    for name in _names(key, pieces):
        with contextlib.suppress(BusError):
            await bus.delete(bucket, name)


def _names(key: str, pieces: Pieces) -> list[str]:
    return [f"{key}.{pieces.place}.{number}" for number in range(len(pieces.digests))]


def digest(piece: bytes) -> str:
    """By which a piece is known."""
    return blake2b(piece, digest_size=16).hexdigest()
