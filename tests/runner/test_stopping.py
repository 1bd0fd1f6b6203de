"""Whatever a step began is gone when it is over."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest

from actors.adapters.runner.executor import LocalExecutor, LocalWorkspace
from actors.adapters.runner.processes import _EMPTY_LOOKS, Process, end, process
from actors.runner.port import Command
from tests.runner.escapes import ESCAPES
from tests.runner.steps import NARROW, gone, narrow, python, ran, running_with, until_told


@pytest.mark.parametrize("name", ESCAPES)
async def test_a_stop_leaves_no_process(workspace: LocalWorkspace, name: str) -> None:
    token = uuid.uuid4().hex
    running = await workspace.start(Command(run=ESCAPES[name].replace("TOKEN", token), limits=NARROW))
    reading = await until_told(running, b"ready")
    assert running_with(token)
    began = time.monotonic()
    running.stop()
    ending = await running.ended()
    assert time.monotonic() - began < 10
    assert (ending.how, ending.survivors) == ("stopped", ())
    assert gone(token)
    await reading


async def test_a_stop_that_is_said_twice_is_one(workspace: LocalWorkspace) -> None:
    """The keeper looks at many processes for a while, and then hears both at once."""
    running = await workspace.start(Command(run="echo ready; exec sleep 20", limits=narrow(seconds=3.0)))
    reading = await until_told(running, b"ready")
    assert running._keeper.stdin is not None
    running._keeper.stdin.write(b"stop\n" * 2)
    assert (await running.ended()).how == "stopped"
    await reading


@pytest.mark.parametrize("name", ["forks twice", "a daemon", "without its environment", "by a thread"])
async def test_a_command_that_ends_leaves_no_process(workspace: LocalWorkspace, name: str) -> None:
    token = uuid.uuid4().hex
    text = f"{ESCAPES[name].replace('TOKEN', token)} > ready & while [ ! -s ready ]; do sleep 0.1; done; exit 7"
    _, ending = await ran(workspace, text)
    assert (ending.how, ending.code, ending.survivors) == ("exited", 7, ())
    assert ending.left_behind >= 1
    assert gone(token)


async def test_time_that_is_up_ends_all(workspace: LocalWorkspace) -> None:
    token = uuid.uuid4().hex
    text = ESCAPES["a daemon"].replace("TOKEN", token)
    told, ending = await ran(workspace, text, limits=narrow(seconds=2.0))
    assert (ending.how, ending.code, ending.survivors) == ("timed_out", None, ())
    assert "ready" in told and gone(token)


async def test_who_is_polite_is_given_time_to_tidy_up(workspace: LocalWorkspace) -> None:
    text = "trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    running = await workspace.start(Command(run=text, limits=narrow(stop_seconds=8.0)))
    reading = await until_told(running, b"ready")
    running.stop()
    assert (await running.ended()).seconds < 8
    assert b"tidied" in await reading


@pytest.mark.parametrize("name", ["a daemon", "without its environment", "a crowd", "hears no signal"])
async def test_a_keeper_that_is_killed_leaves_no_process(workspace: LocalWorkspace, name: str) -> None:
    """By its own step: without bubblewrap it is the same user's."""
    token = uuid.uuid4().hex
    escape = f"{ESCAPES[name].replace('TOKEN', token)} > ready &"
    _, ending = await ran(workspace, f"{escape} while [ ! -s ready ]; do sleep 0.1; done; sleep 0.5; kill -9 $PPID")
    assert (ending.how, ending.code, ending.survivors) == ("lost", None, ())
    assert gone(token, within=1)


async def test_a_stranger_is_left_alone(workspace: LocalWorkspace) -> None:
    stranger = await asyncio.create_subprocess_exec("sleep", "30", start_new_session=True)
    running = await workspace.start(Command(run="echo ready; sleep 30", limits=NARROW))
    reading = await until_told(running, b"ready")
    running.stop()
    await running.ended()
    await reading
    assert stranger.returncode is None
    os.kill(stranger.pid, signal.SIGKILL)
    await stranger.wait()


async def test_removing_a_workspace_ends_what_runs_in_it(executor: LocalExecutor) -> None:
    workspace = await executor.prepare("run-2", None, {})
    token = uuid.uuid4().hex
    running = await workspace.start(Command(run=ESCAPES["a daemon"].replace("TOKEN", token), limits=NARROW))
    reading = await until_told(running, b"ready")
    await workspace.remove()
    assert gone(token) and not workspace.folder.exists()
    await reading
    await workspace.remove()


async def test_more_processes_than_allowed_are_ended_at_once(workspace: LocalWorkspace) -> None:
    """Forty, each of which sleeps: as root nothing but the keeper's count holds them."""
    token = uuid.uuid4().hex
    code = "import os, time\nfor _ in range(40):\n    if os.fork() == 0: time.sleep(20); os._exit(0)\ntime.sleep(20)"
    began = time.monotonic()
    told, ending = await ran(workspace, python(code, token), limits=narrow(processes=10, stop_seconds=8.0))
    limited = ending.how == "too_many_processes" or "BlockingIOError" in told  # an ordinary user's fork is refused
    assert limited and not ending.succeeded and gone(token)
    assert time.monotonic() - began < 10


def test_nobody_is_gone_because_a_look_missed_him() -> None:
    """Who forks and ends all the time is often in none of the lists that were just read."""
    for looks, alone in ((3, True), (_EMPTY_LOOKS - 1, False)):
        token = uuid.uuid4().hex
        child = subprocess.Popen(
            [sys.executable, "-S", "-c", "import time; time.sleep(30)", token]
        )
        missed = iter([set[Process]()] * looks)

        def look(child: "subprocess.Popen[bytes]" = child, missed: Iterator[set[Process]] = missed) -> set[Process]:
            known = process(child.pid)
            return next(missed, {known} if known is not None and child.poll() is None else set())

        sure = {"alone": lambda child=child: child.poll() is not None} if alone else {}
        assert end(look, grace=0.0, within=5.0, **sure) == set()
        assert child.poll() is not None and gone(token)
