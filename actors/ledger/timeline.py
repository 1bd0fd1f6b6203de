"""What has happened to one lead, the newest first: attempts, their calls and recordings, notes, and changes by hand. Of
changes the ledger has a row each; all else is in the tables of its kind."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from actors.ledger.all_leads import one_of_all, whose
from actors.ledger.answers import Answers, ReadModel
from actors.ledger.call_rows import CALLS, CallRow
from actors.ledger.lead import ATTEMPTS, LEADS, AttemptRow, attempt_of, key_of, other_of
from actors.ledger.model import METADATA, Projection, Query, columns, made_of
from actors.ledger.note import NOTES, NoteRow, note_of
from actors.ledger.page import from_cursor_of_two, page
from actors.ledger.talks import TALKS
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.crm import LEAD_TIMELINE, GetTimeline, TimelineCall, TimelineEntry, TimelineKind
from bus_schemas.lead import (
    NO_LEAD,
    CampaignLeadChanged,
    CampaignLeadMarked,
    CampaignLeadMerged,
    CampaignLeadsAssigned,
    CampaignLeadUnmerged,
    changes_in,
)
from bus_schemas.permissions import Action

Row = TypeVar("Row", bound=Struct)
Position = tuple[str, int]  # when, and which of what was then
Found = tuple[Position, TimelineEntry]
Change = CampaignLeadChanged | CampaignLeadsAssigned | CampaignLeadMarked

K = TimelineKind
RANK = {kind: rank for rank, kind in enumerate(K)}  # of what has the same time, in which order it is
RANKS = 8


class ChangeRow(Struct, frozen=True, gc=False):
    """`key`: the lead and `seq`. `lead`: as `lead.key_of` has it. `changes`: what it then was, as JSON."""

    key: str
    lead: str
    seq: int
    at: str
    by: str
    changes: str


CHANGES = sa.Table(
    "lead_changes", METADATA, *columns(ChangeRow, primary="key"), sa.Index("lead_changes_lead", "lead", "seq")
)


class Part(Struct, frozen=True, gc=False):
    """What an event says of a lead."""

    key: str
    said: Change


def of_changes(event: Change) -> Iterator[Part]:
    """Each lead that an event is about."""
    other = other_of(event)
    leads = event.leads if isinstance(event, CampaignLeadsAssigned) else tuple(filter(None, (event.lead, other)))
    for lead in leads:
        yield Part(key_of(event.campaign, lead), event)


def fold(row: ChangeRow | None, part: Part, seq: int) -> ChangeRow:
    """The row of a change, which stays as it is."""
    changes = msgspec.json.encode(_changes(part)).decode()
    return row or ChangeRow(f"{part.key}/{seq}", part.key, seq, part.said.at, part.said.by, changes)


def _changes(part: Part) -> Mapping[str, Any]:
    said = part.said
    its_own = not part.key.endswith(f"/{other_of(said)}")  # ids have no `/`
    match said:
        case CampaignLeadMerged():
            return {**changes_in(said), "merged": said.merged} if its_own else {"merged_into": said.lead}
        case CampaignLeadUnmerged():
            back = {"status": said.restored_status, "merged_into": None}
            return {**changes_in(said), "unmerged": said.restored} if its_own else back
        case CampaignLeadChanged():
            return changes_in(said)
        case CampaignLeadsAssigned():
            return {"assigned_seller": said.assigned_seller}
        case CampaignLeadMarked():
            named = {"callback": said.callback, "operator": said.operator, "disposition": said.disposition}
            return {"status": said.status, **{name: value for name, value in named.items() if value is not None}}


PROJECTION = Projection(
    table=CHANGES, row=ChangeRow, key="key",
    events=(CampaignLeadChanged, CampaignLeadMerged, CampaignLeadUnmerged, CampaignLeadsAssigned, CampaignLeadMarked),
    parts=of_changes, fold=fold, once=frozenset(ChangeRow.__struct_fields__),
)  # fmt: skip


# --- queries ------------------------------------------------------------------------------------------------------


Leads = Sequence[str]  # `lead.key_of` of a lead, and of those that were merged into it


class Source(NamedTuple):
    """Where entries of a kind are. `number`: a whole number, of which no two of the kind have the same at a time."""

    kind: TimelineKind
    table: sa.Table
    at: sa.Column[Any]
    number: sa.Column[Any]
    of: Callable[[Leads], sa.ColumnElement[bool]]
    row: type[Struct]
    entry: Callable[[Any], TimelineEntry]  # any: of its rows
    needs: Action | None = None


def _its_calls(leads: Leads) -> sa.CompoundSelect[tuple[Any]]:
    """The ids of the calls to a lead, those of its attempts and those of its that operators were on."""
    tried = sa.select(ATTEMPTS.c.call_id).where(ATTEMPTS.c.lead.in_(leads), ATTEMPTS.c.call_id.is_not(None))
    return tried.union(sa.select(TALKS.c.call_id).where(TALKS.c.lead.in_(leads)))


def _its_notes(leads: Leads) -> sa.CompoundSelect[tuple[Any]]:
    """Its own, and those of its calls: each half has an index, and PostgreSQL takes none for one or the other."""
    own, of_calls = sa.select(NOTES.c.note), sa.select(NOTES.c.note)
    return own.where(NOTES.c.lead.in_(leads)).union(of_calls.where(NOTES.c.call_id.in_(_its_calls(leads))))


def _its_changes(leads: Leads) -> sa.ColumnElement[bool]:
    """A change of several of them is the first one's: no two have the same place in the timeline."""
    same = CHANGES.alias("same")
    own, before = _turn(CHANGES.c.lead, leads), _turn(same.c.lead, leads)
    first = sa.exists().where(same.c.seq == CHANGES.c.seq, same.c.lead.in_(leads), before < own)
    return sa.and_(CHANGES.c.lead.in_(leads), *([~first] if len(leads) > 1 else []))


