"""Notes in the ledger: one row a note, and one for each thing that it has said."""

from collections.abc import Iterator
from operator import gt
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger import call, campaign, lead
from actors.ledger.answers import Answers, ReadModel, sees
from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.page import from_cursor, page
from actors.ledger.talks import on_calls
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.call import owners_of
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.lead import LeadView
from bus_schemas.note import (
    FIND_NOTED,
    GET_NOTE,
    LIST_CALL_NOTES,
    LIST_LEAD_NOTES,
    LIST_NOTE_VERSIONS,
    NO_NOTE,
    NOTE,
    PAST_NOTE,
    FindNoted,
    GetNote,
    ListCallNotes,
    ListLeadNotes,
    ListNoteVersions,
    NoteAdded,
    Noted,
    NoteDeleted,
    NoteEdited,
    NoteVersion,
    NoteView,
)

NO_LEAD = RefusalTemplate(ErrorCode.NOT_FOUND, "No such lead.")
NAMES = msgspec.json.Decoder(tuple[str, ...])

NoteSaid = NoteAdded | NoteEdited | NoteDeleted


class NoteRow(Struct, frozen=True, gc=False):
    """`seq`: of the event that added it, by which lists go on. `lead`: campaign and lead, as `lead.key_of` has it.
    `mentions`: as JSON."""

    note: str
    seq: int
    call_id: str | None
    lead: str | None
    author: str
    added: str
    text: str
    mentions: str
    version: int = 1
    edited: str | None = None
    deleted: str | None = None


class VersionRow(Struct, frozen=True, gc=False):
    """What a note said. `key`: the note and `version`."""

    key: str
    note: str
    version: int
    at: str
    by: str
    text: str
    mentions: str
    deleted: bool = False


NOTES = sa.Table(
    "notes", METADATA, *columns(NoteRow, primary="note"),
    sa.Index("notes_call", "call_id", "seq"), sa.Index("notes_lead", "lead", "seq"),
)  # fmt: skip
VERSIONS = sa.Table(
    "note_versions", METADATA, *columns(VersionRow, primary="key"), sa.Index("note_versions_note", "note", "version")
)
N, V = NOTES.c, VERSIONS.c


# --- folding ------------------------------------------------------------------------------------------------------


def fold(row: NoteRow | None, event: NoteSaid, seq: int) -> NoteRow | None:
    """The note after an event."""
    match event:
        case NoteAdded():
            about = lead.key_of(event.campaign_id, event.lead) if event.campaign_id is not None else None
            return row or NoteRow(
                event.note, seq, event.call_id, about, event.by, event.at, event.text, _json(event.mentions)
            )
        case NoteEdited():
            return row and replace(
                row, text=event.text, mentions=_json(event.mentions), version=event.version, edited=event.at
            )
        case NoteDeleted():
            return row and replace(row, version=event.version, deleted=event.at)


class Part(Struct, frozen=True, gc=False):
    """What an event says of a row whose key is none of its fields."""

    key: str
    said: NoteSaid


def of_versions(event: NoteSaid) -> Iterator[Part]:
    yield Part(f"{event.note}/{1 if isinstance(event, NoteAdded) else event.version}", event)


def fold_version(row: VersionRow | None, part: Part, seq: int) -> VersionRow | None:
    """What it said, which never changes."""
    match part.said:
        case NoteAdded() as said:
            return VersionRow(part.key, said.note, 1, said.at, said.by, said.text, _json(said.mentions))
        case NoteEdited() as said:
            return VersionRow(part.key, said.note, said.version, said.at, said.by, said.text, _json(said.mentions))
        case NoteDeleted() as said:
            return VersionRow(part.key, said.note, said.version, said.at, said.by, "", "[]", deleted=True)
    return row


def _json(names: tuple[str, ...]) -> str:
    return msgspec.json.encode(names).decode()


SAID = (NoteAdded, NoteEdited, NoteDeleted)
PROJECTIONS: tuple[Projection[Any], ...] = (
    Projection(
        table=NOTES, row=NoteRow, key="note", events=SAID, fold=fold,
        once=frozenset({"note", "seq", "call_id", "lead", "author", "added"}),
    ),
    Projection(
        table=VERSIONS, row=VersionRow, key="key", events=SAID, parts=of_versions, fold=fold_version,
        once=frozenset(VersionRow.__struct_fields__),
    ),
)  # fmt: skip


# --- queries ------------------------------------------------------------------------------------------------------


def one(note: str) -> Query[NoteView]:
    """It, also one that is deleted."""
    return Query(sa.select(NOTES).where(N.note == note), made_of(NoteRow, note_of))


def notes_of(
    *, call_id: str | None = None, about: str | None = None, after: int | None, limit: int
) -> Query[tuple[int, NoteView]]:
    """Those of a call, or of a lead (`lead.key_of`), oldest first and one more than the page has."""
    found = sa.select(NOTES).where(N.deleted.is_(None), *given((N.seq, gt, after)))
    found = found.where(N.call_id == call_id) if about is None else found.where(N.lead == about)
    found = found.order_by(N.seq).limit(limit + 1)
    return Query(found, made_of(NoteRow, lambda row: (row.seq, note_of(row))))


def versions_of(note: str, *, after: int | None, limit: int) -> Query[tuple[int, NoteVersion]]:
    """What it has said, oldest first and one more than the page has."""
    found = sa.select(VERSIONS).where(V.note == note, *given((V.version, gt, after)))
    found = found.order_by(V.version).limit(limit + 1)
    return Query(found, made_of(VersionRow, lambda row: (row.version, _version(row))))


