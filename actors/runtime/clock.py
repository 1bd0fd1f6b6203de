"""The port to time: wall clock for records, monotonic clock for durations, timers."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """A timer that can be called off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time as a value. `boot` names the boot whose monotonic clock `monotonic()` reads: figures of two processes
    on the same boot may be subtracted, others not."""

    boot: str

    def now(self) -> datetime:
        """The wall clock, in UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back in `delay` seconds."""


def utc(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, `2025-11-15T10:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """The moment that `utc` wrote."""
    return datetime.fromisoformat(text)