def _turn(lead: sa.ColumnElement[str], leads: Leads) -> sa.ColumnElement[int]:
    return sa.case(*((lead == one, turn) for turn, one in enumerate(leads)), else_=len(leads))


def _of_note(row: NoteRow) -> TimelineEntry:
    return TimelineEntry(kind=K.NOTE, at=row.added, by=row.author, note=note_of(row))


def _of_attempt(row: AttemptRow) -> TimelineEntry:
    return TimelineEntry(kind=K.ATTEMPT, at=row.at, by=row.operator, attempt=attempt_of(row))


def _of_change(row: ChangeRow) -> TimelineEntry:
    return TimelineEntry(kind=K.CHANGE, at=row.at, by=row.by, changes=msgspec.json.decode(row.changes))


def _of_call(row: CallRow) -> TimelineEntry:
    call = TimelineCall(
        call_id=row.call_id, number=row.number, phase=row.phase, answer_time=row.answer_time, end_time=row.end_time,
        talk_seconds=row.duration or 0, reason=row.reason, disposition=row.operator_disposition,
    )  # fmt: skip
    return TimelineEntry(kind=K.CALL, at=row.start_time, by=row.operator or row.user, call=call)


def _of_recording(row: CallRow) -> TimelineEntry:
    where = f"/api/pbx/recordings/{row.call_id}"
    return TimelineEntry(kind=K.RECORDING, at=row.end_time or row.start_time, recording=where)


def _sources() -> tuple[Source, ...]:
    attempts, calls, notes, changes = ATTEMPTS.c, CALLS.c, NOTES.c, CHANGES.c
    return (
        Source(K.ATTEMPT, ATTEMPTS, attempts.at, attempts.attempt, lambda leads: attempts.lead.in_(leads), AttemptRow,
               _of_attempt),
        Source(K.CALL, CALLS, calls.start_time, calls.seq, lambda leads: calls.call_id.in_(_its_calls(leads)), CallRow,
               _of_call, Action.CALL_VIEW),
        Source(K.RECORDING, CALLS, calls.end_time, calls.seq, lambda leads: sa.and_(
               calls.call_id.in_(_its_calls(leads)), calls.recording.is_not(None), calls.end_time.is_not(None)),
               CallRow, _of_recording, Action.CALL_VIEW),
        Source(K.NOTE, NOTES, notes.added, notes.seq, lambda leads: sa.and_(
               notes.note.in_(_its_notes(leads)), notes.deleted.is_(None)), NoteRow, _of_note, Action.NOTE_VIEW),
        Source(K.CHANGE, CHANGES, changes.at, changes.seq, _its_changes, ChangeRow, _of_change),
    )  # fmt: skip


SOURCES = _sources()


def merged_into(campaign: str, leads: Sequence[str]) -> Query[str]:
    """The ids of the leads that were merged into these."""
    found = sa.select(LEADS.c.key).where(LEADS.c.campaign == campaign, LEADS.c.merged.in_(leads))
    return Query(found, lambda row: row.key.rpartition("/")[2])


def entries_of(source: Source, leads: Leads, *, before: Position | None, limit: int) -> Query[Found]:
    """Those of a lead, newest first and one more than the page has, each with its place."""
    place = source.number * RANKS + RANK[source.kind]
    found = sa.select(source.table).where(source.of(leads))
    if before is not None:
        here, there = sa.tuple_(source.at, place), sa.tuple_(*(sa.literal(value) for value in before))
        found = found.where(here < there)
    found = found.order_by(source.at.desc(), source.number.desc()).limit(limit + 1)
    at, number = source.at.name, source.number.name

    def entry(row: Any) -> Found:
        return (getattr(row, at), getattr(row, number) * RANKS + RANK[source.kind]), source.entry(row)

    return Query(found, made_of(source.row, entry))


class TimelineAnswers(Answers):
    """What is asked of what has happened to a lead."""

    def handlers(self) -> tuple[Served, ...]:
        return (serve(LEAD_TIMELINE, self.timeline),)

    async def timeline(self, request: GetTimeline, context: Context) -> Page:
        """For who sees the lead, with that of its calls and notes which they may see at all."""
        if await self.one(context, one_of_all(request.campaign_id, request.lead, whose(context))) is None:
            raise NO_LEAD()
        leads, before = await self._with_merged(request, context), from_cursor_of_two(request.cursor)
        seen = (source for source in SOURCES if source.needs is None or source.needs in context.actions)
        queries = [entries_of(source, leads, before=before, limit=request.limit) for source in seen]
        return page(merged([await self.read(context, query) for query in queries]), limit=request.limit)


    async def _with_merged(self, request: GetTimeline, context: Context) -> Leads:
        """With those that were merged into it, and into those. Nobody is merged twice, so that ends."""
        found, more = list[str](), [request.lead]
        while more:
            found += more
            more = await self.read(context, merged_into(request.campaign_id, more))
        return [key_of(request.campaign_id, lead) for lead in found]


def merged(found: Iterable[Sequence[Found]]) -> list[Found]:
    """Those of all sources, the newest first."""
    return sorted(chain.from_iterable(found), key=_place, reverse=True)


def _place(found: Found) -> Position:
    return found[0]


READ_MODEL = ReadModel(topics=(), projections=(PROJECTION,), answers=TimelineAnswers)
