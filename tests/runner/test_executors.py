"""The executor of this machine and the one in simulated time, by the same cases."""

import asyncio
import random
from pathlib import Path

import pytest

from actors.adapters.runner.executor import LocalExecutor
from actors.runner.port import Command, Executor, RunnerError
from simulators.runner.simulated_executor import SimulatedExecutor, Workshop

PROGRAMS = {
    "work": 'exec sleep "$1"', "fail": 'sleep "$1"; exit 1', "flaky": 'sleep "$1"; test "$OTTB_ATTEMPT" != 1',
}  # fmt: skip


@pytest.fixture(params=["real", "simulated"])
async def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Executor:
    if request.param == "simulated":
        return SimulatedExecutor(Workshop(random.Random(1)), host="a", machine="a")
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    programs = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    return LocalExecutor(folder=tmp_path / "runner", bubblewrap=False, environment=programs, disk_free=0)


def command(run: str, attempt: int = 1) -> Command:
    return Command(run=run, facts={"STEP": "a", "ATTEMPT": str(attempt)})


@pytest.mark.parametrize(("run", "attempt", "code"), [
    ("work 0.1", 1, 0), ("fail 0.1", 1, 1), ("flaky 0.1", 1, 1), ("flaky 0.1", 2, 0),
])  # fmt: skip
async def test_a_command_ends_as_it_says(executor: Executor, run: str, attempt: int, code: int) -> None:
    workspace = await executor.prepare("run-1", None, {})
    running = await workspace.start(command(run, attempt))
    async for _ in running.output():
        pass
    ending = await running.ended()
    assert (ending.how, ending.code) == ("exited", code)
    await workspace.remove()
    await executor.close()


async def test_what_is_stopped_says_so_and_is_over(executor: Executor) -> None:
    workspace = await executor.prepare("run-1", None, {})
    running = await workspace.start(command("work 60"))
    running.stop()
    async with asyncio.timeout(10):
        assert (await running.ended()).how == "stopped"
    await workspace.remove()
    await executor.close()


async def test_a_run_has_one_workspace_until_it_is_removed(executor: Executor) -> None:
    workspace = await executor.prepare("run-1", None, {})
    with pytest.raises(RunnerError, match="already"):
        await executor.prepare("run-1", None, {})
    await workspace.start(command("work 60"))
    async with asyncio.timeout(10):
        await workspace.remove()  # also what still runs in it
    again = await executor.prepare("run-1", None, {})
    await again.remove()
    await executor.close()
