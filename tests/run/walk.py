"""How the states of runs are walked through, for docs/states.md."""

from typing import Any

import msgspec

from actors.run import machine
from actors.run.machine import Begin, CameBack, CannotBegin, Captured, Halted
from actors.run.record import Run, evolve, program_of
from actors.runtime.decision import Decision, TimerFired
from actors.script.checking import check
from actors.script.effects import Done, Looked, NotDone
from actors.script.tree import Crashed
from bus_schemas.script import RunQueued, RunStarted
from tests.support.states import Input, Stand, Walk, at, verb

TEXT = """
name = "home"
version = 1
summary = "Home."
[[steps]]
do = "key"
key = "home"
"""
SCRIPT = check(TEXT, {}).script
assert SCRIPT is not None
FIELDS: dict[str, Any] = {
    "line": "slot-1", "script_id": "gacs_1", "slot": 1, "user": "op", "script": "home", "version": 1, "boot": "b",
    "command_id": "k", "scripts": msgspec.json.encode({"home": SCRIPT}).decode(), "given": "{}",
}  # fmt: skip
QUEUED = RunQueued(**FIELDS, at=at(0).at, mono=0.0)
TO = program_of(QUEUED)


def _name(stand: Stand) -> str:
    run: Run = stand[0]
    if run.ended is not None or run.started is None:
        return str(run.state)
    if run.stopping is not None:
        return "stopping"
    return "running"


def _after(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    run = decision.memory if decision.memory is not None else stand[0]
    for event in decision.events:
        run = evolve(run, event)
    return run, None


def _hears(make: Any) -> Input:
    return lambda stand, now: machine.observe(stand[0], TO, make(stand[0]), now)


def _starts(stand: Stand, now: Any) -> Decision[Any, Any]:
    if stand[0].started is not None or stand[0].ended is not None:
        return Decision()
    return Decision(events=(RunStarted(**FIELDS, at=now.at, mono=now.mono),))


WALK = Walk(
    title="A run of a script",
    text="Where a run stands within its script the script says. One that fails keeps its screen before it has failed.",
    start=lambda now: Decision(events=(QUEUED,)),
    inputs=(
        _starts,
        lambda stand, now: machine.stop(stand[0], "op", "k2", now),
        *(_hears(lambda run, report=report: report) for report in (
            Begin(), CannotBegin(cause="x"), Halted(), Captured(), TimerFired(name="stop"), TimerFired(name="shot"),
        )),
        *(_hears(lambda run, back=back: CameBack(turn=run.turn, back=back)) for back in (
            Done(), NotDone("x"), Looked(Crashed()),
        )),
    ),
    after=_after,
    name=_name,
    key=lambda stand: (_name(stand), stand[0].position.phase if stand[0].position else ""),
    why=verb,
)  # fmt: skip
