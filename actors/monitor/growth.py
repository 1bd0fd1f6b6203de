"""How a disk fills up. Pure."""

from collections import deque

DAY = 24 * 3600.0
EVERY = 300.0  # seconds between two looks that are kept
SHORTEST = 1800.0  # seconds of which a growth is told


class Growth:
    """What was used of one disk over the last day."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def saw(self, now: float, used: int) -> None:
        """So many bytes were used at `now`, seconds on a clock that only goes forward."""
        if self._seen and now - self._seen[-1][0] < EVERY:
            return
        self._seen.append((now, used))
        while now - self._seen[0][0] > DAY:
            self._seen.popleft()

    def full_in(self, now: float, used: int, free: int) -> int | None:
        """Seconds until nothing is free, at the day's growth. None: it does not grow, or nobody knows yet."""
        if not self._seen:
            return None
        since, then = self._seen[0]
        if now - since < SHORTEST or used <= then:
            return None
        return round(free * (now - since) / (used - then))
