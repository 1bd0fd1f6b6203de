"""Pipelines that deploy and maintain the fleet, and their runs: what may be asked of them (what happens to them:
`pipeline_events.py`)."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import UNSEEN, HostName, Id, SlotId, Utc, of_values, shaped
from bus_schemas.host import PartVersions
from bus_schemas.kinds import Kind
from bus_schemas.permissions import Access, Action

E = ErrorCode
A = Action

PIPELINE = Kind("pipeline", "pipelines", view=A.PIPELINE_VIEW)  # they belong to nobody

PipelineId = Annotated[int, Meta(ge=1, le=99999, examples=[1])]
RunNumber = Annotated[int, Meta(ge=1, le=10**9, examples=[7])]
PipelineName = Annotated[str, shaped(
    r"^[a-z0-9][a-z0-9_-]{0,39}$(?!\n)", "1 to 40 letters (a-z), digits, `-` or `_`, a letter or digit first",
    examples=["deploy-production"],
)]  # fmt: skip
StepName = Annotated[str, shaped(
    r"^[a-z0-9][a-z0-9-]{0,39}$(?!\n)", "1 to 40 letters (a-z), digits or `-`, a letter or digit first",
    examples=["build"],
)]  # fmt: skip
JobName = Annotated[str, shaped(
    r"^[a-z0-9][a-z0-9-]{0,39}(_[0-9]{1,3})?$(?!\n)", "a step like `build`, or one cell of its matrix like `test_2`",
    examples=["build", "test_2"],
)]  # fmt: skip
# What git takes for a name of a branch or tag, narrower: no option, no way up, nothing that a shell or git itself reads
# otherwise (git-check-ref-format(1)).
BRANCH = r"^(?!-)(?!/)(?!.*(\.\.|//|@\{|\.lock$|\.$|/$|/\.))[A-Za-z0-9_][A-Za-z0-9._/+-]{0,99}$(?!\n)"
Branch = Annotated[str, shaped(BRANCH, "a branch or tag like `main` or `release/1.2`", examples=["main"])]
LABEL = r"^[a-z0-9][a-z0-9._-]{0,39}$(?!\n)"
Label = Annotated[str, shaped(LABEL, "1 to 40 letters (a-z), digits, `.`, `-` or `_`", examples=["linux"])]
ParamName = Annotated[str, shaped(
    r"^[a-z][a-z0-9_]{0,39}$(?!\n)", "1 to 40 letters (a-z), digits or `_`, a letter first", examples=["version"]
)]  # fmt: skip
Comment = Annotated[str, shaped(rf"^[^{UNSEEN}]{{0,200}}$(?!\n)", "a text of at most 200 characters, in one line")]
LONGEST_TEXT = 64_000  # characters of a definition
MOST_PARAMS = 50
MOST_STEPS = 50
MOST_JOBS = 200  # steps of one run, each cell of a matrix one
Given = Annotated[dict[ParamName, str | int | bool], Meta(max_length=MOST_PARAMS), of_values(2 * MOST_PARAMS)]


Trigger = Literal["api", "schedule", "webhook"]
SIGNING = ("OTTB-Signature", "OTTB-Event-Id", "X-Hub-Signature-256", "X-GitHub-Delivery")


class RunStatus(StrEnum):
    """How it is with a run. `queued`: no runner has it yet; `waiting`: for an approval. Of `succeeded`, `failed`,
    `stopped` and `lost` (its runner is gone, and nobody knows how far it came) none changes any more."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


OVER = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.LOST})


class StepStatus(StrEnum):
    """How it is with a step of a run. `waiting`: for an approval; `skipped`: its `when` does not hold, or what it needs
    has failed; `stopped`: in the middle."""

    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    STOPPED = "stopped"


STEP_OVER = frozenset({StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.STOPPED})


# --- what is asked ------------------------------------------------------------------------------------------------


