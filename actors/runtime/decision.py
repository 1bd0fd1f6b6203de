"""What a machine answers: events to record, effects to carry out afterwards, and memory that needs no record."""

from typing import Generic, Never, TypeVar

from msgspec import Struct

Event_co = TypeVar("Event_co", covariant=True)
Memory_co = TypeVar("Memory_co", covariant=True)


class Effect(Struct, frozen=True, kw_only=True):
    """The base of everything an actor does after its events are on record."""


class SetTimer(Effect, frozen=True, kw_only=True):
    """Report `TimerFired(name)` in so many seconds. `keep`: leave a timer of this name that is already running."""

    name: str
    seconds: float
    keep: bool = False


class CancelTimer(Effect, frozen=True, kw_only=True):
    """Call a timer off, if it runs."""

    name: str


class Tell(Effect, frozen=True, kw_only=True):
    """Hand a report to another actor on this host. It may be gone; then nobody needs the news."""

    kind: str
    id: str
    report: object


class TimerFired(Struct, frozen=True, kw_only=True):
    """A timer's time is over."""

    name: str


class Decision(Struct, Generic[Event_co, Memory_co], frozen=True, kw_only=True):
    """What follows from a command or a report. `events`: all on record before any of the `effects`. `memory`: what the
    actor knows from now on without any record of it, None: as before; it is taken over before the events are."""

    events: tuple[Event_co, ...] = ()
    effects: tuple[Effect, ...] = ()
    memory: Memory_co | None = None


NOTHING: Decision[Never, Never] = Decision()
