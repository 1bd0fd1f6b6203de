"""A pipeline's machine: its queue, who has which run, approvals, what is lost. Pure.

It alone decides. Runners follow the journal for runs that wait, and `claim` them here: the one claim that is put on
record counts, so no run is carried out twice, however often it is offered. From then on the runner reports under its
token; when it has not been heard of for `LOST` seconds its run is `lost`, or waits anew where the definition allows
that, and whatever it still says under the old token tells it only to end everything.
"""

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Literal, Never

from actors.pipeline.checking import bound, definition_of, next_due, with_defaults
from actors.pipeline.language import Definition, Value, labels_of
from actors.pipeline.record import OpenRun, Pipeline
from actors.pipeline.trigger import Wanted
from actors.runtime.clock import Moment, parse_utc, utc
from actors.runtime.decision import NOTHING, CancelTimer, Decision, Effect, SetTimer
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import SYSTEM
from bus_schemas.pipeline import STEP_OVER, ReportRun, RunStatus, StepReport, StepStatus, Trigger
from bus_schemas.pipeline_events import (
    Delivery,
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

E = ErrorCode
MOST_OPEN = 200  # runs of one pipeline that are not over
MOST_SIGNED = 500  # signatures of what was posted to one pipeline that could be repeated still
LATE = 300.0  # seconds for which a moment of the schedule is made up for
STOP_SECONDS = 30.0  # in which a runner says that it has ended what it was to; then the run ends without it
LONGEST_SLEEP = 3600.0  # seconds until a schedule is looked at again
LOOK_PAUSE = 0.2  # seconds between two looks at runs of former definitions: others have their turn meanwhile
SCHEDULE = "schedule"

NO_PIPELINE = RefusalTemplate(E.NOT_FOUND, "No such pipeline.")
NOT_OPEN = RefusalTemplate(E.NOT_FOUND, "No such run that is not over.")
DISABLED = RefusalTemplate(E.PIPELINE_ERROR, "The pipeline is switched off by its definition.", why="disabled")
RUNNING = RefusalTemplate(E.PIPELINE_ERROR, "It is running already, and its definition refuses another run.",
                          why="running")  # fmt: skip
GOES_ON = RefusalTemplate(E.PIPELINE_ERROR, "Runs of it are not over: wait, or stop them with it (`stop`).",
                          why="running")  # fmt: skip
FULL = RefusalTemplate(E.RATE_LIMITED, "As many of its runs wait as may.", rule="pipeline_queue", retry_after=60)
POSTED = RefusalTemplate(E.RATE_LIMITED, "As much was posted for it as can be known again. Wait.",
                         rule="pipeline_webhooks", retry_after=60)  # fmt: skip
NO_REPOSITORY = RefusalTemplate(E.PIPELINE_ERROR, "It has no repository, and so no branch.", why="no_repository")
NO_RUNNER = RefusalTemplate(E.PIPELINE_ERROR, "No runner that is there has these labels.", why="no_runner")
NOT_WAITING = RefusalTemplate(E.PIPELINE_ERROR, "The step does not wait for an approval.", why="not_waiting")
NOT_YOURS = RefusalTemplate(E.PIPELINE_ERROR, "The step is approved by others.", why="not_an_approver")
TAKEN = RefusalTemplate(E.CONFLICT, "The run is not to be taken now.")
ANOTHERS = RefusalTemplate(E.PIPELINE_ERROR, "It is defined elsewhere: change it there.", why="source")

PipelineDecision = Decision[PipelineEvent, Never]


def digest(token: str) -> str:
    """By which a token is known on record."""
    return sha256(token.encode()).hexdigest()


# --- the definition


def define(
    pipeline: Pipeline | None, id: int, text: str, source: str, by: str, now: Moment, *,
    service_token: str | None = None,
) -> PipelineDecision:  # fmt: skip
    """Bring a definition, which was checked, on record. The same again changes nothing. `service_token`: of whoever
    came with one. Raises Refusal."""
    definition = definition_of(text)
    if pipeline is not None:
        if pipeline.source != source and not pipeline.deleted:
            raise ANOTHERS(source=pipeline.source)
        if pipeline.text == text and not pipeline.deleted:
            return NOTHING
    event = PipelineDefined(
        pipeline=id, at=now.at, by=by, name=definition.name, version=pipeline.version + 1 if pipeline else 1,
        source=source, branch=definition.branch if definition.repository is not None else None,
        labels=labels_of(definition), text=text, service_token=service_token,
    )  # fmt: skip
    return Decision(events=(event,), effects=_schedule(definition, now, now.at))


def delete(
    pipeline: Pipeline, source: str, by: str, now: Moment, host: str, *, open_runs: Literal["refuse", "stop", "leave"]
) -> PipelineDecision:
    """Take the definition away. One that is gone already stays so. `source`: of the definitions that whoever asks may
    take away; `open_runs`: what becomes of runs that are not over. Raises Refusal."""
    if pipeline.deleted:
        return NOTHING
    if pipeline.source != source:
        raise ANOTHERS(source=pipeline.source)
    if pipeline.open and open_runs == "refuse":
        raise GOES_ON(runs=sorted(pipeline.open))
    deleted = PipelineDeleted(
        pipeline=pipeline.pipeline, at=now.at, by=by, name=pipeline.name, version=pipeline.version, source=source,
        host=host,
    )  # fmt: skip
    ends = _stopped(pipeline, pipeline.open.values() if open_runs == "stop" else (), by, "it was deleted", now)
    return Decision(events=(deleted, *ends.events), effects=(CancelTimer(name=SCHEDULE), *ends.effects))


def resume(pipeline: Pipeline | None, now: Moment, *, lost: float) -> PipelineDecision:
    """A new owner waits on. Runners have not been heard of here: each has its time to be."""
    if pipeline is None:
        return NOTHING
    effects: list[Effect] = []
    if not pipeline.deleted:
        effects += _schedule(definition_of(pipeline.text), now, _looked_at(pipeline, now))
    for place, run in enumerate(pipeline.open.values()):
        effects += [SetTimer(name=f"lost-{run.run}", seconds=lost)] if run.runner else []
        if run.version == pipeline.version:
            effects += _deadlines(pipeline, run, now)
        else:  # to read a definition may take a tenth of a second
            effects.append(SetTimer(name=f"look-{run.run}", seconds=place * LOOK_PAUSE))
    return Decision(effects=tuple(effects))


def _deadlines(pipeline: Pipeline, run: OpenRun, now: Moment) -> list[Effect]:
    """Its own end, and those of the approvals that it waits for; of a run without a runner until when it waits."""
    definition = definition_of(pipeline.texts[run.version])
    if run.runner is None:
        return [SetTimer(name=f"wait-{run.run}", seconds=max(definition.wait - _age(run.queued, now), 0.0))]
    timers: list[Effect] = []
    if run.stopping is not None:
        timers.append(SetTimer(name=f"stop-{run.run}", seconds=STOP_SECONDS))
    elif run.began is not None:
        timers.append(SetTimer(name=f"timeout-{run.run}", seconds=max(definition.timeout - _age(run.began, now), 0.0)))
    for step, wait in run.waits.items():
        if wait.approved is None:
            timers.append(SetTimer(name=f"approval-{run.run}-{step}", seconds=max(-_age(wait.until, now), 0.0)))
    return timers


def _age(since: str, now: Moment) -> float:
    return (parse_utc(now.at) - parse_utc(since)).total_seconds()


def _schedule(definition: Definition, now: Moment, after: str) -> tuple[Effect, ...]:
    """When to look at the schedule again: at its next moment after this one, or in an hour."""
    if definition.schedule is None or not definition.enabled:
        return (CancelTimer(name=SCHEDULE),)
    moment = next_due(definition.schedule, parse_utc(after))
    wait = LONGEST_SLEEP if moment is None else max((moment - parse_utc(now.at)).total_seconds(), 0.0)
    return (SetTimer(name=SCHEDULE, seconds=min(wait, LONGEST_SLEEP)),)


# --- a run begins to wait


def run(
    pipeline: Pipeline, user: str, branch: str | None, given: dict[str, Value], now: Moment, *, runner: bool,
    service_token: str | None = None,
) -> PipelineDecision:  # fmt: skip
    """Somebody wants it run. `runner`: there is one with its labels; `service_token`: of whoever came with one. Raises
    Refusal."""
    if pipeline.deleted:
        raise NO_PIPELINE()
    definition = definition_of(pipeline.text)
    if branch is not None and definition.repository is None:
        raise NO_REPOSITORY()
    parameters = bound(definition, given)
    if not runner:
        raise NO_RUNNER(labels=definition.labels)
    return _begin(pipeline, definition, user, branch, parameters, "api", now, service_token=service_token)


def due(pipeline: Pipeline, now: Moment, *, room: bool = True) -> PipelineDecision:
    """Look at the schedule. A moment that is long past is passed over, and the newest one is run. `room`: whoever it
    counts for may write more."""
    definition = definition_of(pipeline.text)
    schedule = definition.schedule
    if schedule is None or not definition.enabled or pipeline.deleted:
        return NOTHING
    here = parse_utc(now.at)
    after = max(parse_utc(_looked_at(pipeline, now)), here - timedelta(seconds=LATE))
    moment = next_due(schedule, after)
    while moment is not None and (later := next_due(schedule, moment)) is not None and later <= here:
        moment = later
    if moment is None or moment > here:
        return Decision(effects=_schedule(definition, now, utc(after)))
    user = definition.as_user or pipeline.by
    wait = _schedule(definition, now, utc(moment))
    if not room or _refuses(pipeline, definition):
        return Decision(effects=_schedule(definition, now, now.at))
    parameters = with_defaults(definition, schedule.params)
    decision = _begin(
        pipeline, definition, user, None, parameters, "schedule", now, due=utc(moment),
        service_token=pipeline.service_token,
    )  # fmt: skip
    return Decision(events=decision.events, effects=(*decision.effects, *wait))


def trigger(pipeline: Pipeline, wanted: Wanted, delivery: Delivery, now: Moment) -> PipelineDecision:
    """An outside service wants it run. What it has posted before begins nothing. Raises Refusal."""
    if pipeline.repeats.run_of(delivery) is not None:
        return NOTHING
    if pipeline.deleted:
        raise NO_PIPELINE()
    definition = definition_of(pipeline.text)
    if wanted.branch is not None and definition.repository is None:
        raise NO_REPOSITORY()
    if len(pipeline.repeats.lasting(now.at).signed) >= MOST_SIGNED:
        raise POSTED(most=MOST_SIGNED)
    parameters = bound(definition, wanted.parameters)
    return _begin(
        pipeline, definition, definition.as_user or pipeline.by, wanted.branch, parameters, "webhook", now,
        service_token=pipeline.service_token, delivery=delivery,
    )  # fmt: skip


def _looked_at(pipeline: Pipeline, now: Moment) -> str:
    """Since when the schedule, as it is now, was not looked at. A moment far ahead is of a clock that was wrong."""
    last = max(pipeline.due or "", pipeline.defined)
    return utc(parse_utc(now.at) - timedelta(seconds=LATE)) if _age(last, now) < -LATE else last


def _refuses(pipeline: Pipeline, definition: Definition) -> bool:
    full = len(pipeline.open) >= MOST_OPEN
    return full or (definition.concurrency == "refuse" and len(pipeline.open) >= definition.at_once)


def _begin(
    pipeline: Pipeline, definition: Definition, user: str, branch: str | None, parameters: dict[str, Value],
    trigger: Trigger, now: Moment, due: str | None = None, service_token: str | None = None,
    delivery: Delivery | None = None,
) -> PipelineDecision:  # fmt: skip
    if not definition.enabled:
        raise DISABLED()
    if definition.concurrency == "refuse" and len(pipeline.open) >= definition.at_once:
        raise RUNNING(runs=sorted(pipeline.open))
    if len(pipeline.open) >= MOST_OPEN:
        raise FULL(most=MOST_OPEN)
    number = pipeline.runs + 1
    queued = PipelineQueued(
        pipeline=pipeline.pipeline, run=number, at=now.at, trigger=trigger, user=user, parameters=parameters,
        branch=branch or (definition.branch if definition.repository is not None else None), version=pipeline.version,
        name=definition.name, labels=labels_of(definition), due=due, service_token=service_token,
        delivery=delivery,
    )  # fmt: skip
    effects: tuple[Effect, ...] = (SetTimer(name=f"wait-{number}", seconds=definition.wait),)
    if definition.concurrency != "cancel_older":
        return Decision(events=(queued,), effects=effects)
    older = _stopped(pipeline, pipeline.open.values(), user, f"run {number} is newer", now)
    return Decision(events=(*older.events, queued), effects=(*older.effects, *effects))


# --- runners


def claim(pipeline: Pipeline, number: int, runner: str, token: str, now: Moment, *, lost: float) -> PipelineDecision:
    """A runner wants to carry a run out: the first that may, those before it first. Raises Refusal."""
    run = pipeline.open.get(number)
    if run is None:
        raise NOT_OPEN()
    if run.token == digest(token):  # the same again
        return NOTHING
    busy = sum(one.runner is not None for one in pipeline.open.values())
    first = min((one.run for one in pipeline.open.values() if one.runner is None), default=number)
    text = pipeline.texts[run.version]
    if run.runner is not None or first != number or busy >= (definition := definition_of(text)).at_once:
        raise TAKEN(running=busy, first=first)
    started = PipelineStarted(pipeline=pipeline.pipeline, run=number, at=now.at, runner=runner, token=digest(token))
    timers = (
        CancelTimer(name=f"wait-{number}"),
        SetTimer(name=f"lost-{number}", seconds=lost),
        SetTimer(name=f"timeout-{number}", seconds=definition.timeout),
    )
    return Decision(events=(started,), effects=timers)


def held(pipeline: Pipeline, number: int, token: str) -> OpenRun | None:
    """The run, where it is that runner's."""
    run = pipeline.open.get(number)
    return run if run is not None and run.token and compare_digest(run.token, digest(token)) else None


def report(pipeline: Pipeline, said: ReportRun, now: Moment, *, lost: float) -> PipelineDecision:
    """A runner says how it is with its run. Whoever has it no longer changes nothing."""
    run = held(pipeline, said.run, said.token)
    if run is None:
        return NOTHING
    events: list[PipelineEvent] = []
    effects: list[Effect] = [SetTimer(name=f"lost-{run.run}", seconds=lost)]
    if said.commit is not None:
        events.append(
            PipelineCheckedOut(pipeline=pipeline.pipeline, run=run.run, at=now.at, commit=said.commit)
        )
    for step in said.steps:
        if run.steps.get(step.step) in STEP_OVER or run.steps.get(step.step) is step.status:  # a repeat
            continue
        event = _step(pipeline, run, step, now)
        events.append(event)
        if event.until is not None:
            effects.append(SetTimer(name=f"approval-{run.run}-{step.step}", seconds=step.approval_seconds))
    if said.over is not None:
        overdue = run.stopping == SYSTEM and said.over == "stopped"
        status = RunStatus.FAILED if overdue else RunStatus(said.over)
        ended = _ended(pipeline, run, status, now, said.reason or run.why_stopping, run.stopping)
        return Decision(events=(*events, ended), effects=_no_timers(run))
    return Decision(events=tuple(events), effects=tuple(effects))


def _step(pipeline: Pipeline, run: OpenRun, said: StepReport, now: Moment) -> PipelineStep:
    until = None
    if said.status is StepStatus.WAITING:
        until = utc(parse_utc(now.at) + timedelta(seconds=said.approval_seconds))
    return PipelineStep(
        pipeline=pipeline.pipeline, run=run.run, at=now.at, step=said.step, status=said.status, seconds=said.seconds,
        code=said.exit_code, attempts=said.attempts, reason=said.reason, matrix=said.matrix, until=until,
        approvers=said.approvers, slots=said.slots, artefacts=said.artefacts, log_lines=said.log_lines,
    )  # fmt: skip


def _ended(
    pipeline: Pipeline, run: OpenRun, status: RunStatus, now: Moment, reason: str | None, by: str | None = None
) -> PipelineEnded:
    return PipelineEnded(
        pipeline=pipeline.pipeline, run=run.run, at=now.at, name=pipeline.name, status=status, reason=reason, by=by
    )


def _no_timers(run: OpenRun) -> tuple[Effect, ...]:
    names = [f"{what}-{run.run}" for what in ("wait", "lost", "timeout", "stop")]
    return tuple(CancelTimer(name=name) for name in (*names, *(f"approval-{run.run}-{step}" for step in run.waits)))


# --- the end, by somebody or by time


def stop(pipeline: Pipeline, number: int | None, by: str, now: Moment) -> PipelineDecision:
    """End a run, or all that are not over. One that is over already stays as it is. Raises Refusal for a number that
    never was."""
    if number is not None and number > pipeline.runs:
        raise NOT_OPEN()
    runs = [run for run in pipeline.open.values() if number in (None, run.run)]
    return _stopped(pipeline, runs, by, None, now)


def _stopped(
    pipeline: Pipeline, runs: Iterable[OpenRun], by: str, reason: str | None, now: Moment
) -> PipelineDecision:
    """Those that wait are over; whoever has one of the others is told at its next report, a second later."""
    events: list[PipelineEvent] = []
    effects: list[Effect] = []
    for run in runs:
        if run.runner is None:
            events.append(_ended(pipeline, run, RunStatus.STOPPED, now, reason, by))
            effects += _no_timers(run)
        elif run.stopping is None:
            events.append(
                PipelineStopping(pipeline=pipeline.pipeline, run=run.run, at=now.at, by=by, reason=reason)
            )
            effects += [CancelTimer(name=f"timeout-{run.run}")]
            effects += [SetTimer(name=f"stop-{run.run}", seconds=STOP_SECONDS)]
    return Decision(events=tuple(events), effects=tuple(effects))


def fired(pipeline: Pipeline, name: str, now: Moment, *, room: bool = True) -> PipelineDecision:
    """A timer's time is over. `room`: as of `due`."""
    if name == SCHEDULE:
        return due(pipeline, now, room=room)
    what, _, rest = name.partition("-")
    number, _, step = rest.partition("-")
    run = pipeline.open.get(int(number))
    if run is None:
        return NOTHING
    match what:
        case "look":
            return Decision(effects=tuple(_deadlines(pipeline, run, now)))
        case "wait" if run.runner is None:
            why = "no runner has taken it in time"
            return Decision(events=(_ended(pipeline, run, RunStatus.FAILED, now, why),), effects=_no_timers(run))
        case "lost" if run.runner is not None:
            return _lost(pipeline, run, now)
        case "stop" if run.stopping is not None:
            status = RunStatus.FAILED if run.stopping == SYSTEM else RunStatus.STOPPED
            why = f"{run.why_stopping or 'it was stopped'}, and its runner does not say that it has ended"
            return Decision(
                events=(_ended(pipeline, run, status, now, why, run.stopping),), effects=_no_timers(run)
            )
        case "timeout" if run.runner is not None:
            return _stopped(pipeline, (run,), SYSTEM, "its time is over", now)
        case "approval" if step in run.waits and run.waits[step].approved is None:
            return Decision(events=(_approved(pipeline, run, step, SYSTEM, False, "too late", now),))
    return NOTHING


def _lost(pipeline: Pipeline, run: OpenRun, now: Moment) -> PipelineDecision:
    """Nothing has been heard of its runner: nobody knows how far it came."""
    definition = definition_of(pipeline.texts[run.version])
    why = f"nothing is heard of its runner {run.runner} any more"
    if run.stopping is not None or run.again >= definition.rerun or pipeline.deleted:
        status = RunStatus.LOST
        return Decision(events=(_ended(pipeline, run, status, now, why, run.stopping),), effects=_no_timers(run))
    queued = PipelineQueued(
        pipeline=pipeline.pipeline, run=run.run, at=now.at, trigger=run.trigger, user=run.user,
        branch=run.branch, parameters=dict(run.parameters), version=run.version, name=definition.name,
        labels=labels_of(definition), again=run.again + 1, service_token=run.service_token,
    )  # fmt: skip
    wait = SetTimer(name=f"wait-{run.run}", seconds=definition.wait)
    return Decision(events=(queued,), effects=(*_no_timers(run), wait))


# --- approvals


def approve(
    pipeline: Pipeline, number: int, step: str, by: str, approved: bool, comment: str, now: Moment
) -> PipelineDecision:
    """Somebody lets a step go on, or not. The first word counts; the same again changes nothing. Raises Refusal."""
    run = pipeline.open.get(number)
    if run is None:
        raise NOT_OPEN()
    wait = run.waits.get(step)
    if wait is None or run.stopping is not None:
        raise NOT_WAITING(step=step)
    if wait.approvers and by not in wait.approvers:
        raise NOT_YOURS(approvers=wait.approvers)
    if wait.approved is not None:
        if wait.approved is approved:
            return NOTHING
        raise NOT_WAITING(step=step)
    event = _approved(pipeline, run, step, by, approved, comment, now)
    return Decision(events=(event,), effects=(CancelTimer(name=f"approval-{number}-{step}"),))


def _approved(
    pipeline: Pipeline, run: OpenRun, step: str, by: str, approved: bool, comment: str, now: Moment
) -> PipelineApproved:
    return PipelineApproved(
        pipeline=pipeline.pipeline, run=run.run, at=now.at, step=step, by=by, approved=approved, comment=comment
    )


def approvals(run: OpenRun) -> dict[str, bool]:
    """What was said of the steps that wait."""
    return {step: wait.approved for step, wait in run.waits.items() if wait.approved is not None}

