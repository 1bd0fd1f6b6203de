"""Whose turn it is where several wait for the same lines. Pure: the moment comes in.

Lines go by priority, except that one in ten goes to those below, where they wait for lines too: nobody starves.
Among equals they go by weight (stride scheduling): each line moves whoever gets it on by one over their weight, and who
is the farthest behind is next. Who was away begins where the others are, and saves nothing up.
"""

from collections import Counter
from collections.abc import Iterable
from heapq import heapify, heappop, heapreplace
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


Position = tuple[float, int, str]  # how far somebody is, their place among those who wait, their name


class Turns:
    """Turns by weight. `away`: seconds."""

    def __init__(self, away: float = AWAY) -> None:
        self._away = away
        self._reached: dict[str, float] = {}  # how far each is
        self._seen: dict[str, float] = {}
        self._front = 0.0  # where whoever was next last was

    def begin(self, names: Iterable[str], now: float) -> list[Position]:
        """A heap of who waits: whoever is next is its first; of those who are equally far the first of `names`."""
        for name in [name for name, seen in self._seen.items() if seen < now - self._away]:
            del self._seen[name]
            self._reached[name] = max(self._reached[name], self._front)
        heap: list[Position] = []
        for name in names:
            self._seen[name] = now
            self._reached.setdefault(name, self._front)
            heap.append((self._reached[name], len(heap), name))
        for name in self._reached.keys() - self._seen.keys():
            del self._reached[name]
        heapify(heap)
        return heap

    def gave(self, heap: list[Position], weight: int) -> None:
        """Whoever is its first got one."""
        self._front, place, name = heap[0]
        self._reached[name] = self._front + 1 / weight
        heapreplace(heap, (self._reached[name], place, name))


class Turn(Struct, Generic[Who], frozen=True):
    """`of`: the priority by which it is theirs; None: they are below it. `below`: others are."""

    who: Who
    of: int | None
    below: bool


class Round(Generic[Who]):
    """The turns of those who wait at one moment. Each costs the logarithm of how many they are."""

    def __init__(self, shares: "Shares[Who]", waiting: Iterable[Who], now: float) -> None:
        self._shares = shares
        self._now = now
        self._wait: dict[str, dict[Who, None]] = {}  # by name, the longest first
        for one in waiting:
            self._wait.setdefault(one.name, {})[one] = None
        self._priority = {name: next(iter(its)).priority for name, its in self._wait.items()}
        self._waiting = Counter(self._priority.values())  # names, by priority
        self._levels = sorted(self._waiting)
        self._left = len(self._wait)
        self._heaps: dict[int | None, list[Position]] = {}

    def next(self) -> Turn[Who] | None:
        """Whose turn it is; None: nobody waits any more."""
        if not self._left:
            return None
        while not self._waiting[self._levels[-1]]:
            self._levels.pop()
        top = self._levels[-1]
        others = self._left > self._waiting[top]
        of = None if others and self._shares.passed_over >= ONE_IN - 1 else top
        if of not in self._heaps:
            names = (name for name, its in self._wait.items() if its and self._is_of(name, of, top))
            self._heaps[of] = self._shares.turns(of).begin(names, self._now)
        heap = self._heaps[of]
        while not (its := self._wait[heap[0][2]]) or not self._is_of(heap[0][2], of, top):
            heappop(heap)
        return Turn(next(iter(its)), of, others)

    def _is_of(self, name: str, of: int | None, top: int) -> bool:
        return self._priority[name] < top if of is None else self._priority[name] == of

    def gave(self, turn: Turn[Who]) -> None:
        """They got one, whose turn it was last."""
        self._shares.turns(turn.of).gave(self._heaps[turn.of], turn.who.weight)
        if turn.of is None:
            self._shares.passed_over = 0
        elif turn.below:
            self._shares.passed_over += 1

    def drop(self, who: Who) -> None:
        """They wait no longer."""
        if who in (its := self._wait[who.name]):
            del its[who]
            self._waiting[self._priority[who.name]] -= not its
            self._left -= not its


class Shares(Generic[Who]):
    """Turns by priority and weight. `passed_over`: how often those below were, on end."""

    def __init__(self) -> None:
        self._turns: dict[int | None, Turns] = {}
        self.passed_over = 0

    def turns(self, of: int | None) -> Turns:
        return self._turns.setdefault(of, Turns())

    def among(self, waiting: Iterable[Who], now: float) -> Round[Who]:
        """The turns of those who wait, the longest first."""
        return Round(self, waiting, now)
