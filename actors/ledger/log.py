"""The platform's log in the ledger: one row an event, written once, and no more of them than the stream keeps.

It is a ledger of its own beside the one of the journal, with a store of its own, since it follows another stream. A
text is sought in one column, whole row by row: `MOST_EVENTS` bounds that, and rows that come and go in such numbers
would pay for an index of trigrams (`words.py`) each time.
"""

from datetime import timedelta
from functools import partial
from operator import eq, ge, lt

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import Answers, ReadModel
from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.page import from_cursor, page, with_span
from actors.runtime.clock import parse_utc, utc
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.log import DAYS_KEPT, LIST_LOGS, MOST_EVENTS, ListLogs, LogRecord, words_in
from bus_schemas.permissions import Action

KEPT = timedelta(days=DAYS_KEPT)


class LogRow(Struct, frozen=True, gc=False):
    """A LogRecord. `context` as JSON; `words`: what a text is sought in, large and small letters alike."""

    id: int
    at: str
    module: str
    severity: str
    message: str
    context: str
    user_id: str | None
    sender: str
    host: str
    slot: int | None
    call_id: str | None
    trace_id: str | None
    words: str


EVENTS = sa.Table(
    "log_events",
    METADATA,
    *columns(LogRow, primary="id"),
    sa.Index("log_events_at", "at"),
    sa.Index("log_events_module", "module", "id"),
    sa.Index("log_events_severity", "severity", "id"),
    sa.Index("log_events_sender", "sender", "id"),
    sa.Index("log_events_slot", "slot", "id"),
    sa.Index("log_events_call", "call_id"),
    sa.Index("log_events_trace", "trace_id"),
)
C = EVENTS.c


def fold(row: LogRow | None, record: LogRecord, seq: int) -> LogRow:
    """The event that was there first."""
    context = msgspec.json.encode(record.context).decode()
    fields = {name: getattr(record, name) for name in LogRecord.__struct_fields__ if name != "context"}
    return row or LogRow(**fields, context=context, words=words_in(record))


def outdated(record: LogRecord, seq: int) -> sa.ColumnElement[bool]:
    """What the stream has forgotten by the time that it has this one."""
    return sa.or_(seq - MOST_EVENTS >= C.id, C.at < utc(parse_utc(record.at) - KEPT))


PROJECTION = Projection(
    table=EVENTS,
    row=LogRow,
    key="id",
    events=(LogRecord,),
    fold=fold,
    once=frozenset(LogRow.__struct_fields__),
    outdated=outdated,
)


def events(request: ListLogs, *, sender: str | None, before: int | None) -> Query[tuple[int, LogRecord]]:
    """The events that `request` asks for, of a sender or of all, newest first and one more than the page has, each with
    its key; times as `clock.utc` writes them."""
    conditions = given(
        (C.id, lt, before),
        (C.sender, eq, sender),
        (C.module, eq, request.module),
        (C.severity, eq, request.severity),
        (C.at, ge, request.since),
        (C.at, lt, request.until),
        (C.slot, eq, request.slot),
        (C.call_id, eq, request.call_id),
        (C.trace_id, eq, request.trace_id),
        (C.words, partial(sa.Column.contains, autoescape=True), request.text and request.text.casefold()),
    )
    found = sa.select(EVENTS).where(*conditions).order_by(C.id.desc()).limit(request.limit + 1)
    return Query(found, made_of(LogRow, lambda row: (row.id, _record(row))))


def _record(row: LogRow) -> LogRecord:
    fields = {name: getattr(row, name) for name in LogRecord.__struct_fields__}
    return LogRecord(**fields | {"context": msgspec.json.decode(row.context)})


class LogAnswers(Answers):
    """What is asked of the log. What the asker has seen of the journal says nothing of it, so it is read as far as its
    stream goes now."""

    def handlers(self) -> tuple[Served, ...]:
        return (serve(LIST_LOGS, self.list_logs),)

    async def list_logs(self, request: ListLogs, context: Context) -> Page:
        sender = None if context.may(Action.LOG_VIEW_ANY) else context.user
        query = events(with_span(request), sender=sender, before=from_cursor(request.cursor))
        context = replace(context, after=await self.unread(self.folded()) or 0)
        return page(await self.read(context, query), limit=request.limit)


READ_MODEL = ReadModel(topics=(), projections=(PROJECTION,), answers=LogAnswers)
