"""Whose turn it is where several wait for the same lines. Pure: the moment comes in.

Lines go by priority, except that one in ten goes to those below, where they wait for lines too: nobody starves.
Among equals they go by weight (stride scheduling): each line moves whoever gets it on by one over their weight, and who
is the farthest behind is next. Who was away begins where the others are, and saves nothing up.
"""

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

ONE_IN = 10  # lines, of which those below get one
AWAY = 2.0  # seconds without asking, after which one is not taken for somebody who is about to ask again


class Sharer(Protocol):
    """Somebody who wants lines."""

    @property
    def name(self) -> str: ...
    @property
    def weight(self) -> int: ...
    @property
    def priority(self) -> int: ...


Who = TypeVar("Who", bound=Sharer)


class Turns:
    """Turns by weight. `away`: seconds."""

    def __init__(self, away: float = AWAY) -> None:
        self._away = away
        self._reached: dict[str, float] = {}  # how far each is
        self._seen: dict[str, float] = {}
        self._front = 0.0  # where whoever was next last was

    def next(self, names: Sequence[str], now: float) -> str:
        """Whose turn it is; of those who are equally far the first."""
        for name in [name for name, seen in self._seen.items() if seen < now - self._away]:
            del self._seen[name]
            self._reached[name] = max(self._reached[name], self._front)
        for name in names:
            self._seen[name] = now
            self._reached.setdefault(name, self._front)
        for name in self._reached.keys() - self._seen.keys():
            del self._reached[name]
        return min(names, key=self._reached.__getitem__)

    def gave(self, name: str, weight: int) -> None:
        """They got one."""
        self._front = self._reached[name]
        self._reached[name] += 1 / weight


class Turn(Struct, Generic[Who], frozen=True):
    """`of`: the priority by which it is theirs; None: they are below it. `below`: others are."""

    who: Who
    of: int | None
    below: bool


class Shares(Generic[Who]):
    """Turns by priority and weight."""

    def __init__(self) -> None:
        self._turns: dict[int | None, Turns] = {}
        self._passed_over = 0  # how often those below were, on end

    def next(self, waiting: Iterable[Who], now: float) -> Turn[Who]:
        """Whose turn it is of those who wait, the longest first."""
        by_name: dict[str, Who] = {}
        for one in waiting:
            by_name.setdefault(one.name, one)
        top = max(one.priority for one in by_name.values())
        first = [name for name, one in by_name.items() if one.priority == top]
        others = [name for name, one in by_name.items() if one.priority < top]
        of, names = (None, others) if others and self._passed_over >= ONE_IN - 1 else (top, first)
        found = self._turns.setdefault(of, Turns()).next(names, now)
        return Turn(by_name[found], of, bool(others))

    def gave(self, turn: Turn[Who]) -> None:
        """They got one."""
        self._turns[turn.of].gave(turn.who.name, turn.who.weight)
        if turn.of is None:
            self._passed_over = 0
        elif turn.below:
            self._passed_over += 1
