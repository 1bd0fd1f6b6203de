"""What entries tell of who somebody is, one after another. Pure.

Whoever may edit a lead changes it for ever: of what it was called no more is held than can be kept of a person.
"""

from collections.abc import Iterator

from actors.erasure.person import MOST_BYTES, MOST_NUMBERS, MOST_TEXTS, Person, joined

MOST = MOST_NUMBERS + MOST_TEXTS  # entries that can add something, each one at least
HELD = 2 * MOST_BYTES  # of the first ones, and of the last


class Gathered:
    """What is `known`, with what is told."""

    def __init__(self, known: Person) -> None:
        self._known = known
        self._leads, self._calls, self._recordings = set[tuple[str, str]](), set[str](), set[str]()
        self._first, self._last = _Held(), _Held()
        self._said = set[str]()  # by the first
        self.told = 0

    def add(self, told: Person) -> None:
        """The next entry's."""
        self.told += 1
        self._leads |= told.leads
        self._calls |= told.calls
        self._recordings |= told.recordings
        says = Person(numbers=told.numbers, texts=told.texts, names=told.names)
        said = [*says.numbers, *says.texts, *says.names]
        if self._said.issuperset(said):
            return
        if self._last.empty and self._first.has_room_for(says):
            self._first.add(says)
            self._said.update(said)
        else:
            self._last.add(says)

    def person(self) -> Person:
        """All that is known now."""
        rest = Person(
            leads=frozenset(self._leads), calls=frozenset(self._calls), recordings=frozenset(self._recordings)
        )
        return joined(self._known, [*self._first, *self._last, rest])

    def left_out(self, person: Person) -> bool:
        """Whether the person is known by less than was told."""
        held = [*self._first, *self._last]
        return self._last.full or any(
            not (one.texts <= person.texts and one.numbers <= person.numbers) for one in held
        )


class _Held:
    """Some of them: the newest, once there are too many."""

    def __init__(self) -> None:
        self._all: dict[Person, int] = {}
        self._bytes = 0
        self.full = False

    @property
    def empty(self) -> bool:
        return not self._all

    def has_room_for(self, one: Person) -> bool:
        return len(self._all) < MOST and self._bytes + _size(one) <= HELD

    def add(self, one: Person) -> None:
        self._bytes += _size(one) - self._all.pop(one, 0)
        self._all[one] = _size(one)
        while len(self._all) > MOST or (self._bytes > HELD and len(self._all) > 1):
            self.full = True
            self._bytes -= self._all.pop(next(iter(self._all)))

    def __iter__(self) -> Iterator[Person]:
        return iter(self._all)


def _size(one: Person) -> int:
    return sum(len(text.encode()) for text in one.texts | one.names)
