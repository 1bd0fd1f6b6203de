"""A script as a list of instructions with jumps, so that where a run stands is a number and a few counts. Pure.

Scripts that it runs are in it, in their places: what was started with is what is run, whatever is loaded meanwhile.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from actors.script import language as say
from actors.script.language import Condition, Handler, Script
from actors.script.loading import named
from actors.script.places import Path


class Do(Struct, frozen=True, kw_only=True):
    """A step that is no block."""

    step: Any
    at: str
    number: int
    codes: tuple[str, ...] = ()  # of a `ussd` step, those that its script names


class Test(Struct, frozen=True, kw_only=True):
    """Go on if it is so; else there."""

    when: Condition
    otherwise: int
    at: str
    number: int


class Jump(Struct, frozen=True):
    """Go on there."""

    to: int


class Count(Struct, frozen=True):
    """Begin to count the times of a loop."""


class Until(Struct, frozen=True, kw_only=True):
    """The head of `repeat`: leave it if it is so, or after the last time."""

    when: Condition | None
    most: int
    out: int
    at: str
    number: int


class Each(Struct, frozen=True, kw_only=True):
    """The head of `for_each`."""

    into: str
    of: tuple[str, ...]
    out: int


class Guarded(Struct, frozen=True):
    """From here on, what fails goes on there."""

    handler: int


class Unguarded(Struct, frozen=True):
    """Up to here."""


class Enter(Struct, frozen=True, kw_only=True):
    """Begin another script, with its own values."""

    script: Script
    params: dict[str, str]
    at: str
    number: int


class Leave(Struct, frozen=True, kw_only=True):
    """End it; its values are kept."""

    values: tuple[str, ...]


Instruction = Do | Test | Jump | Count | Until | Each | Guarded | Unguarded | Enter | Leave


class Program(Struct, frozen=True, kw_only=True):
    """A script, ready to run. `steps`: how many are shown of it. `ussd`: the codes that the site allows.
    `cleanup`: what sets right what it has changed, where it does not come to its end."""

    script: Script
    instructions: tuple[Instruction, ...]
    steps: int
    handlers: tuple[Handler, ...]
    cleanup: tuple[tuple[str, ...], ...] = ()
    ussd: frozenset[str] = frozenset()


def program(script: Script, library: Mapping[str, Script], ussd: frozenset[str] = frozenset()) -> Program:
    """The program of a script that was checked against this library."""
    maker = _Maker(script.name, library)
    maker.block(script, script.steps, ("steps",))
    return Program(
        script=script, instructions=tuple(maker.made), steps=maker.number, handlers=tuple(maker.handlers(script)),
        cleanup=maker.cleanup(script), ussd=ussd,
    )  # fmt: skip


class _Maker:
    """`made`: so far; None where a jump is not known yet."""

    def __init__(self, outermost: str, library: Mapping[str, Script]) -> None:
        self._outermost = outermost
        self._library = library
        self.made: list[Any] = []
        self.number = 0
        self._inner: list[Script] = []

    def handlers(self, script: Script) -> list[Handler]:
        """The script's own and those of what it runs, once each; those need no values."""
        found = list(script.handlers)
        for other in self._inner:
            found += [handler for handler in other.handlers if handler not in found]
        return found

    def cleanup(self, script: Script) -> tuple[tuple[str, ...], ...]:
        """What each of them sets right, once, the innermost first."""
        return tuple(dict.fromkeys(tuple(words) for one in (*reversed(self._inner), script) for words in one.cleanup))

    def block(self, script: Script, steps: list[Any], path: Path) -> None:
        """Add some steps of a script."""
        for place, step in enumerate(steps):
            self._step(script, step, (*path, place))

    def _step(self, script: Script, step: Any, path: Path) -> None:
        at = named(path) if script.name == self._outermost else f"{script.name}: {named(path)}"
        if isinstance(step, say.If):
            self._if(script, step, path, at)
        elif isinstance(step, say.Repeat):
            self.number += step.until is not None
            number = self.number
            self._loop(script, step.steps, path, lambda out: Until(
                when=step.until, most=step.most, out=out, at=at, number=number))  # fmt: skip
        elif isinstance(step, say.ForEach):
            self._loop(script, step.steps, path, lambda out: Each(into=step.into, of=tuple(step.of), out=out))
        elif isinstance(step, say.Try):
            self._try(script, step, path)
        elif isinstance(step, say.Run):
            self._run(step, at)
        else:
            self.number += 1
            codes = tuple(script.needs.ussd) if isinstance(step, say.Ussd) else ()
            self.made.append(Do(step=step, at=at, number=self.number, codes=codes))

    def _hole(self) -> int:
        self.made.append(None)
        return len(self.made) - 1

    def _if(self, script: Script, step: say.If, path: Path, at: str) -> None:
        self.number += 1
        number, head = self.number, self._hole()
        self.block(script, step.then, (*path, "then"))
        end = self._hole()
        self.made[head] = Test(when=step.when, otherwise=len(self.made), at=at, number=number)
        self.block(script, step.otherwise, (*path, "else"))
        self.made[end] = Jump(len(self.made))

    def _loop(self, script: Script, steps: list[Any], path: Path, head: Callable[[int], Instruction]) -> None:
        self.made.append(Count())
        at = self._hole()
        self.block(script, steps, (*path, "steps"))
        self.made.append(Jump(at))
        self.made[at] = head(len(self.made))

    def _try(self, script: Script, step: say.Try, path: Path) -> None:
        begin = self._hole()
        self.block(script, step.steps, (*path, "steps"))
        self.made.append(Unguarded())
        end = self._hole()
        self.made[begin] = Guarded(len(self.made))
        self.block(script, step.on_failure, (*path, "on_failure"))
        self.made[end] = Jump(len(self.made))

    def _run(self, step: say.Run, at: str) -> None:
        other = self._library[step.script]
        self._inner.append(other)
        self.made.append(Enter(script=other, params=step.params, at=at, number=self.number))
        self.block(other, other.steps, ("steps",))
        self.made.append(Leave(values=tuple(other.values)))
