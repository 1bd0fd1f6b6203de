"""Pipelines in the ledger: the rows, and what each event makes of them. Queries and answers: `pipeline.py`."""

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.model import METADATA, Projection, columns
from bus_schemas.pipeline import RunStatus, StepStatus
from bus_schemas.pipeline_events import (
    PipelineApproved,
    PipelineCheckedOut,
    PipelineDefined,
    PipelineDeleted,
    PipelineEnded,
    PipelineQueued,
    PipelineStarted,
    PipelineStep,
    PipelineStopping,
)


class PipelineRow(Struct, frozen=True, gc=False):
    """`labels`: as JSON. `run`: the newest; 0: it was never run. `deleted`: it cannot be run, and its runs are shown
    still."""

    pipeline: int
    name: str
    version: int
    source: str
    by: str
    at: str
    branch: str | None
    labels: str
    text: str
    run: int = 0
    deleted: bool = False


class RunRow(Struct, frozen=True, gc=False):
    """`key`: the pipeline and the run. `parameters`, `labels`: as JSON. `waits`: the steps whose approvals are waited
    for, with blanks between them. `anew`: where in the journal it was begun anew, after its runner was lost."""

    seq: int
    key: str
    pipeline: int
    run: int
    name: str
    version: int
    status: str
    trigger: str
    user: str
    branch: str | None
    parameters: str
    labels: str
    queued: str
    commit: str | None = None
    started: str | None = None
    ended: str | None = None
    runner: str | None = None
    reason: str | None = None
    stopping: bool = False
    stopped_by: str | None = None
    waits: str | None = None
    anew: int | None = None


class StepRow(Struct, frozen=True, gc=False):
    """`key`: the run's, and the step. `matrix`, `slots`, `artefacts`: as JSON. `ms`: thousandths of a second. `said`:
    where in the journal it says so.
    `decided_by`, `comment`: of its approval."""

    seq: int
    key: str
    run_key: str
    step: str
    status: str
    started: str
    ms: int
    exit_code: int | None
    attempts: int
    reason: str | None
    matrix: str
    until: str | None
    slots: str
    artefacts: str
    log_lines: int
    said: int
    decided_by: str | None = None
    comment: str | None = None


