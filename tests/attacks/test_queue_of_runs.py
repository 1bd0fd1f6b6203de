"""Who may run one pipeline keeps nobody else's from being taken, however many of its runs wait."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.ledger.pipeline import PipelineAnswers
from actors.ledger.pipeline_rows import PIPELINES, RUNS
from actors.runner import runner
from actors.runner.queue import LOOKED_AT
from actors.runner.runner import MOST_WAITING, OF_ONE
from actors.runner.settings import Runner as Settings
from actors.runtime.context import Context
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.pipeline import QueuedRuns
from simulators.time.ids import CountedIds
from tests.attacks.test_looks_in_records import Reader
from tests.runner.test_runners import HEAD, STEP, begin, define, runner_on, said
from tests.support.whole import whole_site

WAITING = 105  # more than a runner looks at


async def test_a_long_queue_of_one_pipeline_holds_up_no_other(tmp_path: Path) -> None:
    async with whole_site(tmp_path / "site") as site, runner_on(site, "r1", tmp_path, at_once=3):
        await site.login()
        await define(site, 'id = 1\nname = "p"\n[[steps]]\nname = "ask"\ndo = "approval"\n')
        await define(site, 'id = 2\nname = "q"\n' + STEP)
        for _ in range(WAITING):
            await begin(site)
        assert (await site.ask("POST", "/api/dci/pipeline/2/run", {}))[0] == 201
        async with asyncio.timeout(15):
            while not (over := [e for e in site.broker.journal if e.subject == "ottb.v1.evt.pipeline.2.ended"]):
                await asyncio.sleep(0.05)
        assert len(over) == 1 and [event["run"] for event in said(site, "started")] == [1]
        print(f"{WAITING} runs of one pipeline wait, and another one's has run")


async def test_what_waits_for_approvals_leaves_room_for_others(tmp_path: Path) -> None:
    async with whole_site(tmp_path / "site") as site, runner_on(site, "r1", tmp_path, at_once=1):
        await site.login()
        await define(site, HEAD + '[[steps]]\nname = "ask"\ndo = "approval"\n')
        await define(site, 'id = 2\nname = "q"\n' + STEP)
        for _ in range(MOST_WAITING + 1):
            await begin(site)
        async with asyncio.timeout(30):
            while sum(step["status"] == "waiting" for step in said(site, "step")) < OF_ONE:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        assert (await site.ask("POST", "/api/dci/pipeline/2/run", {}))[0] == 201
        async with asyncio.timeout(15):
            while not [e for e in site.broker.journal if e.subject == "ottb.v1.evt.pipeline.2.ended"]:
                await asyncio.sleep(0.05)
        assert len(said(site, "started")) in (OF_ONE, OF_ONE + 1)  # one may be claimed before the last one waits


async def test_runs_of_labels_that_one_runner_has_hide_none_of_others() -> None:
    reader, runs = _reader(), [(pipeline, run) for run in range(1, 201) for pipeline in range(1, 16)]
    reader.make(RUNS, [
        *(_queued(seq, pipeline, run, ["mac"]) for seq, (pipeline, run) in enumerate(runs)),
        _queued(10_000, 99, 1, ["linux"]), _queued(10_001, 98, 1, []),
    ])  # fmt: skip
    answers = reader.answers(PipelineAnswers)
    found = await answers.queued_runs(QueuedRuns(labels=("linux", "arm"), limit=100), Context(command_id="one"))
    assert [one.pipeline for one in found] == [99, 98]
    found = await answers.queued_runs(QueuedRuns(labels=("mac",), limit=100), Context(command_id="two"))
    print(f"{len(runs)} runs wait for another runner, and 2 for this one are seen")
    assert {one.pipeline for one in found} == {98, *range(1, 16)} and len(found) == 100


async def test_what_is_behind_a_run_of_other_labels_hides_nobody_elses() -> None:
    """Whoever defines a pipeline anew, with other labels, has its next runs wait behind one that no runner takes."""
    reader, pipelines = _reader(), range(1, 106)
    reader.make(RUNS, [
        *(_queued(pipeline, pipeline, 1, ["nobody"]) for pipeline in pipelines),
        *(_queued(1000 + pipeline, pipeline, 2, ["linux"]) for pipeline in pipelines),
        _queued(2000, 99_999, 1, ["linux"]), _queued(2001, 99_999, 2, ["nobody"]), _queued(2002, 99_999, 3, ["linux"]),
    ])  # fmt: skip
    found = await reader.answers(PipelineAnswers).queued_runs(
        QueuedRuns(labels=("linux",), limit=100), Context(command_id="one")
    )
    print(f"{len(pipelines)} pipelines wait for a runner that is not there, and the one that does not is seen")
    assert [(one.pipeline, one.run) for one in found] == [(99_999, 1)]


async def test_pipelines_whose_turn_has_not_come_hide_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred one run each may wait for an approval at some runners, none of which is full, and one behind it."""
    reader, most = _reader(), 2 * LOOKED_AT + 50
    reader.make(RUNS, [_queued(pipeline, pipeline, 2, ["linux"]) for pipeline in range(1, most + 1)])
    looking, claimed = _runner(monkeypatch, reader, takes=0.0)
    for _ in range(4):
        await looking._take()
    print(f"{most} pipelines wait for their turn, and all are looked at: {len(claimed)} claims in four looks")
    assert claimed == [*range(1, most + 1), *range(1, LOOKED_AT + 1)]


