"""From one instruction of a script to the next: blocks, loops, other scripts, and where failures go on. Pure."""

from collections.abc import Callable
from typing import Any

from actors.script import language as say
from actors.script import program as to
from actors.script.position import Failed, Frame, Position, Succeeded
from actors.script.program import Program
from actors.script.values import LONGEST, NoValue, bound, filled
from bus_schemas.errors import Refusal


def shown(instruction: Any) -> tuple[int, str, str]:
    """Number, place and name of what an instruction stands for."""
    step = getattr(instruction, "step", None)
    name = step.name or say.kind(step) if step is not None else type(instruction).__name__.lower()
    return getattr(instruction, "number", 0), getattr(instruction, "at", ""), name


class Moves:
    """A position that changes. What it does not change stays. `now`: seconds."""

    def __init__(self, program: Program, position: Position, now: float) -> None:
        self._program = program
        self._now = now
        self._fields: dict[str, Any] = {name: getattr(position, name) for name in Position.__struct_fields__}
        self._fields["values"] = dict(position.values)
        self._fields["handled"] = dict(position.handled)

    def position(self) -> Position:
        """The next one."""
        return Position(**self._fields)

    def _went(self, way: Callable[[], bool]) -> bool:
        """Go that way; a step that needs a value that is not there has failed."""
        try:
            return way()
        except NoValue as error:
            return self._fail(str(error))

    # --- instructions: each True where the run goes on with the one that it then stands at

    def _instruction(self) -> Any:
        return self._program.instructions[self._fields["at"]]

    def _next(self) -> bool:
        self._fields["at"] += 1
        return True

    def _moved(self) -> bool:
        """Carry out what needs no phone. False: it is something else."""
        fields, instruction = self._fields, self._instruction()
        match instruction:
            case to.Jump():
                fields["at"] = instruction.to
                return True
            case to.Count():
                self._push(Frame(kind="loop"))
            case to.Guarded():
                self._push(Frame(kind="try", at=instruction.handler))
            case to.Unguarded():
                self._pop()
            case to.Enter():
                return self._entered(instruction)
            case to.Leave():
                inner, outer = fields["values"], dict(self._pop().values or {})
                fields["values"] = {**outer, **{name: inner[name] for name in instruction.values if name in inner}}
            case to.Each():
                return self._each(instruction)
            case to.Until() if instruction.when is None:
                return self._around(instruction, so=False)
            case _:
                return False
        return self._next()

    def _push(self, frame: Frame) -> None:
        self._fields["frames"] = (*self._fields["frames"], frame)

    def _pop(self) -> Frame:
        *rest, last = self._fields["frames"]
        self._fields["frames"] = tuple(rest)
        frame: Frame = last
        return frame

    def _entered(self, instruction: to.Enter) -> bool:
        values = self._fields["values"]
        given = {name: filled(text, values) for name, text in instruction.params.items()}
        try:
            inner = bound(instruction.script, given, lambda raw, _: raw)
        except Refusal as error:
            return self._fail(error.message)
        self._push(Frame(kind="script", values=values))
        self._fields["values"] = inner
        return self._next()

    def _each(self, instruction: to.Each) -> bool:
        fields, frame = self._fields, self._pop()
        if frame.count == len(instruction.of):
            fields["at"] = instruction.out
            return True
        fields["values"][instruction.into] = filled(instruction.of[frame.count], fields["values"])[:LONGEST]
        self._push(Frame(kind="loop", count=frame.count + 1))
        return self._next()

    def _around(self, instruction: to.Until, *, so: bool) -> bool:
        """The head of a loop: out of it, or once more."""
        frame = self._pop()
        if so or (frame.count == instruction.most and instruction.when is None):
            self._fields["at"] = instruction.out
            return True
        if frame.count == instruction.most:
            return self._fail(f"it is still not so after {instruction.most} times")
        self._push(Frame(kind="loop", count=frame.count + 1))
        return self._next()

    def _decided(self, *, so: bool) -> bool:
        """What follows from a condition that was asked."""
        instruction = self._instruction()
        if isinstance(instruction, to.Until):
            return self._around(instruction, so=so)
        self._fields["at"] = self._fields["at"] + 1 if so else instruction.otherwise
        return True

    def _fail(self, why: str, *, uncertain: bool = False) -> bool:
        """The step has failed: on with the `try` that it is in, or it was the run's end."""
        fields = self._fields
        failed = self._failed(why, uncertain=uncertain)
        while fields["frames"]:
            frame = self._pop()
            if frame.kind == "script":
                fields["values"] = dict(frame.values or {})
            if frame.kind == "try":
                fields["values"]["error"] = why[:LONGEST]
                fields["at"] = frame.at
                return True
        return self._over(failed)

    def _end(self, why: str, *, uncertain: bool = False) -> None:
        """The run has failed, whatever it is in."""
        self._over(self._failed(why, uncertain=uncertain))

    def _failed(self, why: str, *, uncertain: bool = False) -> Failed:
        number, at, name = shown(self._instruction())
        return Failed(number=number, at=at, step=name, reason=why[:LONGEST], uncertain=uncertain)

    def _over(self, outcome: Succeeded | Failed) -> bool:
        self._fields.update(outcome=outcome, asked=None)
        return True
