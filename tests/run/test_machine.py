"""What of a run is put on record, and when: each effect before it is done, and no look."""

from typing import Any

import msgspec

from actors.run import machine
from actors.run.machine import CameBack, CarryOut
from actors.run.record import Run, evolve, program_of
from actors.runtime.clock import Moment
from actors.script.checking import check
from actors.script.effects import AnyEffect, Done, Dump, Looked, Pause
from actors.script.tree import Seen
from bus_schemas.script import RunStarted
from tests.run.walk import FIELDS
from tests.script.screens import screen

NOW = Moment(at="2026-01-01T00:00:01.000Z", mono=1.0, boot="b")
TEXT = """
name = "two"
version = 1
summary = "Two."
[[steps]]
do = "key"
key = "back"
[[steps]]
do = "wait_for"
on = { package = "org.telegram.messenger" }
[[steps]]
do = "launch"
app = "org.telegram.messenger"
[[steps]]
do = "wait_for"
on = { package = "org.telegram.messenger" }
"""


def _played() -> list[tuple[AnyEffect, bool]]:
    """What was asked, and whether that was on record before."""
    script = check(TEXT, {}).script
    assert script is not None
    fields: dict[str, Any] = {**FIELDS, "script": "two", "scripts": msgspec.json.encode({"two": script}).decode()}
    started = RunStarted(**fields, at=NOW.at, mono=NOW.mono)
    to, run = program_of(started), evolve(None, started)
    assert run is not None
    decision, asked = machine.begin(run, to, NOW), list[tuple[AnyEffect, bool]]()
    while True:
        known: Run = decision.memory if decision.memory is not None else run
        for event in decision.events:
            after = evolve(known, event)
            assert after is not None
            known = after
        run = known
        carry = [one for one in decision.effects if isinstance(one, CarryOut)]
        if not carry:
            return asked
        effect = carry[0].effect
        asked.append((effect, bool(decision.events)))
        back = Looked(Seen(screen("chat_telegram_12_en"))) if isinstance(effect, Dump) else Done()
        decision = machine.observe(run, to, CameBack(turn=run.turn, back=back), NOW)


def test_each_effect_is_on_record_before_and_looks_only_after_one_in_doubt() -> None:
    said = [(type(effect).__name__, written) for effect, written in _played() if not isinstance(effect, Pause)]
    assert said == [("PressKey", True), ("Dump", True), ("LaunchApp", True), ("Dump", False)]


def test_a_late_answer_means_nothing() -> None:
    script = check(TEXT, {}).script
    assert script is not None
    fields: dict[str, Any] = {**FIELDS, "script": "two", "scripts": msgspec.json.encode({"two": script}).decode()}
    started = RunStarted(**fields, at=NOW.at, mono=NOW.mono)
    to, run = program_of(started), evolve(None, started)
    assert run is not None
    begun = machine.begin(run, to, NOW).memory
    assert begun is not None
    assert not machine.observe(begun, to, CameBack(turn=begun.turn - 1, back=Done()), NOW).effects
