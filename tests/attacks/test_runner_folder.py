"""Where a runner has its workspaces the site says, and it need not be in the state folder: nobody else puts another one
in its place, in which the host, often root, would then make and give away what it does for steps."""

import os
from pathlib import Path

import pytest

from actors.main import executor_of
from actors.runner.settings import Runner
from actors.settings import Settings
from tests.support.stranger import NOBODY, as_root


def settings_for(folder: Path, tmp_path: Path) -> Settings:
    return Settings(runner=Runner(folder=str(folder), bubblewrap=False), state_dir=str(tmp_path / "state"))


@pytest.mark.parametrize(("mode", "used"), [(0o755, True), (0o777, False), (0o1777, True), (0o773, False)])
async def test_no_runner_works_where_others_may_swap_its_folder(tmp_path: Path, mode: int, used: bool) -> None:
    open_to = tmp_path / "shared"
    (open_to / "deep").mkdir(parents=True)
    open_to.chmod(mode)
    (tmp_path / "link").symlink_to(open_to)
    for folder in (open_to, open_to / "deep", open_to / "new" / "er", tmp_path / "link"):
        executor, why = executor_of(settings_for(folder, tmp_path))
        if executor is not None:
            await executor.close()
        assert (executor is not None) is used, (folder, why)
        assert used or f"others may write to {open_to.resolve()}" in (why or "")


@as_root
async def test_no_runner_works_below_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "ours").mkdir(parents=True)
    os.chown(tmp_path / "theirs", NOBODY, 0)
    executor, why = executor_of(settings_for(tmp_path / "theirs" / "ours", tmp_path))
    assert executor is None and why is not None and f"user {NOBODY}'s" in why