class ListPipelines(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All pipelines by their number, each with its newest run."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class GetPipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pipeline."""

    pipeline: PipelineId


class AskedPipeline(Struct, frozen=True, kw_only=True):
    """What was asked of a pipeline that nobody has, as far as the records need to know."""

    pipeline: PipelineId


class RunPipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Run it. `branch`: another one than its definition says; `parameters`: by name, as its definition types them."""

    pipeline: PipelineId
    branch: Branch | None = None
    parameters: Given = {}


class StopPipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End a run, or all that are not over where none is named: also those that wait."""

    pipeline: PipelineId
    run: RunNumber | None = None


class ApproveStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Let a step that waits for it go on, or not: then its run fails."""

    pipeline: PipelineId
    run: RunNumber
    step: StepName
    approve: bool = True
    comment: Comment = ""


class DefinePipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a pipeline of a text, or another version of one that was made so. Its number stands in the text."""

    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)]


class DeletePipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delete a pipeline that was made over the API. Its runs stay readable, and its number can be used again. `stop`:
    end the runs that are not over; without it there must be none."""

    pipeline: PipelineId
    stop: bool = False


class TriggerPipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An outside service wants it run, as its `[webhook]` says. `body`: as it was posted; `headers`: those that sign it
    and name it, of `SIGNING`."""

    pipeline: PipelineId
    body: Annotated[bytes, Meta(max_length=64 * 1024)]
    headers: dict[str, Annotated[str, Meta(max_length=1000)]] = {}


class TriggerOnShard(Struct, frozen=True, kw_only=True):
    """The same, for whoever has the shard of the pipeline."""

    shard: int
    asked: TriggerPipeline


class CheckPipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say what is wrong with the text of a definition."""

    text: Annotated[str, Meta(max_length=LONGEST_TEXT)]


class ListPipelineRuns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Runs of a pipeline, newest first."""

    pipeline: PipelineId
    status: RunStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class GetPipelineRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run, with its steps."""

    pipeline: PipelineId
    run: RunNumber


class GetStepLog(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a step has written so far, as text."""

    pipeline: PipelineId
    run: RunNumber
    step: JobName


