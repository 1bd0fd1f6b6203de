"""One thing is looked up 500 times a second, also such as is not there: no look reads all that there is or has been."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from actors.ledger import pipeline
from actors.ledger.erasure import ERASURES
from actors.ledger.model import Query
from actors.ledger.page import PAGE, page
from actors.ledger.pipeline_rows import PIPELINES, RUNS
from actors.ledger.pipeline_rows import STEPS as STEPS_SAID
from actors.ledger.script import RunAnswers
from actors.ledger.slot import COMMANDS, SLOTS, SlotAnswers
from actors.runtime.context import Context
from bus_schemas.errors import Refusal
from bus_schemas.pipeline import GetPipeline, GetPipelineRun, PipelineRunView, RunStatus, SlotResult
from bus_schemas.script import RunScript
from bus_schemas.slot import AbsentSlot, GetAdbCommand, GetSlot, SlotConfig, SlotStatus

RUNS_OVER, OPEN, SLOTS_THERE = 20_000, 30, 1_000
RUN = PipelineRunView(
    id=1, run=1, name="n", version=1, status=RunStatus.FAILED, trigger="api", triggered_by="op12", branch=None,
    commit=None, parameters={}, queued="2026", start_time=None, end_time=None, runner=None, reason=None,
    stopping=False, stopped_by=None, waits_for=None, log_url=None,
)  # fmt: skip
STEPS = 100  # hundreds of instructions of SQLite's machine; reading each run takes 200 at least


@pytest.fixture(scope="module")
def records() -> sa.Engine:
    """Two pipelines, each with some open runs behind many that are over."""
    engine = sa.create_engine("sqlite://")
    for table in (PIPELINES, RUNS):
        table.create(engine)
    rows = [_row(number, over=number <= RUNS_OVER) for number in range(1, RUNS_OVER + OPEN + 1)]
    with engine.begin() as connection:
        connection.execute(RUNS.insert(), rows)
    return engine


def _row(number: int, *, over: bool) -> dict[str, Any]:
    return {
        "seq": number, "key": f"{1 + number % 2}/{number}", "pipeline": 1 + number % 2, "run": number, "name": "n",
        "version": 1, "status": "succeeded" if over else "queued", "trigger": "api", "user": "op12", "parameters": "{}",
        "labels": "[]", "queued": "2026", "ended": "2026" if over else None, "stopping": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [(pipeline.open_and_newest(1, RUNS_OVER), OPEN // 2 + 1), (pipeline.counts(), 2)],
    ids=["of one", "of all"],
)
def test_a_look_reads_no_run_that_is_over(records: sa.Engine, query: Query[Any], found: int) -> None:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with records.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.set_progress_handler(count, 100)
        rows = connection.execute(query.statement).all()
        raw.set_progress_handler(None, 0)
    print(f"{len(rows)} rows, of {RUNS_OVER} runs that are over: {100 * steps} instructions of the database")
    assert len(rows) == found and steps < STEPS


class Reader:
    """What the answers read with, which a host does beside its loop. `rows`: that were read; `seconds`: it took."""

    def __init__(self) -> None:
        self.rows = 0
        self.seconds = 0.0
        self._engine = sa.create_engine("sqlite://")
        COMMANDS.create(self._engine)
        empty = dict.fromkeys((column.name for column in SLOTS.columns), None)
        self.make(SLOTS, [
            {**empty, "slot": id, "config": _config(id), "status": SlotStatus.ONLINE.value, "conditions": "[]"}
            for id in range(1, SLOTS_THERE + 1)
        ])  # fmt: skip

    def make(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        table.create(self._engine)
        with self._engine.begin() as connection:
            if rows:
                connection.execute(table.insert(), rows)

    async def read(self, context: Context, query: Query[Any], *, short: bool = False) -> list[Any]:
        began = time.thread_time()
        with self._engine.connect() as connection:
            found = [query.view(row) for row in connection.execute(query.statement)]
        self.rows += len(found)
        self.seconds += time.thread_time() - began
        return found

    async def unread(self, beyond: int) -> int | None:
        return beyond + 1  # there is always something new

    def answers(self, kind: type[Any]) -> Any:
        return kind(
            read=self.read, read_placed=self.read, folded=lambda: 1, unread=self.unread, examine=self.read,
            now=lambda: 0.0, region="UA", wall=lambda: datetime.now(UTC),
        )  # fmt: skip


def _config(id: int) -> str:
    return msgspec.json.encode(SlotConfig(id=id, serial=f"PHONE{id}")).decode()


async def test_a_look_at_a_slot_that_is_away_or_none_reads_no_other() -> None:
    reader, context, refused = Reader(), Context(command_id="one", user="op12"), 0
    slots, scripts = reader.answers(SlotAnswers), reader.answers(RunAnswers)
    for slot in (1, SLOTS_THERE, SLOTS_THERE + 1):
        for look in (
            slots.slot_absent(AbsentSlot(slot=slot), context),
            slots.get_adb_command(GetAdbCommand(slot=slot, command_id="k_1"), context),
            scripts.run_absent(RunScript(slot_id=slot, script="call"), context),
        ):
            with pytest.raises(Refusal):
                await look
            refused += 1
    assert (await slots.recorded_slot(GetSlot(slot=1), context)).id == 1
    print(f"{refused} looks at slots that are away or none, of {SLOTS_THERE}: {reader.rows} rows read")
    assert reader.rows <= refused


def test_a_page_takes_no_longer_for_what_does_not_fit_into_it() -> None:
    """A list of runs with as many parameters as may be took 0.2 s of the loop, each time that somebody looked."""
    parameters = {f"p{number}": "\x7f中\"" * 210 for number in range(50)}  # 64 kB
    found = [(number, replace(RUN, run=number, parameters=parameters)) for number in range(1, 501)]
    began = time.thread_time()
    body = page(found, limit=500).body
    took = time.thread_time() - began
    print(f"500 runs of 64 kB, of which {len(body)} are one page: {1000 * took:.0f} ms")
    assert 10 < len(body) < 20 and len(msgspec.json.encode(body)) <= PAGE and took < 0.05
    few = page([(number, RUN) for number in range(1, 4)], limit=2)
    assert (few.body, few.next_cursor is None) == ([RUN, RUN], False)


async def test_how_a_pipeline_is_takes_no_longer_for_what_does_not_fit() -> None:
    """Runs that wait for approvals, of which many steps name a thousand slots each: 0.1 s of the loop for each look."""
    said = [SlotResult(slot=number, ok=False, said="y" * 30) for number in range(1, 1001)]
    slots, reader = msgspec.json.encode(said).decode(), Reader()
    waiting = [{**_row(2 * number, over=False), "status": "waiting"} for number in range(1, 8)]
    texts = dict.fromkeys(("name", "source", "by", "at", "labels", "text"), "")
    reader.make(PIPELINES, [{**texts, "pipeline": 1, "version": 1, "run": 14, "deleted": False}])
    reader.make(RUNS, waiting)
    reader.make(ERASURES, [])
    reader.make(STEPS_SAID, [
        {"seq": 100 * row["run"] + step, "key": f"{row['key']}/{step}", "run_key": row["key"], "step": f"s{step}",
         "status": "failed", "started": "2026", "ms": 1, "attempts": 1, "matrix": "{}", "slots": slots,
         "artefacts": "[]", "log_lines": 0, "said": 1}
        for row in waiting for step in range(15 if row["run"] > 2 else 45)
    ])  # fmt: skip
    answers, context, began = reader.answers(pipeline.PipelineAnswers), Context(command_id="one"), time.thread_time()
    found = await answers.status(GetPipeline(pipeline=1), context)
    assert reader.rows < 60, f"{reader.rows} rows read for {len(found.runs)} runs"  # by whom others wait for
    took, began, reader.seconds = time.thread_time() - began - reader.seconds, time.thread_time(), 0.0
    with pytest.raises(Refusal, match="larger than the bus takes"):
        await answers.one_run(GetPipelineRun(pipeline=1, run=2), context)
    refused = time.thread_time() - began - reader.seconds
    print(f"7 runs of {15 * len(slots)} bytes, of which {len(found.runs)} is told: {1000 * took:.0f} ms of the loop;"
          f" one of 3 times as many, which is none: {1000 * refused:.0f} ms")  # fmt: skip
    assert [(run.run, len(run.steps)) for run in found.runs] == [(14, 15)] and took < 0.04 and refused < 0.04