def note_of(row: NoteRow) -> NoteView:
    """As it is shown."""
    campaign_id, _, of = (row.lead or "").partition("/")
    return NoteView(
        note=row.note, text=row.text, timestamp=row.added, author=row.author, call_id=row.call_id,
        campaign_id=campaign_id or None, lead=of or None, mentions=NAMES.decode(row.mentions), version=row.version,
        edited=row.edited if row.deleted is None else None, deleted=row.deleted,
    )  # fmt: skip


def _version(row: VersionRow) -> NoteVersion:
    return NoteVersion(
        version=row.version, timestamp=row.at, by=row.by, text=row.text, mentions=NAMES.decode(row.mentions),
        deleted=row.deleted,
    )


# --- answers ------------------------------------------------------------------------------------------------------


class NoteAnswers(Answers):
    """What is asked of notes, and whose that is which they are about."""

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(GET_NOTE, self.get),
            serve(PAST_NOTE, self.get),
            serve(LIST_NOTE_VERSIONS, self.versions),
            serve(LIST_CALL_NOTES, self.of_call),
            serve(LIST_LEAD_NOTES, self.of_lead),
            serve(FIND_NOTED, self.find),
        )

    async def get(self, request: GetNote, context: Context) -> NoteView:
        return await self._note(request.note, context)

    async def versions(self, request: ListNoteVersions, context: Context) -> Page:
        await self._note(request.note, context)
        query = versions_of(request.note, after=from_cursor(request.cursor), limit=request.limit)
        return page(await self.read(context, query), limit=request.limit)

    async def of_call(self, request: ListCallNotes, context: Context) -> Page:
        await self._of_call(request.call_id, context)
        query = notes_of(call_id=request.call_id, after=from_cursor(request.cursor), limit=request.limit)
        return await self._listed(query, request.limit, context)

    async def of_lead(self, request: ListLeadNotes, context: Context) -> Page:
        await self._of_lead(request.campaign_id, request.lead, context)
        about = lead.key_of(request.campaign_id, request.lead)
        query = notes_of(about=about, after=from_cursor(request.cursor), limit=request.limit)
        return await self._listed(query, request.limit, context)

    async def find(self, request: FindNoted, context: Context) -> Noted:
        return Noted(owners=await self._owners(request.call_id, request.campaign_id, request.lead, context))

    async def _listed(self, query: Query[tuple[int, NoteView]], limit: int, context: Context) -> Page:
        found = page(await self.read(context, query), limit=limit)
        return replace(found, body={"notes": found.body})

    async def _note(self, note: str, context: Context) -> NoteView:
        """One that the asker sees: their own, and what is not deleted of what they see as their own. Raises Refusal."""
        found = await self.one(context, one(note))
        if found is None:
            raise NO_NOTE()
        if context.user != found.author and NOTE.view_any not in context.actions:
            if found.deleted is not None:
                raise NO_NOTE()
            await self._owners(found.call_id, found.campaign_id, found.lead, context, unseen=NO_NOTE)
        return found

    async def _owners(
        self, call_id: str | None, campaign_id: str | None, of: str | None, context: Context,
        unseen: RefusalTemplate | None = None,
    ) -> tuple[str, ...]:  # fmt: skip
        """Who sees a call or a lead as their own. Raises Refusal (`unseen`) where the asker does not see it."""
        if call_id is not None:
            return await self._of_call(call_id, context, unseen or call.NO_CALL)
        if campaign_id is None or of is None:
            raise (unseen or NO_LEAD)()
        return await self._of_lead(campaign_id, of, context, unseen or NO_LEAD)

    async def _of_call(self, call_id: str, context: Context, unseen: RefusalTemplate = call.NO_CALL) -> tuple[str, ...]:
        """Whose a call is: who has it made, and who is or was on it."""
        found = await self.one(context, call.one(call_id))
        if found is None:
            raise unseen()
        return await self._owners_if_visible([*owners_of(found.user, found.operator)], context, unseen, call_id=call_id)

    async def _of_lead(
        self, campaign_id: str, of: str, context: Context, unseen: RefusalTemplate = NO_LEAD
    ) -> tuple[str, ...]:
        """Whose a lead is: who has made its campaign, who is to call it back, to whom
        it was assigned, and who is or was on a call of it."""
        made = await self.one(context, campaign.one(campaign_id))
        if made is None:
            raise unseen()
        def whose(row: LeadView) -> list[str]:
            return [made.by, *filter(None, (row.operator, row.assigned_seller))]

        # It may have become theirs just now.
        query = lead.one_lead(campaign_id, of)
        found = await self.one(context, query, lambda row: any(sees(context, NOTE, one) for one in whose(row)))
        if found is None and (found := await self.one(context, query)) is None:
            raise unseen()
        first = whose(found)
        return await self._owners_if_visible(first, context, unseen, about=lead.key_of(campaign_id, of))

    async def _owners_if_visible(
        self, first: list[str], context: Context, unseen: RefusalTemplate, *,
        call_id: str | None = None, about: str | None = None,
    ) -> tuple[str, ...]:  # fmt: skip
        """With whoever talked. Raises Refusal where the asker is none of them, also by the journal of now: an operator
        who has just got the call writes at once."""
        owners = [*first, *await self.read(context, on_calls(call_id=call_id, about=about), short=True)]
        if not any(sees(context, NOTE, owner) for owner in owners):
            talked = await self.one(context, on_calls(call_id=call_id, about=about, user=context.user))
            if talked is None:
                raise unseen()
            owners.append(talked)
        return tuple(dict.fromkeys(owners))


READ_MODEL = ReadModel(topics=topics_of("note"), projections=PROJECTIONS, answers=NoteAnswers)
