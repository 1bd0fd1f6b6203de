"""Runs of scripts in the ledger: one row each, from when it was asked for."""

from operator import eq, ge, lt
from typing import get_args

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel, sees
from actors.ledger.model import METADATA, Newest, Position, Projection, Query, columns, given, made_of
from actors.ledger.page import fitting, from_cursor_of_two, page, with_span
from actors.ledger.slot import one_slot
from actors.runtime.context import Context
from actors.runtime.files import PIECE
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.script import (
    LIST_RUNS,
    OPEN_RUNS,
    OVER,
    PAST_RUN,
    RUN_ABSENT,
    RUN_SCREEN,
    RUN_TREE,
    SCRIPT,
    STOP_ABSENT,
    GetRun,
    KeptFile,
    ListRuns,
    OpenRun,
    OpenRuns,
    RunEnded,
    RunEvent,
    RunMoved,
    RunQueued,
    RunScript,
    RunStarted,
    RunState,
    RunStopping,
    RunView,
    ScriptStarted,
    StopRun,
)
from bus_schemas.slot import SLOT

NO_RUN = RefusalTemplate(ErrorCode.NOT_FOUND, "No such run.")
NO_SLOT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such slot.")
NO_FILE = RefusalTemplate(ErrorCode.NOT_FOUND, "Nothing is kept of that run's screen.")
MOST_OPEN = 5_000  # in one answer


class RunRow(Struct, frozen=True, gc=False):
    """`seq`: of the first event, the order of the lists. `result`: values, as JSON. `seconds`: thousandths."""

    seq: int
    script_id: str
    line: str
    slot: int
    script: str
    version: int
    user: str
    asked: str
    trace_id: str | None
    state: str
    started: str | None = None
    ended: str | None = None
    stopping: bool = False
    step: int | None = None
    steps: int | None = None
    place: str | None = None
    step_name: str | None = None
    waits_for: str | None = None
    result: str = "{}"
    reason: str | None = None
    uncertain: bool = False
    call_id: str | None = None
    stopped_by: str | None = None
    screenshot: int = 0
    tree: int = 0


IS_OPEN = sa.text("ended IS NULL")

