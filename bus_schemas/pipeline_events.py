"""What happens to pipelines and their runs, what runners say of themselves, and what steps write."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from bus_schemas.contract import Topic
from bus_schemas.fields import HostName, Id, Utc
from bus_schemas.kinds import Subscribable
from bus_schemas.pipeline import (
    PIPELINE,
    ArtefactView,
    JobName,
    PipelineId,
    PipelineName,
    RunnerView,
    RunNumber,
    RunStatus,
    SlotResult,
    StepName,
    StepStatus,
    Trigger,
)


class PipelineDefined(Struct, frozen=True, kw_only=True):
    """It is like this now. `branch`: that is run where nobody says another; `labels`: of the runners that may.
    `service_token`: by which it was made, and with no more than which its schedule acts."""

    pipeline: PipelineId
    at: Utc
    by: str
    name: PipelineName
    version: int
    source: str
    branch: str | None
    labels: tuple[str, ...]
    text: str
    service_token: Id | None = None


class PipelineDeleted(Struct, frozen=True, kw_only=True):
    """It cannot be run any more: somebody has deleted it, or its file is gone from the folder of `host`. Runs that are
    not over go on, unless they are stopped as well."""

    pipeline: PipelineId
    at: Utc
    by: str
    name: PipelineName
    version: int
    source: str
    host: HostName


class Delivery(Struct, frozen=True, kw_only=True):
    """What an outside service has posted, so that the same begins no second run. `signed`: of what was signed, SHA-256
    in hexadecimal (the first half); `until`: when its signature is too old; `id`: the same of its own name for it."""

    signed: str
    until: Utc
    id: str | None = None


class PipelineQueued(Struct, frozen=True, kw_only=True):
    """A run waits for a runner. `again`: how often it had one before, who is gone. `due`: the moment of the schedule
    that it is for. `service_token`: with no more than which it acts; None: as its user. `delivery`: by which it was
    begun."""

    pipeline: PipelineId
    run: RunNumber
    at: Utc
    trigger: Trigger
    user: str
    branch: str | None
    parameters: dict[str, str | int | bool]
    version: int
    name: PipelineName
    labels: tuple[str, ...]
    again: int = 0
    due: Utc | None = None
    service_token: Id | None = None
    delivery: Delivery | None = None


class PipelineStarted(Struct, frozen=True, kw_only=True):
    """A runner has it. `token`: SHA-256 of what it reports under, hexadecimal."""

    pipeline: PipelineId
    run: RunNumber
    at: Utc
    runner: HostName
    token: str


class PipelineStep(Struct, frozen=True, kw_only=True):
    """How it is with a step. `code`: with which its command exited; `until`: when an approval that it
    waits for is too late; `approvers`: whose counts."""

    pipeline: PipelineId
    run: RunNumber
    at: Utc
    step: JobName
    status: StepStatus
    seconds: float = 0.0
    code: int | None = None
    attempts: int = 0
    reason: str | None = None
    matrix: dict[str, str] = {}
    until: Utc | None = None
    approvers: tuple[str, ...] = ()
    slots: tuple[SlotResult, ...] = ()
    artefacts: tuple[ArtefactView, ...] = ()
    log_lines: int = 0


class PipelineCheckedOut(Struct, frozen=True, kw_only=True):
    """What a run is of."""

    pipeline: PipelineId
    run: RunNumber
    at: Utc
    commit: str


class PipelineApproved(Struct, frozen=True, kw_only=True):
    """Somebody let a step go on, or not."""

    pipeline: PipelineId
    run: RunNumber
    at: Utc
    step: StepName
    by: str
    approved: bool
    comment: str = ""


class PipelineStopping(Struct, frozen=True, kw_only=True):
    """A run that has a runner is to end."""

    pipeline: PipelineId
    run: RunNumber
    at: Utc
    by: str
    reason: str | None = None


class PipelineEnded(Struct, frozen=True, kw_only=True):
    """A run is over, once. `by`: who stopped it."""

    pipeline: PipelineId
    run: RunNumber
    at: Utc
    name: PipelineName
    status: RunStatus
    reason: str | None = None
    by: str | None = None


class PipelineActivated(Struct, frozen=True, kw_only=True):
    """A host owns it; older owners can no longer write."""

    pipeline: PipelineId
    at: Utc
    host: HostName
    epoch: int


PipelineEvent = (
    PipelineDefined | PipelineDeleted | PipelineQueued | PipelineStarted | PipelineStep | PipelineCheckedOut
    | PipelineApproved | PipelineStopping | PipelineEnded | PipelineActivated
)  # fmt: skip


class RunnerBeat(Struct, frozen=True, kw_only=True):
    """A runner is there."""

    runner: HostName
    view: RunnerView


class OutputLines(Struct, frozen=True, kw_only=True):
    """Lines that a step has written. `first`: the number of the first of them, from 1; `offset`: bytes before it.
    `text`: whole lines, each with its end, but where the step has ended in the middle of one."""

    pipeline: PipelineId
    run: RunNumber
    step: JobName
    first: int
    offset: int
    text: str


# fmt: off
PIPELINE_DEFINED   = Topic("ottb.v1.evt.pipeline.{pipeline}.defined",   PipelineDefined,   "A pipeline is defined")
PIPELINE_DELETED   = Topic("ottb.v1.evt.pipeline.{pipeline}.deleted",   PipelineDeleted,   "A pipeline is gone")
PIPELINE_QUEUED    = Topic("ottb.v1.evt.pipeline.{pipeline}.queued",    PipelineQueued,    "A run waits for a runner")
PIPELINE_STARTED   = Topic("ottb.v1.evt.pipeline.{pipeline}.started",   PipelineStarted,   "A runner has a run")
PIPELINE_STEP      = Topic("ottb.v1.evt.pipeline.{pipeline}.step",      PipelineStep,      "How it is with a step")
PIPELINE_CHECKED_OUT = Topic("ottb.v1.evt.pipeline.{pipeline}.checked_out", PipelineCheckedOut, "What a run is of")
PIPELINE_APPROVED  = Topic("ottb.v1.evt.pipeline.{pipeline}.approved",  PipelineApproved,  "A step is approved, or not")
PIPELINE_STOPPING  = Topic("ottb.v1.evt.pipeline.{pipeline}.stopping",  PipelineStopping,  "A run is to end")
PIPELINE_ENDED     = Topic("ottb.v1.evt.pipeline.{pipeline}.ended",     PipelineEnded,     "A run is over")
PIPELINE_ACTIVATED = Topic("ottb.v1.evt.pipeline.{pipeline}.activated", PipelineActivated, "A new owner has it")
RUNNER_BEAT        = Topic("ottb.v1.tel.runner.{runner}", RunnerBeat, "A runner is there", kept=False)
# fmt: on

# Subjects are `ottb.v1.out.pipeline.<pipeline>.<run>.<step>`, in a stream of their own, which forgets what is old.
OUTPUT_SCOPE = "ottb.v1.out.>"
OUTPUT_BYTES = 512 * 2**20  # of the stream
OUTPUT_DAYS = 30
OUTPUT_ENTRIES = 2_000_000
STEP_BYTES = 10 * 2**20  # that a step may write; what is beyond is left out, and said

PIPELINE_NEWS = Subscribable(
    PIPELINE, (PIPELINE_QUEUED, PIPELINE_STARTED, PIPELINE_STEP, PIPELINE_APPROVED, PIPELINE_STOPPING, PIPELINE_ENDED),
    ("pipeline",),
)  # fmt: skip


def output_subject(pipeline: int, run: int, step: str) -> str:
    """Where in the stream what a step has written is."""
    return f"ottb.v1.out.pipeline.{pipeline}.{run}.{step}"


# --- what live clients are told ------------------------------------------------------------------------------


class PipelineUpdate(Struct, frozen=True, kw_only=True):
    """A run has changed. `step` and what follows: with `step`, `approved`; `status`: of the run, with `step` of
    that."""

    pipeline: PipelineId
    run: int
    at: Utc
    change: Literal["queued", "started", "step", "approved", "stopping", "ended"]
    status: str | UnsetType = UNSET
    step: str | UnsetType = UNSET
    code: int | UnsetType | None = UNSET
    seconds: float | UnsetType = UNSET
    runner: str | UnsetType = UNSET
    branch: str | UnsetType | None = UNSET
    trigger: str | UnsetType = UNSET
    user: str | UnsetType = UNSET
    by: str | UnsetType | None = UNSET
    approved: bool | UnsetType = UNSET
    comment: str | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    parameters: dict[str, str | int | bool] | UnsetType = UNSET
    labels: tuple[str, ...] | UnsetType = UNSET
    again: int | UnsetType = UNSET
    due: Utc | UnsetType | None = UNSET
    attempts: int | UnsetType = UNSET
    matrix: dict[str, str] | UnsetType = UNSET
    until: Utc | UnsetType | None = UNSET
    approvers: tuple[str, ...] | UnsetType = UNSET
    slots: tuple[SlotResult, ...] | UnsetType = UNSET
    artefacts: tuple[ArtefactView, ...] | UnsetType = UNSET
    log_lines: int | UnsetType = UNSET
