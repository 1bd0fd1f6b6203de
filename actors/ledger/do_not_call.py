"""Do-not-call lists in the ledger: one row for each entry that ever was on one."""

from collections.abc import Iterator
from operator import eq, gt

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import Answers, ReadModel
from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.numbers import parts_in
from actors.ledger.page import fitting, from_cursor, page
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.catalogue import topics_of
from bus_schemas.do_not_call import (
    AT_ONCE,
    FIND_DO_NOT_CALL,
    LIST_DO_NOT_CALL,
    DoNotCallAdded,
    DoNotCallEntry,
    DoNotCallRemoved,
    FindDoNotCall,
    ListDoNotCall,
    Listed,
)

AFTER_DIGITS = ":"  # the character behind `9`: what begins with some digits sorts before them and it


class EntryRow(Struct, frozen=True, gc=False):
    """`key`: list and entry. `place`: by which lists go on: of the event that added it, and of the entry in that."""

    key: str
    list: str
    entry: str
    place: int
    since: str
    by: str
    source: str
    reason: str
    expires: str | None = None
    removed: str | None = None
    removed_by: str | None = None


IS_REMOVED = sa.text("removed IS NOT NULL")

ENTRIES = sa.Table(
    "do_not_call",
    METADATA,
    *columns(EntryRow, primary="key"),
    sa.Index("do_not_call_place", "place"),
    sa.Index("do_not_call_list", "list", "place"),
    sa.Index("do_not_call_entry", "entry", "place"),
    sa.Index("do_not_call_source", "source", "place"),
    sa.Index("do_not_call_by", "by", "place"),
    sa.Index("do_not_call_removed", "place", sqlite_where=IS_REMOVED, postgresql_where=IS_REMOVED),
)
C = ENTRIES.c


class Added(Struct, frozen=True):
    """One entry of an event, and which one of it."""

    key: str
    number: int
    one: Listed
    event: DoNotCallAdded


class Removed(Struct, frozen=True):
    """One entry of an event."""

    key: str
    event: DoNotCallRemoved


def parts(event: DoNotCallAdded | DoNotCallRemoved) -> Iterator[Added | Removed]:
    """What an event says of each entry."""
    if isinstance(event, DoNotCallRemoved):
        yield from (Removed(f"{event.list}/{entry}", event) for entry in event.entries)
    else:
        for number, one in enumerate(event.entries):
            yield Added(f"{event.list}/{one.entry}", number, one, event)


def fold(row: EntryRow | None, part: Added | Removed, seq: int) -> EntryRow | None:
    """The entry after an event."""
    if isinstance(part, Removed):
        return row and replace(row, removed=part.event.at, removed_by=part.event.by)
    event, one, place = part.event, part.one, seq * 2 * AT_ONCE + part.number
    return EntryRow(
        part.key, event.list, one.entry, place, event.at, event.by, event.source, one.reason, one.expires
    )


PROJECTION = Projection(
    table=ENTRIES,
    row=EntryRow,
    key="key",
    events=(DoNotCallAdded, DoNotCallRemoved),
    parts=parts,
    fold=fold,
    once=frozenset({"key", "list", "entry"}),
    listed=True,
)


def entries_of(
    request: ListDoNotCall, *, after: int | None, numbers: frozenset[str] | None = None
) -> Query[tuple[int, DoNotCallEntry]]:
    """The entries that `request` asks for, in their order and one more than the page has, each with its place.
    `numbers`: with any of which an entry is to begin."""
    found = sa.select(ENTRIES).where(
        IS_REMOVED if request.removed else C.removed.is_(None),
        *given((C.list, eq, request.list), (C.source, eq, request.source)),
        *given((C.by, eq, request.by), (C.place, gt, after)),
    )
    if numbers is not None:
        found = found.where(sa.or_(*(sa.and_(C.entry >= one, C.entry < one + AFTER_DIGITS) for one in sorted(numbers))))
    found = found.order_by(C.place).limit(request.limit + 1)
    return Query(found, made_of(EntryRow, lambda row: (row.place, _view(row))))


def on_record(entries: tuple[str, ...]) -> Query[DoNotCallEntry]:
    """These entries on all lists."""
    found = sa.select(ENTRIES).where(C.entry.in_(entries)).order_by(C.place)
    return Query(found, made_of(EntryRow, _view))


def _view(row: EntryRow) -> DoNotCallEntry:
    return DoNotCallEntry(
        list=row.list, entry=row.entry, reason=row.reason, expires=row.expires, source=row.source, by=row.by,
        since=row.since, removed=row.removed, removed_by=row.removed_by,
    )  # fmt: skip


class DoNotCallAnswers(Answers):
    """What is asked of the entries on record."""

    def handlers(self) -> tuple[Served, ...]:
        return serve(LIST_DO_NOT_CALL, self.list_entries), serve(FIND_DO_NOT_CALL, self.find)

    async def list_entries(self, request: ListDoNotCall, context: Context) -> Page:
        numbers = parts_in(request.number, self.region)
        query = entries_of(request, after=from_cursor(request.cursor), numbers=numbers)
        return page(await self.read(context, query), limit=request.limit)

    async def find(self, request: FindDoNotCall, context: Context) -> list[DoNotCallEntry]:
        return fitting(await self.read(context, on_record(request.entries), short=True))


READ_MODEL = ReadModel(topics=topics_of("do_not_call"), projections=(PROJECTION,), answers=DoNotCallAnswers)
