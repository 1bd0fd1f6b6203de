"""What a machine answers: events to record, effects to carry out afterwards, and memory that needs no record."""

from typing import Any, Generic, TypeVar

from msgspec import Struct

Event = TypeVar("Event")


class Effect(Struct, frozen=True, kw_only=True):
    """The base of everything an actor does after its events are on record."""


class SetTimer(Effect, frozen=True, kw_only=True):
    """Report `Elapsed(name)` in so many seconds. `keep`: leave a timer of this name that is already running."""

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
    report: Any


class Elapsed(Struct, frozen=True, kw_only=True):
    """A timer's time is over."""

    name: str


class Decision(Struct, Generic[Event], frozen=True, kw_only=True):
    """Events first, all on record before any effect. `state` replaces the owner's memory where no event does."""

    events: tuple[Any, ...] = ()
    effects: tuple[Effect, ...] = ()
    state: Any = None


NOTHING: Decision[Any] = Decision()
