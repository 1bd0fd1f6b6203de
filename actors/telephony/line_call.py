"""The half of the actors that hold lines which their line works with."""

from typing import Any, ClassVar, Generic

from actors.runtime.actor import Actor, Memory, Reported
from actors.runtime.journalled import Event, State


class LineHolder(Actor[State, Event, Memory, Reported], Generic[State, Event, Memory, Reported]):
    """What holds a line, whatever it is."""

    __slots__ = ()

    def on(self, line: str) -> None:
        """The line that this must be on, as subjects name it."""
        raise NotImplementedError


class LineCall(LineHolder[State, Event, Memory, Reported], Generic[State, Event, Memory, Reported]):
    """One call, as its line knows it."""

    kind: ClassVar[str] = "call"

    __slots__ = ()

    @property
    def to_be_dialled(self) -> bool:
        """Whether its order to dial is under way, and nobody has ended it meanwhile."""
        raise NotImplementedError

    @property
    def is_ending(self) -> bool:
        """Whether somebody has asked to end it."""
        raise NotImplementedError


AnyLineHolder = LineHolder[Any, Any, Any, Any]  # any: the line uses only what is said above
