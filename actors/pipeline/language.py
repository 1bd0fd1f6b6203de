"""What the definition of a pipeline may say: the structs of its file (TOML).

A step runs commands on a host (`do = "run"`), acts on phones (`adb`, `script`, `install_apk`, `reboot`, `call`), or
waits until somebody lets it go on (`approval`). What others say (a branch, a parameter) never gets into a command line:
commands find it in their environment. Pure.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bus_schemas.fields import SlotId, Username, shaped
from bus_schemas.pipeline import Branch, Label, ParamName, PipelineId, PipelineName, StepName
from bus_schemas.script import ScriptName

Words = Annotated[str, Meta(max_length=300)]
Line = Annotated[str, Meta(min_length=1, max_length=4000)]
Glob = Annotated[str, Meta(min_length=1, max_length=300)]
Folder = Annotated[str, Meta(min_length=1, max_length=300)]
Variable = Annotated[
    str, shaped(r"^[A-Z][A-Z0-9_]{0,63}$(?!\n)", "1 to 64 letters (A-Z), digits or `_`, a letter first")
]
Pointer = Annotated[
    str, shaped(r"^(/([^~/]|~[01]){0,100}){1,10}$(?!\n)", "a place in JSON like `/release/tag_name` (RFC 6901)")
]
Text = Annotated[str, Meta(max_length=4000)]
DAY = 86_400.0
Seconds = Annotated[float, Meta(ge=1, le=DAY)]
Value = str | int | bool
Cells = Annotated[dict[ParamName, Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(min_length=1)]],
                  Meta(min_length=1, max_length=5)]  # fmt: skip
MOST_CELLS = 30  # of one step's matrix
APPROVAL_SECONDS = DAY


class Param(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a run is given; commands find it as PARAM_<NAME>. Without `default` it must be given."""

    type: Literal["text", "integer", "choice", "boolean"] = "text"
    summary: Words = ""
    default: Value | None = None
    pattern: Annotated[str, Meta(max_length=500)] | None = None
    of: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(min_length=1, max_length=100)] | None = None
    least: int | None = None
    most: int | None = None


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a step is carried out: on one of these branches (`*` stands for anything), where parameters have these
    values, and `after`: once all before it went well (`success`), if something has failed (`failure`), or `always`."""

    branch: Annotated[list[Glob], Meta(min_length=1, max_length=20)] | None = None
    params: dict[ParamName, Value] = {}
    after: Literal["success", "failure", "always"] = "success"


class Slots(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which slots, of those that the run's user sees: these, or those on this hub and of this user (empty: the
    shared pool); `online`: none whose phone is away. `most`: no more than so many of them, by their numbers."""

    slots: Annotated[list[SlotId], Meta(min_length=1, max_length=1000)] | None = None
    hub: Annotated[str, Meta(max_length=64)] | None = None
    user: Annotated[str, Meta(max_length=64)] | None = None
    online: bool = True
    most: Annotated[int, Meta(ge=1, le=10_000)] | None = None


class Common(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="do"):
    """What every step may say. `needs`: the steps before which it does not begin, by default the one that stands
    before it; `[]`: it begins at once. `timeout`: seconds of one attempt. `retries`: how often it is tried again.
    `on_failure`: `ignore`, the run goes on as if it had gone well."""

    name: StepName
    needs: Annotated[list[StepName], Meta(max_length=50)] | None = None
    when: When = When()
    timeout: Seconds = 3600.0
    retries: Annotated[int, Meta(ge=0, le=5)] = 0
    on_failure: Literal["fail", "ignore"] = "fail"


class Run(Common, frozen=True, tag="run"):
    """Commands of a shell (`/bin/sh -eu`), one after the other, in the run's workspace. `matrix`: once for each way to
    choose one value of each list, as MATRIX_<NAME>. `artefacts`: files that are kept, by glob. `cache`: folders that
    the next run finds as this one left them. `secrets`: by name, as SECRET_<NAME>. `memory`: MiB."""

    commands: Annotated[list[Line], Meta(min_length=1, max_length=100)]
    environment: Annotated[dict[Variable, Text], Meta(max_length=50)] = {}
    secrets: Annotated[list[Variable], Meta(max_length=20)] = []
    matrix: Cells | None = None
    artefacts: Annotated[list[Glob], Meta(max_length=20)] = []
    cache: Annotated[list[Folder], Meta(max_length=5)] = []
    folder: Folder = "."
    network: bool = True
    memory: Annotated[int, Meta(ge=16, le=262_144)] = 2048


class OnFleet(Common, frozen=True, kw_only=True):
    """What steps on phones may say. A slot in a call is waited for, for `patience` seconds. `at_once`: slots.
    `stop_at`: once so many have failed, no other begins, and the step has failed; fewer are only told."""

    on: Slots = Slots()
    at_once: Annotated[int, Meta(ge=1, le=100)] = 5
    stop_at: Annotated[int, Meta(ge=1, le=10_000)] = 1
    patience: Annotated[float, Meta(ge=0, le=DAY)] = 300.0


class Adb(OnFleet, frozen=True, tag="adb"):
    """A shell command on each phone; it went well if its exit code is 0."""

    command: Annotated[str, Meta(min_length=1, max_length=4000)]


