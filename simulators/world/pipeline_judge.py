"""Whether the pipelines of a simulated world kept their promises: what is on record of their runs, by itself and
against what was really carried out, and what was answered to whoever asked."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from actors.pipeline.language import Approval, Definition, Run
from bus_schemas.names import SYSTEM
from bus_schemas.pipeline import RUN_PIPELINE, RunAccepted, RunStatus, StepStatus
from bus_schemas.pipeline_events import (
    PipelineApproved,
    PipelineEnded,
    PipelineEvent,
    PipelineQueued,
    PipelineStarted,
    PipelineStep,
    PipelineStopping,
)
from simulators.runner.simulated_executor import Carried
from simulators.world.judge import Judge, Violation
from simulators.world.pipelines import ENDS_WITHIN, PROBE, Pipeliners
from simulators.world.records import Stored
from simulators.world.world import SLOTS_OF

DISTURBED = ("crash", "pause", "outage", "lost ack", "disk full", "second process")  # by which a runner may be lost
BEFORE = 40.0  # seconds before a run is lost in which something went wrong


@dataclass
class OpenRun:
    """A run that is not over, as the journal has it so far."""

    queued: Stored
    again: int = 0
    runner: Stored | None = None
    stopping: str | None = None
    waits: set[str] = field(default_factory=set)
    approved: dict[str, bool] = field(default_factory=dict)


class PipelineJudge:
    """The rules over the pipelines of one world."""

    def __init__(self, judge: Judge, people: Pipeliners) -> None:
        self._judge = judge
        self._people = people
        self._open: dict[int, dict[int, OpenRun]] = {pipeline: {} for pipeline in people.definitions}
        self._ends: dict[str, Stored] = {}
        workshop = people.world.workshop
        self._book = workshop.book if workshop is not None else []

    def violations(self) -> list[Violation]:
        """Everything that was broken."""
        found = [violation for one in self._judge.stored for violation in self._event(one)]
        rules = (self._left_open, self._answers, self._carried_out, self._apart, self._records)
        return found + [violation for rule in rules for violation in rule()]

    # --- the journal, entry by entry

    def _event(self, one: Stored) -> Iterator[Violation]:
        event = one.event
        if not isinstance(event, PipelineEvent) or not hasattr(event, "run"):
            return
        name = f"{event.pipeline}/{event.run}"
        if name in self._ends:
            yield Violation("an event after the end of a run", name, one.subject)
            return
        definition, runs = self._people.definitions[event.pipeline], self._open[event.pipeline]
        if isinstance(event, PipelineQueued):
            yield from self._queued(one, event, definition, runs)
            return
        run = runs.get(event.run)
        if run is None:
            yield Violation("an event of no run", name, one.subject)
            return
        match event:
            case PipelineStarted():
                yield from self._started(one, name, definition, runs)
                run.runner = one
            case PipelineStep():
                yield from self._step(event, name, definition, run)
            case PipelineApproved():
                if event.step not in run.waits or event.step in run.approved:
                    yield Violation("approved twice, or unasked", name, f"{event.step} by {event.by}")
                run.approved[event.step] = event.approved
            case PipelineStopping():
                run.stopping = event.by
            case PipelineEnded():
                yield from self._ended(one, event, definition, run)
                self._ends[name] = one
                del runs[event.run]

    def _queued(
        self, one: Stored, event: PipelineQueued, definition: Definition, runs: dict[int, OpenRun]
    ) -> Iterator[Violation]:
        name, before = f"{event.pipeline}/{event.run}", runs.get(event.run)
        if event.again:
            if before is None or before.runner is None or event.again != before.again + 1:
                yield Violation("begun anew for nothing", name, f"for the {event.again}. time")
            if event.again > definition.rerun:
                yield Violation("begun anew too often", name, f"{event.again} times, {definition.rerun} allowed")
            if before is not None and before.stopping is not None:
                yield Violation("begun anew after a stop", name, f"by {before.stopping}")
            yield from self._lost_for_nothing(one, name)
        else:
            if event.run in runs or event.run != 1 + max((*runs, *self._numbers(event.pipeline)), default=0):
                yield Violation("a number twice, or left out", name, f"open: {sorted(runs)}")
            older = [number for number, run in runs.items() if run.runner is None or run.stopping is None]
            if definition.concurrency == "cancel_older" and older:
                yield Violation("an older run goes on", name, f"{older}")
            if definition.concurrency == "refuse" and len(runs) >= definition.at_once:
                yield Violation("not refused", name, f"beside {sorted(runs)}")
        runs[event.run] = OpenRun(one, event.again)

    def _numbers(self, pipeline: int) -> Iterator[int]:
        return (end.event.run for end in self._ends.values() if end.event.pipeline == pipeline)

    def _started(
        self, one: Stored, name: str, definition: Definition, runs: dict[int, OpenRun]
    ) -> Iterator[Violation]:
        run = runs[one.event.run]
        if run.runner is not None:
            yield Violation("claimed twice", name, f"by {run.runner.event.runner} and {one.event.runner}")
        busy = sum(each.runner is not None for each in runs.values()) + (run.runner is None)
        if busy > definition.at_once:
            yield Violation("more runs at once than may", name, f"{busy}, {definition.at_once} allowed")
        before = [number for number, each in runs.items() if each.runner is None and number < one.event.run]
        if before:
            yield Violation("out of turn", name, f"before {before}")

    def _step(self, event: PipelineStep, name: str, definition: Definition, run: OpenRun) -> Iterator[Violation]:
        if run.runner is None:
            yield Violation("reported by nobody who has it", name, f"{event.step} {event.status}")
        if event.status is StepStatus.WAITING:
            run.waits.add(event.step)
        asked = [step.name for step in definition.steps if isinstance(step, Approval)]
        place = next(at for at, step in enumerate(definition.steps) if event.step.startswith(step.name))
        needs = definition.steps[place - 1].name if place and definition.steps[place].needs is None else ""
        if event.status is StepStatus.RUNNING and needs in asked and run.approved.get(needs) is not True:
            yield Violation("went on without an approval", name, event.step)
        if event.step in asked and event.status is StepStatus.SUCCEEDED and run.approved.get(event.step) is not True:
            yield Violation("went on without an approval", name, f"{event.step}: {run.approved}")

    def _ended(
        self, one: Stored, event: PipelineEnded, definition: Definition, run: OpenRun
    ) -> Iterator[Violation]:
        name = f"{event.pipeline}/{event.run}"
        if event.status is RunStatus.LOST:
            if run.again < definition.rerun and run.stopping is None:
                yield Violation("lost, and may begin anew", name, f"for the {run.again + 1}. time")
            yield from self._lost_for_nothing(one, name)
        if event.status is RunStatus.STOPPED and run.runner is not None and run.stopping in (None, SYSTEM):
            yield Violation("stopped by nobody", name, f"{run.stopping}")
        if event.status is RunStatus.SUCCEEDED:
            attempt = f"{event.pipeline}-{event.run}-{run.again + 1}"
            done = {each.step for each in self._book if each.run == attempt and each.code == 0}
            wanted = {step.name for step in definition.steps if isinstance(step, Run) and step.on_failure == "fail"}
            if done != wanted:
                yield Violation("succeeded, and was not carried out", name, f"{sorted(wanted - done)} of {attempt}")

    def _lost_for_nothing(self, one: Stored, name: str) -> Iterator[Violation]:
        faults = (fault for fault in self._judge.book.faults if fault.kind in DISTURBED)
        if not any(fault.touches(one.at - BEFORE, one.at) for fault in faults):
            yield Violation("lost for nothing", name, f"at {one.at:.3f}")

    # --- all of it

    def _left_open(self) -> Iterator[Violation]:
        for pipeline, runs in self._open.items():
            for number, run in runs.items():
                if run.queued.at < self._people.over_by - ENDS_WITHIN / 2:
                    yield Violation("a run without an end", f"{pipeline}/{number}", f"queued at {run.queued.at:.3f}")

    def _answers(self) -> Iterator[Violation]:
        """One run for each command, and for each that was acknowledged."""
        queued = [one.event for one in self._judge.stored if isinstance(one.event, PipelineQueued)]
        first = [event for event in queued if not event.again and event.trigger == "api"]
        for mark, times in Counter(event.parameters["mark"] for event in first).items():
            if times > 1:
                yield Violation("run twice by one command", "", f"mark {mark}: {times} times")
        for due, times in Counter((event.pipeline, event.due) for event in queued if event.due).items():
            if times > 1 + sum(event.again > 0 and event.due == due[1] for event in queued):
                yield Violation("run twice for one moment", f"{due[0]}", f"{due[1]}: {times} times")
        on_record = {(event.pipeline, event.run): event.parameters["mark"] for event in first}
        for command in self._judge.commands:
            if command.rpc is not RUN_PIPELINE:
                continue
            said = {answer.reply.run for answer in command.answers if isinstance(answer.reply, RunAccepted)}
            if len(said) > 1:
                yield Violation("another answer", command.id, f"runs {sorted(said)}")
            for run in said:
                if on_record.get((command.request.pipeline, run)) != command.request.parameters["mark"]:
                    yield Violation("acknowledged and not on record", command.id, f"run {run}")

    def _carried_out(self) -> Iterator[Violation]:
        """Nothing without a claim, nothing twice, nothing that goes on in the end."""
        claims = dict[str, str]()
        again = dict[tuple[int, int], int]()
        for one in self._judge.stored:
            if isinstance(one.event, PipelineQueued):
                again[one.event.pipeline, one.event.run] = one.event.again
            elif isinstance(one.event, PipelineStarted):
                attempt = again[one.event.pipeline, one.event.run] + 1
                claims[f"{one.event.pipeline}-{one.event.run}-{attempt}"] = one.event.runner
        for (run, step, attempt), times in Counter((one.run, one.step, one.attempt) for one in self._book).items():
            if times > 1:
                yield Violation("carried out twice", run, f"attempt {attempt} of {step}: {times} times")
        for carried in self._book:
            if claims.get(carried.run) != carried.host:
                yield Violation("carried out without a claim", carried.run, f"{carried.step} by {carried.host}")
            if carried.ended is None:
                yield Violation("left running", carried.run, f"{carried.step} on {carried.machine}")

    def _apart(self) -> Iterator[Violation]:
        """What is begun anew begins when nothing is left of it, unless its runner stands still and cannot know."""
        by_run: dict[str, list[Carried]] = {}
        for one in self._book:
            by_run.setdefault(one.run.rpartition("-")[0], []).append(one)
        for run, carried in by_run.items():
            for one in carried:
                later = [each for each in carried if each.run != one.run and one.began <= each.began < _end(one)]
                paused = any(
                    fault.kind == "pause" and fault.target == f"host {one.host}"
                    and fault.touches(one.began - BEFORE, _end(one))
                    for fault in self._judge.book.faults
                )  # fmt: skip
                if later and not paused:
                    text = f"{one.run} {one.step} until {_end(one):.3f}, {later[0].run} from {later[0].began:.3f}"
                    yield Violation("carried out twice at once", run, text)

    def _records(self) -> Iterator[Violation]:
        """The records say what the journal says, and a run begins when all is quiet."""
        for (pipeline, run), said in self._people.said.items():
            end = self._ends.get(f"{pipeline}/{run}")
            if end is not None and end.at < self._people.over_by and said != end.event.status:
                yield Violation("the records differ", f"{pipeline}/{run}", f"{said}, not {end.event.status}")
        if self._people.runners != set(SLOTS_OF):
            yield Violation("no runner", "", f"there are {sorted(self._people.runners)}")
        probe = self._people.probe
        reply = probe.first if probe is not None else None
        if not isinstance(reply, RunAccepted):
            yield Violation("not run when all is quiet", "", f"{probe and probe.answers}")
        elif self._people.said.get((PROBE, reply.run)) != RunStatus.SUCCEEDED:
            yield Violation("not run when all is quiet", f"{PROBE}/{reply.run}", f"{self._people.said}")


def _end(carried: Carried) -> float:
    return carried.ended if carried.ended is not None else float("inf")
