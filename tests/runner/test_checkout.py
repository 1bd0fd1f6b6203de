"""Real git repositories, also such as somebody makes who means ill."""

import asyncio
import os
import shlex
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from actors.adapters.runner import checkout
from actors.adapters.runner.checkout import CheckoutBounds
from actors.adapters.runner.executor import LocalExecutor
from actors.runner.port import RunnerError, Source
from bench.parts import free_port
from tests.runner.steps import SECRET, ran

AUTHOR = {
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c",
    "PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent",
}  # fmt: skip


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], env=AUTHOR, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With a branch `main` of two commits, another, and a tag."""
    place = tmp_path / "git" / "app"
    place.mkdir(parents=True)
    git(place, "init", "-q", "-b", "main")
    for number in "12":
        (place / "file").write_text(number)
        git(place, "add", "file")
        git(place, "commit", "-q", "-m", number)
    git(place, "branch", "release/1.0", "HEAD~1")
    git(place, "tag", "-a", "-m", "it", "v1.0", "HEAD~1")
    return place


async def checked_out(executor: LocalExecutor, repository: Path | str, branch: str, commit: str | None = None) -> str:
    """What the commit's file says, behind the commit's first digits."""
    workspace = await executor.prepare("run-1", Source(repository=str(repository), branch=branch, commit=commit), {})
    told = f"{workspace.commit} {(workspace.folder / 'file').read_text()}"
    await workspace.remove()
    return told


async def test_the_newest_commit_of_a_branch_is_checked_out(executor: LocalExecutor, repository: Path) -> None:
    first, second = git(repository, "rev-parse", "HEAD~1"), git(repository, "rev-parse", "HEAD")
    assert await checked_out(executor, repository, "main") == f"{second} 2"
    assert await checked_out(executor, repository, "release/1.0") == f"{first} 1"
    assert await checked_out(executor, repository, "v1.0") == f"{first} 1"
    assert await checked_out(executor, f"{repository}/.git", "main", first) == f"{first} 1"


async def test_a_commit_is_weighed_beside_the_loop(
    executor: LocalExecutor, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of a hundred thousand files takes 0.2 s."""
    threads, former = list[bool](), checkout._weighed

    def weighed(listed: bytes) -> tuple[int, int]:
        threads.append(threading.current_thread() is threading.main_thread())
        return former(listed)

    monkeypatch.setattr(checkout, "_weighed", weighed)
    await checked_out(executor, repository, "main")
    assert threads == [False]


