"""The half of the actors that hold lines which their line works with."""

from typing import TYPE_CHECKING, Any, ClassVar, Generic

from actors.runtime.actor import Actor, AnyActor, Memory, NotOurs, Reported
from actors.runtime.bus import Fenced
from actors.runtime.journalled import Event, State
from bus_schemas.contract import ROOT

if TYPE_CHECKING:
    from actors.runtime.host import Host


class LineHolder(Actor[State, Event, Memory, Reported], Generic[State, Event, Memory, Reported]):
    """What holds a line, whatever it is: it lives where its line does, and its subjects name that."""

    __slots__ = ("_line",)

    def __init__(self, *, id: str, host: "Host") -> None:
        super().__init__(id=id, host=host)
        self._line: str | None = None

    @property
    def line_on_record(self) -> str | None:
        """Its line, as its own record has it; None: nothing is on record."""
        raise NotImplementedError

    def on(self, line: str) -> None:
        """The line that this must be on, as subjects name it."""
        self._line = line

    def inherit_from(self, former: AnyActor) -> None:
        if isinstance(former, LineHolder):
            self._line = former._line

    @property
    def scope(self) -> str:
        """This one; as long as nothing is on record, on whatever line: its id must be new on all of them."""
        return f"{ROOT}.evt.{self.kind}.{self.line_on_record or '*'}.{self.id}.*"

    @property
    def read_scope(self) -> str:
        return f"{ROOT}.evt.{self.kind}.{self._line or '*'}.{self.id}.*"

    async def verify(self) -> None:
        if self.idle:
            last = await self._host.bus.last(self.scope, certain=True)
            if last is not None and last.seq != self.seq and self.idle:
                self._crash(Fenced(f"the {self.kind} {self.id} has had another owner"))

    def check_owner(self) -> None:
        """It is its line's: it lives where that does."""
        if self._line_here() is None and self._on_line is not None:
            raise NotOurs(f"the {self.kind} {self.id} is on {self._on_line}, which is not here")

    async def verify_parent(self) -> None:
        """Where its line was given to another host meanwhile, that host has it, and nobody takes it from that one."""
        line = self._line_here()
        if line is not None:
            await line.verify()
            if not line.alive:
                raise NotOurs(f"the {self.kind} {self.id} is on {self._on_line}, which somebody else owns by now")

    @property
    def _on_line(self) -> str | None:
        return self.line_on_record or self._line

    def _line_here(self) -> AnyActor | None:
        return self._host.find(*self._on_line.split("-", 1)) if self._on_line is not None else None

    def _tell_line(self, report: object) -> None:
        if self._on_line is not None:
            kind, id = self._on_line.split("-", 1)
            self._host.tell_by_name(kind, id, report)


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


class LineRun(LineHolder[State, Event, Memory, Reported], Generic[State, Event, Memory, Reported]):
    """The run of a script, as its line knows it."""

    kind: ClassVar[str] = "script"

    __slots__ = ()


AnyLineHolder = LineHolder[Any, Any, Any, Any]  # any: the line uses only what is said above
