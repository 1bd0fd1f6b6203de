"""The clock of a machine in simulated time. It can be wrong, and be set."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from simulators.time.loop import SimLoop

STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class SimClock:
    """The `Clock` port in simulated time, of one machine. `boot`: its boot. `step` sets its wall clock."""

    def __init__(self, loop: SimLoop, *, boot: str = "simulated") -> None:
        self._loop = loop
        self._wrong = 0.0  # seconds by which the wall clock is ahead of the world's
        self.boot = boot

    def now(self) -> datetime:
        return STARTED_AT + timedelta(seconds=self._loop.time() + self._wrong)

    def monotonic(self) -> float:
        return self._loop.time()

    def rebooted(self, boot: str) -> "SimClock":
        """The clock after the machine was started again: its wall clock is as wrong as before."""
        clock = SimClock(self._loop, boot=boot)
        clock.step(self._wrong)
        return clock

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._wrong += seconds

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(delay, callback)
