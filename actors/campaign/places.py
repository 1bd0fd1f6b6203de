"""Many things in their order as one value: with one of 100,000 changed, the new value shares nearly all with the old.

Pure. Two levels of tuples: a change copies one of each, some 4 kB.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

SIZE = 256  # things of a part; all parts but the last are full

Thing = TypeVar("Thing")
Places = tuple[tuple[Thing, ...], ...]


def count(places: Places[Thing]) -> int:
    """How many there are."""
    return (len(places) - 1) * SIZE + len(places[-1]) if places else 0


def at(places: Places[Thing], place: int) -> Thing:
    """The thing at a place, from 0. Raises IndexError."""
    return places[place // SIZE][place % SIZE]


def each(places: Places[Thing], first: int = 0) -> Iterator[Thing]:
    """All from a place on, in their order."""
    part, inside = divmod(first, SIZE)
    return islice(chain.from_iterable(places[part:]), inside, None)


class Changes(Generic[Thing]):
    """Many changes at once: each part of which something changes is copied once."""

    def __init__(self, places: Places[Thing]) -> None:
        self._places = places
        self._copied: dict[int, list[Thing]] = {}

    def part(self, place: int) -> tuple[list[Thing], int]:
        """A part as it is by now, to be changed at an index: where a place is. Raises IndexError."""
        part, inside = divmod(place, SIZE)
        things = self._copied.get(part)
        if things is None:
            things = self._copied[part] = [*self._places[part]]
        return things, inside

    def done(self) -> Places[Thing]:
        """The new value."""
        parts = [*self._places]
        for part, things in self._copied.items():
            parts[part] = tuple(things)
        return tuple(parts)


def changed(places: Places[Thing], place: int, thing: Thing) -> Places[Thing]:
    """With another thing at a place."""
    changes = Changes(places)
    things, inside = changes.part(place)
    things[inside] = thing
    return changes.done()


def extended(places: Places[Thing], things: Iterable[Thing]) -> Places[Thing]:
    """With more at the end."""
    full = places[:-1] if places and len(places[-1]) < SIZE else places
    more = (*places[len(full)], *things) if len(full) < len(places) else tuple(things)
    return (*full, *(more[first : first + SIZE] for first in range(0, len(more), SIZE)))
