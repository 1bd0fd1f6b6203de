"""What events make of a state, as a table: each event's class with the function that says it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

State = TypeVar("State")
Event = TypeVar("Event")
After = TypeVar("After")


class Fold(NamedTuple):
    """An event's class, and what it makes of a state."""

    event: type
    apply: Callable[[Any, Any], Any]  # any: `fold` has checked that they fit each other


def fold(event: type[Event], apply: Callable[[State, Event], After]) -> Fold:
    """One line of the table."""
    return Fold(event, apply)


def folds(*lines: Fold) -> Mapping[type, Callable[[Any, Any], Any]]:  # any: as above
    """The table. Raises ValueError for an event that stands in it twice."""
    table = {line.event: line.apply for line in lines}
    if len(table) < len(lines):
        raise ValueError("an event stands twice in a table of folds")
    return table
