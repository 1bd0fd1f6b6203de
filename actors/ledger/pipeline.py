"""Pipelines in the ledger: one row for each, one for each run, and one for each step of a run (`pipeline_rows.py`)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import eq, itemgetter, lt
from typing import Any, Literal, cast

import msgspec
import sqlalchemy as sa

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel
from actors.ledger.erasure import files_wiped
from actors.ledger.model import Query, given, made_of, unindexed
from actors.ledger.page import PAGE, fitting, from_cursor, page
from actors.ledger.pipeline_rows import (
    IS_QUEUED,
    PIPELINES,
    PROJECTIONS,
    RUNS,
    STEPS,
    P,
    PipelineRow,
    R,
    RunRow,
    S,
    StepRow,
)
from actors.runtime.context import Context
from actors.runtime.files import PIECE
from actors.runtime.service import Served, serve
from actors.runtime.version import version
from actors.runtime.wire import TOO_LARGE, Page
from bus_schemas.catalogue import topics_of
from bus_schemas.contract import Topic
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.host import HOST_TELEMETRY, HostTelemetry, PartVersions
from bus_schemas.pipeline import (
    DCI_STATUS,
    DELETE_ABSENT_PIPELINE,
    GET_ARTEFACT,
    GET_DEFINITION,
    GET_PIPELINE_RUN,
    LIST_PIPELINE_RUNS,
    LIST_PIPELINES,
    PIPELINE_ABSENT,
    PIPELINE_STATUS,
    QUEUED_RUNS,
    RUN_LOG,
    STEP_LOG,
    STOP_ABSENT_PIPELINE,
    ArtefactView,
    AskedPipeline,
    DciStatus,
    DeletedPipeline,
    DeletePipeline,
    GetArtefact,
    GetDciStatus,
    GetPipeline,
    GetPipelineRun,
    GetRunLog,
    GetStepLog,
    KeptArtefact,
    ListPipelineRuns,
    ListPipelines,
    PipelineDefinition,
    PipelineRunView,
    PipelineStatusView,
    PipelineView,
    QueuedRun,
    QueuedRuns,
    RunAccepted,
    RunnerView,
    RunOutput,
    RunStatus,
    SlotResult,
    StepStatus,
    StepView,
    StopAccepted,
    StopPipeline,
)
from bus_schemas.pipeline_events import (
    RUNNER_BEAT,
    RunnerBeat,
    output_subject,
)

NO_PIPELINE = RefusalTemplate(ErrorCode.NOT_FOUND, "No such pipeline.")
NO_RUN = RefusalTemplate(ErrorCode.NOT_FOUND, "No such run.")
NO_STEP = RefusalTemplate(ErrorCode.NOT_FOUND, "No such step, or it has not begun.")
NO_ARTEFACT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such file of that run.")
NO_ANSWER = 1 << 20  # letters, which are more than one message of the bus takes
SILENT = 5.0  # seconds without a word after which a runner is taken for gone
IS_THERE = P.deleted.is_(False)
WIPED = "a person was erased since, and files that may tell of them are removed, of all runs"
IDLE: Literal["idle"] = "idle"


# --- queries


def pipelines(after: int | None, limit: int) -> Query[tuple[int, PipelineView]]:
    """By their numbers, each with its newest run, one more than the page has."""
    newest = sa.and_(R.pipeline == P.pipeline, R.run == P.run)
    wanted = sa.select(
        P.pipeline, P.name, P.version, P.branch, P.run, R.status, R.branch.label("of_run"), R.user, R.started, R.ended
    )
    found = wanted.select_from(PIPELINES.outerjoin(RUNS, newest)).order_by(P.pipeline).limit(limit + 1)
    return Query(found.where(P.pipeline > (after or 0), IS_THERE), lambda row: (row.pipeline, _listed(row)))


def _listed(row: sa.Row[Any]) -> PipelineView:
    ran = row.status is not None
    return PipelineView(
        id=row.pipeline, name=row.name, branch=row.of_run if ran else row.branch, status=row.status if ran else IDLE,
        triggered_by=row.user, start_time=row.started, end_time=row.ended,
        log_url=log_path(row.pipeline, row.run) if ran else None, run=row.run if ran else None, version=row.version,
    )  # fmt: skip


def log_path(pipeline: int, run: int) -> str:
    """Where the log of a run is had from."""
    return f"/api/dci/pipeline/{pipeline}/runs/{run}/log"


def one(pipeline: int) -> Query[PipelineRow]:
    """It."""
    return Query(sa.select(PIPELINES).where(P.pipeline == pipeline), made_of(PipelineRow, lambda row: row))


def runs(wanted: ListPipelineRuns, before: int | None) -> Query[tuple[int, PipelineRunView]]:
    """Runs of a pipeline, newest first, one more than the page has."""
    conditions = given((R.status, eq, wanted.status), (R.run, lt, before))
    found = sa.select(RUNS).where(R.pipeline == wanted.pipeline, *conditions).order_by(R.run.desc())
    return Query(found.limit(wanted.limit + 1), made_of(RunRow, lambda row: (row.run, view(row))))


def one_run(pipeline: int, run: int) -> Query[RunRow]:
    """It."""
    found = sa.select(RUNS).where(R.pipeline == pipeline, R.run == run)
    return Query(found, made_of(RunRow, lambda row: row))


def open_and_newest(pipeline: int, newest: int) -> Query[RunRow]:
    """Runs that are not over, and the newest one, newest first. Each part has its index: of a pipeline there are as
    many runs as there were in years."""
    its = sa.select(R.seq).where(R.pipeline == pipeline)
    wanted = its.where(R.run == newest).union_all(its.where(R.ended.is_(None)))
    found = sa.select(RUNS).where(R.seq.in_(wanted)).order_by(R.run.desc()).limit(100)
    return Query(found, made_of(RunRow, lambda row: row))


def steps(keys: list[str]) -> Query[StepRow]:
    """Of these runs, in their order."""
    return Query(sa.select(STEPS).where(S.run_key.in_(keys)).order_by(S.seq), made_of(StepRow, lambda row: row))


def with_steps(keys: list[str]) -> Query[str]:
    """Which of these runs have any."""
    return Query(sa.select(S.run_key).where(S.run_key.in_(keys)).distinct(), lambda row: str(row.run_key))


def names_of_steps(key: str) -> Query[str]:
    """Those of a run, in their order, and nothing else of what may be megabytes."""
    return Query(sa.select(S.step).where(S.run_key == key).order_by(S.seq), lambda row: str(row.step))


def needed() -> Query[str]:
    """Which labels runs wait for that no runner has: each set once, as a row has it."""
    return Query(sa.select(R.labels).where(IS_QUEUED).distinct(), lambda row: str(row.labels))


def queued(labels: Sequence[str], limit: int, without: Sequence[int] = ()) -> Query[tuple[int, QueuedRun]]:
    """Some runs that no runner has and that wait for one of these sets of labels, by their place: the first of each
    pipeline before the second of any, so that a long queue of one whose turn has not come hides no other; nor does one
    behind a run of its pipeline that waits for other labels, whose turn may not come in a week. So many of each who has
    defined some, that nobody's pipelines hide another's."""
    of_one = unindexed(R.pipeline)  # by no index of those that are over
    nth = sa.func.row_number().over(partition_by=of_one, order_by=R.seq)
    others = sa.func.max(sa.case((R.labels.in_(labels), 0), else_=1)).over(partition_by=of_one, order_by=R.seq)
    every = sa.select(R.seq, R.pipeline, R.run, nth.label("nth"), others.label("others")).where(IS_QUEUED)
    wait = every.where(R.pipeline.not_in(without)).subquery().c
    by = sa.func.coalesce(P.by, "")
    turn = sa.func.row_number().over(partition_by=by, order_by=(wait.nth, wait.seq)).label("turn")
    theirs = sa.select(wait.seq, wait.pipeline, wait.run, by.label("by"), turn).where(wait.others == 0)
    found = theirs.outerjoin(PIPELINES, P.pipeline == wait.pipeline).subquery().c
    some = sa.select(found.seq, found.pipeline, found.run, found.by).order_by(found.turn, found.seq).limit(limit)
    return Query(some, lambda row: (row.seq, QueuedRun(pipeline=row.pipeline, run=row.run, by=row.by)))


def counts() -> Query[tuple[str, int]]:
    """How many runs are not over, by their status; and under `pipelines` how many of these there are."""
    number = sa.func.count().label("number")
    found = sa.select(R.status.label("what"), number).where(R.ended.is_(None)).group_by(R.status)
    every = sa.select(sa.literal("pipelines").label("what"), number).select_from(PIPELINES).where(IS_THERE)
    return Query(cast(Any, found.union_all(every)), lambda row: (str(row.what), int(row.number)))


def view(row: RunRow, of_it: list[StepView] | None = None) -> PipelineRunView:
    """As it is shown."""
    return PipelineRunView(
        id=row.pipeline, run=row.run, name=row.name, version=row.version, status=RunStatus(row.status),
        trigger=cast(Any, row.trigger), triggered_by=row.user, branch=row.branch, commit=row.commit,
        parameters=msgspec.json.decode(row.parameters), queued=row.queued, start_time=row.started, end_time=row.ended,
        runner=row.runner, reason=row.reason, stopping=row.stopping, stopped_by=row.stopped_by, waits_for=_waits(row),
        log_url=log_path(row.pipeline, row.run), steps=of_it or [],
    )  # fmt: skip


def _waits(row: RunRow) -> str | None:
    if row.waits is not None:
        return f"the approval of the step {' and '.join(row.waits.split())}"
    labels = ", ".join(msgspec.json.decode(row.labels, type=list[str]))
    words = f"a runner that has {labels}" if labels else "a runner"
    return words if row.status == RunStatus.QUEUED else None


def views_of_steps(run: RunRow, steps: list[StepRow], wiped: int) -> list[StepView]:
    """As they are shown: those that its newest attempt has come to. `wiped`: where in the journal all files were
    removed that were kept."""
    return [_view_of_step(step, wiped, ended=run.ended is not None) for step in steps if step.said >= (run.anew or 0)]


def _view_of_step(row: StepRow, wiped: int, *, ended: bool) -> StepView:
    """`ended`: its run has, which may have lost whoever would have said how the step did."""
    over = row.status not in (StepStatus.RUNNING, StepStatus.WAITING)
    status = StepStatus.STOPPED if ended and not over else StepStatus(row.status)
    artefacts = msgspec.json.decode(row.artefacts, type=list[ArtefactView])
    return StepView(
        step=row.step, status=status, started=row.started, seconds=row.ms / 1000 if over else None,
        exit_code=row.exit_code, attempts=row.attempts, reason=row.reason, matrix=msgspec.json.decode(row.matrix),
        until=row.until, slots=msgspec.json.decode(row.slots, type=list[SlotResult]),
        artefacts=artefacts, artefacts_gone=WIPED if artefacts and row.said < wiped else None,
        log_lines=row.log_lines, decided_by=row.decided_by, comment=row.comment,
    )  # fmt: skip


# --- answers


class PipelineAnswers(Answers):
    """What is asked of pipelines and their runs."""

    def __init__(self, **parts: Any) -> None:  # any: as Answers takes them
        super().__init__(**parts)
        self._runners: dict[str, tuple[float, RunnerView]] = {}
        self._hosts: dict[str, tuple[float, PartVersions]] = {}

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(LIST_PIPELINES, self.list_pipelines),
            serve(GET_DEFINITION, self.definition),
            serve(PIPELINE_STATUS, self.status),
            serve(LIST_PIPELINE_RUNS, self.list_runs),
            serve(GET_PIPELINE_RUN, self.one_run),
            serve(STEP_LOG, self.step_log),
            serve(RUN_LOG, self.run_log),
            serve(GET_ARTEFACT, self.artefact),
            serve(QUEUED_RUNS, self.queued_runs),
            serve(DCI_STATUS, self.dci_status),
            serve(PIPELINE_ABSENT, self.absent),
            serve(STOP_ABSENT_PIPELINE, self.stop_absent),
            serve(DELETE_ABSENT_PIPELINE, self.delete_absent),
        )

    def hears(self) -> Mapping[Topic[Any], Callable[[Any], Awaitable[None]]]:
        return {RUNNER_BEAT: self.hear_runner, HOST_TELEMETRY: self.hear_host}

    async def hear_runner(self, beat: RunnerBeat) -> None:
        self._runners[beat.runner] = self.now(), beat.view

    async def hear_host(self, said: HostTelemetry) -> None:
        if said.versions is not None:
            self._hosts[said.host] = self.now(), said.versions

    async def list_pipelines(self, request: ListPipelines, context: Context) -> Page:
        found = await self.read(context, pipelines(from_cursor(request.cursor), request.limit))
        return page(found, limit=request.limit)

    async def definition(self, request: GetPipeline, context: Context) -> PipelineDefinition:
        row = await self._pipeline(request.pipeline, context)
        if row.deleted:
            raise NO_PIPELINE()
        return PipelineDefinition(
            id=row.pipeline, name=row.name, version=row.version, source=row.source, at=row.at, by=row.by, text=row.text
        )

    async def status(self, request: GetPipeline, context: Context) -> PipelineStatusView:
        row = await self._pipeline(request.pipeline, context)
        found = await self.read(context, open_and_newest(row.pipeline, row.run), short=True)
        status = found[0].status if found else IDLE
        return PipelineStatusView(
            id=row.pipeline, name=row.name, status=status, runs=fitting(await self._with_steps(found, context))
        )

    async def list_runs(self, request: ListPipelineRuns, context: Context) -> Page:
        found = await self.read(context, runs(request, from_cursor(request.cursor)))
        return page(found, limit=request.limit)

    async def one_run(self, request: GetPipelineRun, context: Context) -> PipelineRunView:
        row = await self._run(request.pipeline, request.run, context)
        return (await self._with_steps([row], context))[0]

    async def step_log(self, request: GetStepLog, context: Context) -> RunOutput:
        row = await self._run(request.pipeline, request.run, context)
        if request.step not in await self.read(context, names_of_steps(row.key), short=True):
            raise NO_STEP()
        subjects = [output_subject(row.pipeline, row.run, request.step)]
        return RunOutput(pipeline=row.pipeline, run=row.run, subjects=subjects, name=f"{row.name}-{row.run}")

    async def run_log(self, request: GetRunLog, context: Context) -> RunOutput:
        row = await self._run(request.pipeline, request.run, context)
        names = await self.read(context, names_of_steps(row.key), short=True)
        subjects = [output_subject(row.pipeline, row.run, name) for name in names]
        return RunOutput(pipeline=row.pipeline, run=row.run, subjects=subjects, name=f"{row.name}-{row.run}")

    async def artefact(self, request: GetArtefact, context: Context) -> KeptArtefact:
        row = await self._run(request.pipeline, request.run, context)
        for step in await self.read(context, steps([row.key]), short=True):
            if request.artefact not in step.artefacts:  # a run may have ten thousand of them
                continue
            for one in msgspec.json.decode(step.artefacts, type=list[ArtefactView]):
                if one.artefact == request.artefact:
                    return KeptArtefact(
                        pipeline=row.pipeline, run=row.run, key=one.artefact, size=one.size,
                        pieces=-(-one.size // PIECE), type="application/octet-stream",
                        name=one.name.rpartition("/")[2], sha256=one.sha256,
                    )  # fmt: skip
        raise NO_ARTEFACT()

    async def queued_runs(self, request: QueuedRuns, context: Context) -> list[QueuedRun]:
        has = set(request.labels)
        waits = await self.read(context, needed(), short=True)
        some = [labels for labels in waits if has.issuperset(msgspec.json.decode(labels, type=list[str]))]
        found = await self.read(context, queued(some, request.limit, request.without), short=True) if some else []
        return [run for _, run in sorted(found, key=itemgetter(0))]

    async def dci_status(self, request: GetDciStatus, context: Context) -> DciStatus:
        found = dict(await self.read(context, counts(), short=True))
        since = self.now() - SILENT
        self._runners = {name: heard for name, heard in self._runners.items() if heard[0] >= since}
        self._hosts = {name: heard for name, heard in self._hosts.items() if heard[0] >= since}
        there = [runner for _, (_, runner) in sorted(self._runners.items())]
        return DciStatus(
            status="ok" if there else "degraded", version=version(), runners=there, pipelines=found["pipelines"],
            queued=found.get("queued", 0), running=found.get("running", 0), waiting=found.get("waiting", 0),
            hosts={name: versions for name, (_, versions) in sorted(self._hosts.items())},
        )  # fmt: skip

    async def absent(self, request: AskedPipeline, context: Context) -> RunAccepted:
        await self._pipeline(request.pipeline, context)
        raise OWNER_AWAY()

    async def stop_absent(self, request: StopPipeline, context: Context) -> StopAccepted:
        await self._pipeline(request.pipeline, context)
        raise OWNER_AWAY()

    async def delete_absent(self, request: DeletePipeline, context: Context) -> DeletedPipeline:
        await self._pipeline(request.pipeline, context)
        raise OWNER_AWAY()

    async def _pipeline(self, pipeline: int, context: Context) -> PipelineRow:
        found = await self.one(context, one(pipeline))
        if found is None:
            raise NO_PIPELINE()
        return found

    async def _run(self, pipeline: int, run: int, context: Context) -> RunRow:
        found = await self.one(context, one_run(pipeline, run))
        if found is None:
            raise NO_RUN()
        return found

    async def _with_steps(self, rows: list[RunRow], context: Context) -> list[PipelineRunView]:
        """The first of them, as far as one answer goes, and one at least. Raises Refusal where that is none."""
        if not rows:
            return []
        some = await self.read(context, with_steps([row.key for row in rows]), short=True)
        [wiped] = await self.read(context, files_wiped(), short=True)
        fit, size = list[PipelineRunView](), 0
        for row in rows:  # a run may have 4 MB, of which each takes 5 ms to be read, 4 to be decoded, 2 to be answered
            of_it = await self.read(context, steps([row.key]), short=True) if row.key in some else []
            size += len(row.parameters) + sum(len(step.slots) + len(step.artefacts) for step in of_it)
            if fit and size > PAGE:
                break
            if size > NO_ANSWER:
                raise TOO_LARGE()
            fit.append(view(row, views_of_steps(row, of_it, wiped)))
        return fit


READ_MODEL = ReadModel(topics=topics_of("pipeline"), projections=PROJECTIONS, answers=PipelineAnswers)
