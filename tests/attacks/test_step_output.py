"""What a step writes, or a repository has: however much it is, whoever else is at the host has their turn."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from actors.adapters.runner.checkout import CheckoutBounds
from actors.adapters.runner.executor import LocalExecutor
from actors.runner.port import Command, Limits, RunnerError, Source
from tests.runner.test_checkout import git
from tests.support.turns import Others

SECRET, SIZE = "hunter2hunter2", 200_000
SHELL = 16 * 1024  # bytes, of four times as many that are kept of what a shell command prints
TURN = 0.03  # seconds of work
WRITES = f"yes {SECRET} | head -c {SIZE}"
DEEP, WIDE, WITHIN = 9, 10, 15.0


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[LocalExecutor]:
    bounds = CheckoutBounds(files=100, seconds=30.0)
    made = LocalExecutor(
        folder=tmp_path / "runner", places=[str(tmp_path / "git")], bubblewrap=False, bounds=bounds
    )  # fmt: skip
    yield made
    await made.close()


async def test_others_have_their_turn_while_a_step_writes_nothing_but_secrets(executor: LocalExecutor) -> None:
    workspace = await executor.prepare("run-1", None, {"TOKEN": SECRET})
    running = await workspace.start(Command(run=WRITES, limits=Limits(seconds=30), network=True))
    others, told = Others(), 0
    async for piece in running.output():
        told += len(piece)
    ending = await running.ended()
    others.end()
    await workspace.remove()
    print(f"{ending.output} bytes of `{WRITES}`, {told} told: {others}")
    assert ending.succeeded and others.longest < TURN


async def test_others_have_their_turn_while_what_a_phone_has_printed_is_masked(executor: LocalExecutor) -> None:
    """Lines as long as it likes, that look like the beginning of a key: a second and a half
    for each phone of a step."""
    lines = [sha256(b"%d" % number).hexdigest() for number in range(48)]
    key = "\n".join(("-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"))
    workspace = await executor.prepare("run-1", None, {"KEY": key})
    others = Others()
    told = await asyncio.gather(*(workspace.masked(one) for one in ("-" * SHELL, f"a {key} b")))
    others.end()
    await workspace.remove()
    print(f"{SHELL} bytes that look like a key: {others}")
    assert told == ["-" * SHELL, "a *** b"] and others.longest < TURN


async def test_a_tree_of_more_files_than_there_are_is_not_listed_to_its_end(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    repository = tmp_path / "git" / "bomb"
    repository.mkdir(parents=True)
    git(repository, "init", "-q", "-b", "main")
    tree = _tree(repository, "100644 blob", git(repository, "hash-object", "-w", __file__))
    for _ in range(DEEP):
        tree = _tree(repository, "040000 tree", tree)
    git(repository, "branch", "-f", "main", git(repository, "commit-tree", "-m", "x", tree))
    began = time.monotonic()
    with pytest.raises(RunnerError, match="too many files"):
        await executor.prepare("run-1", Source(repository=str(repository), branch="main"), {})
    took = time.monotonic() - began
    print(f"a tree of {WIDE ** (DEEP + 1)} files was refused after {took:.1f} s")
    assert took < WITHIN


def _tree(repository: Path, kind: str, id: str) -> str:
    """A folder with ten times the same in it."""
    entries = "".join(f"{kind} {id}\td{number}\n" for number in range(WIDE))
    made = subprocess.run(
        ["git", "-C", str(repository), "mktree"], input=entries, capture_output=True, text=True, check=True
    )
    return made.stdout.strip()
