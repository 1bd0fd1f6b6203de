"""What a pipeline and its runs are, by their events. Pure."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from bus_schemas.names import Share, share_of
from bus_schemas.pipeline import RunStatus, StepStatus, Trigger
from bus_schemas.pipeline_events import (
    Delivery,
    PipelineActivated,
    PipelineApproved,
    PipelineCheckedOut,
    PipelineDefined,
    PipelineDeleted,
    PipelineEnded,
    PipelineEvent,
    PipelineQueued,
    PipelineStarted,
    PipelineStep,
    PipelineStopping,
)
from bus_schemas.user import LoginKind

MOST_IDS = 500  # that services have given what they posted


class Wait(Struct, frozen=True, kw_only=True):
    """An approval that a step waits for. `approved` None: nobody has said anything."""

    until: str
    approvers: tuple[str, ...] = ()
    approved: bool | None = None


class OpenRun(Struct, frozen=True, kw_only=True):
    """A run that is not over. `began`: when its runner took it; `token`: SHA-256 of what that reports under. `steps`:
    how it is with those that have begun; `waits`: for approvals, by step. `service_token`: with no more than which it
    acts; None: as its user."""

    run: int
    user: str
    trigger: Trigger
    branch: str | None
    parameters: Mapping[str, str | int | bool]
    version: int
    queued: str
    again: int = 0
    began: str | None = None
    runner: str | None = None
    token: str = ""
    stopping: str | None = None
    why_stopping: str | None = None
    steps: Mapping[str, StepStatus] = {}
    waits: Mapping[str, Wait] = {}
    service_token: str | None = None

    @property
    def status(self) -> RunStatus:
        if self.runner is None:
            return RunStatus.QUEUED
        waiting = any(wait.approved is None for wait in self.waits.values())
        going = any(status is StepStatus.RUNNING for status in self.steps.values())
        return RunStatus.WAITING if waiting and not going else RunStatus.RUNNING


class Repeats(Struct, frozen=True, kw_only=True):
    """By what it is known that an outside service posts something again, each with the run that it began. `signed`:
    with the moment until which that could be repeated; `ids`: the newest names that services have given."""

    signed: Mapping[str, tuple[int, str]] = {}
    ids: Mapping[str, int] = {}

    def run_of(self, delivery: Delivery) -> int | None:
        """The run that this began before."""
        if (found := self.signed.get(delivery.signed)) is not None:
            return found[0]
        return self.ids.get(delivery.id) if delivery.id is not None else None

    def lasting(self, now: str) -> "Repeats":
        """Without those whose signature is too old by now."""
        return replace(self, signed={key: one for key, one in self.signed.items() if one[1] >= now})

    def begun(self, run: int, delivery: Delivery, now: str) -> "Repeats":
        """With this one."""
        ids = {key: one for key, one in self.ids.items() if key != delivery.id}
        if delivery.id is not None:
            ids[delivery.id] = run
        kept = dict([*ids.items()][-MOST_IDS:])
        return replace(self.lasting(now), ids=kept)._signed(run, delivery)

    def _signed(self, run: int, delivery: Delivery) -> "Repeats":
        return replace(self, signed={**self.signed, delivery.signed: (run, delivery.until)})


class Pipeline(Struct, frozen=True, kw_only=True):
    """One pipeline. `texts`: its definition in the versions that count still, the newest and those of `open` runs.
    `runs`: how many there have been; `due`: the last moment of its schedule that a run was made for.
    `service_token`: by which it was made; None: by its user. `deleted`: nobody can run it, until it is defined again;
    versions and runs are counted on."""

    pipeline: int
    name: str
    version: int
    source: str
    by: str
    defined: str
    texts: Mapping[int, str]
    runs: int = 0
    open: Mapping[int, OpenRun] = {}
    due: str | None = None
    service_token: str | None = None
    deleted: bool = False
    repeats: Repeats = Repeats()

    @property
    def share(self) -> Share:
        """For whom counts what it begins by itself."""
        return share_of(LoginKind.SESSION if self.service_token is None else LoginKind.TOKEN, self.by)

    @property
    def text(self) -> str:
        return self.texts[self.version]


def evolve(pipeline: Pipeline | None, event: PipelineEvent) -> Pipeline | None:
    """The state after an event."""
    if isinstance(event, PipelineDefined):
        return _defined(pipeline, event)
    if pipeline is None or isinstance(event, PipelineActivated):
        return pipeline
    if isinstance(event, PipelineDeleted):
        return replace(pipeline, deleted=True)
    if isinstance(event, PipelineQueued):
        return _queued(pipeline, event)
    run = pipeline.open.get(event.run)
    if run is None:
        return pipeline
    if isinstance(event, PipelineEnded):
        left = {number: one for number, one in pipeline.open.items() if number != event.run}
        return _kept(replace(pipeline, open=left))
    return replace(pipeline, open={**pipeline.open, event.run: _after(run, event)})


def _defined(pipeline: Pipeline | None, event: PipelineDefined) -> Pipeline:
    before = pipeline or Pipeline(
        pipeline=event.pipeline, name="", version=0, source="", by="", defined="", texts={}
    )
    return _kept(replace(
        before, name=event.name, version=event.version, source=event.source, by=event.by, defined=event.at,
        texts={**before.texts, event.version: event.text}, service_token=event.service_token,
        deleted=False,
    ))  # fmt: skip


def _kept(pipeline: Pipeline) -> Pipeline:
    """Without texts that nobody needs any more."""
    wanted = {pipeline.version, *(run.version for run in pipeline.open.values())}
    return replace(pipeline, texts={number: text for number, text in pipeline.texts.items() if number in wanted})


def _queued(pipeline: Pipeline, event: PipelineQueued) -> Pipeline:
    run = OpenRun(
        run=event.run, user=event.user, trigger=event.trigger, branch=event.branch, parameters=event.parameters,
        version=event.version, queued=event.at, again=event.again,
        service_token=event.service_token,
    )  # fmt: skip
    due = event.due if event.due is not None and event.again == 0 else pipeline.due
    repeats = pipeline.repeats
    if event.delivery is not None and event.again == 0:
        repeats = repeats.begun(event.run, event.delivery, event.at)
    return replace(
        pipeline, runs=max(pipeline.runs, event.run), open={**pipeline.open, event.run: run}, due=due, repeats=repeats
    )


def _after(
    run: OpenRun, event: PipelineStarted | PipelineStep | PipelineCheckedOut | PipelineApproved | PipelineStopping
) -> OpenRun:
    match event:
        case PipelineStarted():
            return replace(run, began=event.at, runner=event.runner, token=event.token)
        case PipelineStep():
            return _stepped(run, event)
        case PipelineApproved():
            wait = run.waits.get(event.step)
            if wait is None:
                return run
            return replace(run, waits={**run.waits, event.step: replace(wait, approved=event.approved)})
        case PipelineStopping():
            return replace(run, stopping=event.by, why_stopping=event.reason)
    return run


def _stepped(run: OpenRun, event: PipelineStep) -> OpenRun:
    waits = dict(run.waits)
    if event.status is StepStatus.WAITING and event.until is not None:
        waits[event.step] = Wait(until=event.until, approvers=event.approvers)
    elif event.status is not StepStatus.RUNNING:
        waits.pop(event.step, None)
    return replace(run, steps={**run.steps, event.step: event.status}, waits=waits)
