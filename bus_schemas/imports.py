"""Imports: lists of leads, as files, that go into a campaign; how one is asked for, and what becomes of it.

A file is uploaded over HTTP, or lies in a folder that the settings allow. It is looked at first: how it is written,
which column holds what, what would come of it. It is started then, by a person or at once, and read part by part.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import READ_AGAIN, Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import UNSEEN, HostName, Id, Username, Utc, shaped
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.lead import DIALS
from bus_schemas.permissions import Action

A = Action
E = ErrorCode

IMPORT = Kind("import", "imports", view=A.CAMPAIGN_IMPORT)

LARGEST = 64 << 20  # bytes of a file
KEPT = 3 * 24 * 3600.0  # seconds for which a file waits for somebody to start it
MOST_SKIPPED = 1000  # rows above a list
ImportId = Annotated[Id, Meta(examples=["imp_5k2a"])]
FileName = Annotated[
    str, shaped(rf"^[^{UNSEEN}]{{1,200}}$(?!\n)", "1 to 200 characters that are seen", examples=["leads.csv"])
]
Column = Annotated[str, Meta(max_length=80, examples=["number", "calling_code", "country", "name", "custom:City", ""])]
Count = Annotated[int, Meta(ge=0)]


class ImportStatus(StrEnum):
    """`examining -> ready -> running -> finished`; `cancelling -> cancelled`, `failed` from any that is not over."""

    EXAMINING = "examining"  # its file is looked at, or waits for its turn
    READY = "ready"  # waits for somebody to start it
    RUNNING = "running"  # its leads go in, or it waits for its turn
    CANCELLING = "cancelling"  # the part that is under way goes in, no other one
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER = frozenset({ImportStatus.FINISHED, ImportStatus.FAILED, ImportStatus.CANCELLED})


class StoredFile(Struct, frozen=True, kw_only=True):
    """A file in the bucket of files, in pieces `<key>.0` ... `digest`: SHA-256 of it."""

    key: Id
    size: Annotated[int, Meta(ge=0, le=LARGEST)]
    pieces: Annotated[int, Meta(ge=0, le=1024)]
    digest: Annotated[str, Meta(max_length=64)]


class FileLayout(Struct, frozen=True, kw_only=True):
    """How a file is written. `delimiter` empty: one column. `said`: its first line says it."""

    encoding: str
    delimiter: str
    said: bool = False


class Columns(Struct, frozen=True, kw_only=True):
    """What is in each column: a field of a lead, `custom:` and a name, or empty for nothing that is read. `header`: the
    first row says it, behind the rows that are skipped. `skip`: so many rows at the top, as a spreadsheet counts, are
    titles, and nothing is read of them. `doubt`: why nothing is imported until a person has said it. `calling_code` and
    `country` say where the numbers of a row stand that do not say it themselves; without such a column the site's
    region does. `unsure`: columns, from 1, that may say it, and so far change nothing: a row whose number would be
    another one by them is invalid until a person has said what they hold."""

    fields: tuple[Column, ...]
    header: bool
    doubt: str = ""
    skip: int = 0
    unsure: tuple[int, ...] = ()


class ImportCounts(Struct, frozen=True, kw_only=True):
    """What would become of the rows of a file, in a campaign without leads. `invalid`: by field and code."""

    leads: int
    duplicates: int
    invalid: Mapping[str, int]


# --- what is asked ------------------------------------------------------------------------------------------------


class CreateImport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Import a list, the body, into a campaign that there is. `begin`: as soon as it has been looked at, unless it is
    in doubt which column holds what. `run`: the campaign runs, from the first leads on; otherwise leads are added to
    one that is a draft, runs or is paused."""

    campaign_id: Id
    name: FileName
    begin: bool = False
    run: bool = False
    file: StoredFile


