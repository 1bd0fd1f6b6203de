"""When each may have the next turn of what is shared."""

from collections import OrderedDict
from collections.abc import Callable

from bus_schemas.names import Share

REMEMBERED = 10_000


class Pace:
    """When each may have the next turn: `per_second`, and `at_once` without a wait after a quiet time. `now`: monotonic
    seconds. Of many, those who have not come for the longest time are forgotten."""

    def __init__(self, *, per_second: float, at_once: float, now: Callable[[], float]) -> None:
        self._between = 1.0 / per_second
        self._credit = at_once / per_second
        self._now = now
        self._next: OrderedDict[Share, float] = OrderedDict()

    def wait(self, share: Share) -> float:
        """Seconds until the next turn would be. Takes none."""
        now = self._now()
        return max(self._next.get(share, now) - now, 0.0)

    def turn(self, share: Share, *, patience: float, weight: float = 1.0) -> float | None:
        """Take the next one, as many as `weight` says: the seconds until it is. None, and not taken: it would be later
        than `patience`."""
        now = self._now()
        wait = max(self._next.get(share, now - self._credit) - now, -self._credit)
        if wait > patience:
            return None
        self._next[share] = now + wait + weight * self._between
        self._next.move_to_end(share)
        if len(self._next) > REMEMBERED:
            self._next.popitem(last=False)
        return max(wait, 0.0)

    def give_back(self, share: Share) -> None:
        """Undo one that was taken, and came to nothing."""
        if share in self._next:
            self._next[share] -= self._between