PIPELINES = sa.Table("pipelines", METADATA, *columns(PipelineRow, primary="pipeline"))
IS_QUEUED, IS_OPEN = sa.text("status = 'queued'"), sa.text("ended IS NULL")
RUNS = sa.Table(
    "pipeline_runs", METADATA, *columns(RunRow, primary="seq", unique="key"),
    sa.Index("pipeline_runs_of", "pipeline", "run"),
    sa.Index("open_pipeline_runs", "pipeline", "run", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
    sa.Index("queued_pipeline_runs", "seq", sqlite_where=IS_QUEUED, postgresql_where=IS_QUEUED),
)  # fmt: skip
STEPS = sa.Table(
    "pipeline_steps", METADATA, *columns(StepRow, primary="seq", unique="key"),
    sa.Index("pipeline_steps_of", "run_key", "seq"),
)  # fmt: skip
P, R, S = PIPELINES.c, RUNS.c, STEPS.c

BEGINNINGS = (StepStatus.RUNNING, StepStatus.WAITING, StepStatus.SKIPPED)  # what is said of a step first
OfRun = (
    PipelineQueued | PipelineStarted | PipelineStep | PipelineCheckedOut | PipelineApproved | PipelineStopping
    | PipelineEnded
)  # fmt: skip


class Said(Struct, frozen=True, gc=False):
    """What an event says of a run, or of a step."""

    key: str
    event: Any  # any: one of OfRun


# --- folding


def fold(
    row: PipelineRow | None, event: PipelineDefined | PipelineDeleted | PipelineQueued, seq: int
) -> PipelineRow | None:
    """The pipeline after an event."""
    if isinstance(event, PipelineDeleted):
        return row and replace(row, deleted=True)
    if isinstance(event, PipelineQueued):
        return row and replace(row, run=max(row.run, event.run))
    return PipelineRow(
        event.pipeline, event.name, event.version, event.source, event.by, event.at, event.branch, _json(event.labels),
        event.text, run=row.run if row is not None else 0,
    )  # fmt: skip


def of_run(event: OfRun) -> Iterator[Said]:
    yield Said(f"{event.pipeline}/{event.run}", event)


def of_step(event: PipelineStep | PipelineApproved) -> Iterator[Said]:
    yield Said(f"{event.pipeline}/{event.run}/{event.step}", event)


def fold_run(row: RunRow | None, said: Said, seq: int) -> RunRow | None:
    """The run after an event."""
    event: OfRun = said.event
    if isinstance(event, PipelineQueued):
        return _waits_anew(row, seq) if row is not None else RunRow(
            seq, said.key, event.pipeline, event.run, event.name, event.version, RunStatus.QUEUED.value, event.trigger,
            event.user, event.branch, _json(event.parameters), _json(event.labels), event.at,
        )  # fmt: skip
    if row is None or row.ended is not None:
        return row
    match event:
        case PipelineStarted():
            return replace(row, status=RunStatus.RUNNING.value, started=event.at, runner=event.runner)
        case PipelineStep() | PipelineApproved():
            return _step_said(row, event)
        case PipelineCheckedOut():
            return replace(row, commit=event.commit)
        case PipelineStopping():
            return replace(row, stopping=True, stopped_by=event.by, reason=event.reason)
        case PipelineEnded():
            return replace(
                row, status=event.status.value, ended=event.at, stopping=False, waits=None,
                reason=event.reason or row.reason, stopped_by=event.by or row.stopped_by,
            )  # fmt: skip


def _step_said(row: RunRow, event: PipelineStep | PipelineApproved) -> RunRow:
    """The run after a word of one of its steps: several may wait for approvals at the same time."""
    before = row.waits.split() if row.waits is not None else []
    waits = [step for step in before if step != event.step]
    if isinstance(event, PipelineStep) and event.status is StepStatus.WAITING:
        waits.append(event.step)
    if waits == before:
        return row
    return replace(
        row, status=(RunStatus.WAITING if waits else RunStatus.RUNNING).value, waits=" ".join(waits) or None
    )


def _waits_anew(row: RunRow, seq: int) -> RunRow:
    if row.ended is not None:
        return row
    return replace(row, status=RunStatus.QUEUED.value, started=None, runner=None, waits=None, commit=None, anew=seq)


def fold_step(row: StepRow | None, said: Said, seq: int) -> StepRow | None:
    """The step after an event."""
    event: PipelineStep | PipelineApproved = said.event
    if isinstance(event, PipelineApproved):
        return row and replace(row, decided_by=event.by, comment=event.comment or None)
    again = row is not None and event.status in BEGINNINGS
    return StepRow(
        row.seq if row is not None else seq, said.key, f"{event.pipeline}/{event.run}", event.step, event.status.value,
        row.started if row is not None and not again else event.at, round(1000 * event.seconds), event.code,
        event.attempts, event.reason, _json(event.matrix), event.until, _json(event.slots), _json(event.artefacts),
        event.log_lines, seq, *((row.decided_by, row.comment) if row is not None and not again else ()),
    )  # fmt: skip


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


RUN_EVENTS = (
    PipelineQueued, PipelineStarted, PipelineStep, PipelineCheckedOut, PipelineApproved, PipelineStopping,
    PipelineEnded,
)  # fmt: skip
PROJECTIONS: tuple[Projection[Any], ...] = (
    Projection(
        table=PIPELINES, row=PipelineRow, key="pipeline", events=(PipelineDefined, PipelineDeleted, PipelineQueued),
        fold=fold,
    ),
    Projection(table=RUNS, row=RunRow, key="key", events=RUN_EVENTS, parts=of_run, fold=fold_run),
    Projection(
        table=STEPS, row=StepRow, key="key", events=(PipelineStep, PipelineApproved), parts=of_step, fold=fold_step,
    ),
)
