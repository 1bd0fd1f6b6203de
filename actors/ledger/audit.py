"""The audit in the ledger: one row an entry, written once."""

from collections.abc import Iterator, Sequence
from operator import eq, ge, lt
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Struct

from actors.ledger.answers import Answers, ReadModel
from actors.ledger.model import METADATA, Newest, Position, Projection, Query, columns, given, made_of, unindexed
from actors.ledger.page import from_cursor, from_cursor_of_two, page, with_span
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.audit import (
    EXAMINE_AUDIT,
    LIST_AUDIT,
    AuditRecord,
    AuditRecorded,
    ExamineAudit,
    Examined,
    ListAudit,
)
from bus_schemas.catalogue import topics_of

MOST_ACTIONS = 40  # that are looked for one by one


class AuditRow(Struct, frozen=True, gc=False):
    """An AuditRecord. `subject` as JSON; `hash`: of the record of the chain that the entry is in."""

    number: int
    at: str
    user: str
    door: str
    action: str
    result: str
    subject: str
    credential: str | None
    address: str
    request_id: str
    trace_id: str | None
    hash: str
    count: int
    first: str | None


AUDIT = sa.Table(
    "audit",
    METADATA,
    *columns(AuditRow, primary="number"),
    sa.Index("audit_at", "at"),
    sa.Index("audit_user", "user"),
    sa.Index("audit_result", "result"),
    sa.Index("audit_request", "request_id"),
    sa.Index("audit_action", "action", "number"),
)
C = AUDIT.c


def parts(event: AuditRecorded) -> Iterator[AuditRow]:
    """The rows of the entries that were written together."""
    for place, entry in enumerate(event.entries):
        yield AuditRow(
            event.first + place,
            entry.at,
            entry.user,
            entry.door,
            entry.action,
            entry.result,
            msgspec.json.encode(entry.subject).decode(),
            entry.credential,
            entry.address,
            entry.request_id,
            entry.trace_id,
            event.hash,
            1 if entry.count is UNSET else entry.count,
            None if entry.first is UNSET else entry.first,
        )


def records_of(event: AuditRecorded) -> list[AuditRecord]:
    """What the ledger must say of the entries of one record."""
    return [_record(row) for row in parts(event)]


def fold(row: AuditRow | None, entry: AuditRow, seq: int) -> AuditRow:
    """The entry that was there first."""
    return row or entry


PROJECTION = Projection(
    table=AUDIT,
    row=AuditRow,
    key="number",
    events=(AuditRecorded,),
    parts=parts,
    fold=fold,
    once=frozenset(AuditRow.__struct_fields__),
    version=2,
)


def known_actions() -> Query[str]:
    """All actions that anything was recorded of: each is found behind the one before it, however often that is there.
    """
    known = sa.select(sa.cast("", C.action.type).label("action")).cte("known", recursive=True)
    following = sa.select(sa.func.min(C.action)).where(C.action > known.c.action).scalar_subquery()
    known = known.union_all(sa.select(following).where(known.c.action.is_not(None)))
    return Query(sa.select(known.c.action).where(known.c.action > ""), lambda row: str(row.action))


def records(
    request: ListAudit, *, before: Position | int | None, actions: Sequence[str] | None = None
) -> Query[tuple[Any, AuditRecord]]:
    """The records that `request` asks for, newest first and one more than the page has, each with its key: its number,
    in a span of time also the time. Times are as `clock.utc` writes them. `actions`: those that begin as asked; None:
    it is not asked for any."""
    spanned = in_span(request)
    newest = Newest(C.at, C.number, by_time=spanned)
    result = unindexed(C.result) if spanned else C.result  # most have the same one: a span is found by time alone
    conditions = given(
        (C.user, eq, request.user),
        (result, eq, request.result),
        (C.request_id, eq, request.request_id),
        (C.at, ge, request.since),
        (C.at, lt, request.until),
    )
    found = sa.select(AUDIT).where(*newest.behind(before), *conditions)
    if actions is not None:
        found = _of_actions(found, actions, newest, request.limit, alone=not conditions)
    return Query(newest.page(found, request.limit), made_of(AuditRow, lambda row: (newest.key(row), _record(row))))


def _of_actions(
    found: sa.Select[Any], actions: Sequence[str], newest: Newest, limit: int, *, alone: bool
) -> sa.Select[Any]:
    """Those with one of these actions. The newest of each are found by its index, where nothing else is asked; of many
    actions a page is soon full."""
    if not actions:
        return found.where(sa.false())
    if not alone or len(actions) > MOST_ACTIONS:
        return found.where(unindexed(C.action).in_(actions))
    each = (sa.select(newest.page(found.where(C.action == action), limit).subquery()) for action in actions)
    return sa.select(sa.union_all(*each).subquery())


def in_span(request: ListAudit) -> bool:
    """Whether it is asked by time, in which its records are in order, then; else they are as in their chain."""
    return request.since is not None or request.until is not None


def _record(row: AuditRow) -> AuditRecord:
    return AuditRecord(**{**msgspec.structs.asdict(row), "subject": msgspec.json.decode(row.subject)})


class AuditAnswers(Answers):
    """What is asked of the audit."""

    def handlers(self) -> tuple[Served, ...]:
        return serve(LIST_AUDIT, self.list_audit), serve(EXAMINE_AUDIT, self.examine_audit)

    async def list_audit(self, request: ListAudit, context: Context) -> Page:
        wanted = with_span(request)
        before = (from_cursor_of_two if in_span(wanted) else from_cursor)(request.cursor)
        rows = await self.read(context, records(wanted, before=before, actions=await self._actions(wanted, context)))
        return page(rows, limit=request.limit)

    async def _actions(self, wanted: ListAudit, context: Context) -> list[str] | None:
        """Those that begin as asked: letters are the same small and large. None: it is not asked for any."""
        if wanted.action is None:
            return None
        known, beginning = await self.read(context, known_actions(), short=True), wanted.action.casefold()
        return [one for one in known if one.casefold().startswith(beginning)]

    async def examine_audit(self, request: ExamineAudit, context: Context) -> Examined:
        found = await self.examine(AUDIT.name)
        return Examined(problems=found.problems, unseen=found.unseen)


READ_MODEL = ReadModel(topics=topics_of("audit"), projections=(PROJECTION,), answers=AuditAnswers)
