"""Imports over HTTP, and what Socket.IO clients hear of one."""


from msgspec import Struct

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
    CreateImport,
    ImportCancelling,
    ImportChange,
    ImportCreated,
    ImportEnded,
    ImportExamined,
    ImportId,
    ImportMapped,
    ImportStarted,
    ImportStatus,
    ImportTelemetry,
    ImportUpdate,
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

S = ImportStatus
BECAME: dict[type[Struct], tuple[ImportChange, ImportStatus]] = {
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
