"""Imports over HTTP, and what Socket.IO clients hear of one."""

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from bus_schemas.fields import Utc
from bus_schemas.imports import (
    ADMIT_IMPORT,
    CANCEL_IMPORT,
    CREATE_IMPORT,
    GET_IMPORT,
    IMPORT,
    IMPORT_CANCELLING,
    IMPORT_CREATED,
    IMPORT_ENDED,
    IMPORT_ERRORS,
    IMPORT_EXAMINED,
    IMPORT_FROM_PATH,
    IMPORT_MAPPED,
    IMPORT_STARTED,
    IMPORT_TELEMETRY,
    LARGEST,
    LIST_IMPORTS,
    MAP_COLUMNS,
    PREVIEW_IMPORT,
    START_IMPORT,
    AdmitImport,
    Columns,
    CreateImport,
    FileLayout,
    ImportCancelling,
    ImportCounts,
    ImportCreated,
    ImportEnded,
    ImportExamined,
    ImportId,
    ImportMapped,
    ImportStarted,
    ImportStatus,
    ImportTelemetry,
)
from gateway.routes import Part, Room, Route, Upload, shared_fields

P = Part
C = "/api/autodialer/imports"
ONE = C + "/{import_id}"


def admission(request: CreateImport, size: int, own: int) -> AdmitImport:
    """What is asked before a file is taken."""
    return AdmitImport(campaign_id=request.campaign_id, size=size, own=own, run=request.run)


UPLOAD = Upload(field="file", most=LARGEST, admit=ADMIT_IMPORT, ask=admission)

# fmt: off
ROUTES = (
    #     method  path              contract          status part
    Route("POST", C,                CREATE_IMPORT,    201, P.OTTB, True, upload=UPLOAD),
    Route("POST", C + "/from-path", IMPORT_FROM_PATH, 201, P.OTTB, True),
    Route("GET",  C,                LIST_IMPORTS,     200, P.OTTB),
    Route("GET",  ONE,              GET_IMPORT,       200, P.OTTB, light=True),
    Route("GET",  ONE + "/preview", PREVIEW_IMPORT,   200, P.OTTB, costly=True),
    Route("POST", ONE + "/columns", MAP_COLUMNS,      200, P.OTTB, True),
    Route("POST", ONE + "/start",   START_IMPORT,     200, P.OTTB, True),
    Route("POST", ONE + "/cancel",  CANCEL_IMPORT,    200, P.OTTB, True),
    Route("GET",  ONE + "/errors",  IMPORT_ERRORS,    200, P.OTTB, stored=True),
)
# fmt: on

Change = Literal["created", "mapped", "examined", "started", "cancelling", "ended", "counts"]


class ImportUpdate(Struct, frozen=True, kw_only=True):
    """An import has changed. `change` says how, and with it which other fields are there; `status` is that after it.
    `counts`: at most twice a second."""

    import_id: ImportId
    at: Utc
    change: Change
    status: ImportStatus | UnsetType = UNSET
    by: str | UnsetType | None = UNSET
    campaign_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    size: int | UnsetType = UNSET
    begin: bool | UnsetType = UNSET
    run: bool | UnsetType = UNSET
    layout: FileLayout | UnsetType = UNSET
    columns: Columns | UnsetType = UNSET
    expected: ImportCounts | UnsetType | None = UNSET
    rows: int | UnsetType | None = UNSET
    done: int | UnsetType = UNSET
    new: int | UnsetType = UNSET
    duplicates: int | UnsetType = UNSET
    invalid: Mapping[str, int] | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET


S = ImportStatus
BECAME: dict[type[Struct], tuple[Change, ImportStatus]] = {
    ImportCreated: ("created", S.EXAMINING),
    ImportMapped: ("mapped", S.EXAMINING),
    ImportExamined: ("examined", S.READY),
    ImportStarted: ("started", S.RUNNING),
    ImportCancelling: ("cancelling", S.CANCELLING),
}


def present(event: Struct) -> ImportUpdate:
    """What an event says of its import."""
    fields = shared_fields(event, ImportUpdate)
    match event:
        case ImportTelemetry():
            return ImportUpdate(**fields, change="counts")
        case ImportEnded():
            return ImportUpdate(**fields, change="ended")
    change, status = BECAME[type(event)]
    return ImportUpdate(**fields, change=change, status=status)


ROOM = Room(
    IMPORT,
    ImportUpdate,
    (
        IMPORT_CREATED, IMPORT_MAPPED, IMPORT_EXAMINED, IMPORT_STARTED, IMPORT_CANCELLING, IMPORT_ENDED,
        IMPORT_TELEMETRY,
    ),
    present,
    narrows=(("import_id", ImportId),),
)  # fmt: skip
