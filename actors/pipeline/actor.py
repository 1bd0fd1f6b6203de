"""The actor of one pipeline: a thin shell around its machine."""

from collections.abc import Sequence
from typing import ClassVar, Never

from msgspec.structs import replace

from actors.pipeline import machine
from actors.pipeline.checking import definition_of, on_record
from actors.pipeline.machine import PipelineDecision
from actors.pipeline.reading import Reader, text_for_claim, text_for_timer
from actors.pipeline.record import Pipeline, evolve
from actors.pipeline.runners import Runners
from actors.pipeline.trigger import Wanted
from actors.runtime.actor import Actor
from actors.runtime.bus import Message
from actors.runtime.clock import Moment, moment
from actors.runtime.commands import Order, Outcome, by_type, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, TimerFired
from actors.runtime.host import Host
from actors.runtime.inbox import BusCommand, InboxItem, LocalCommand, Report, Resume
from actors.runtime.wire import decode_request, send_refusal
from bus_schemas.catalogue import topics_of
from bus_schemas.contract import verb_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import SYSTEM, Share
from bus_schemas.pipeline import (
    APPROVE_STEP,
    CLAIM_RUN,
    DELETE_PIPELINE,
    REPORT_RUN,
    RUN_PIPELINE,
    STOP_PIPELINE,
    ApproveStep,
    ClaimedRun,
    ClaimRun,
    DeletedPipeline,
    DeletePipeline,
    PipelineDefinition,
    Reported,
    ReportRun,
    RunAccepted,
    RunPipeline,
    RunStatus,
    StopAccepted,
    StopPipeline,
    Triggered,
)
from bus_schemas.pipeline_events import PIPELINE_QUEUED, Delivery, PipelineActivated, PipelineEvent, PipelineQueued

NOT_SIGNED = RefusalTemplate(
    ErrorCode.AUTH_FAIL, "Nothing here is run by what is signed so: see docs/pipelines.md, Webhooks."
)
CHANGED = RefusalTemplate(ErrorCode.UNAVAILABLE, "Its definition has changed meanwhile. Try again.")
TRIED_HEADER = "Ottb-Tried"  # the version that what a run is given was tried for, `0` none
API = "api"  # the source of what was made by hand


class Define(Order[PipelineDefinition], frozen=True, kw_only=True):
    """Be like this from now on."""

    text: str
    source: str


class Gone(Order[None], frozen=True, kw_only=True):
    """The file of the definition is not there any more."""

    source: str


class Trigger(Order[Triggered], frozen=True, kw_only=True):
    """An outside service has posted this, as the definition of this version wants it signed. `wanted` None: nothing is
    run for such as this."""

    version: int
    wanted: Wanted | None
    delivery: Delivery


