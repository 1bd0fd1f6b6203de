import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.adapters.runner.executor import LocalExecutor, LocalWorkspace
from tests.runner.steps import SECRET


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[LocalExecutor]:
    """One without bubblewrap: what a step can do to its host is tried without its walls."""
    made = LocalExecutor(folder=tmp_path / "runner", places=[str(tmp_path / "git")], bubblewrap=False)
    yield made
    async with asyncio.timeout(60):
        await made.close()


@pytest.fixture
async def workspace(executor: LocalExecutor) -> AsyncIterator[LocalWorkspace]:
    made = await executor.prepare("run-1", None, {"TOKEN": SECRET})
    yield made
    await made.remove()
