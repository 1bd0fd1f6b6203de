"""How often an actor may crash before it is left alone: restart intensity as in OTP's supervisors."""

from collections import deque

INTENSITY = 5
PERIOD = 30.0  # seconds


class RestartBudget:
    """At most `intensity` restarts in any `period` seconds."""

    def __init__(self, *, intensity: int = INTENSITY, period: float = PERIOD) -> None:
        self._intensity = intensity
        self._period = period
        self._restarts: deque[float] = deque()

    def spend(self, now: float) -> bool:
        """Use one restart at the monotonic moment `now`. False: the budget is used up."""
        while self._restarts and self._restarts[0] <= now - self._period:
            self._restarts.popleft()
        if len(self._restarts) >= self._intensity:
            return False
        self._restarts.append(now)
        return True
