"""Imports in the ledger: one row for each."""

from operator import eq, lt
from typing import Any, get_args

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel
from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.page import from_cursor, page
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.imports import (
    ABSENT_IMPORT,
    HELD_FILES,
    IMPORT_ERRORS,
    LIST_IMPORTS,
    OVER,
    OVER_IMPORT,
    PAST_IMPORT,
    AskedImport,
    Columns,
    ErrorFile,
    FileLayout,
    FilesHeld,
    GetImport,
    HeldFiles,
    ImportAdvanced,
    ImportCancelling,
    ImportCounts,
    ImportCreated,
    ImportEnded,
    ImportEvent,
    ImportExamined,
    ImportMapped,
    ImportStarted,
    ImportStatus,
    ImportView,
    ListImports,
    errors_key,
)

NO_IMPORT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such import.")
NO_ERRORS = RefusalTemplate(ErrorCode.NOT_FOUND, "No row of the import is known to be no lead.")
IS_OVER = RefusalTemplate(ErrorCode.CONFLICT, "The import is over.")


class ImportRow(Struct, frozen=True, gc=False):
    """`seq`: of the event that made it, by which lists go on. `layout`, `columns`, `expected`, `invalid`: as in the
    contract, as JSON. `pieces`: of the table of what is bad."""

    import_id: str
    seq: int
    campaign: str
    by: str
    name: str
    size: int
    created: str
    status: str = str(ImportStatus.EXAMINING)
    layout: str = "null"
    columns: str = "null"
    expected: str = "null"
    rows: int | None = None
    done: int = 0
    new: int = 0
    duplicates: int = 0
    invalid: str = "{}"
    pieces: int = 0
    reason: str | None = None
    ended: str | None = None


IMPORTS = sa.Table(
    "imports", METADATA, *columns(ImportRow, primary="import_id", unique="seq"), sa.Index("imports_seq", "seq"),
    sa.Index("imports_campaign", "campaign", "seq"),
)  # fmt: skip
C = IMPORTS.c
S = ImportStatus


def fold(row: ImportRow | None, event: ImportEvent, seq: int) -> ImportRow | None:
    """The import after an event."""
    if isinstance(event, ImportCreated):
        return ImportRow(event.import_id, seq, event.campaign_id, event.by, event.name, event.size, event.at)
    return _after(row, event) if row is not None else None


def _after(row: ImportRow, event: ImportEvent) -> ImportRow:
    match event:
        case ImportMapped():
            return replace(row, status=str(S.EXAMINING), columns=_text(event.columns), expected="null")
        case ImportExamined():
            return replace(
                row, status=str(S.READY), layout=_text(event.layout), columns=_text(event.columns), rows=event.rows,
                expected=_text(event.expected),
            )  # fmt: skip
        case ImportStarted():
            return replace(row, status=str(S.RUNNING))
        case ImportAdvanced():
            return replace(
                row, done=event.done, new=event.new, duplicates=event.duplicates, invalid=_text(event.invalid),
                pieces=event.ref_pieces,
            )  # fmt: skip
        case ImportCancelling():
            return replace(row, status=str(S.CANCELLING))
        case ImportEnded():
            return replace(row, status=str(event.status), new=event.new, reason=event.reason, ended=event.at)
    return row


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


PROJECTION = Projection(table=IMPORTS, row=ImportRow, key="import_id", events=get_args(ImportEvent), fold=fold)


def one(import_id: str) -> Query[ImportRow]:
    """It, whatever became of it."""
    return Query(sa.select(IMPORTS).where(C.import_id == import_id), made_of(ImportRow, lambda row: row))


def all_imports(wanted: ListImports, *, before: int | None) -> Query[tuple[int, ImportView]]:
    """Those that `wanted` asks for, newest first and one more than the page has, each with its key."""
    conditions = given((C.seq, lt, before), (C.campaign, eq, wanted.campaign_id), (C.status, eq, wanted.status))
    found = sa.select(IMPORTS).where(*conditions).order_by(C.seq.desc()).limit(wanted.limit + 1)
    return Query(found, made_of(ImportRow, lambda row: (row.seq, view(row))))


def held_by(user: str) -> Query[FilesHeld]:
    """The files of a user's imports that are not over."""
    size, wanted = sa.func.coalesce(sa.func.sum(C.size), 0), (C.by == user, C.ended.is_(None))
    found = sa.select(size.label("bytes"), sa.func.count().label("files")).where(*wanted)
    return Query(found, lambda row: FilesHeld(size=int(row.bytes), count=int(row.files)))


def view(row: ImportRow) -> ImportView:
    """As it is shown."""
    return ImportView(
        import_id=row.import_id, campaign_id=row.campaign, status=ImportStatus(row.status), name=row.name,
        size=row.size, by=row.by, created=row.created, layout=_read(row.layout, FileLayout),
        columns=_read(row.columns, Columns), expected=_read(row.expected, ImportCounts), rows=row.rows, done=row.done,
        new=row.new, duplicates=row.duplicates, invalid=_read(row.invalid, dict[str, int]), errors=row.pieces > 0,
        reason=row.reason, ended=row.ended,
    )  # fmt: skip


def _read(text: str, kind: Any) -> Any:  # any: null, or of that kind
    return msgspec.json.decode(text, type=kind | None)


class ImportAnswers(Answers):
    """What is asked of all imports, and of those that nobody owns."""

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(PAST_IMPORT, self.past_import),
            serve(ABSENT_IMPORT, self.absent_import),
            serve(OVER_IMPORT, self.over_import),
            serve(LIST_IMPORTS, self.list_imports),
            serve(IMPORT_ERRORS, self.errors),
            serve(HELD_FILES, self.held),
        )

    async def past_import(self, request: GetImport, context: Context) -> ImportView:
        return view(await self._found(request.import_id, context))

    async def absent_import(self, request: AskedImport, context: Context) -> ImportView:
        found = await self._found(request.import_id, context)
        if found.status in OVER:
            raise IS_OVER(status=found.status)
        raise OWNER_AWAY()

    async def over_import(self, request: AskedImport, context: Context) -> Page:
        found = await self._found(request.import_id, context)
        if found.status == S.CANCELLED:
            return Page(body=view(found), changed=False)
        raise IS_OVER(status=found.status) if found.status in OVER else OWNER_AWAY()

    async def list_imports(self, request: ListImports, context: Context) -> Page:
        found = await self.read(context, all_imports(request, before=from_cursor(request.cursor)))
        return page(found, limit=request.limit)

    async def held(self, request: HeldFiles, context: Context) -> FilesHeld:
        [found] = await self.read(context, held_by(request.by), short=True)
        return found

    async def errors(self, request: GetImport, context: Context) -> ErrorFile:
        found = await self._found(request.import_id, context)
        if not found.pieces:
            raise NO_ERRORS()
        return ErrorFile(import_id=found.import_id, key=errors_key(found.import_id), pieces=found.pieces)

    async def _found(self, import_id: str, context: Context) -> ImportRow:
        found = await self.one(context, one(import_id))
        if found is None:
            raise NO_IMPORT()
        return found


READ_MODEL = ReadModel(topics=topics_of("import"), projections=(PROJECTION,), answers=ImportAnswers)