class ImportFromPath(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for a file in the folder that the settings of the hosts allow. `path`: below it."""

    campaign_id: Id
    path: FileName
    begin: bool = False
    run: bool = False


class AdmitImport(Struct, frozen=True, kw_only=True):
    """Whether a file would be taken for a campaign. `size`: bytes that are still to come of it, and of others that are
    on their way; `own`: of these those of the user."""

    campaign_id: Id
    size: int
    own: int
    run: bool = False


class Admitted(Struct, frozen=True, kw_only=True):
    """It would."""


class HeldFiles(Struct, frozen=True, kw_only=True):
    """How much a user's files take that wait to be imported."""

    by: Username


class FilesHeld(Struct, frozen=True, kw_only=True):
    """Bytes of them, and how many they are."""

    size: int
    count: int


class ImportOnShard(Struct, frozen=True, kw_only=True):
    """CREATE_IMPORT for whoever has the shard."""

    shard: int
    import_id: ImportId
    create: CreateImport


class GetImport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One import."""

    import_id: ImportId


class AskedImport(Struct, frozen=True, kw_only=True):
    """Whatever is asked of an import that nobody owns now."""

    import_id: ImportId


class MapColumns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say what is in each column, in place of what was guessed. The file is looked at again. `skip`: rows at the top
    that are titles; null: as many as now. `unsure`: columns, from 1, that may say where the numbers stand; null: of
    those of now the ones that hold what they held, so that who corrects another one does not answer for them."""

    import_id: ImportId
    fields: Annotated[tuple[Column, ...], Meta(min_length=1, max_length=256)]
    header: bool
    skip: Annotated[int, Meta(ge=0, le=MOST_SKIPPED)] | None = None
    unsure: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(max_length=256)] | None = None


class StartImport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Begin, as what is shown says. `run`: null: as it was asked for first."""

    import_id: ImportId
    run: bool | None = None


class CancelImport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Import no more. Leads that are in stay."""

    import_id: ImportId