class GetRunLog(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all steps of a run have written so far, one after the other, as text."""

    pipeline: PipelineId
    run: RunNumber


class GetArtefact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that a step has left."""

    pipeline: PipelineId
    run: RunNumber
    artefact: Id


class GetDciStatus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the runners are, and what waits for them."""


class PutPipeline(Struct, frozen=True, kw_only=True):
    """For whoever has the shard of a pipeline: its definition. `source`: `api`, or the name of the file."""

    shard: int
    pipeline: PipelineId
    text: str
    source: str


class QueuedRuns(Struct, frozen=True, kw_only=True):
    """Runs that a runner with these labels may take, oldest first. `without`: pipelines whose turn had not come."""

    labels: tuple[str, ...]
    limit: int = 20
    without: tuple[PipelineId, ...] = ()


class ClaimRun(Struct, frozen=True, kw_only=True):
    """A runner wants to carry a run out. `token`: made for this claim alone, under which it reports from then on."""

    pipeline: PipelineId
    run: RunNumber
    runner: HostName
    token: str


# --- what is answered ---------------------------------------------------------------------------------------------


class PipelineView(Struct, frozen=True, kw_only=True):
    """One pipeline, with the newest run of it: `status`, `branch`, `triggered_by`, times, and `log_url`, which a
    browser opens within the hour. One that was never run is `idle`, and has but the branch of its definition."""

    id: PipelineId
    name: PipelineName
    branch: str | None
    status: Literal["idle", "queued", "running", "waiting", "succeeded", "failed", "stopped", "lost"]
    triggered_by: str | None
    start_time: Utc | None
    end_time: Utc | None
    log_url: str | None
    run: RunNumber | None = None
    version: int = 1


class PipelineDefinition(Struct, frozen=True, kw_only=True):
    """A definition. `version`: grows with each change. `source`: `api`, or the name of its file."""

    id: PipelineId
    name: PipelineName
    version: int
    source: str
    at: Utc
    by: str
    text: str


class PipelineProblem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong. `line`, `column`: from 1. `at`: the way to the value, as `steps[3].needs[0]`."""

    line: int
    column: int
    at: str
    message: str


class CheckedPipeline(Struct, frozen=True, kw_only=True):
    """Whether a definition can be run; what is wrong with it, in the order of the text."""

    ok: bool
    problems: list[PipelineProblem] = []


class RunAccepted(Struct, frozen=True, kw_only=True):
    """A run that was asked for. `run`: its number within the pipeline. `log_url`: a browser opens it within the
    hour."""

    id: PipelineId
    run: RunNumber
    status: RunStatus
    log_url: str | None = None


class StopAccepted(Struct, frozen=True, kw_only=True):
    """The runs that end now."""

    id: PipelineId
    runs: list[RunNumber]


class Triggered(Struct, frozen=True, kw_only=True):
    """What came of what an outside service has posted. `run`: its run; None: there is none of such as this. `begun`: by
    this; not where the same was posted before."""

    id: PipelineId
    run: RunNumber | None
    begun: bool


class DeletedPipeline(Struct, frozen=True, kw_only=True):
    """A pipeline that is gone. `version`: its last; `runs`: those that end now."""

    id: PipelineId
    version: int
    runs: list[RunNumber]


class SlotResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a step came to on one slot."""

    slot: SlotId
    ok: bool
    said: str = ""


class ArtefactView(Struct, frozen=True, kw_only=True):
    """A file that a step has left. `artefact`: its name in the address it is had from; `name`: its path."""

    artefact: Id
    name: str
    size: int
    sha256: str


class StepView(Struct, frozen=True, kw_only=True):
    """One step of a run, or one cell of its matrix. `seconds`: that it took, all attempts together. `until`: when an
    approval that it waits for is too late. `artefacts_gone`: why they are removed before their time. `decided_by`: who
    has approved it or not, and `comment`: what they said."""

    step: JobName
    status: StepStatus
    started: Utc | None = None
    seconds: float | None = None
    exit_code: int | None = None
    attempts: int = 0
    reason: str | None = None
    matrix: dict[str, str] = {}
    until: Utc | None = None
    slots: list[SlotResult] = []
    artefacts: list[ArtefactView] = []
    artefacts_gone: str | None = None
    log_lines: int = 0
    decided_by: str | None = None
    comment: str | None = None


class PipelineRunView(Struct, frozen=True, kw_only=True):
    """One run. `waits_for`: why nothing is going on in it."""

    id: PipelineId
    run: RunNumber
    name: PipelineName
    version: int
    status: RunStatus
    trigger: Trigger
    triggered_by: str
    branch: str | None
    commit: str | None
    parameters: dict[str, str | int | bool]
    queued: Utc
    start_time: Utc | None
    end_time: Utc | None
    runner: str | None
    reason: str | None
    stopping: bool
    stopped_by: str | None
    waits_for: str | None
    log_url: str | None
    steps: list[StepView] = []


class PipelineStatusView(Struct, frozen=True, kw_only=True):
    """How it is with a pipeline: its runs that are not over, and the newest one, with their steps."""

    id: PipelineId
    name: PipelineName
    status: str
    runs: list[PipelineRunView]


class KeptArtefact(Struct, frozen=True, kw_only=True):
    """Where an artefact is: pieces of the bucket of files, one after the other."""

    pipeline: PipelineId
    run: RunNumber
    key: Id
    size: int
    pieces: int
    type: str
    name: str
    sha256: str


class RunOutput(Struct, frozen=True, kw_only=True):
    """Where in the stream of outputs a text is: all entries under these subjects, one subject after the other."""

    pipeline: PipelineId
    run: RunNumber
    subjects: list[str]
    name: str


class RunnerView(Struct, frozen=True, kw_only=True):
    """One runner. `running`: the runs that it has; `at_once`: how many it takes. What it can do to keep steps apart is
    in words; `disk_free`: bytes where workspaces are."""

    runner: HostName
    labels: tuple[str, ...]
    running: tuple[str, ...]
    at_once: int
    version: str
    user: str
    isolation: tuple[str, ...]
    git: str | None
    disk_free: int
    load: float


class DciStatus(Struct, frozen=True, kw_only=True):
    """`status`: `ok`; `degraded`: there is no runner. `queued`, `running`: runs, all pipelines together. `hosts`: the
    versions of what each host that is there works with, by its name."""

    status: Literal["ok", "degraded"]
    version: str
    runners: list[RunnerView]
    pipelines: int
    queued: int
    running: int
    waiting: int
    hosts: dict[HostName, PartVersions] = {}


class QueuedRun(Struct, frozen=True, kw_only=True):
    """A run that no runner has. `by`: who defined its pipeline."""

    pipeline: PipelineId
    run: RunNumber
    by: str = ""


class ClaimedRun(Struct, frozen=True, kw_only=True):
    """What a runner is to carry out. `service_token`: with no more than which it acts; None: as its user."""

    pipeline: PipelineId
    run: RunNumber
    name: PipelineName
    version: int
    text: str
    user: str
    triggered_by: str
    branch: str | None
    parameters: dict[str, str | int | bool]
    attempt: int
    service_token: Id | None = None


class StepReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it is with a step now."""

    step: JobName
    status: StepStatus
    seconds: float = 0.0
    exit_code: int | None = None
    attempts: int = 0
    reason: str | None = None
    matrix: dict[str, str] = {}
    approval_seconds: float = 0.0  # for which it waits for one, where it does
    approvers: tuple[str, ...] = ()  # who may approve it; none: whoever may approve
    slots: tuple[SlotResult, ...] = ()
    artefacts: tuple[ArtefactView, ...] = ()
    log_lines: int = 0


class ReportRun(Struct, frozen=True, kw_only=True):
    """What a runner says of its run: at least each second that it goes on (`steps` empty), and what has changed.
    `over`: it has ended so."""

    pipeline: PipelineId
    run: RunNumber
    token: str
    steps: tuple[StepReport, ...] = ()
    commit: str | None = None
    over: Literal["succeeded", "failed", "stopped"] | None = None
    reason: str | None = None


class Reported(Struct, frozen=True, kw_only=True):
    """`holds`: the run is the runner's still; where not, it ends all of it. `stop`: it is to be ended, and reported.
    `approvals`: what was said of steps that wait, by their name."""

    holds: bool
    stop: bool = False
    approvals: dict[str, bool] = {}


RUN_REFUSALS = frozenset({E.NOT_FOUND, E.PIPELINE_ERROR, E.RATE_LIMITED})
ONE = frozenset({E.NOT_FOUND})
CHANGES = frozenset({E.NOT_FOUND, E.PIPELINE_ERROR})

# fmt: off
LIST_PIPELINES   = Rpc("ottb.v1.qry.pipeline.list",       ListPipelines,    list[PipelineView],    frozenset(),
                       summary="Pipelines", permission=A.PIPELINE_VIEW)
GET_DEFINITION   = Rpc("ottb.v1.qry.pipeline.definition", GetPipeline,      PipelineDefinition,    ONE,
                       summary="The definition of a pipeline", permission=A.PIPELINE_VIEW)
PIPELINE_STATUS  = Rpc("ottb.v1.qry.pipeline.status",     GetPipeline,      PipelineStatusView,    ONE,
                       summary="How it is with a pipeline", permission=A.PIPELINE_VIEW)
LIST_PIPELINE_RUNS = Rpc("ottb.v1.qry.pipeline.runs",     ListPipelineRuns, list[PipelineRunView], frozenset(),
                         summary="Runs of a pipeline", permission=A.PIPELINE_VIEW)
GET_PIPELINE_RUN = Rpc("ottb.v1.qry.pipeline.run",        GetPipelineRun,   PipelineRunView,       ONE,
                       summary="One run of a pipeline", permission=A.PIPELINE_VIEW)
STEP_LOG         = Rpc("ottb.v1.qry.pipeline.step_log",   GetStepLog,       RunOutput,             ONE,
                       summary="What a step has written", permission=A.PIPELINE_VIEW,
                       audit_fields=("pipeline", "run", "step"))
RUN_LOG          = Rpc("ottb.v1.qry.pipeline.run_log",    GetRunLog,        RunOutput,             ONE,
                       summary="What the steps of a run have written", permission=A.PIPELINE_VIEW,
                       audit_fields=("pipeline", "run"))
GET_ARTEFACT     = Rpc("ottb.v1.qry.pipeline.artefact",   GetArtefact,      KeptArtefact,          ONE,
                       summary="A file that a step has left", permission=A.PIPELINE_VIEW,
                       audit_fields=("pipeline", "run", "artefact"))
CHECK_PIPELINE   = Rpc("ottb.v1.qry.pipeline.check",      CheckPipeline,    CheckedPipeline,       frozenset(),
                       summary="What is wrong with a definition", permission=A.PIPELINE_VIEW)
DCI_STATUS       = Rpc("ottb.v1.qry.pipeline.dci",        GetDciStatus,     DciStatus,             frozenset(),
                       summary="How the runners are", permission=A.PIPELINE_VIEW)
PIPELINE_ABSENT  = Rpc("ottb.v1.qry.pipeline.absent",     AskedPipeline,    RunAccepted,           ONE,
                       summary="Why nobody has a pipeline")
STOP_ABSENT_PIPELINE = Rpc("ottb.v1.qry.pipeline.stop_absent", StopPipeline, StopAccepted,         ONE,
                           summary="Why nobody has a pipeline that is to be stopped")
DEFINE_PIPELINE  = Rpc("ottb.v1.cmd.pipelines.define",    DefinePipeline,   PipelineDefinition,
                       frozenset({E.PIPELINE_ERROR}), summary="Make or change a pipeline",
                       permission=A.PIPELINE_EDIT, timeout=10.0, audit_fields=("id", "version"))
RUN_PIPELINE     = Rpc("ottb.v1.cmd.pipeline.{pipeline}.run",     RunPipeline,  RunAccepted,  RUN_REFUSALS,
                       summary="Run a pipeline", permission=A.PIPELINE_RUN, audit_fields=("pipeline", "run"),
                       fallback=PIPELINE_ABSENT)
STOP_PIPELINE    = Rpc("ottb.v1.cmd.pipeline.{pipeline}.stop",    StopPipeline, StopAccepted, CHANGES,
                       summary="Stop runs of a pipeline", permission=A.PIPELINE_STOP, when_full=True,
                       audit_fields=("pipeline", "run"), fallback=STOP_ABSENT_PIPELINE)
DELETE_ABSENT_PIPELINE = Rpc("ottb.v1.qry.pipeline.delete_absent", DeletePipeline, DeletedPipeline, ONE,
                             summary="Why nobody has a pipeline that is to be deleted")
DELETE_PIPELINE  = Rpc("ottb.v1.cmd.pipeline.{pipeline}.delete",  DeletePipeline, DeletedPipeline, CHANGES,
                       summary="Delete a pipeline", permission=A.PIPELINE_EDIT, when_full=True,
                       audit_fields=("pipeline", "version"), fallback=DELETE_ABSENT_PIPELINE)
APPROVE_STEP     = Rpc("ottb.v1.cmd.pipeline.{pipeline}.approve", ApproveStep,  RunAccepted,  CHANGES,
                       summary="Approve a step that waits for it", permission=A.PIPELINE_APPROVE,
                       audit_fields=("pipeline", "run", "step", "approve"), fallback=PIPELINE_ABSENT)

TRIGGER_PIPELINE = Rpc("ottb.v1.cmd.pipelines.trigger",   TriggerPipeline,  Triggered,
                       frozenset({E.AUTH_FAIL, E.PIPELINE_ERROR, E.RATE_LIMITED}), timeout=10.0,
                       summary="Run a pipeline by a webhook", permission=Access.SIGNED,
                       audit_fields=("pipeline", "run"))

# Between parts of the platform.
TRIGGER_ON_SHARD = Rpc("ottb.v1.cmd.shard.{shard}.trigger_pipeline", TriggerOnShard, Triggered,
                       frozenset({E.AUTH_FAIL, E.PIPELINE_ERROR, E.RATE_LIMITED}), timeout=8.0)
PUT_PIPELINE     = Rpc("ottb.v1.cmd.shard.{shard}.put_pipeline",  PutPipeline,  PipelineDefinition,
                       frozenset({E.PIPELINE_ERROR}), timeout=8.0)
CLAIM_RUN        = Rpc("ottb.v1.cmd.pipeline.{pipeline}.claim",   ClaimRun,     ClaimedRun,
                       frozenset({E.NOT_FOUND, E.CONFLICT}))
REPORT_RUN       = Rpc("ottb.v1.cmd.pipeline.{pipeline}.report",  ReportRun,    Reported,     ONE, when_full=True)
QUEUED_RUNS      = Rpc("ottb.v1.qry.pipeline.queue",      QueuedRuns,       list[QueuedRun],       frozenset(),
                       summary="Runs that no runner has")
# fmt: on
