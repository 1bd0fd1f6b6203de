"""How the states of a pipeline's run are walked through, for docs/states.md."""

from typing import Any

from actors.pipeline import machine
from actors.pipeline.record import evolve
from actors.runtime.decision import Decision
from bus_schemas.pipeline import ReportRun, StepReport, StepStatus
from bus_schemas.pipeline_events import PipelineEnded
from tests.pipeline.texts import text
from tests.support.states import Stand, Walk, verb


def _begin(now: Any) -> Decision[Any, Any]:
    defined = machine.define(None, 1, text(more="rerun = 1"), "file", "admin", now)
    pipeline = evolve(None, defined.events[0])
    assert pipeline is not None
    queued = machine.run(pipeline, "op12", None, {}, now, runner=True)
    return Decision(events=(*queued.events, defined.events[0]))


def _after(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    state, over = stand
    for event in sorted(decision.events, key=lambda event: "Defined" not in type(event).__name__):
        state = evolve(state, event)
        over = event.status.value if isinstance(event, PipelineEnded) else over
    return state, over


def _name(stand: Stand) -> str:
    run = stand[0].open.get(1)
    return str(stand[1]) if run is None else "stopping" if run.stopping else str(run.status.value)


def _key(stand: Stand) -> object:
    run = stand[0].open.get(1)
    return _name(stand), run and (run.again, *run.steps.items(), *(wait.approved for wait in run.waits.values()))


def _report(stand: Stand, now: Any, *steps: StepReport, over: Any = None) -> Decision[Any, Any]:
    said = ReportRun(pipeline=1, run=1, token="t", steps=steps, over=over)
    return machine.report(stand[0], said, now, lost=30)


ASKS = StepReport(step="ask", status=StepStatus.WAITING, approval_seconds=1e5)

WALK = Walk(
    title="A run of a pipeline",
    text="A run waits for a runner, which takes it and reports, and for approvals; one whose runner is silent is lost,"
    " or waits anew where its definition says so.",
    start=_begin,
    inputs=(
        lambda stand, now: machine.claim(stand[0], 1, "r", "t", now, lost=30),
        lambda stand, now: _report(stand, now, ASKS),
        lambda stand, now: _report(stand, now, over="succeeded"),
        lambda stand, now: _report(stand, now, over="failed"),
        lambda stand, now: _report(stand, now, over="stopped"),
        lambda stand, now: machine.approve(stand[0], 1, "ask", "ann", True, "", now),
        lambda stand, now: machine.stop(stand[0], 1, "ann", now),
        lambda stand, now: machine.fired(stand[0], "lost-1", now),
    ),
    after=_after,
    name=_name,
    key=_key,
    why=verb,
)
