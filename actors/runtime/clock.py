"""The port to time: wall clock for records, monotonic clock for durations, timers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from msgspec import Struct


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
        """Seconds on a clock that nobody sets. Time in which the machine was suspended counts."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back in `delay` seconds."""


def utc(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, `2025-11-15T10:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """The moment that `utc` wrote."""
    return datetime.fromisoformat(text)


class Moment(Struct, frozen=True, kw_only=True):
    """A point in time on both clocks: `at` for people (ISO 8601, UTC), `mono` of boot `boot` for durations."""

    at: str
    mono: float
    boot: str

    @classmethod
    def of(cls, event: "Stamped") -> "Moment":
        return cls(at=event.at, mono=event.mono, boot=event.boot)

    @property
    def seconds(self) -> float:
        """Since 1970."""
        return parse_utc(self.at).timestamp()

    def earlier(self, seconds: float) -> "Moment":
        """The moment that many seconds before."""
        seconds = max(seconds, 0.0)
        return Moment(at=utc(parse_utc(self.at) - timedelta(seconds=seconds)), mono=self.mono - seconds, boot=self.boot)


class Stamped(Protocol):
    """An event that carries both clocks."""

    @property
    def at(self) -> str: ...
    @property
    def mono(self) -> float: ...
    @property
    def boot(self) -> str: ...


def moment(clock: Clock) -> Moment:
    """Now, on both clocks."""
    return Moment(at=utc(clock.now()), mono=clock.monotonic(), boot=clock.boot)


def elapsed(since: Moment, until: Moment) -> tuple[float, bool]:
    """Seconds between two moments, never negative, and whether they are suspect: on two boots only the wall
    clocks can be compared, and those may have been set in between."""
    if since.boot == until.boot:
        return max(until.mono - since.mono, 0.0), False
    return max((parse_utc(until.at) - parse_utc(since.at)).total_seconds(), 0.0), True
