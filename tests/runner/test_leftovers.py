"""A runner is killed: what it began does not go on, and is ended by the next one at the latest."""

import asyncio
import os
import signal
import sys
import uuid
from pathlib import Path

import pytest

from actors.adapters.runner import leftovers
from actors.adapters.runner.executor import LocalExecutor
from actors.adapters.runner.processes import MARK, Process, boot, process, tree
from actors.runner.port import RunnerError
from tests.runner.escapes import ESCAPES
from tests.runner.steps import gone, running_with

ROOT = Path(__file__).resolve().parents[2]
GETS_AWAY = ["forks twice", "a daemon", "without its environment", "adopts its own", "hears no signal"]


async def begun(folder: Path, *words: str) -> tuple[asyncio.subprocess.Process, int]:
    """A runner that has begun a command, and the pid of its keeper."""
    runner = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.runner.killed", str(folder), *words, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )  # fmt: skip
    assert runner.stdout is not None
    async with asyncio.timeout(30):
        return runner, int(await runner.stdout.readline())


@pytest.mark.parametrize("name", GETS_AWAY)
async def test_the_next_runner_ends_what_a_killed_one_left(tmp_path: Path, name: str) -> None:
    """It and its keeper at once: nobody is there to end the step."""
    token = uuid.uuid4().hex
    runner, keeper = await begun(tmp_path / "runner", ESCAPES[name].replace("TOKEN", token))
    for pid in (keeper, runner.pid):
        os.kill(pid, signal.SIGKILL)
    await runner.wait()
    gets_away = name != "hears no signal"  # it is the keeper's own child, which the kernel ends with it
    assert running_with(token) or not gets_away
    executor = LocalExecutor(folder=tmp_path / "runner", bubblewrap=False)
    found = await executor.end_leftovers()
    assert [(each.run, each.survivors) for each in found] == [("run-1", ())]
    assert found[0].ended >= 1 or not gets_away
    assert gone(token) and not (tmp_path / "runner" / "run-1").exists()
    assert await executor.end_leftovers() == []
    await executor.close()


async def test_a_keeper_whose_runner_is_killed_ends_its_step(tmp_path: Path) -> None:
    token = uuid.uuid4().hex
    runner, _ = await begun(tmp_path / "runner", ESCAPES["a daemon"].replace("TOKEN", token))
    assert running_with(token)
    runner.kill()
    await runner.wait()
    assert await asyncio.to_thread(gone, token, 10)


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 1.0])
async def test_a_runner_is_killed_at_any_moment(tmp_path: Path, seconds: float) -> None:
    """With its keeper, wherever the two are: before, while and after the step begins."""
    token = uuid.uuid4().hex
    command = [sys.executable, "-m", "tests.runner.killed", str(tmp_path / "runner")]
    runner = await asyncio.create_subprocess_exec(
        *command, ESCAPES["a daemon"].replace("TOKEN", token), stdout=asyncio.subprocess.DEVNULL, cwd=ROOT
    )  # fmt: skip
    await asyncio.sleep(seconds)
    for pid in [*(each.pid for each in tree([runner.pid]) if "keeper" in _words(each.pid)), runner.pid]:
        os.kill(pid, signal.SIGKILL)
    await runner.wait()
    executor = LocalExecutor(folder=tmp_path / "runner", bubblewrap=False)
    found = await executor.end_leftovers()
    assert gone(token) and all(each.survivors == () for each in found)
    assert [path.name for path in executor.folder.iterdir()] == []
    await executor.close()


def _words(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")


async def test_only_one_process_has_a_folder(tmp_path: Path) -> None:
    executor = LocalExecutor(folder=tmp_path, bubblewrap=False)
    with pytest.raises(RunnerError, match="another process"):
        LocalExecutor(folder=tmp_path, bubblewrap=False)
    await executor.close()
    await LocalExecutor(folder=tmp_path, bubblewrap=False).close()


STRANGERS = {
    "the same pid, another start": b"{boot} run-1-x\n1 1\n{pid} {other}\n",
    "another boot": b"0-0 run-1-x\n1 1\n{pid} {start}\n",
    "no boot": b"{pid} {start}\n",
    "no mark": b"{boot} \n1 1\n{pid} {start}\n",
    "a mark that is none": b"{boot} ../x\n1 1\n{pid} {start}\n",
    "not text": b"\xff\xfe",
    "nothing": b"",
}


@pytest.mark.parametrize("name", STRANGERS)
async def test_who_only_looks_like_a_leftover_is_left_alone(tmp_path: Path, name: str) -> None:
    stranger = await asyncio.create_subprocess_exec("sleep", "30", env={MARK: "run-1-y"})
    own = process(stranger.pid)
    assert own is not None
    note = STRANGERS[name]
    for word, value in (("boot", boot()), ("pid", own.pid), ("start", own.start), ("other", own.start + 1)):
        note = note.replace(f"{{{word}}}".encode(), str(value).encode())
    (tmp_path / "note").write_bytes(note)
    assert await asyncio.to_thread(leftovers.sweep, tmp_path / "note") == (0, ())
    assert process(stranger.pid) == own and not (tmp_path / "note").exists()
    stranger.kill()
    await stranger.wait()


@pytest.mark.parametrize("note", ["{boot} run-1-x\n1 1\n{pid} {start}\n", "{boot} run-1-y\n1 1\n"])
async def test_who_is_one_is_ended(tmp_path: Path, note: str) -> None:
    """By pid and start, or by the mark: as above, or those would prove nothing."""
    stranger = await asyncio.create_subprocess_exec("sleep", "30", env={MARK: "run-1-y"})
    own = process(stranger.pid)
    assert isinstance(own, Process)
    (tmp_path / "note").write_text(note.format(boot=boot(), pid=own.pid, start=own.start))
    assert (await asyncio.to_thread(leftovers.sweep, tmp_path / "note")).ended == 1
    async with asyncio.timeout(5):
        assert await stranger.wait() == -signal.SIGTERM
