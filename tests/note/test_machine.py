"""A note's machine, by itself."""

import pytest
from msgspec.structs import replace

from actors.note import machine
from actors.note.machine import Note, NoteDecision
from actors.note.mentions import names_in
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.note import EDITS, MENTIONS, NoteEdited, PutNote
from tests.support.states import at

PUT = PutNote(
    shard=1, note="n1", text="Asked", campaign_id="spring", lead="l1", owners=("maker",), mentions=("op13",)
)


def after(note: Note | None, decision: NoteDecision) -> Note:
    for event in decision.events:
        note = machine.evolve(note, event)
    assert note is not None
    return note


def added() -> Note:
    return after(None, machine.add(PUT, "op12", at(0)))


def test_a_note_says_who_when_of_what_and_whom() -> None:
    seen = machine.view(added())
    assert (seen.author, seen.timestamp, seen.campaign_id, seen.lead) == ("op12", at(0).at, "spring", "l1")
    assert (seen.text, seen.mentions, seen.version, seen.edited, seen.deleted) == ("Asked", ("op13",), 1, None, None)


def test_an_edit_is_one_more_version_and_the_same_again_is_none() -> None:
    note = after(added(), machine.edit(added(), "Asked twice", (), "op12", at(5)))
    seen = machine.view(note)
    assert (seen.text, seen.mentions, seen.version) == ("Asked twice", (), 2)
    assert (seen.timestamp, seen.edited) == (at(0).at, at(5).at)
    assert machine.edit(note, "Asked twice", (), "op12", at(9)).events == ()


def test_what_happens_to_a_note_names_what_it_is_about() -> None:
    [event] = machine.edit(added(), "x", (), "op12", at(1)).events
    assert isinstance(event, NoteEdited) and (event.campaign_id, event.lead, event.call_id) == ("spring", "l1", None)
    [gone] = machine.delete(added(), "op12", at(1)).events
    assert (gone.campaign_id, gone.lead) == ("spring", "l1")  # type: ignore[union-attr]


def test_only_who_has_written_it_changes_it() -> None:
    for change in (
        lambda note: machine.edit(note, "x", (), "maker", at(1)),
        lambda note: machine.delete(note, "maker", at(1)),
    ):
        with pytest.raises(Refusal) as refused:
            change(added())
        assert refused.value.code is ErrorCode.PERMISSION_DENIED


def test_one_that_is_deleted_stays_so() -> None:
    gone = after(added(), machine.delete(added(), "op12", at(3)))
    assert machine.view(gone).deleted == at(3).at and machine.changed(gone).deleted
    assert machine.delete(gone, "op12", at(4)).events == ()
    with pytest.raises(Refusal) as refused:
        machine.edit(gone, "x", (), "op12", at(5))
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_a_history_has_an_end() -> None:
    note = replace(added(), version=EDITS)
    note = after(note, machine.edit(note, "the last one", (), "op12", at(1)))
    with pytest.raises(Refusal) as refused:
        machine.edit(note, "one more", (), "op12", at(2))
    assert refused.value.code is ErrorCode.CONFLICT
    assert machine.delete(note, "op12", at(2)).events


@pytest.mark.parametrize(("text", "names"), [
    ("@op13 and (@op_14), @op-15: call back. @op13!", ("op13", "op_14", "op-15")),
    ("olena@op13.example, a@@op13 or +@op13", ()),
    (f"@{'x' * 65} @", ()),
    ("Оля @op13.", ("op13",)),
])  # fmt: skip
def test_who_may_be_mentioned_is_seen_in_the_text(text: str, names: tuple[str, ...]) -> None:
    assert names_in(text) == names


def test_no_more_are_looked_up_than_that() -> None:
    assert len(names_in(" ".join(f"@u{number}" for number in range(200)))) == MENTIONS
