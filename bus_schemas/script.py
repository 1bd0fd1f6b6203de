"""Scripts that drive apps on phones, and their runs: what may be asked of them and what happens to them."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import READ_AGAIN, Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import (
    CallId,
    GivenTime,
    HostName,
    Id,
    LineName,
    SlotId,
    Sought,
    Username,
    Utc,
    of_values,
    shaped,
)
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.permissions import Action
from bus_schemas.rights import needs

E = ErrorCode
A = Action

SCRIPT = Kind("script", "scripts", view=A.SCRIPT_VIEW, view_others=A.SCRIPT_VIEW_ANY)

ScriptId = Annotated[Id, Meta(examples=["gacs_001"])]
ScriptName = Annotated[
    str,
    shaped(
        r"^[a-z][a-z0-9_]{0,39}$(?!\n)", "1 to 40 letters (a-z), digits or `_`, a letter first",
        examples=["telegram_call"],
    ),
]  # fmt: skip
OfPhone = needs(A.SLOT_SHELL)  # what is typed and seen on a phone, secrets too
MOST_PARAMS = 200  # values in `params`


class RunState(StrEnum):
    """How it is with a run. `queued`: it waits for its slot. Of the three others none changes any more."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


OVER = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED})


# --- scripts ----------------------------------------------------------------------------------------------------


class ListScripts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The scripts that can be run, by name. `cursor`: the name that the last page ended with."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class GetScript(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One script."""

    name: ScriptName


class ParamView(Struct, frozen=True, kw_only=True):
    """What a script is given. `required`: it has no default."""

    type: Literal["phone", "text", "integer", "choice"]
    summary: str
    required: bool
    pattern: str | None = None
    of: list[str] | None = None
    least: int | None = None
    most: int | None = None
    default: str | int | None = None
    secret: bool = False


class ScriptView(Struct, frozen=True, kw_only=True):
    """One script, as its newest version that can be run. `values`: what a run of it gives. `apps`, `android`,
    `also`: what it needs of its phone; `ussd`: service codes that it sends. `calls`: it places calls in apps.
    `permissions`: what running it takes beside `script.run`. `problem`: why a newer text of it is not run."""

    name: ScriptName
    version: int
    summary: str
    params: dict[str, ParamView]
    values: list[str]
    deadline: float
    apps: list[str]
    android: int | None
    also: list[str]
    ussd: list[str]
    calls: bool
    permissions: list[Action] = []
    problem: str | None = None


