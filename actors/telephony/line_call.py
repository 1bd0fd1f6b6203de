"""The half of a call's actor that its line works with."""

from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Struct

from actors.runtime.actor import Actor
from actors.telephony.reports import CallReport
from bus_schemas.call import CallEvent

State = TypeVar("State", bound=Struct)


class LineCall(Actor[State, CallEvent, State, CallReport], Generic[State]):
    """One call, as its line knows it."""

    kind: ClassVar[str] = "call"

    __slots__ = ()

    def on(self, line: str) -> None:
        """The line that this call must be on, as subjects name it."""
        raise NotImplementedError

    @property
    def to_be_dialled(self) -> bool:
        """Whether its order to dial is under way, and nobody has ended it meanwhile."""
        raise NotImplementedError

    @property
    def is_ending(self) -> bool:
        """Whether somebody has asked to end it."""
        raise NotImplementedError


AnyCall = LineCall[Any]  # any: its line knows of its state what is asked here
