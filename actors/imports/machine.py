"""An import's machine: what is asked of it, and what is found in its file, decides what goes on record. Pure.

A part of the list is in the campaign before it is on record here: whoever goes on from the record asks for the part
behind it once more, under the same command, and is told what came of it (`AddOnShard`).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Never

from msgspec import Struct
from msgspec.structs import replace

from actors.imports.wire import mapping_of, wire_columns, wire_counts, wire_layout
from actors.leads.preview import Preview
from actors.runtime.clock import Moment, parse_utc
from actors.runtime.decision import NOTHING, CancelTimer, Decision, Effect, SetTimer
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.imports import (
    KEPT,
    OVER,
    Columns,
    CreateImport,
    FileLayout,
    ImportActivated,
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
    StoredFile,
)

TOO_OLD = "too_old"  # the timer of one that nobody starts
NOT_STARTED = "Nobody has started it in time, and its file is not kept any longer: send it again."

IS_OVER = RefusalTemplate(ErrorCode.CONFLICT, "The import is over.")
NOT_READY = RefusalTemplate(ErrorCode.CONFLICT, "The file of the import is being looked at. Wait for that.")
BEGAN = RefusalTemplate(ErrorCode.CONFLICT, "The import has begun: its columns cannot be another's now.")
ENDS = RefusalTemplate(ErrorCode.CONFLICT, "The import is being cancelled.")
IN_DOUBT = RefusalTemplate(ErrorCode.CONFLICT, "Say first what is in the columns.")

ImportDecision = Decision[ImportEvent, Never]
S = ImportStatus


class Import(Struct, frozen=True, kw_only=True):
    """One import as its events tell it. `given`: a person has said what is in the columns. `pieces`: of the table of
    rows that are no leads. `began`: it has the campaign run."""

    import_id: str
    campaign_id: str
    by: str
    at: str
    name: str
    file: StoredFile
    begin: bool
    run: bool
    status: ImportStatus = S.EXAMINING
    given: bool = False
    layout: FileLayout | None = None
    columns: Columns | None = None
    expected: ImportCounts | None = None
    rows: int | None = None
    row: int = 0
    done: int = 0
    new: int = 0
    duplicates: int = 0
    invalid: Mapping[str, int] = {}
    pieces: int = 0
    began: bool = False
    reason: str | None = None
    ended: str | None = None


# --- effects, and what is reported of them


class Examine(Effect, frozen=True, kw_only=True):
    """Look at the file. `columns`: that a person has said; `count`: what would come of it all."""

    columns: Columns | None
    count: bool


class Read(Effect, frozen=True, kw_only=True):
    """Have the parts of the list go in that are not on record."""


class Finish(Effect, frozen=True, kw_only=True):
    """Begin no part any more. What is under way comes to its end, here or, after a crash, nowhere: then find out what
    came of it."""


class Forget(Effect, frozen=True, kw_only=True):
    """Remove the file; the table of what is bad stays for a while."""


class Examined(Struct, frozen=True, kw_only=True):
    """What was found in a file."""

    preview: Preview


class PartAdded(Struct, frozen=True, kw_only=True):
    """A part is in. `row`: the last of its `rows`. `bad`: some of them are in the table of what is bad."""

    row: int
    rows: int
    new: int
    duplicates: int
    invalid: Mapping[str, int]
    bad: bool
    began: bool


class ReadOver(Struct, frozen=True, kw_only=True):
    """Nothing more goes in. `new`: leads that are in and not yet on record here. `failed`: why it could not go on."""

    new: int = 0
    failed: str | None = None


# --- what is asked ------------------------------------------------------------------------------------------------


def create(id: str, state: Import | None, wanted: CreateImport, by: str, now: Moment) -> ImportDecision:
    """A new import. One that there is already stays: its id is of the command that made it."""
    if state is not None:
        return NOTHING
    event = ImportCreated(
        import_id=id, at=now.at, by=by, campaign_id=wanted.campaign_id, name=wanted.name, size=wanted.file.size,
        begin=wanted.begin, run=wanted.run, ref=wanted.file,
    )  # fmt: skip
    return Decision(events=(event,), effects=(Examine(columns=None, count=not wanted.begin),))


def map_columns(state: Import, columns: Columns, by: str, now: Moment) -> ImportDecision:
    """What is in each column. Raises Refusal: INVALID_PARAMS for columns that cannot be, CONFLICT."""
    mapping_of(columns)
    if "number" not in columns.fields:
        raise misfit("fields", "one of them has to be `number`")
    if state.status is not S.READY:
        raise _not_now(state, BEGAN)
    event = ImportMapped(import_id=state.import_id, at=now.at, by=by, columns=columns)
    return Decision(events=(event,), effects=(CancelTimer(name=TOO_OLD), Examine(columns=columns, count=True)))


def start(state: Import, run: bool | None, by: str, now: Moment, *, checked: bool = True) -> ImportDecision:
    """Have the leads go in. One that runs goes on. `checked`: who asks may; else it has become ready only since, and
    they ask again. Raises Refusal(CONFLICT)."""
    if state.status is S.RUNNING:
        return NOTHING
    if state.status is S.READY and not checked:
        raise NOT_READY()
    if state.status is not S.READY:
        raise _not_now(state, IN_DOUBT)
    if state.columns is None or state.columns.doubt:
        raise IN_DOUBT(doubt=state.columns.doubt if state.columns is not None else "")
    event = ImportStarted(import_id=state.import_id, at=now.at, by=by, run=state.run if run is None else run)
    return Decision(events=(event,), effects=(CancelTimer(name=TOO_OLD), Read()))


def cancel(state: Import, by: str, now: Moment) -> ImportDecision:
    """Import no more. One that is cancelled stays so. Raises Refusal(CONFLICT) for another one that is over."""
    if state.status in (S.CANCELLING, S.CANCELLED):
        return NOTHING
    if state.status in OVER:
        raise IS_OVER(status=state.status)
    if state.status is S.RUNNING:
        event = ImportCancelling(import_id=state.import_id, at=now.at, by=by)
        return Decision(events=(event,), effects=(Finish(),))
    return _end(state, S.CANCELLED, now, by=by)


def _not_now(state: Import, otherwise: RefusalTemplate) -> Refusal:
    """Why something cannot be done in a status."""
    if state.status in OVER:
        return IS_OVER(status=state.status)
    if state.status is S.CANCELLING:
        return ENDS()
    return NOT_READY() if state.status is S.EXAMINING else otherwise()


# --- what happens -------------------------------------------------------------------------------------------------


def examined(state: Import, report: Examined, now: Moment) -> ImportDecision:
    """The file has been looked at: somebody decides, or it begins, if that was wanted and nothing is in doubt."""
    if state.status is not S.EXAMINING:
        return NOTHING
    found = report.preview
    columns = wire_columns(found.mapping)
    event = ImportExamined(
        import_id=state.import_id, at=now.at, layout=wire_layout(found.layout), columns=columns, rows=found.total,
        expected=wire_counts(found.counts),
    )  # fmt: skip
    if state.begin and not state.given and not columns.doubt:
        begun = ImportStarted(import_id=state.import_id, at=now.at, by=state.by, run=state.run)
        return Decision(events=(event, begun), effects=(Read(),))
    return Decision(events=(event,), effects=(_wait(state, now),))


def added(state: Import, report: PartAdded, now: Moment) -> ImportDecision:
    """A part is in."""
    if state.status not in (S.RUNNING, S.CANCELLING):
        return NOTHING
    event = ImportAdvanced(
        import_id=state.import_id, at=now.at, row=report.row, done=state.done + report.rows,
        new=state.new + report.new, duplicates=state.duplicates + report.duplicates,
        invalid=dict(Counter(state.invalid) + Counter(report.invalid)), ref_pieces=state.pieces + report.bad,
        began=state.began or report.began,
    )  # fmt: skip
    return Decision(events=(event,))


def over(state: Import, report: ReadOver, now: Moment) -> ImportDecision:
    """Nothing more goes in: all of it is in, or no more was wanted, or could be."""
    if state.status is S.CANCELLING:
        return _end(state, S.CANCELLED, now, new=report.new)
    if report.failed is not None and state.status in (S.EXAMINING, S.RUNNING):
        return _end(state, S.FAILED, now, new=report.new, reason=report.failed)
    return _end(state, S.FINISHED, now, new=report.new) if state.status is S.RUNNING else NOTHING


def too_old(state: Import, now: Moment) -> ImportDecision:
    """Nobody has started it in time."""
    return _end(state, S.FAILED, now, reason=NOT_STARTED) if state.status is S.READY else NOTHING


def taken_over(state: Import | None, now: Moment) -> ImportDecision:
    """A new owner goes on from the record."""
    match state and state.status:
        case S.EXAMINING:
            assert state is not None
            columns = state.columns if state.given else None
            return Decision(effects=(Examine(columns=columns, count=state.given or not state.begin),))
        case S.READY:
            assert state is not None
            return Decision(effects=(_wait(state, now),))
        case S.RUNNING:
            return Decision(effects=(Read(),))
        case S.CANCELLING:
            return Decision(effects=(Finish(),))
        case None:
            return NOTHING
    return Decision(effects=(Forget(),))


def _wait(state: Import, now: Moment) -> SetTimer:
    age = (parse_utc(now.at) - parse_utc(state.at)).total_seconds()
    return SetTimer(name=TOO_OLD, seconds=max(KEPT - age, 0.0))


def _end(
    state: Import, status: ImportStatus, now: Moment, *, new: int = 0, by: str | None = None, reason: str | None = None
) -> ImportDecision:
    event = ImportEnded(
        import_id=state.import_id, at=now.at, status=status, new=state.new + new, by=by, reason=reason
    )
    return Decision(events=(event,), effects=(CancelTimer(name=TOO_OLD), Forget()))


# --- evolve -------------------------------------------------------------------------------------------------------


def evolve(state: Import | None, event: ImportEvent) -> Import | None:
    """The import after an event."""
    if isinstance(event, ImportCreated):
        return Import(
            import_id=event.import_id, campaign_id=event.campaign_id, by=event.by, at=event.at, name=event.name,
            file=event.ref, begin=event.begin, run=event.run,
        )  # fmt: skip
    return _after(state, event) if state is not None else None


def _after(state: Import, event: ImportEvent) -> Import:
    match event:
        case ImportMapped():
            return replace(state, status=S.EXAMINING, columns=event.columns, given=True, expected=None)
        case ImportExamined():
            return replace(
                state, status=S.READY, layout=event.layout, columns=event.columns, rows=event.rows,
                expected=event.expected,
            )  # fmt: skip
        case ImportStarted():
            return replace(state, status=S.RUNNING, run=event.run)
        case ImportAdvanced():
            return replace(
                state, row=event.row, done=event.done, new=event.new, duplicates=event.duplicates,
                invalid=event.invalid, pieces=event.ref_pieces, began=event.began,
            )  # fmt: skip
        case ImportCancelling():
            return replace(state, status=S.CANCELLING)
        case ImportEnded():
            return replace(state, status=event.status, new=event.new, reason=event.reason, ended=event.at)
        case ImportCreated() | ImportActivated():
            return state
