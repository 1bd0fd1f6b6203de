"""What is to be delivered by one webhook, and in which order. Pure.

Of one thing (a call, a slot) one delivery is under way at a time, and what comes after it waits until it has arrived or
is given up; other things go on meanwhile. A receiver that has failed several times in a row gets one delivery at a
time, and rests in between, until it takes one.
"""

from collections import deque

from msgspec import Struct
from msgspec.structs import replace

BROKEN = 5  # failures in a row


class Item(Struct, frozen=True, kw_only=True):
    """One delivery. `n`: its number at the webhook; `seq`: of its entry in the journal; `about`: the end of that one's
    subject; `key`: what it is about; `began`: of its first try, `due`: not before then (seconds since 1970)."""

    n: int
    seq: int
    about: str
    key: str
    began: float = 0.0
    attempts: int = 0
    due: float = 0.0


class Queue:
    """Deliveries in their order, `at_once` under way at most."""

    def __init__(self, *, at_once: int) -> None:
        self._at_once = at_once
        self._items: dict[int, Item] = {}
        self._of: dict[str, deque[int]] = {}
        self._flying: set[int] = set()
        self._rests_until = 0.0
        self.failures = 0  # in a row

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, n: int) -> bool:
        return n in self._items

    def items(self) -> list[Item]:
        """All that are not over."""
        return list(self._items.values())

    def add(self, item: Item) -> None:
        """One more, behind all that are there of the same thing."""
        self._items[item.n] = item
        self._of.setdefault(item.key, deque()).append(item.n)

    def ready(self, now: float) -> list[Item]:
        """What can be sent now, lowest numbers first."""
        free = (1 if self.failures >= BROKEN else self._at_once) - len(self._flying)
        if free <= 0 or (self.failures >= BROKEN and now < self._rests_until):
            return []
        heads = (of[0] for of in self._of.values())
        due = sorted(n for n in heads if n not in self._flying and self._items[n].due <= now)
        return [self._items[n] for n in due[:free]]

    def next_due(self) -> float | None:
        """When `ready` may say more by the time alone. None: when something else happens first."""
        heads = [of[0] for of in self._of.values() if of[0] not in self._flying]
        if not heads or len(self._flying) >= (1 if self.failures >= BROKEN else self._at_once):
            return None
        soonest = min(self._items[n].due for n in heads)
        return max(soonest, self._rests_until) if self.failures >= BROKEN else soonest

    def begin(self, n: int) -> None:
        """It is on its way."""
        self._flying.add(n)

    def release(self, n: int, due: float) -> None:
        """It was not sent after all: it stays first of its thing, until `due`."""
        self._flying.discard(n)
        self._items[n] = replace(self._items[n], due=due)

    def arrived(self, n: int) -> None:
        """The receiver has taken it."""
        self.failures = 0
        self.drop(n)

    def drop(self, n: int) -> None:
        """It is over: what comes after it may go."""
        key = self._items.pop(n).key
        self._flying.discard(n)
        self._of[key].popleft()
        if not self._of[key]:
            del self._of[key]

    def failed(self, item: Item, *, rests_until: float) -> None:
        """It did not arrive: `item` says when it is tried next. `rests_until`: where it is one of several in a row,
        nothing is sent before then."""
        self._flying.discard(item.n)
        self._items[item.n] = item
        self.has_failed(rests_until)

    def has_failed(self, rests_until: float) -> None:
        """One more failure in a row."""
        self.failures += 1
        self._rests_until = rests_until
