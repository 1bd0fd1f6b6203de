"""How many calls one user may start: per minute, and at once. Pure: the moment comes in."""

from collections import deque

from bus_schemas.errors import ErrorCode, Refusal

MINUTE = 60.0


class Caps:
    """Counts of this host. What has run out is forgotten, so memory is bounded by the caps themselves."""

    def __init__(self, *, per_minute: int, at_once: int) -> None:
        self._per_minute = per_minute
        self._at_once = at_once
        self._starts: dict[str, deque[float]] = {}

    def check(self, user: str, live_calls: int, now: float) -> None:
        """Count one start at the monotonic moment `now`, or raise Refusal(RATE_LIMITED)."""
        starts = self._starts.setdefault(user, deque())
        while starts and starts[0] <= now - MINUTE:
            starts.popleft()
        if live_calls >= self._at_once:
            raise Refusal(ErrorCode.RATE_LIMITED, "Too many calls at once.", rule="user_concurrent_calls")
        if len(starts) >= self._per_minute:
            wait = round(starts[0] + MINUTE - now, 1)
            raise Refusal(
                ErrorCode.RATE_LIMITED, "Too many calls started.", rule="user_calls_per_minute", retry_after=wait
            )
        starts.append(now)