class ListImports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Imports, newest first."""

    campaign_id: Id | None = None
    status: ImportStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


# --- what is answered ---------------------------------------------------------------------------------------------


class ImportView(Struct, frozen=True, kw_only=True):
    """One import. `rows`: of the file, but its header and blank ones; null until they are counted. `done`: rows that
    have been dealt with; `new`, `duplicates`, `invalid` (by field and code) what became of them. `errors`: whether
    there is a table of those that are invalid. `expected`: what would become of all of them. `ahead`: imports of its
    host that have their turn before it; null: it waits for none. `reason`: why it has failed."""

    import_id: ImportId
    campaign_id: Id
    status: ImportStatus
    name: str
    size: int
    by: Username
    created: Utc
    layout: FileLayout | None = None
    columns: Columns | None = None
    expected: ImportCounts | None = None
    rows: int | None = None
    done: int = 0
    new: int = 0
    duplicates: int = 0
    invalid: Mapping[str, int] = {}
    errors: bool = False
    ahead: int | None = None
    reason: str | None = None
    ended: Utc | None = None


class PreviewRow(Struct, frozen=True, kw_only=True):
    """A row of the file. `number`: as a spreadsheet counts."""

    number: int
    cells: tuple[str, ...]


class PreviewProblem(Struct, frozen=True, kw_only=True):
    """A row that is no lead, and why."""

    row: int
    field: str
    code: str
    reason: str


class ImportPreview(Struct, frozen=True, kw_only=True):
    """The first rows of a file, with what is in its columns; the first of those that are no leads."""

    import_id: ImportId
    layout: FileLayout
    columns: Columns
    rows: tuple[PreviewRow, ...]
    expected: ImportCounts | None
    invalid: tuple[PreviewProblem, ...]


def errors_key(import_id: str) -> str:
    """Under which key the pieces of the table of rows that are no leads are."""
    return f"{import_id}-errors"


class ErrorFile(Struct, frozen=True, kw_only=True):
    """The rows that are no leads, as CSV: pieces of the bucket of files, one after the other."""

    import_id: ImportId
    key: Id
    pieces: int


NONE = frozenset({E.NOT_FOUND})
STATE = frozenset({E.NOT_FOUND, E.CONFLICT})
MAKING = frozenset({E.NOT_FOUND, E.CONFLICT, E.RATE_LIMITED})
NAMED = ("import_id", "campaign_id", "name")
RUNS = DIALS | {A.CAMPAIGN_RUN}

# fmt: off
#                    subject                                       request         reply             refused with
PAST_IMPORT      = Rpc("ottb.v1.qry.import.get",                   GetImport,      ImportView,       NONE,
                       summary="One import from the records")
ABSENT_IMPORT    = Rpc("ottb.v1.qry.import.absent",                AskedImport,    ImportView,       STATE,
                       summary="Why nobody owns an import")
OVER_IMPORT      = Rpc("ottb.v1.qry.import.over",                  AskedImport,    ImportView,       NONE,
                       summary="An import that is over")
LIST_IMPORTS     = Rpc("ottb.v1.qry.import.list",                  ListImports,    list[ImportView], frozenset(),
                       summary="Imports", permission=A.CAMPAIGN_IMPORT)
IMPORT_ERRORS    = Rpc("ottb.v1.qry.import.errors",                GetImport,      ErrorFile,        NONE,
                       summary="The rows of an import that are no leads, as CSV", permission=A.CAMPAIGN_IMPORT,
                       audit_fields=("import_id",))
ADMIT_IMPORT     = Rpc("ottb.v1.qry.import.admit",                 AdmitImport,    Admitted,         MAKING,
                       summary="Whether a file would be taken", asks=RUNS)
HELD_FILES       = Rpc("ottb.v1.qry.import.held",                  HeldFiles,      FilesHeld,        frozenset(),
                       summary="How much a user's waiting files take")

IMPORT_ON_SHARD  = Rpc("ottb.v1.cmd.shard.{shard}.create_import",  ImportOnShard,  ImportView,       MAKING,
                       summary="Make an import on its shard", timeout=20.0)
CREATE_IMPORT    = Rpc("ottb.v1.cmd.import.create",                CreateImport,   ImportView,       MAKING,
                       summary="Import a list of leads", timeout=25.0,
                       permission=A.CAMPAIGN_IMPORT, asks=RUNS, audit_fields=NAMED)
IMPORT_FROM_PATH = Rpc("ottb.v1.cmd.import.from_path",             ImportFromPath, ImportView,       MAKING,
                       summary="Import a list of leads from the allowed folder", timeout=60.0,
                       permission=A.CAMPAIGN_IMPORT, asks=RUNS, audit_fields=(*NAMED, "path"))
GET_IMPORT       = Rpc("ottb.v1.cmd.import.{import_id}.get",       GetImport,      ImportView,       NONE,
                       summary="One import", permission=A.CAMPAIGN_IMPORT, fallback=PAST_IMPORT, again=READ_AGAIN)
PREVIEW_IMPORT   = Rpc("ottb.v1.cmd.import.{import_id}.preview",   GetImport,      ImportPreview,    STATE,
                       summary="The first rows of a file", permission=A.CAMPAIGN_IMPORT, fallback=ABSENT_IMPORT,
                       again=READ_AGAIN)
MAP_COLUMNS      = Rpc("ottb.v1.cmd.import.{import_id}.map",       MapColumns,     ImportView,       STATE,
                       summary="Say what is in the columns of a file", permission=A.CAMPAIGN_IMPORT,
                       asks=frozenset({A.CAMPAIGN_VIEW_ANY}), fallback=ABSENT_IMPORT, audit_fields=NAMED)
START_IMPORT     = Rpc("ottb.v1.cmd.import.{import_id}.start",     StartImport,    ImportView,       STATE,
                       summary="Start an import", permission=A.CAMPAIGN_IMPORT, asks=RUNS,
                       fallback=ABSENT_IMPORT, audit_fields=NAMED)
CANCEL_IMPORT    = Rpc("ottb.v1.cmd.import.{import_id}.cancel",    CancelImport,   ImportView,       STATE,
                       summary="Cancel an import", permission=A.CAMPAIGN_IMPORT, fallback=OVER_IMPORT,
                       audit_fields=NAMED, when_full=True)
# fmt: on


# --- events -------------------------------------------------------------------------------------------------------


class ImportCreated(Struct, frozen=True, kw_only=True):
    """There is an import. `ref`: its file; the rest as CreateImport has it."""

    import_id: ImportId
    at: Utc
    by: Username
    campaign_id: Id
    name: str
    size: int
    begin: bool
    run: bool
    ref: StoredFile


class ImportActivated(Struct, frozen=True, kw_only=True):
    """A host owns the import; older owners can no longer write."""

    import_id: ImportId
    at: Utc
    host: HostName
    epoch: int


class ImportMapped(Struct, frozen=True, kw_only=True):
    """Somebody has said what is in the columns. The file is looked at again."""

    import_id: ImportId
    at: Utc
    by: Username
    columns: Columns


class ImportExamined(Struct, frozen=True, kw_only=True):
    """Its file has been looked at. `rows`: of it, but its header and blank ones. `expected`: null where nobody is to
    decide on it, or the columns are in doubt."""

    import_id: ImportId
    at: Utc
    layout: FileLayout
    columns: Columns
    rows: int
    expected: ImportCounts | None = None


class ImportStarted(Struct, frozen=True, kw_only=True):
    """Its leads go in."""

    import_id: ImportId
    at: Utc
    by: Username
    run: bool


class ImportAdvanced(Struct, frozen=True, kw_only=True):
    """A part of its rows has been dealt with. `row`: the last of them, as a spreadsheet counts. All else from the
    beginning on; `ref_pieces`: of the table of rows that are no leads. `began`: it has the campaign run."""

    import_id: ImportId
    at: Utc
    row: int
    done: int
    new: int
    duplicates: int
    invalid: Mapping[str, int]
    ref_pieces: int
    began: bool


class ImportCancelling(Struct, frozen=True, kw_only=True):
    """Somebody wants no more of it to go in."""

    import_id: ImportId
    at: Utc
    by: Username


class ImportEnded(Struct, frozen=True, kw_only=True):
    """It is over. `new`: leads that are in by it. `by`: who has cancelled it. `reason`: why it has failed."""

    import_id: ImportId
    at: Utc
    status: ImportStatus
    new: int
    by: Username | None = None
    reason: str | None = None


class ImportTelemetry(Struct, frozen=True, kw_only=True):
    """How far it is: said at most twice a second while that changes, not kept. As in `ImportView`."""

    import_id: ImportId
    at: Utc
    status: ImportStatus
    rows: int | None
    done: int
    new: int
    duplicates: int
    invalid: Mapping[str, int]


ImportEvent = (
    ImportCreated
    | ImportActivated
    | ImportMapped
    | ImportExamined
    | ImportStarted
    | ImportAdvanced
    | ImportCancelling
    | ImportEnded
)

# fmt: off
EVENTS = "ottb.v1.evt.import.{import_id}."
IMPORT_CREATED    = Topic(EVENTS + "created",    ImportCreated,    "An import was made")
IMPORT_ACTIVATED  = Topic(EVENTS + "activated",  ImportActivated,  "An import has a new owner")
IMPORT_MAPPED     = Topic(EVENTS + "mapped",     ImportMapped,     "Somebody has said what is in its columns")
IMPORT_EXAMINED   = Topic(EVENTS + "examined",   ImportExamined,   "Its file has been looked at")
IMPORT_STARTED    = Topic(EVENTS + "started",    ImportStarted,    "Its leads go in")
IMPORT_ADVANCED   = Topic(EVENTS + "advanced",   ImportAdvanced,   "A part of its rows has been dealt with")
IMPORT_CANCELLING = Topic(EVENTS + "cancelling", ImportCancelling, "No more of it is to go in")
IMPORT_ENDED      = Topic(EVENTS + "ended",      ImportEnded,      "It is over")
IMPORT_TELEMETRY = Topic("ottb.v1.tel.import.{import_id}", ImportTelemetry, "How far an import is", kept=False)
# fmt: on

IMPORT_NEWS = Subscribable(IMPORT, (
    IMPORT_CREATED, IMPORT_MAPPED, IMPORT_EXAMINED, IMPORT_STARTED, IMPORT_CANCELLING, IMPORT_ENDED,
), ("import_id",))  # fmt: skip

# --- what live clients are told ------------------------------------------------------------------------------


ImportChange = Literal["created", "mapped", "examined", "started", "cancelling", "ended", "counts"]


class ImportUpdate(Struct, frozen=True, kw_only=True):
    """An import has changed. `change` says how, and with it which other fields are there; `status` is that after it.
    `counts`: at most twice a second."""

    import_id: ImportId
    at: Utc
    change: ImportChange
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
