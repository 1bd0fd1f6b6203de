"""A note's machine. Pure."""

from typing import Never

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.note import (
    EDITS,
    NO_NOTE,
    NoteActivated,
    NoteAdded,
    NoteChanged,
    NoteDeleted,
    NoteEdited,
    NoteEvent,
    NoteView,
    PutNote,
)

NOT_YOURS = RefusalTemplate(ErrorCode.PERMISSION_DENIED, "Only who has written a note changes it.")
TOO_OFTEN = RefusalTemplate(
    ErrorCode.CONFLICT, f"A note is changed {EDITS} times at most. Write another one.", most=EDITS
)

NoteDecision = Decision[NoteEvent, Never]


class Note(Struct, frozen=True, kw_only=True):
    """One note as its events tell it. `added`: as it was at first; `last`: when it was changed last, or added."""

    added: NoteAdded
    text: str
    mentions: tuple[str, ...]
    last: str
    version: int = 1
    deleted: bool = False


def view(note: Note) -> NoteView:
    """As it is shown."""
    added, edited = note.added, note.version > 1 and not note.deleted
    return NoteView(
        note=added.note, text=note.text, timestamp=added.at, author=added.by, call_id=added.call_id,
        campaign_id=added.campaign_id, lead=added.lead, mentions=note.mentions, version=note.version,
        edited=note.last if edited else None, deleted=note.last if note.deleted else None,
    )  # fmt: skip


def changed(note: Note) -> NoteChanged:
    """How it is with it now."""
    return NoteChanged(note=note.added.note, version=note.version, timestamp=note.last, deleted=note.deleted)


def add(request: PutNote, by: str, now: Moment) -> NoteDecision:
    """Write one that is new."""
    event = NoteAdded(
        note=request.note, at=now.at, by=by, text=request.text, call_id=request.call_id,
        campaign_id=request.campaign_id, lead=request.lead, mentions=request.mentions, owners=request.owners,
    )  # fmt: skip
    return Decision(events=(event,))


def edit(note: Note, text: str, mentions: tuple[str, ...], by: str, now: Moment) -> NoteDecision:
    """Another text. Raises Refusal for one of somebody else's, one that is deleted, and one change too many."""
    _must_be_of(note, by)
    if note.deleted:
        raise NO_NOTE()
    if (text, mentions) == (note.text, note.mentions):
        return NOTHING
    if note.version > EDITS:
        raise TOO_OFTEN()
    added = note.added
    event = NoteEdited(
        note=added.note, at=now.at, by=by, text=text, version=note.version + 1, mentions=mentions,
        call_id=added.call_id, campaign_id=added.campaign_id, lead=added.lead,
    )  # fmt: skip
    return Decision(events=(event,))


def delete(note: Note, by: str, now: Moment) -> NoteDecision:
    """It is off the lists. Raises Refusal for one of somebody else's."""
    _must_be_of(note, by)
    if note.deleted:
        return NOTHING
    added = note.added
    event = NoteDeleted(
        note=added.note, at=now.at, by=by, version=note.version + 1, call_id=added.call_id,
        campaign_id=added.campaign_id, lead=added.lead,
    )  # fmt: skip
    return Decision(events=(event,))


def evolve(note: Note | None, event: NoteEvent) -> Note | None:
    """The state after an event."""
    match event:
        case NoteAdded():
            return note or Note(added=event, text=event.text, mentions=event.mentions, last=event.at)
        case NoteEdited():
            return note and replace(
                note, text=event.text, mentions=event.mentions, version=event.version, last=event.at
            )
        case NoteDeleted():
            return note and replace(note, deleted=True, version=event.version, last=event.at)
        case NoteActivated():
            return note


def _must_be_of(note: Note, user: str) -> None:
    if note.added.by != user:
        raise NOT_YOURS()