async def test_pipelines_of_one_whose_claims_take_long_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users have hundreds that are to be run again and again, whose definitions are large."""
    most, users = 400, ("eve", "mallory")
    pipelines = {pipeline: users[pipeline % 2] for pipeline in range(1, most + 1)} | {most + 1: "ann"}
    reader = _reader([_defined(pipeline, by) for pipeline, by in pipelines.items()])
    reader.make(RUNS, [_queued(pipeline, pipeline, 1, ["linux"]) for pipeline in pipelines])
    looking, claimed = _runner(monkeypatch, reader, takes=0.3)
    await looking._take()
    print(f"{most} pipelines of two others wait: {len(claimed)} claims in a look, one of them hers")
    assert most + 1 in claimed[:3] and len(claimed) == 2 * 4 + 1
    looks = most // (2 * 4)
    for _ in range(looks - 1):
        await looking._take()
    assert claimed.count(most + 1) == looks  # hers may be had meanwhile
    assert len(set(claimed)) == most + 1 and len(claimed) == most + looks  # theirs are looked at one after the other


def _reader(pipelines: Sequence[dict[str, Any]] = ()) -> Reader:
    reader = Reader()
    reader.make(PIPELINES, list(pipelines))
    return reader


def _runner(monkeypatch: pytest.MonkeyPatch, reader: Reader, takes: float) -> tuple[runner.Runner, list[int]]:
    """A runner for what waits in these records, of which none is to be had; which pipelines it has asked for. `takes`:
    seconds that an answer does."""
    answers, claimed, now = reader.answers(PipelineAnswers), list[int](), [0.0]

    async def ask(bus: Any, rpc: Any, request: Any, context: Context) -> Any:
        if isinstance(request, QueuedRuns):
            return await answers.queued_runs(request, context)
        claimed.append(request.pipeline)
        now[0] += takes
        raise Refusal(ErrorCode.CONFLICT, "The run is not to be taken now.")

    async def nothing() -> None:
        return None

    monkeypatch.setattr(runner, "ask", ask)
    desk: Any = SimpleNamespace(
        bus=SimpleNamespace(last_seq=nothing), ids=CountedIds("r"), clock=SimpleNamespace(monotonic=lambda: now[0]),
        name="r", executor=SimpleNamespace(no_room=nothing),
    )  # fmt: skip
    return runner.Runner(desk, Settings()), claimed


def _defined(pipeline: int, by: str) -> dict[str, Any]:
    return {
        "pipeline": pipeline, "name": f"p{pipeline}", "version": 1, "source": "api", "by": by, "at": "2026",
        "labels": "[]", "text": "", "run": 1, "deleted": False,
    }  # fmt: skip


def _queued(seq: int, pipeline: int, run: int, labels: list[str]) -> dict[str, Any]:
    return {
        "seq": seq, "key": f"{pipeline}/{run}", "pipeline": pipeline, "run": run, "name": "n", "version": 1,
        "status": "queued", "trigger": "api", "user": "op12", "parameters": "{}", "labels": json.dumps(labels),
        "queued": "2026", "stopping": False,
    }  # fmt: skip