RUNS = sa.Table(
    "script_runs", METADATA, *columns(RunRow, primary="seq", unique="script_id"),
    sa.Index("script_runs_user", "user", "asked"), sa.Index("script_runs_slot", "slot", "asked"),
    sa.Index("script_runs_script", "script", "asked"), sa.Index("script_runs_state", "state", "asked"),
    sa.Index("script_runs_asked", "asked"),
    sa.Index("open_script_runs", "seq", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
)  # fmt: skip
C = RUNS.c
NEWEST = Newest(C.asked, C.seq)


def fold(row: RunRow | None, event: RunEvent, seq: int) -> RunRow | None:
    """The run after an event."""
    if isinstance(event, RunQueued | RunStarted):
        return _begun(row, event, seq)
    if row is None or row.ended is not None:
        return row
    match event:
        case RunMoved():
            return replace(
                row, step=event.step, steps=event.steps, place=event.place, waits_for=event.waits_for,
                call_id=event.call_id or row.call_id,
            )  # fmt: skip
        case RunStopping():
            return replace(row, stopping=True, stopped_by=event.by)
        case RunEnded():
            return replace(
                row, state=str(event.state), ended=event.at, stopping=False, step=event.step,
                steps=event.steps,
                place=event.place, step_name=event.step_name, waits_for=None,
                result=msgspec.json.encode(event.values).decode(), reason=event.reason, uncertain=event.uncertain,
                call_id=event.call_id, stopped_by=event.by, screenshot=event.screenshot, tree=event.tree,
            )  # fmt: skip
    return row


def _begun(row: RunRow | None, event: RunQueued | RunStarted, seq: int) -> RunRow:
    running = isinstance(event, RunStarted)
    state = RunState.RUNNING if running else RunState.QUEUED
    if row is not None:
        return replace(row, state=str(state), started=event.at) if running else row
    return RunRow(
        seq, event.script_id, event.line, event.slot, event.script, event.version, event.user, event.at,
        event.trace_id, str(state), started=event.at if running else None,
    )  # fmt: skip


PROJECTION = Projection(
    table=RUNS, row=RunRow, key="script_id", events=get_args(RunEvent), fold=fold,
    once=frozenset({"seq", "script_id", "line", "slot", "script", "version", "user", "asked", "trace_id"}),
)  # fmt: skip


def one(script_id: str) -> Query[RunRow]:
    """It, whatever became of it."""
    return Query(sa.select(RUNS).where(C.script_id == script_id), made_of(RunRow, lambda row: row))


def runs(wanted: ListRuns, *, before: Position | None, user: str | None) -> Query[tuple[Position, RunView]]:
    """Those that are wanted, newest first, one more than the page has, each with its key. `user`: whose alone."""
    conditions = given(
        (C.slot, eq, wanted.slot), (C.script, eq, wanted.script), (C.state, eq, wanted.state),
        (C.user, eq, wanted.user), (C.user, eq, user), (C.asked, ge, wanted.since), (C.asked, lt, wanted.until),
    )  # fmt: skip
    found = NEWEST.page(sa.select(RUNS).where(*NEWEST.behind(before), *conditions), wanted.limit)
    return Query(found, made_of(RunRow, lambda row: (NEWEST.key(row), view(row))))


def open_runs() -> Query[OpenRun]:
    """Those that are not over, oldest first."""
    found = sa.select(C.script_id, C.line, C.state).where(IS_OPEN).order_by(C.seq).limit(MOST_OPEN)
    return Query(found, lambda row: OpenRun(script_id=row.script_id, line=row.line, state=RunState(row.state)))


def view(row: RunRow) -> RunView:
    """As it is shown."""
    return RunView(
        script_id=row.script_id, slot=row.slot, script=row.script, version=row.version, user=row.user,
        state=RunState(row.state), asked=row.asked, started=row.started, ended=row.ended, stopping=row.stopping,
        step=row.step, steps=row.steps, place=row.place, step_name=row.step_name, waits_for=row.waits_for,
        values=msgspec.json.decode(row.result), reason=row.reason, uncertain=row.uncertain, call_id=row.call_id,
        by=row.stopped_by, screenshot=row.screenshot > 0, tree=row.tree > 0, trace_id=row.trace_id,
    )  # fmt: skip


class RunAnswers(Answers):
    """What is asked of all runs, and of those that nobody owns."""

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(PAST_RUN, self.past_run),
            serve(STOP_ABSENT, self.stop_absent),
            serve(RUN_ABSENT, self.run_absent),
            serve(LIST_RUNS, self.list_runs),
            serve(OPEN_RUNS, self.open_runs),
            serve(RUN_SCREEN, self.screenshot),
            serve(RUN_TREE, self.tree),
        )

    async def past_run(self, request: GetRun, context: Context) -> RunView:
        return view(await self._found(request.script_id, context))

    async def stop_absent(self, request: StopRun, context: Context) -> Page:
        found = await self._found(request.script_id, context)
        if RunState(found.state) not in OVER:
            raise OWNER_AWAY()
        return Page(body=view(found), changed=False)

    async def run_absent(self, request: RunScript, context: Context) -> ScriptStarted:
        row = await self.one(context, one_slot(request.slot_id))
        if row is None or not sees(context, SLOT, row.config.user):
            raise NO_SLOT()
        raise OWNER_AWAY(slot=row.config.id, host=row.config.host)

    async def list_runs(self, request: ListRuns, context: Context) -> Page:
        wanted = with_span(request)
        user = None if sees(context, SCRIPT, "") else context.user
        found = await self.read(context, runs(wanted, before=from_cursor_of_two(request.cursor), user=user))
        return page(found, limit=request.limit)

    async def open_runs(self, request: OpenRuns, context: Context) -> list[OpenRun]:
        return fitting(await self.read(context, open_runs(), short=True))

    async def screenshot(self, request: GetRun, context: Context) -> KeptFile:
        found = await self._found(request.script_id, context)
        return _kept(found, "screenshot", found.screenshot, "image/png", "png")

    async def tree(self, request: GetRun, context: Context) -> KeptFile:
        found = await self._found(request.script_id, context)
        return _kept(found, "tree", found.tree, "application/json", "json")

    async def _found(self, script_id: str, context: Context) -> RunRow:
        found = await self.one(context, one(script_id))
        if found is None or not sees(context, SCRIPT, found.user):
            raise NO_RUN()
        return found


def _kept(row: RunRow, what: str, size: int, type: str, ending: str) -> KeptFile:
    if not size:
        raise NO_FILE()
    key = f"{row.script_id}-{what}"
    return KeptFile(
        script_id=row.script_id, key=key, pieces=-(-size // PIECE), type=type, name=f"{key}.{ending}"
    )


READ_MODEL = ReadModel(topics=topics_of("script"), projections=(PROJECTION,), answers=RunAnswers)
