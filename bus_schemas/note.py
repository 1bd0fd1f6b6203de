"""Notes: what people write down of a call or a lead, and what became of it since."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.fields import UNSEEN, CallId, HostName, Id, Username, Utc, shaped
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.permissions import Action

E = ErrorCode
A = Action

NOTE = Kind("note", "notes", view=A.NOTE_VIEW, view_others=A.NOTE_VIEW_ANY)
NO_NOTE = RefusalTemplate(ErrorCode.NOT_FOUND, "No such note.")  # or who asks does not see it

LARGEST = 16 * 1024  # bytes of a text, in UTF-8
MENTIONS = 20  # users of one text that are looked up
EDITS = 100  # of one note

# With something in it that is seen. A character has at least one byte, so no text with more of them is small enough.
TEXT = rf"^(?=[\s{UNSEEN}]*[^\s{UNSEEN}])" + r"[^\u0000-\u0008\u000b-\u001f\u007f-\u009f\ud800-\udfff]{1,16384}$(?!\n)"
TEXT_WORDS = "a text of at most 16 KiB with something in it, without control characters but newlines and tabs"
NoteText = Annotated[str, shaped(TEXT, TEXT_WORDS, examples=["Client asked about price."])]
NoteId = Annotated[Id, Meta(examples=["n_5k2a"])]


# --- what may be asked --------------------------------------------------------------------------------------------


class AddNote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A note to a call (`call_id`), also while it runs, or to a lead (`campaign_id` and `lead`). `@name` in it mentions
    a user."""

    text: NoteText
    call_id: CallId | None = None
    campaign_id: Id | None = None
    lead: Id | None = None


class EditNote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another text for a note of one's own. What it said before stays in its history."""

    note: NoteId
    text: NoteText


class DeleteNote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take a note of one's own off the lists. Deleting it again changes nothing."""

    note: NoteId


class GetNote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One note."""

    note: NoteId


class ListNoteVersions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a note has said, oldest first."""

    note: NoteId
    limit: Annotated[int, Meta(ge=1, le=200)] = 200
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class ListCallNotes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The notes of a call, oldest first."""

    call_id: CallId
    limit: Annotated[int, Meta(ge=1, le=500)] = 500
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class ListLeadNotes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The notes of a lead, oldest first; those of its calls are not among them."""

    campaign_id: Id
    lead: Id
    limit: Annotated[int, Meta(ge=1, le=500)] = 500
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class FindNoted(Struct, frozen=True, kw_only=True):
    """Whose a call or a lead is that a note is to be about."""

    call_id: str | None = None
    campaign_id: str | None = None
    lead: str | None = None


class PutNote(Struct, frozen=True, kw_only=True):
    """For whoever has the shard: a note that is new. `owners`: who sees what it is about as their own."""

    shard: int
    note: NoteId
    text: str
    call_id: str | None = None
    campaign_id: str | None = None
    lead: str | None = None
    owners: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()


class ChangeNote(Struct, frozen=True, kw_only=True):
    """For whoever has the shard: another text for a note; null: it is deleted."""

    shard: int
    note: NoteId
    text: str | None = None
    mentions: tuple[str, ...] = ()


# --- what is answered ---------------------------------------------------------------------------------------------


class NoteView(Struct, frozen=True, kw_only=True):
    """One note. `timestamp`: when it was added. `version`: 1, and one more with each edit; `edited`: when it was the
    last time. `mentions`: the users in its text that there were when it was written."""

    note: NoteId
    text: str
    timestamp: Utc
    author: Username
    call_id: CallId | None = None
    campaign_id: Id | None = None
    lead: Id | None = None
    mentions: tuple[Username, ...] = ()
    version: int = 1
    edited: Utc | None = None
    deleted: Utc | None = None


class Notes(Struct, frozen=True, kw_only=True):
    """Notes, oldest first."""

    notes: list[NoteView]


class NoteVersion(Struct, frozen=True, kw_only=True):
    """What a note said from `timestamp` on. The last one may be that it is deleted."""

    version: int
    timestamp: Utc
    by: Username
    text: str = ""
    mentions: tuple[Username, ...] = ()
    deleted: bool = False


class NoteChanged(Struct, frozen=True, kw_only=True):
    """How it is with a note now."""

    note: NoteId
    version: int
    timestamp: Utc
    deleted: bool = False


class Noted(Struct, frozen=True, kw_only=True):
    """What a note can be about. `owners`: who sees it as their own."""

    owners: tuple[str, ...]


GONE = frozenset({E.NOT_FOUND})
OWN = frozenset({E.NOT_FOUND, E.PERMISSION_DENIED, E.CONFLICT})
SEES = frozenset({A.NOTE_VIEW_ANY})

# fmt: off
ADD_NOTE           = Rpc("ottb.v1.cmd.notes.add",          AddNote,          NoteView,          GONE,
                         summary="Add a note to a call or a lead", permission=A.NOTE_WRITE, asks=SEES, timeout=10.0,
                         audit_fields=("note", "call_id", "campaign_id", "lead"))