class RunScript(OnFleet, frozen=True, tag="script"):
    """A script on each phone. `params`: as it takes them; `${name}` alone stands for a parameter of the run."""

    script: ScriptName
    params: Annotated[dict[str, Value], Meta(max_length=50)] = {}


class InstallApk(OnFleet, frozen=True, tag="install_apk"):
    """An app on each phone: a file of the workspace. `grant`: with all permissions that it asks for."""

    file: Folder
    grant: bool = False


class Reboot(OnFleet, frozen=True, tag="reboot"):
    """Restart each phone, and wait until it is back."""


class Call(OnFleet, frozen=True, tag="call"):
    """Call a number from each phone, and hang up `seconds` after it was answered. It went well if it was answered.
    `number`: `${name}` alone stands for a parameter of the run."""

    number: Annotated[str, Meta(min_length=1, max_length=64)]
    seconds: Annotated[float, Meta(ge=0, le=600)] = 2.0


class Approval(Common, frozen=True, tag="approval"):
    """Wait until somebody who may approve lets it go on, for `timeout` seconds. `by`: one of these users alone."""

    by: Annotated[list[Username], Meta(max_length=50)] = []
    timeout: Annotated[float, Meta(ge=1, le=7 * DAY)] = APPROVAL_SECONDS


Step = Run | Adb | RunScript | InstallApk | Reboot | Call | Approval


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When it is run by itself: `cron`, five fields, on the clock of `zone` (IANA)."""

    cron: Annotated[str, Meta(min_length=1, max_length=100)]
    zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    params: Annotated[dict[ParamName, Value], Meta(max_length=50)] = {}


class Webhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """That it is run when an outside service posts JSON which is signed with `secret` (its name), not more than
    `window` seconds ago. `signature`: `ottb`, as our own webhooks are signed, or `github`, which signs no time: then
    `time` says where in the body one is. `only`: where something else is there than one of these (`*` stands for
    anything), nothing is run. `branch`, `params`: where they are; by default `/branch`, and all that is in
    `/parameters`."""

    secret: Variable
    signature: Literal["ottb", "github"] = "ottb"
    window: Annotated[float, Meta(ge=10, le=3600)] = 300.0
    time: Pointer | None = None
    only: Annotated[dict[Pointer, Annotated[list[Glob], Meta(min_length=1, max_length=20)]], Meta(max_length=10)] = {}
    branch: Pointer | None = None
    params: Annotated[dict[ParamName, Pointer], Meta(max_length=50)] | None = None


class Definition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, weakref=True):
    """A pipeline. `repository`: a folder with a git repository, or a URL of one; `branch`: what is checked out where
    nobody says another. `labels`: what a runner must have. `at_once`: runs under way at the same time; `concurrency`:
    what becomes of one more: `queue`, it waits; `cancel_older`, the older ones end; `refuse`. `wait`: seconds that a
    run waits for a runner at most. `rerun`: a run whose runner is lost is begun anew, so often at most. `as_user`: in
    whose name what begins by itself acts."""

    id: PipelineId
    name: PipelineName
    summary: Words = ""
    enabled: bool = True
    repository: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    branch: Branch = "main"
    labels: Annotated[list[Label], Meta(max_length=10)] = []
    environment: Annotated[dict[Variable, Text], Meta(max_length=50)] = {}
    params: Annotated[dict[ParamName, Param], Meta(max_length=50)] = {}
    at_once: Annotated[int, Meta(ge=1, le=100)] = 1
    concurrency: Literal["queue", "cancel_older", "refuse"] = "queue"
    timeout: Annotated[float, Meta(ge=1, le=7 * DAY)] = DAY
    wait: Annotated[float, Meta(ge=1, le=7 * DAY)] = DAY
    rerun: Annotated[int, Meta(ge=0, le=5)] = 0
    as_user: Username | None = None
    schedule: Schedule | None = None
    webhook: Webhook | None = None
    steps: Annotated[list[Step], Meta(min_length=1, max_length=50)]


def needed(definition: Definition, place: int) -> tuple[str, ...]:
    """The steps before which a step does not begin."""
    step = definition.steps[place]
    if step.needs is not None:
        return tuple(step.needs)
    return (definition.steps[place - 1].name,) if place else ()


def labels_of(definition: Definition) -> tuple[str, ...]:
    """What a runner must have, as it is on record: each once and in one order, as each set of them that runs wait for
    is looked at by runners."""
    return tuple(sorted(set(definition.labels)))


def secrets_of(definition: Definition) -> tuple[str, ...]:
    """The names of all secrets that its steps want."""
    return tuple(dict.fromkeys(name for step in definition.steps if isinstance(step, Run) for name in step.secrets))


def filled(value: Any, parameters: dict[str, Value]) -> Any:
    """`${name}` alone as the parameter of that name; whatever else as it is."""
    name = reference(value)
    return parameters[name] if name is not None else value


def reference(value: Any) -> str | None:
    """The parameter that a value stands for."""
    whole = isinstance(value, str) and value.startswith("${") and value.endswith("}")
    return value[2:-1] if whole else None
