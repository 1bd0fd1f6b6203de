"""What is known of who is being erased, beside the journal, until all is done.

It is set once, since what is set again may stay on a disk. A number may be in any number of leads and calls, and a
value of a bucket is no longer than a message: these are in parts, which are there before the rest is.
"""

from collections.abc import AsyncIterator, Iterator
from itertools import count, islice
from typing import Any

import msgspec

from actors.erasure.person import Person, together
from actors.runtime.bus import Bus, Fenced
from actors.runtime.marks import BUCKET

PART = 4_000  # leads, calls and so on, of 150 bytes at most each
MANY = ("leads", "calls", "recordings", "had")  # fields of a person that are in parts


class Known:
    """Of all erasures."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def asked(self, erasure: str) -> Person:
        """Whose numbers were asked for. Raises BusError."""
        return await self._get(erasure) or Person()

    async def person(self, erasure: str) -> Person | None:
        """All that is known of them. None: it is not yet gathered. Raises BusError."""
        person = await self._get(_whole(erasure))
        return person and together([person, *[part async for part in self._parts(erasure)]])

    async def keep(self, erasure: str, person: Person) -> None:
        """Raises Fenced (another one has kept it), BusError."""
        there = together([part async for part in self._parts(erasure)])  # by who was killed before all was
        places = count()
        for part in _in_parts(person, there):
            await self._put_next(erasure, places, part)
        rest = msgspec.structs.replace(person, **dict.fromkeys(MANY, frozenset()))
        await self._bus.put(BUCKET, _whole(erasure), msgspec.json.encode(rest), expect=0)

    async def _put_next(self, erasure: str, places: Iterator[int], part: Person) -> None:
        for place in places:
            try:
                await self._bus.put(BUCKET, _part(erasure, place), msgspec.json.encode(part), expect=0)
                return
            except Fenced:
                continue

    async def forget(self, erasure: str) -> None:
        """The last part first, so that none is there behind one that is gone. Raises NotErased, BusError."""
        parts = len([part async for part in self._parts(erasure)])
        for key in (*(_part(erasure, place) for place in reversed(range(parts))), _whole(erasure), erasure):
            await self._bus.erase(BUCKET, key)

    async def _parts(self, erasure: str) -> AsyncIterator[Person]:
        for place in count():
            if (part := await self._get(_part(erasure, place))) is None:
                return
            yield part

    async def _get(self, key: str) -> Person | None:
        found = await self._bus.get(BUCKET, key, certain=True)
        return None if found is None or found.data is None else msgspec.json.decode(found.data, type=Person)


def _in_parts(person: Person, there: Person) -> Iterator[Person]:
    """What is not yet there."""
    each = ((field, one) for field in MANY for one in sorted(getattr(person, field) - getattr(there, field)))
    while some := list(islice(each, PART)):
        fields: dict[str, Any] = {field: frozenset(one for of, one in some if of == field) for field in MANY}
        yield Person(**fields)


def _whole(erasure: str) -> str:
    return f"{erasure}-whole"


def _part(erasure: str, place: int) -> str:
    return f"{erasure}-part-{place}"
