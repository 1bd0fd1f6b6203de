"""Erasures in the ledger: one row for each."""

from operator import lt
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import Answers, ReadModel
from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.page import from_cursor, page
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.catalogue import topics_of
from bus_schemas.erasure import (
    GET_ERASURE,
    LIST_ERASURES,
    NO_ERASURE,
    Erased,
    ErasureBegun,
    ErasureCleared,
    ErasureDone,
    ErasureFailed,
    ErasureStatus,
    ErasureView,
    GetErasure,
    ListErasures,
)

Said = ErasureBegun | ErasureCleared | ErasureDone | ErasureFailed
S = ErasureStatus


class ErasureRow(Struct, frozen=True, gc=False):
    """`seq`: of the event that began it, by which lists go on; `cleared`: of the one that says so. `marks`, `erased`:
    as in the contract, as JSON."""

    erasure: str
    seq: int
    by: str
    at: str
    reason: str
    marks: str
    status: str = str(S.RUNNING)
    erased: str = "{}"
    ended: str | None = None
    why: str = ""
    cleared: int | None = None


ERASURES = sa.Table("erasures", METADATA, *columns(ErasureRow, primary="erasure", unique="seq"))
C = ERASURES.c


def fold(row: ErasureRow | None, event: Said, seq: int) -> ErasureRow | None:
    """The erasure after an event."""
    match event:
        case ErasureBegun():
            return row or ErasureRow(event.erasure, seq, event.by, event.at, event.reason, _text(event.marks))
        case ErasureCleared():
            return row and replace(row, erased=_text(event.erased), cleared=seq)
        case ErasureDone():
            return row and replace(row, status=str(S.DONE), ended=event.at)
        case ErasureFailed():
            return row and replace(row, status=str(S.FAILED), ended=event.at, why=event.why)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def view(row: ErasureRow) -> ErasureView:
    """As it is shown."""
    return ErasureView(
        erasure=row.erasure, status=S(row.status), by=row.by, at=row.at, reason=row.reason,
        marks=msgspec.json.decode(row.marks, type=tuple[str, ...]),
        erased=msgspec.json.decode(row.erased, type=Erased), ended=row.ended, why=row.why,
    )  # fmt: skip


def one(erasure: str) -> Query[ErasureView]:
    return Query(sa.select(ERASURES).where(C.erasure == erasure), made_of(ErasureRow, view))


def files_wiped() -> Query[int]:
    """Where in the journal the bucket of files was last emptied for one; 0: it never was."""
    return Query(sa.select(sa.func.max(C.cleared).label("at")), lambda row: int(row.at or 0))


def all_of_them(*, before: int | None, limit: int) -> Query[tuple[int, ErasureView]]:
    """The newest first and one more than the page has, each with its key."""
    found = sa.select(ERASURES).where(*given((C.seq, lt, before))).order_by(C.seq.desc()).limit(limit + 1)
    return Query(found, made_of(ErasureRow, lambda row: (row.seq, view(row))))


class ErasureAnswers(Answers):
    """What became of them."""

    def handlers(self) -> tuple[Served, ...]:
        return serve(GET_ERASURE, self.get), serve(LIST_ERASURES, self.list)

    async def get(self, request: GetErasure, context: Context) -> ErasureView:
        found = await self.one(context, one(request.erasure))
        if found is None:
            raise NO_ERASURE()
        return found

    async def list(self, request: ListErasures, context: Context) -> Page:
        found = await self.read(context, all_of_them(before=from_cursor(request.cursor), limit=request.limit))
        return page(found, limit=request.limit)


PROJECTIONS: tuple[Projection[Any], ...] = (
    Projection(
        table=ERASURES, row=ErasureRow, key="erasure",
        events=(ErasureBegun, ErasureCleared, ErasureDone, ErasureFailed), fold=fold,
    ),
)  # fmt: skip
READ_MODEL = ReadModel(topics=topics_of("erasure"), projections=PROJECTIONS, answers=ErasureAnswers)
