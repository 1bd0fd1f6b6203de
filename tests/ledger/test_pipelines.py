"""Pipelines in the ledger, on both databases: each with its newest run, its runs and their steps."""

from contextlib import closing
from typing import Any

from actors.ledger.erasure import files_wiped
from actors.ledger.pipeline import (
    counts,
    needed,
    one_run,
    open_and_newest,
    pipelines,
    queued,
    runs,
    steps,
    view,
    views_of_steps,
)
from actors.ledger.store import JournalEntry, Store
from bus_schemas.erasure import Erased, ErasureBegun, ErasureCleared, ErasureFailed
from bus_schemas.pipeline import ArtefactView, ListPipelineRuns, RunStatus, SlotResult, StepStatus
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
from tests.ledger.places import Place

AT, LATER = "2026-01-01T12:00:00.000Z", "2026-01-01T12:00:09.000Z"
S = StepStatus


class Told:
    """Events of pipelines, in a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seq = 100

    def fold(self, *events: Any) -> None:
        for event in events:
            self.seq += 1
            assert self.store.fold([JournalEntry(seq=self.seq, event=event)]) == []

    def define(self, id: int, labels: tuple[str, ...] = ()) -> None:
        self.fold(PipelineDefined(
            pipeline=id, at=AT, by="admin", name=f"p{id}", version=1, source="api", branch="main", labels=labels,
            text="Ц'%_",
        ))  # fmt: skip

    def queue(self, id: int, run: int, labels: tuple[str, ...] = (), again: int = 0) -> None:
        self.fold(PipelineQueued(
            pipeline=id, run=run, at=AT, trigger="api", user="op12", branch="dev", parameters={"n": 1}, version=1,
            name=f"p{id}", labels=labels, again=again,
        ))  # fmt: skip

    def start(self, id: int, run: int, runner: str = "r1") -> None:
        self.fold(PipelineStarted(pipeline=id, run=run, at=AT, runner=runner, token="x"))

    def step(self, id: int, run: int, step: str, status: StepStatus, **more: Any) -> None:
        self.fold(PipelineStep(pipeline=id, run=run, at=AT, step=step, status=status, **more))

    def end(self, id: int, run: int, status: RunStatus, reason: str | None = None) -> None:
        self.fold(PipelineEnded(pipeline=id, run=run, at=LATER, name=f"p{id}", status=status, reason=reason))

    def listed(self) -> dict[int, tuple[str, str | None, str | None]]:
        found = self.store.read(pipelines(None, 100))
        return {one.id: (one.status, one.branch, one.triggered_by) for _, one in found}

    def run(self, id: int, run: int) -> Any:
        [row] = self.store.read(one_run(id, run))
        [wiped] = self.store.read(files_wiped())
        return view(row, views_of_steps(row, self.store.read(steps([row.key])), wiped))


def test_the_list_has_each_with_its_newest_run(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.define(2), told.define(1)
        assert told.listed() == {1: ("idle", "main", None), 2: ("idle", "main", None)}
        told.queue(1, 1), told.start(1, 1), told.end(1, 1, RunStatus.FAILED, "x"), told.queue(1, 2)
        assert told.listed()[1] == ("queued", "dev", "op12")
        assert [number for number, _ in store.read(pipelines(1, 1))] == [2]
        [newest, older] = [one for _, one in store.read(runs(ListPipelineRuns(pipeline=1), None))]
        assert (newest.run, older.run, older.reason) == (2, 1, "x")
        assert [one.run for _, one in store.read(runs(ListPipelineRuns(pipeline=1), 2))] == [1]
        failed = ListPipelineRuns(pipeline=1, status=RunStatus.FAILED)
        assert [one.run for _, one in store.read(runs(failed, None))] == [1]
        assert [row.run for row in store.read(open_and_newest(1, 2))] == [2]
        assert dict(store.read(counts())) == {"queued": 1, "pipelines": 2}


def test_what_is_deleted_is_listed_no_more_and_its_runs_are(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.define(1), told.queue(1, 1), told.end(1, 1, RunStatus.FAILED, "x")
        told.fold(PipelineDeleted(pipeline=1, at=AT, by="ann", name="p1", version=1, source="api", host="h"))
        assert told.listed() == {} and told.run(1, 1).status == "failed"
        assert dict(store.read(counts()))["pipelines"] == 0
        told.define(1)
        assert told.listed() == {1: ("failed", "dev", "op12")}


def test_a_step_says_that_its_files_went_with_an_erasure(place: Place) -> None:
    with closing(place.store()) as store:
        told, kept = Told(store), ArtefactView(artefact="a1", name="x", size=5, sha256="0" * 64)
        told.define(1), told.queue(1, 1), told.start(1, 1)
        told.step(1, 1, "before", S.SUCCEEDED, artefacts=(kept,)), told.step(1, 1, "none", S.SUCCEEDED)
        told.step(1, 1, "over it", S.RUNNING)
        assert [step.artefacts_gone for step in told.run(1, 1).steps] == [None, None, None]
        told.fold(ErasureBegun(erasure="er_1", at=AT, by="ann", reason="x", marks=()))
        told.fold(ErasureCleared(erasure="er_1", at=AT, erased=Erased()))
        told.step(1, 1, "over it", S.SUCCEEDED, artefacts=(kept,)), told.step(1, 1, "after", S.SUCCEEDED)
        before, *others = told.run(1, 1).steps
        assert "erased" in before.artefacts_gone and before.artefacts == [kept]
        assert [step.artefacts_gone for step in others] == [None, None, None]
        told.fold(ErasureBegun(erasure="er_2", at=AT, by="ann", reason="x", marks=()))
        told.fold(ErasureFailed(erasure="er_2", at=AT, why="x"))
        assert told.run(1, 1).steps[2].artefacts_gone is None


def test_a_run_is_as_its_events_say(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.define(1), told.queue(1, 1), told.start(1, 1)
        told.fold(PipelineCheckedOut(pipeline=1, run=1, at=AT, commit="c" * 40))
        told.step(1, 1, "build", S.RUNNING, matrix={"os": "a"})
        kept = ArtefactView(artefact="a1", name="dist/x", size=5, sha256="0" * 64)
        told.step(1, 1, "build", S.SUCCEEDED, seconds=1.25, code=0, attempts=2, artefacts=(kept,), log_lines=7)
        told.step(1, 1, "ask", S.WAITING, until=LATER)
        seen = told.run(1, 1)
        assert (seen.status, seen.waits_for) == (RunStatus.WAITING, "the approval of the step ask")
        told.fold(PipelineApproved(pipeline=1, run=1, at=AT, step="ask", by="ann", approved=True, comment="go"))
        told.step(1, 1, "ask", S.SUCCEEDED)
        told.step(1, 1, "phones", S.FAILED, slots=(SlotResult(slot=44, ok=False, said="busy"),), reason="1 of 1")
        told.fold(PipelineStopping(pipeline=1, run=1, at=AT, by="ann"))
        assert told.run(1, 1).stopping
        told.end(1, 1, RunStatus.STOPPED)
        told.step(1, 1, "late", S.RUNNING)
        seen = told.run(1, 1)
        assert (seen.status, seen.stopped_by, seen.stopping, seen.commit) == ("stopped", "ann", False, "c" * 40)
        build, ask, phones, _ = seen.steps
        assert (ask.decided_by, ask.comment, ask.status) == ("ann", "go", "succeeded")
        assert (build.seconds, build.exit_code, build.attempts, build.artefacts) == (1.25, 0, 2, [kept])
        assert phones.slots[0].slot == 44 and phones.reason == "1 of 1"


def test_a_run_that_waits_anew_has_no_runner(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.define(1), told.queue(1, 1), told.start(1, 1), told.queue(1, 1, again=1)
        seen = told.run(1, 1)
        assert (seen.status, seen.runner, seen.start_time) == ("queued", None, None)
        told.start(1, 1, "r2"), told.end(1, 1, RunStatus.LOST), told.queue(1, 1, again=2)
        assert told.run(1, 1).status == "lost"


def test_nothing_of_the_attempt_before_is_said_of_a_run_anew(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.define(1), told.queue(1, 1), told.start(1, 1)
        told.fold(PipelineCheckedOut(pipeline=1, run=1, at=AT, commit="c" * 40))
        told.step(1, 1, "ask", S.WAITING)
        told.fold(PipelineApproved(pipeline=1, run=1, at=AT, step="ask", by="ann", approved=True, comment="go"))
        told.step(1, 1, "ask", S.SUCCEEDED)
        told.queue(1, 1, again=1), told.start(1, 1, "r2")
        told.step(1, 1, "ask", S.SKIPPED)
        run = told.run(1, 1)
        [ask] = run.steps
        assert (run.commit, ask.status, ask.decided_by, ask.comment) == (None, "skipped", None, None)


def test_steps_of_the_attempt_before_are_shown_once_they_are_begun_anew(place: Place) -> None:
    """What it had approved, or was in when its runner was lost, this one may never come to."""
    with closing(place.store()) as store:
        told = Told(store)
        told.define(1), told.queue(1, 1), told.start(1, 1)
        told.step(1, 1, "build", S.SUCCEEDED)
        told.step(1, 1, "ask", S.WAITING)
        told.fold(PipelineApproved(pipeline=1, run=1, at=AT, step="ask", by="ann", approved=True, comment="go"))
        told.step(1, 1, "ask", S.SUCCEEDED), told.step(1, 1, "deploy", S.RUNNING)
        assert len(told.run(1, 1).steps) == 3
        told.queue(1, 1, again=1)
        assert told.run(1, 1).steps == []
        told.start(1, 1, "r2"), told.step(1, 1, "build", S.RUNNING), told.step(1, 1, "build", S.FAILED)
        told.end(1, 1, RunStatus.FAILED)
        assert [(step.step, step.status) for step in told.run(1, 1).steps] == [("build", "failed")]


def test_a_run_waits_until_the_last_of_its_approvals_is_there(place: Place) -> None:
    with closing(place.store()) as store:
        told, seen = Told(store), list[tuple[str, str | None]]()
        told.define(1), told.queue(1, 1), told.start(1, 1)
        for step, status in (("a", S.WAITING), ("b", S.WAITING), ("c", S.RUNNING), ("b", S.SUCCEEDED), ("a", S.FAILED)):
            told.step(1, 1, step, status)
            run = told.run(1, 1)
            seen.append((run.status, run.waits_for))
        asks = ["the approval of the step a", "the approval of the step a and b"]
        assert seen == [
            ("waiting", asks[0]), ("waiting", asks[1]), ("waiting", asks[1]), ("waiting", asks[0]), ("running", None),
        ]


def test_no_step_goes_on_of_a_run_that_is_over(place: Place) -> None:
    """Nobody has said how it did: its runner was lost."""
    with closing(place.store()) as store:
        told = Told(store)
        told.define(1), told.queue(1, 1), told.start(1, 1)
        told.step(1, 1, "built", S.SUCCEEDED), told.step(1, 1, "on", S.RUNNING), told.step(1, 1, "ask", S.WAITING)
        assert [step.status for step in told.run(1, 1).steps] == ["succeeded", "running", "waiting"]
        told.end(1, 1, RunStatus.LOST)
        assert [step.status for step in told.run(1, 1).steps] == ["succeeded", "stopped", "stopped"]


def test_what_waits_is_found_by_labels_the_first_of_each_before_a_second(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.queue(2, 1, ("linux",)), told.queue(2, 2, ("linux",)), told.queue(1, 1, ("linux", "arm"))
        told.queue(3, 1), told.queue(4, 1), told.start(3, 1)
        assert sorted(store.read(needed())) == ['["linux","arm"]', '["linux"]', "[]"]
        found = [(run.pipeline, run.run) for _, run in store.read(queued(['["linux"]', "[]"], 9))]
        assert found == [(2, 1), (4, 1), (2, 2)]
        assert [run.pipeline for _, run in store.read(queued(['["linux","arm"]'], 9))] == [1]
        assert len(store.read(queued(['["linux"]', "[]"], 2))) == 2
