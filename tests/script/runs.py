"""Runs of scripts on a phone that is a function from what was done so far to what is shown."""

from collections.abc import Callable, Mapping

import msgspec

from actors.script import engine
from actors.script.effects import AnyEffect, Back, Done, Dump, Looked, Pause
from actors.script.language import Script
from actors.script.position import Position
from actors.script.program import Program, program
from actors.script.tree import Crashed, Seen, Tree

Shown = Callable[[list[AnyEffect]], Tree | None]


class Run:
    """One run. `effects`: what was done, but for looks and pauses; `now`: seconds, which effects take."""

    def __init__(
        self, script: Script, values: Mapping[str, str] | None = None, *, library: Mapping[str, Script] | None = None,
        ussd: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.program: Program = program(script, library or {}, ussd)
        self.now = 1000.0
        self.effects: list[AnyEffect] = []
        self.asked: list[AnyEffect] = []
        self.position = engine.begin(self.program, values or {}, self.now)

    def give(self, back: Back, took: float = 0.1) -> AnyEffect | None:
        """What was asked came back so; what is asked then."""
        if self.position.asked is not None:
            self.asked.append(self.position.asked)
        self.now += took
        self.position = kept(engine.advance(self.program, self.position, back, self.now))
        return self.position.asked

    def play(self, shown: Shown, answers: Mapping[type, Back] | None = None, most: int = 5000) -> Position:
        """To its end, on a phone that shows this and does what it is told, or answers so."""
        while self.position.outcome is None and len(self.asked) < most:
            asked = self.position.asked
            if isinstance(asked, Dump):
                tree = shown(self.effects)
                self.give(Looked(Seen(tree) if tree is not None else Crashed()))
            elif isinstance(asked, Pause):
                self.give(Done(), took=asked.seconds)
            else:
                assert asked is not None
                self.effects.append(asked)
                self.give((answers or {}).get(type(asked), Done()))
        return self.position

    def taken_over(self) -> AnyEffect | None:
        """Another host goes on with it."""
        self.position = kept(engine.resumed(self.program, self.position, self.now))
        return self.position.asked


def kept(position: Position) -> Position:
    """As it comes back out of a journal."""
    return msgspec.json.decode(msgspec.json.encode(position), type=Position)