EDIT_NOTE          = Rpc("ottb.v1.cmd.notes.edit",         EditNote,         NoteChanged,       OWN,
                         summary="Change a note of one's own", permission=A.NOTE_WRITE, asks=SEES, timeout=10.0,
                         audit_fields=("note",))
DELETE_NOTE        = Rpc("ottb.v1.cmd.notes.delete",       DeleteNote,       NoteChanged,       OWN,
                         summary="Delete a note of one's own", permission=A.NOTE_WRITE, asks=SEES, timeout=10.0,
                         audit_fields=("note",))
GET_NOTE           = Rpc("ottb.v1.qry.note.get",           GetNote,          NoteView,          GONE,
                         summary="One note", permission=A.NOTE_VIEW, asks=SEES)
LIST_NOTE_VERSIONS = Rpc("ottb.v1.qry.note.versions",      ListNoteVersions, list[NoteVersion], GONE,
                         summary="What a note has said", permission=A.NOTE_VIEW, asks=SEES)
LIST_CALL_NOTES    = Rpc("ottb.v1.qry.note.of_call",       ListCallNotes,    Notes,             GONE,
                         summary="Notes of a call", permission=A.NOTE_VIEW, asks=SEES)
LIST_LEAD_NOTES    = Rpc("ottb.v1.qry.note.of_lead",       ListLeadNotes,    Notes,             GONE,
                         summary="Notes of a lead", permission=A.NOTE_VIEW, asks=SEES)

# Between parts of the platform.
FIND_NOTED         = Rpc("ottb.v1.qry.note.noted",         FindNoted,        Noted,             GONE,
                         summary="Whose a call or a lead is, for a note")
PAST_NOTE          = Rpc("ottb.v1.qry.note.past",          GetNote,          NoteView,          GONE,
                         summary="One note, for who is to change it")
PUT_NOTE           = Rpc("ottb.v1.cmd.shard.{shard}.put_note",    PutNote,    NoteView,    frozenset(), timeout=8.0)
CHANGE_NOTE        = Rpc("ottb.v1.cmd.shard.{shard}.change_note", ChangeNote, NoteChanged, OWN,         timeout=8.0)
# fmt: on


# --- what happens -------------------------------------------------------------------------------------------------


class NoteAdded(Struct, frozen=True, kw_only=True):
    """Somebody has written something down of a call or a lead. `owners`: who sees that as their own."""

    note: NoteId
    at: Utc
    by: Username
    text: str
    call_id: CallId | None = None
    campaign_id: Id | None = None
    lead: Id | None = None
    mentions: tuple[Username, ...] = ()
    owners: tuple[Username, ...] = ()


class NoteEdited(Struct, frozen=True, kw_only=True):
    """It says something else now."""

    note: NoteId
    at: Utc
    by: Username
    text: str
    version: int
    call_id: CallId | None = None
    campaign_id: Id | None = None
    lead: Id | None = None
    mentions: tuple[Username, ...] = ()


class NoteDeleted(Struct, frozen=True, kw_only=True):
    """It is off the lists."""

    note: NoteId
    at: Utc
    by: Username
    version: int
    call_id: CallId | None = None
    campaign_id: Id | None = None
    lead: Id | None = None


class NoteActivated(Struct, frozen=True, kw_only=True):
    """A host owns it; older owners can no longer write."""

    note: NoteId
    at: Utc
    host: HostName
    epoch: int


NoteEvent = NoteAdded | NoteEdited | NoteDeleted | NoteActivated

# fmt: off
NOTE_ADDED     = Topic("ottb.v1.evt.note.{note}.added",     NoteAdded,     "A note was added to a call or a lead")
NOTE_EDITED    = Topic("ottb.v1.evt.note.{note}.edited",    NoteEdited,    "A note was changed")
NOTE_DELETED   = Topic("ottb.v1.evt.note.{note}.deleted",   NoteDeleted,   "A note was deleted")
NOTE_ACTIVATED = Topic("ottb.v1.evt.note.{note}.activated", NoteActivated, "A note has a new owner")
# fmt: on

NOTE_NEWS = Subscribable(NOTE, (NOTE_ADDED, NOTE_EDITED, NOTE_DELETED), ("call_id", "campaign_id", "lead"))

# --- what live clients are told ------------------------------------------------------------------------------


class NoteUpdate(Struct, frozen=True, kw_only=True):
    """A note was added, or has changed. `text` and `mentions` are not there with `deleted`. `owners`, with
    `added`: who sees the call or the lead as their own."""

    note: NoteId
    at: Utc
    change: Literal["added", "edited", "deleted"]
    by: str
    call_id: CallId | None
    campaign_id: Id | None
    lead: Id | None
    version: int = 1
    text: str | UnsetType = UNSET
    mentions: tuple[str, ...] | UnsetType = UNSET
    owners: tuple[str, ...] | UnsetType = UNSET