async def test_what_a_repository_lists_is_looked_through_beside_the_loop(
    executor: LocalExecutor, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refs that end like a branch are listed with it: half a million may be, in forty megabytes."""
    second = git(repository, "rev-parse", "HEAD")
    for number in range(3):
        git(repository, "update-ref", f"refs/{number}/refs/heads/main", "HEAD~1")
    threads, former = list[tuple[bool, int]](), checkout._named

    def named(listed: bytes, names: list[str]) -> dict[str, str]:
        threads.append((threading.current_thread() is threading.main_thread(), listed.count(b"\n")))
        return former(listed, names)

    monkeypatch.setattr(checkout, "_named", named)
    assert await checked_out(executor, repository, "main") == f"{second} 2"
    assert threads == [(False, 4)]


async def test_a_step_can_use_git(executor: LocalExecutor, repository: Path) -> None:
    workspace = await executor.prepare("run-1", Source(repository=str(repository), branch="main"), {})
    told, ending = await ran(workspace, "git log --format=%s; git status --short")
    assert (told, ending.code) == ("2\n1\n", 0)
    await workspace.remove()


async def test_what_is_not_there_is_told(executor: LocalExecutor, repository: Path) -> None:
    for source, reason in (
        (Source(repository=str(repository), branch="none"), "no branch or tag 'none'"),
        (Source(repository=str(repository), branch="main", commit="0" * 40), "git fetch"),
        (Source(repository=f"{repository}-none", branch="main"), "no repository"),
        (Source(repository=str(repository.parent), branch="main"), "git ls-remote"),
    ):
        with pytest.raises(RunnerError, match=reason):
            await executor.prepare("run-1", source, {})
    assert not (executor.folder / "run-1").exists()


@pytest.mark.parametrize("branch", ["--upload-pack=touch ran", "-c", "a..b", "main:evil", "+main", "../main"])
async def test_branches_that_are_options_are_refused(executor: LocalExecutor, repository: Path, branch: str) -> None:
    with pytest.raises(RunnerError, match="is no branch"):
        await executor.prepare("run-1", Source(repository=str(repository), branch=branch), {})


async def test_repositories_elsewhere_are_refused(executor: LocalExecutor, repository: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    os.rename(repository, outside)  # noqa: PTH104  # a moment, in a test
    os.symlink(outside, repository)  # noqa: PTH211  # likewise
    command = f"ext::sh -c touch% {outside}/ran"
    for name in (outside, repository, f"file://{outside}", command, f"{repository}/../../outside"):
        with pytest.raises(RunnerError):
            await executor.prepare("run-1", Source(repository=str(name), branch="main"), {})
    assert not (outside / "ran").exists()


async def test_nothing_of_a_repository_runs(executor: LocalExecutor, repository: Path, tmp_path: Path) -> None:
    """Hooks, filters, monitors and commands of its configuration, a submodule, and what its attributes name."""
    ran_file = tmp_path / "ran"
    script = repository / ".git" / "hooks" / "post-checkout"
    for name in ("post-checkout", "pre-upload", "reference-transaction", "post-index-change"):
        hook = script.with_name(name)
        hook.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(ran_file))}\n")
        hook.chmod(0o755)
    for key in ("core.fsmonitor", "uploadpack.packObjectsHook", "core.sshCommand", "filter.evil.smudge", "core.editor"):
        git(repository, "config", key, f"touch {shlex.quote(str(ran_file))}; cat")
    (repository / ".gitattributes").write_text("* filter=evil\n")
    (repository / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {ran_file}"\n')
    commit = git(repository, "rev-parse", "HEAD")
    harmless = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "filter.evil.smudge=")
    git(repository, *(word for each in harmless for word in ("-c", each)), "add", ".")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},x")
    tree = git(repository, "write-tree")
    git(repository, "update-ref", "refs/heads/evil", git(repository, "commit-tree", "-m", "x", "-p", commit, tree))
    ran_file.unlink(missing_ok=True)
    assert (await checked_out(executor, repository, "evil")).endswith(" 2")
    assert not ran_file.exists()


async def test_settings_of_whoever_runs_the_host_do_not_count(
    executor: LocalExecutor, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran_file = tmp_path / "ran"
    (tmp_path / "hooks").mkdir()
    hook = tmp_path / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(ran_file))}\n")
    hook.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[core]\n\thooksPath = {hook.parent}\n")
    for name, value in {
        "HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": str(tmp_path / ".gitconfig"), "GIT_DIR": "/nonexistent",
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": str(hook.parent),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert (await checked_out(executor, repository, "main")).endswith(" 2")
    assert not ran_file.exists()


async def test_links_in_a_repository_lead_nowhere_for_us(
    executor: LocalExecutor, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "private").write_text("private")
    (repository / "out").symlink_to(tmp_path / "private")
    (repository / "folder").symlink_to(tmp_path)
    git(repository, "add", "out", "folder")
    git(repository, "commit", "-q", "-m", "links")
    workspace = await executor.prepare("run-1", Source(repository=str(repository), branch="main"), {})
    collected = await workspace.collect(["out", "folder/*", "**/private"])
    assert collected.artefacts == ()
    await workspace.remove()


@pytest.mark.parametrize("bounds", [CheckoutBounds(files=3), CheckoutBounds(total=1000)])
async def test_a_commit_has_bounds(tmp_path: Path, repository: Path, bounds: CheckoutBounds) -> None:
    for number in range(4):
        (repository / f"same-{number}").write_bytes(bytes(300))
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "many")
    executor = LocalExecutor(
        folder=tmp_path / "bounded", places=[str(repository.parent)], bubblewrap=False, bounds=bounds
    )  # fmt: skip
    with pytest.raises(RunnerError, match="more than the"):
        await executor.prepare("run-1", Source(repository=str(repository), branch="main"), {})
    await executor.close()


async def test_what_comes_has_a_bound_and_a_deadline(tmp_path: Path, repository: Path) -> None:
    (repository / "large").write_bytes(os.urandom(300_000))
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "large")
    for bounds in (CheckoutBounds(packed=100_000), CheckoutBounds(seconds=0.001)):
        executor = LocalExecutor(
            folder=tmp_path / "bounded", places=[str(repository.parent)], bubblewrap=False, bounds=bounds
        )  # fmt: skip
        with pytest.raises(RunnerError, match="git"):
            await executor.prepare("run-1", Source(repository=str(repository), branch="main"), {})
        assert not (executor.folder / "run-1").exists()
        await executor.close()


async def test_few_commits_are_fetched(tmp_path: Path, repository: Path) -> None:
    executor = LocalExecutor(
        folder=tmp_path / "shallow", places=[str(repository.parent)], bubblewrap=False, bounds=CheckoutBounds(depth=1)
    )  # fmt: skip
    workspace = await executor.prepare("run-1", Source(repository=str(repository), branch="main"), {})
    assert (await ran(workspace, "git log --format=%s"))[0] == "2\n"
    await workspace.remove()
    await executor.close()


async def test_no_secret_is_told_by_what_git_says(executor: LocalExecutor, repository: Path) -> None:
    with pytest.raises(RunnerError) as told:
        await executor.prepare("run-1", Source(repository=str(repository), branch=SECRET), {"TOKEN": SECRET})
    assert SECRET not in str(told.value) and "***" in str(told.value)


async def test_a_repository_comes_over_the_network(tmp_path: Path, repository: Path) -> None:
    """By git's own protocol, from a server that knows no more than any other."""
    port = free_port()
    served = await asyncio.create_subprocess_exec(
        "git", "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}",
        f"--base-path={repository.parent}", str(repository.parent),
        env={**AUTHOR, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"},
        start_new_session=True, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    executor = LocalExecutor(folder=tmp_path / "over", places=[f"git://127.0.0.1:{port}/"], bubblewrap=False)
    try:
        async with asyncio.timeout(20):
            while not await _answers(port):
                await asyncio.sleep(0.1)
        commit = git(repository, "rev-parse", "HEAD~1")
        assert (await checked_out(executor, f"git://127.0.0.1:{port}/app", "main")).endswith(" 2")
        assert await checked_out(executor, f"git://127.0.0.1:{port}/app", "main", commit) == f"{commit} 1"
        with pytest.raises(RunnerError, match="none of the places"):
            await executor.prepare("run-2", Source(repository=f"git://127.0.0.2:{port}/app", branch="main"), {})
    finally:
        await executor.close()
        os.killpg(served.pid, signal.SIGKILL)
        await served.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
