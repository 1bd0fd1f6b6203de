"""How the states of notes are walked through, for docs/states.md."""

from typing import Any

from actors.note import machine
from actors.runtime.decision import Decision
from bus_schemas.note import PutNote
from tests.support.states import Stand, Walk, verb

PUT = PutNote(shard=1, note="n", text="Asked", call_id="c", owners=("op",))


def _name(stand: Stand) -> str:
    note = stand[0]
    return "deleted" if note.deleted else "edited" if note.version > 1 else "added"


def _after(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    note = stand[0]
    for event in decision.events:
        note = machine.evolve(note, event)
    return note, None


WALK = Walk(
    title="A note",
    text="What a note has said stays in its history, also when it is deleted.",
    start=lambda now: machine.add(PUT, "op", now),
    inputs=(
        lambda stand, now: machine.edit(stand[0], "Asked again", (), "op", now),
        lambda stand, now: machine.delete(stand[0], "op", now),
    ),
    after=_after,
    name=_name,
    key=_name,
    why=verb,
)
