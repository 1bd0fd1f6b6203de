"""The state diagrams of docs/states.md, walked out of the machines: from its first state each machine is given every
input that it knows, and what that leads to again, until nothing new is found. How each is walked stands beside its
tests (`walk.py`). `make states` writes the page.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from actors.runtime.clock import Moment, utc
from actors.runtime.decision import Decision
from bus_schemas.errors import Refusal

TESTS = Path(__file__).resolve().parents[1]
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
STEP = 20.0  # seconds between two inputs: longer than most timers
FARTHEST = 400  # states; a machine that has more has a key that tells apart what is the same

Stand = tuple[Any, Any]  # a state, and the memory beside it
Input = Callable[[Stand, Moment], Decision[Any, Any]]


@dataclass(frozen=True)
class Walk:
    """One machine. `name`: the state as people know it; `key`: what tells two states apart; `why`: what an edge says of
    the event that leads along it."""

    title: str
    text: str
    start: Callable[[Moment], Decision[Any, Any]]
    inputs: tuple[Input, ...]
    after: Callable[[Stand, Decision[Any, Any]], Stand]
    name: Callable[[Stand], str]
    key: Callable[[Stand], object]
    why: Callable[[Any], str]

    def edges(self) -> list[tuple[str, str, str]]:
        """From, to, and why; each once, in order."""
        first = self.after((None, None), self.start(at(0)))
        found = {("[*]", self.name(first), self.why(self.start(at(0)).events[0]))}
        seen, waiting = {self.key(first)}, [(first, 1)]
        while waiting:
            stand, depth = waiting.pop(0)
            for given in self.inputs:
                try:
                    decision = given(stand, at(STEP * depth))
                except Refusal:
                    continue
                then = self.after(stand, decision)
                if self.name(then) != self.name(stand):
                    found.add((self.name(stand), self.name(then), self._cause(stand, decision, self.name(then))))
                if self.key(then) not in seen:
                    seen.add(self.key(then))
                    waiting.append((then, depth + 1))
                    assert len(seen) < FARTHEST, self.title
        return sorted(found, key=lambda edge: (edge[0] != "[*]", *edge))

    def _cause(self, stand: Stand, decision: Decision[Any, Any], name: str) -> str:
        """Why: of the first event with which it has the new name."""
        until = (replace(decision, events=decision.events[:last]) for last in range(1, len(decision.events) + 1))
        return next(self.why(part.events[-1]) for part in until if self.name(self.after(stand, part)) == name)

    def markdown(self) -> str:
        """The diagram, with the causes of one way on one arrow."""
        whys: dict[tuple[str, str], list[str]] = {}
        for before, after, why in self.edges():
            whys.setdefault((before, after), []).append(why)
        arrows = [f"    {before} --> {after}: {', '.join(why)}" for (before, after), why in whys.items()]
        return "\n".join((f"## {self.title}", "", self.text, "", "```mermaid", "stateDiagram-v2", *arrows, "```", ""))


def at(seconds: float) -> Moment:
    return Moment(at=utc(STARTED + timedelta(seconds=seconds)), mono=seconds, boot="b")


def verb(event: Any) -> str:
    """`CallAlerting` is `alerting`, `SlotCommandDone` is `command done`."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(event).__name__).split()
    return " ".join(words[1:])


def walks() -> list[Walk]:
    """Each machine's, from the `walk.py` beside its tests."""
    files = sorted(TESTS.glob("*/walk.py"))
    return [import_module(f"tests.{file.parent.name}.walk").WALK for file in files]


HEAD = """# The states of things

Written by `make states` from the machines (`machine.py` of each folder of [actors/](../actors/)) as they are; a test
compares. An arrow is named after the event on record that leads along it.
"""


def page() -> str:
    """docs/states.md."""
    return "\n".join((HEAD, *(walk.markdown() for walk in walks())))


if __name__ == "__main__":
    sys.stdout.write(page())