class CheckScript(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say what is wrong with the text of a script. `name`: of its file, without `.toml`, if it has one."""

    text: Annotated[str, Meta(max_length=200_000)]
    name: ScriptName | None = None


class ScriptProblem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong. `line`, `column`: from 1. `at`: the way to the value, as `steps[3].on.text`."""

    line: int
    column: int
    at: str
    message: str


class CheckedScript(Struct, frozen=True, kw_only=True):
    """Whether a script can be run. `ok`: it can; then `name` and `version` are there.
    `permissions`: what running it takes beside `script.run`."""

    ok: bool
    problems: list[ScriptProblem]
    name: str | None = None
    version: int | None = None
    permissions: list[Action] = []


# --- runs -------------------------------------------------------------------------------------------------------


class RunScript(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Run a script on the phone of a slot. `queue`: where the slot is busy, wait for it instead of being refused."""

    slot_id: SlotId
    script: ScriptName
    params: Annotated[
        dict[str, Any], of_values(MOST_PARAMS), Meta(max_length=30, examples=[{"number": "+380991234567"}])
    ] = {}
    queue: bool = False


class ScriptStarted(Struct, frozen=True, kw_only=True):
    """The run is on record."""

    status: Literal["executing", "queued"]
    script_id: ScriptId


class GetRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run, live or past."""

    script_id: ScriptId


class StopRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stop a run: a call that it placed is ended, and the phone left at its home screen. One that is over stays as it
    is."""

    script_id: ScriptId


class RunView(Struct, frozen=True, kw_only=True):
    """One run. While it is `running`: `step` of `steps`, at which `place` of the script, and what it waits for. Failed:
    `step`, `place`, `step_name`, `reason`, `uncertain`: nobody knows whether that step's effect has happened;
    `screenshot`, `tree`: there is one of the screen. `call_id`: of the last call that it placed. `by`: who stopped it.
    `values`: what came of it."""

    script_id: ScriptId
    slot: int
    script: str
    version: int
    user: str
    state: RunState
    asked: Utc
    started: Utc | None
    ended: Utc | None = None
    stopping: bool = False
    step: int | None = None
    steps: int | None = None
    place: str | None = None
    step_name: str | None = None
    waits_for: str | None = None
    values: dict[str, str] = {}
    reason: str | None = None
    uncertain: bool = False
    call_id: str | None = None
    by: str | None = None
    screenshot: bool = False
    tree: bool = False
    trace_id: str | None = None


class KeptFile(Struct, frozen=True, kw_only=True):
    """What is kept of a run's screen: pieces of the bucket of files, one after the other. `type`: as HTTP names it."""

    script_id: ScriptId
    key: Id
    pieces: int
    type: str
    name: str


class ListRuns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Runs, newest first. `since`, `until`: of when they were asked for."""

    slot: SlotId | None = None
    script: ScriptName | None = None
    state: RunState | None = None
    user: Sought | None = None
    since: GivenTime | None = None
    until: GivenTime | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class OpenRuns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The runs on record that are not over, oldest first."""


class OpenRun(Struct, frozen=True, kw_only=True):
    """One run that is not over."""

    script_id: ScriptId
    line: LineName
    state: RunState


RUN_REFUSALS = frozenset(
    {E.SLOT_BUSY, E.SLOT_OFFLINE, E.NOT_FOUND, E.PERMISSION_DENIED, E.RATE_LIMITED, E.CONFLICT, E.CALL_FAILED}
)
TAKEN = frozenset({A.CALL_START, A.SCRIPT_USSD, A.SLOT_APPS, A.SLOT_CONFIGURE})  # by what scripts do
RUNS = frozenset({A.SLOT_USE_ANY, A.SLOT_VIEW_ANY}) | TAKEN
SEES = frozenset({A.SCRIPT_VIEW_ANY})
NO_SUCH = frozenset({E.NOT_FOUND})

# fmt: off
#                  subject                                  request      reply            may be refused with
PAST_RUN     = Rpc("ottb.v1.qry.script.get",                GetRun,      RunView,         NO_SUCH,
                   summary="One run from the records")
STOP_ABSENT  = Rpc("ottb.v1.qry.script.stop_absent",        StopRun,     RunView,         NO_SUCH,
                   summary="How a run ended that nobody owns any more")
RUN_ABSENT   = Rpc("ottb.v1.qry.script.run_absent",         RunScript,   ScriptStarted,   RUN_REFUSALS,
                   summary="Why nobody owns the slot that a script was wanted on")
RUN_SCRIPT   = Rpc("ottb.v1.cmd.script.run",                RunScript,   ScriptStarted,   RUN_REFUSALS,
                   summary="Run a script on a phone", timeout=10.0,
                   permission=A.SCRIPT_RUN, asks=RUNS, audit_fields=("script_id", "slot_id", "script"))
RUN_ON_SLOT  = Rpc("ottb.v1.cmd.slot.{slot_id}.run_script", RunScript,   ScriptStarted,   RUN_REFUSALS,
                   summary="Run a script on one slot, wherever its host is", timeout=8.0, fallback=RUN_ABSENT)
GET_RUN      = Rpc("ottb.v1.cmd.script.{script_id}.get",    GetRun,      RunView,         NO_SUCH,
                   summary="How a script's run stands", fallback=PAST_RUN, permission=A.SCRIPT_VIEW, asks=SEES,
                   again=READ_AGAIN)
STOP_RUN     = Rpc("ottb.v1.cmd.script.{script_id}.stop",   StopRun,     RunView,
                   frozenset({E.NOT_FOUND, E.PERMISSION_DENIED}),
                   summary="Stop a script's run", fallback=STOP_ABSENT, permission=A.SCRIPT_RUN,
                   asks=SEES | {A.SCRIPT_STOP_ANY}, audit_fields=("script_id",), when_full=True)
LIST_RUNS    = Rpc("ottb.v1.qry.script.runs",               ListRuns,    list[RunView],   frozenset(),
                   summary="Runs of scripts", permission=A.SCRIPT_VIEW, asks=SEES)
OPEN_RUNS    = Rpc("ottb.v1.qry.script.open",               OpenRuns,    list[OpenRun],   frozenset(),
                   summary="Runs on record that are not over")
RUN_SCREEN   = Rpc("ottb.v1.qry.script.screenshot",         GetRun,      KeptFile,        NO_SUCH,
                   summary="The screen that a run failed at, as a picture",
                   permission=A.SCRIPT_VIEW, asks=SEES, audit_fields=("script_id",))
RUN_TREE     = Rpc("ottb.v1.qry.script.tree",               GetRun,      KeptFile,        NO_SUCH,
                   summary="What was on the screen that a run failed at",
                   permission=A.SCRIPT_VIEW, asks=SEES, audit_fields=("script_id",))
LIST_SCRIPTS = Rpc("ottb.v1.qry.script.library",            ListScripts, list[ScriptView], frozenset(),
                   summary="The scripts that can be run", permission=A.SCRIPT_VIEW)
GET_SCRIPT   = Rpc("ottb.v1.qry.script.one",                GetScript,   ScriptView,      NO_SUCH,
                   summary="One script", permission=A.SCRIPT_VIEW)
CHECK_SCRIPT = Rpc("ottb.v1.qry.script.check",              CheckScript, CheckedScript,   frozenset({E.RATE_LIMITED}),
                   summary="What is wrong with a script", permission=A.SCRIPT_VIEW)
# fmt: on


# --- events -----------------------------------------------------------------------------------------------------


class RunAsked(Struct, frozen=True, kw_only=True):
    """What is known of a run from its beginning, as it is in its first event. `scripts`: the script and what it runs,
    as JSON, by name; `given`: its parameters, as JSON. Kept with the run, they make the same program whatever is in the
    files by then. `ussd`: the codes that the site allowed."""

    line: LineName
    script_id: ScriptId
    slot: int
    user: Username
    script: str
    version: int
    at: Utc
    mono: float
    boot: str
    command_id: str
    scripts: Annotated[str, OfPhone]
    given: Annotated[str, OfPhone]
    ussd: list[str] = []
    trace_id: str | None = None


class RunQueued(RunAsked, frozen=True, kw_only=True):
    """A run waits for its slot."""


class RunStarted(RunAsked, frozen=True, kw_only=True):
    """A run holds its slot from now on, until it has ended."""


class RunMoved(Struct, frozen=True, kw_only=True):
    """Where a run stands, written before what it does next is done. `position`: all of it, as JSON. `call_id`: of the
    call that it places, or that it is in."""

    line: LineName
    script_id: ScriptId
    slot: int
    user: str
    script: str
    at: Utc
    step: int
    steps: int
    place: str
    waits_for: str
    position: Annotated[str, OfPhone]
    call_id: CallId | None = None


class RunStopping(Struct, frozen=True, kw_only=True):
    """Somebody stopped a run."""

    line: LineName
    script_id: ScriptId
    slot: int
    user: str
    script: str
    at: Utc
    by: str
    command_id: str


class RunEnded(Struct, frozen=True, kw_only=True):
    """The one terminal event of a run. `step` of `steps`: at which it has failed, or was stopped; one that never
    began has none. `screenshot`, `tree`: bytes that are kept of the screen that it failed at."""

    line: LineName
    script_id: ScriptId
    slot: int
    user: str
    script: str
    version: int
    at: Utc
    state: RunState
    seconds: float
    values: dict[str, str] = {}
    step: int | None = None
    steps: int | None = None
    place: str | None = None
    step_name: str | None = None
    reason: str | None = None
    uncertain: bool = False
    call_id: CallId | None = None
    by: str | None = None
    screenshot: int = 0
    tree: int = 0


class RunAdopted(Struct, frozen=True, kw_only=True):
    """A new owner took the run over; older owners can no longer write, and so do nothing more."""

    line: LineName
    script_id: ScriptId
    slot: int
    user: str
    at: Utc
    host: HostName
    epoch: int


RunEvent = RunQueued | RunStarted | RunMoved | RunStopping | RunEnded | RunAdopted

# fmt: off
RUN_QUEUED   = Topic("ottb.v1.evt.script.{line}.{script_id}.queued",   RunQueued,   "A run waits for its slot")
RUN_STARTED  = Topic("ottb.v1.evt.script.{line}.{script_id}.started",  RunStarted,  "A script runs on a phone")
RUN_MOVED    = Topic("ottb.v1.evt.script.{line}.{script_id}.moved",    RunMoved,    "A run goes on to its next effect")
RUN_STOPPING = Topic("ottb.v1.evt.script.{line}.{script_id}.stopping", RunStopping, "Somebody stopped a run")
RUN_ENDED    = Topic("ottb.v1.evt.script.{line}.{script_id}.ended",    RunEnded,    "The run of a script is over")
RUN_ADOPTED  = Topic("ottb.v1.evt.script.{line}.{script_id}.adopted",  RunAdopted,  "A run has a new owner")
# fmt: on

SCRIPT_NEWS = Subscribable(SCRIPT, (RUN_QUEUED, RUN_STARTED, RUN_MOVED, RUN_STOPPING, RUN_ENDED), ("slot", "script_id"))

# --- what live clients are told ---------------------------------------------------------------------------------


class ScriptUpdate(Struct, frozen=True, kw_only=True):
    """A run has gone on. `change` says how, and with it which other fields are there: with `moved`, `step` of `steps`
    and what it waits for; with `ended` what came of it; with `stopping` who stopped it, as `by`. `screenshot`, `tree`:
    bytes that are kept of the screen that it failed at."""

    line: LineName
    script_id: str
    slot: int
    user: str
    script: str
    at: Utc
    change: Literal["queued", "started", "moved", "stopping", "ended"]
    state: RunState
    step: int | UnsetType | None = UNSET
    steps: int | UnsetType | None = UNSET
    place: str | UnsetType | None = UNSET
    version: int | UnsetType = UNSET
    command_id: str | UnsetType = UNSET
    trace_id: str | UnsetType | None = UNSET
    screenshot: int | UnsetType = UNSET
    tree: int | UnsetType = UNSET
    waits_for: str | UnsetType = UNSET
    step_name: str | UnsetType | None = UNSET
    reason: str | UnsetType | None = UNSET
    uncertain: bool | UnsetType = UNSET
    values: dict[str, str] | UnsetType = UNSET
    call_id: str | UnsetType | None = UNSET
    by: str | UnsetType | None = UNSET
    seconds: float | UnsetType = UNSET