class PipelineActor(Actor[Pipeline, PipelineEvent, Never, Never]):
    """One pipeline."""

    kind: ClassVar[str] = "pipeline"
    state_type = Pipeline
    topics = topics_of("pipeline")
    snapshots = True

    __slots__ = ("_lost", "_reader", "_runners")

    def __init__(self, *, id: str, host: Host, reader: Reader, runners: Runners, lost: float) -> None:
        super().__init__(id=id, host=host)
        self._reader = reader
        self._runners = runners
        self._lost = lost

    # --- what people ask

    async def receive(self, message: Message) -> None:
        if verb_of(message.subject) == RUN_PIPELINE.verb:
            self._host.spawn(self._receive_tried(message, self.state))
        else:
            await super().receive(message)

    async def _receive_tried(self, message: Message, pipeline: Pipeline | None) -> None:
        """What a run is given is tried before it waits for its turn."""
        context = Context.from_headers(message.headers)
        try:
            context.must(RUN_PIPELINE.permission)
            if pipeline is not None and (given := decode_request(RUN_PIPELINE, message).parameters):
                await self._reader.try_out(context.share, pipeline.text, given)
        except Refusal as refusal:
            await send_refusal(message, refusal)
        else:
            tried = str(pipeline.version if pipeline is not None else 0)
            await super().receive(replace(message, headers={**message.headers, TRIED_HEADER: tried}))

    def run(self, request: RunPipeline, context: Context) -> Outcome[RunAccepted]:
        pipeline = self.there()
        labels = tuple(definition_of(pipeline.text).labels)
        decision = machine.run(
            pipeline, context.user, request.branch, request.parameters, self._now(), runner=self._runners.may(labels),
            service_token=context.service_token,
        )  # fmt: skip
        number = pipeline.runs + 1
        return Outcome(decision=decision, reply=RunAccepted(id=pipeline.pipeline, run=number, status=RunStatus.QUEUED))

    def stop_runs(self, request: StopPipeline, context: Context) -> Outcome[StopAccepted]:
        pipeline = self.there()
        decision = machine.stop(pipeline, request.run, context.user, self._now())
        runs = [number for number in sorted(pipeline.open) if request.run in (None, number)]
        return Outcome(decision=decision, reply=StopAccepted(id=pipeline.pipeline, runs=runs))

    def delete(self, request: DeletePipeline, context: Context) -> Outcome[DeletedPipeline]:
        pipeline = self.there()
        if pipeline.deleted:
            raise machine.NO_PIPELINE()
        decision = machine.delete(
            pipeline, API, context.user, self._now(), self._host.name, open_runs="stop" if request.stop else "refuse"
        )
        runs = sorted(pipeline.open)
        reply = DeletedPipeline(id=pipeline.pipeline, version=pipeline.version, runs=runs)
        return Outcome(decision=decision, reply=reply)

    def approve(self, request: ApproveStep, context: Context) -> Outcome[RunAccepted]:
        pipeline = self.there()
        decision = machine.approve(
            pipeline, request.run, request.step, context.user, request.approve, request.comment, self._now()
        )
        return Outcome(decision=decision, reply=lambda: self._accepted(request.run))

    def _accepted(self, number: int) -> RunAccepted:
        pipeline = self.there()
        return RunAccepted(id=pipeline.pipeline, run=number, status=pipeline.open[number].status)

    # --- what runners say

    def claim(self, request: ClaimRun, context: Context) -> Outcome[ClaimedRun]:
        pipeline = self.there()
        decision = machine.claim(
            pipeline, request.run, request.runner, request.token, self._now(), lost=self._lost
        )
        run = pipeline.open[request.run]
        reply = ClaimedRun(
            pipeline=pipeline.pipeline, run=run.run, name=pipeline.name, version=run.version,
            text=pipeline.texts[run.version], user=run.user, triggered_by=run.trigger, branch=run.branch,
            parameters=dict(run.parameters), attempt=run.again + 1, service_token=run.service_token,
        )  # fmt: skip
        return Outcome(decision=decision, reply=lambda: reply)  # it is long, and asked for again it is made again

    def report(self, request: ReportRun, context: Context) -> Outcome[Reported]:
        decision = machine.report(self.there(), request, self._now(), lost=self._lost)
        return Outcome(decision=decision, reply=lambda: self._reported(request))

    def _reported(self, request: ReportRun) -> Reported:
        run = machine.held(self.there(), request.run, request.token)
        if run is None:
            return Reported(holds=request.over is not None)
        return Reported(holds=True, stop=run.stopping is not None, approvals=machine.approvals(run))

    commands = by_verb(
        command(RUN_PIPELINE, run, answered_beside=PIPELINE_QUEUED), command(STOP_PIPELINE, stop_runs),
        command(DELETE_PIPELINE, delete), command(APPROVE_STEP, approve),
        command(CLAIM_RUN, claim), command(REPORT_RUN, report),
    )  # fmt: skip

    # --- its definition

    def define(self, order: Define, context: Context, now: Moment) -> Outcome[PipelineDefinition]:
        decision = machine.define(
            self.state, int(self.id), order.text, order.source, context.user, now, service_token=context.service_token
        )
        return Outcome(decision=decision, reply=lambda: _shown(self.there()))

    def gone(self, order: Gone, context: Context, now: Moment) -> Outcome[None]:
        decision = machine.delete(self.there(), order.source, SYSTEM, now, self._host.name, open_runs="leave")
        return Outcome(decision=decision, reply=None)

    def trigger(self, order: Trigger, context: Context, now: Moment) -> Outcome[Triggered]:
        pipeline = self.there()
        if pipeline.deleted or pipeline.version != order.version:  # it has changed since the signature was looked at
            raise NOT_SIGNED()
        before = pipeline.repeats.run_of(order.delivery)
        if order.wanted is None or before is not None:
            return Outcome(decision=NOTHING, reply=Triggered(id=pipeline.pipeline, run=before, begun=False))
        decision = machine.trigger(pipeline, order.wanted, order.delivery, now)
        self._host.written.take(pipeline.share, decision.events, beside=self.costs_beside(decision.events))
        return Outcome(
            decision=decision, reply=Triggered(id=pipeline.pipeline, run=pipeline.runs + 1, begun=True)
        )

    orders = by_type(Define.by(define), Gone.by(gone), Trigger.by(trigger))

    def there(self) -> Pipeline:
        """Raises Refusal where nothing is on record of it."""
        if self.state is None:
            raise machine.NO_PIPELINE()
        return self.state

    # --- the machine's place

    async def _handle(self, item: InboxItem[TimerFired]) -> None:
        if isinstance(item, BusCommand) and self._is_untried(item):
            await send_refusal(item.message, CHANGED())
            return
        text = self._text_for(item)
        definition = None  # the machine looks it up
        if text is not None:
            definition = await self._reader.read(text, self._share_of(item))
        await super()._handle(item)
        del definition

    def _is_untried(self, item: BusCommand) -> bool:
        """Whether it is a run of another version than what it is given was tried for."""
        version = str(self.state.version) if self.state is not None else None
        return item.command.rpc is RUN_PIPELINE and version not in (None, item.message.headers.get(TRIED_HEADER))

    def _text_for(self, item: InboxItem[TimerFired]) -> str | None:
        """The definition that is looked up for it."""
        pipeline = self.state
        match item:
            case LocalCommand(order=Define(text=text)):
                return text
            case _ if pipeline is None or (pipeline.deleted and not pipeline.open):
                return None
            case BusCommand(command=command) if command.rpc is CLAIM_RUN:
                return text_for_claim(pipeline)
            case Report(body=TimerFired(name=name)):
                return text_for_timer(pipeline, name)
            case BusCommand(command=command) if command.rpc is not RUN_PIPELINE:
                return None
            case Resume() | LocalCommand(order=Trigger()) | BusCommand():
                return pipeline.text
        return None

    def _share_of(self, item: InboxItem[TimerFired]) -> Share:
        """For whom it counts that a definition is read for this."""
        if isinstance(item, LocalCommand) and isinstance(item.order, Define):
            return item.context.share
        return self.there().share

    evolve = staticmethod(evolve)

    def observe(self, report: TimerFired, now: Moment) -> PipelineDecision:
        if (pipeline := self.state) is None:
            return NOTHING
        written = self._host.written
        decision = machine.fired(pipeline, report.name, now, room=written.has_room(pipeline.share))
        if cost := self.costs_beside(decision.events):
            written.charge(pipeline.share, decision.events, beside=cost)
        return decision

    def costs_beside(self, events: Sequence[PipelineEvent]) -> int:
        """Bytes that a run which begins so may put on record, as often as it is begun anew."""
        if not any(isinstance(event, PipelineQueued) and event.again == 0 for event in events):
            return 0
        definition = definition_of(self.there().text)
        return on_record(definition) * (1 + definition.rerun)

    def resume(self, now: Moment) -> PipelineDecision:
        return machine.resume(self.state, now, lost=self._lost)

    def barrier(self, now: Moment, epoch: int) -> PipelineActivated:
        return PipelineActivated(pipeline=int(self.id), at=now.at, host=self._host.name, epoch=epoch)

    def _now(self) -> Moment:
        return moment(self._host.clock)


def _shown(pipeline: Pipeline) -> PipelineDefinition:
    return PipelineDefinition(
        id=pipeline.pipeline, name=pipeline.name, version=pipeline.version, source=pipeline.source,
        at=pipeline.defined, by=pipeline.by, text=pipeline.text,
    )  # fmt: skip
