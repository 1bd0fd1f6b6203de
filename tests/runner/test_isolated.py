"""What only root can try (a user for steps, cgroups), and bubblewrap: `make test-runner`."""

import os
import shutil
import signal
import socket
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.adapters.runner import executor as executors
from actors.adapters.runner.executor import LocalExecutor, LocalWorkspace
from actors.main import executor_of
from actors.runner.port import Command, RunnerError, Source
from actors.runner.settings import Runner
from actors.runtime.secret_files import UMASK
from tests.runner.escapes import ESCAPES
from tests.runner.steps import NARROW, SECRET, gone, narrow, ran, running_with, until_told
from tests.runner.test_checkout import git
from tests.runner.test_leftovers import begun

pytestmark = pytest.mark.isolated
STAYS = ": TOKEN; trap '' TERM; echo ready; n=0; while [ $n -lt 300 ]; do n=$((n+1)); sleep 0.1; done"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that any user can pass through."""
    made = Path(tempfile.mkdtemp(prefix="ottb-runner-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(params=[None, "nobody"], ids=["root", "nobody"])
async def walled(place: Path, request: pytest.FixtureRequest) -> AsyncIterator[LocalWorkspace]:
    """A workspace in bubblewrap, of root and of a user of its own."""
    executor = LocalExecutor(folder=place / "runner", user=request.param)
    isolation = executor.isolation()
    assert isolation.bubblewrap, f"{isolation.bubblewrap_reason} (apt install bubblewrap)"
    workspace = await executor.prepare("run-1", None, {"TOKEN": SECRET})
    yield workspace
    await workspace.remove()
    await executor.close()


@pytest.fixture
async def as_nobody(place: Path) -> AsyncIterator[LocalWorkspace]:
    executor = LocalExecutor(folder=place / "runner", user="nobody", bubblewrap=False)
    workspace = await executor.prepare("run-1", None, {"TOKEN": SECRET})
    yield workspace
    await workspace.remove()
    await executor.close()


async def test_in_bubblewrap_there_is_nothing_of_ours(walled: LocalWorkspace) -> None:
    private = walled.folder.parents[2] / "private"
    private.write_text("private")
    private.chmod(0o644)
    hidden = [str(private), str(walled.folder.parent / "pids"), str(walled.folder.parent / "kept"), str(Path(__file__))]
    shown = " ".join(hidden)
    text = f"for f in {shown} /etc/shadow /root /home; do [ ! -e $f ] || echo $f; done; echo asked"
    told, ending = await ran(walled, text)
    assert (told, ending.code) == ("asked\n", 0)


async def test_in_bubblewrap_what_is_private_is_hidden_wherever_it_lies(request: pytest.FixtureRequest) -> None:
    """In /opt, which steps see, too: all of a site that was put there was read by each step."""
    shown = Path(tempfile.mkdtemp(prefix="ottb-opt-", dir="/var/tmp"))  # /tmp is the step's own
    request.addfinalizer(lambda: shutil.rmtree(shown))
    (private := shown / "site/var").mkdir(mode=0o700, parents=True)
    for file in (private / "secrets.json", shown / "tool"):
        file.write_text("here")
    (shown / "link").symlink_to(private)
    for folder in (private / "runner", shown / "runner"):
        executor = LocalExecutor(folder=folder, visible=[shown], private=private)
        workspace = await executor.prepare("run-1", None, {})
        (folder / "other").mkdir()
        text = f"cat {shown}/tool; touch here; find {private} {shown}/link/ {shown}/runner | sort; touch {private}/x"
        told, ending = await ran(workspace, text)
        assert told.startswith("here") and ending.code != 0 and (workspace.folder / "here").exists(), told
        assert "secrets" not in told and "other" not in told and "Read-only file system" in told, told
        await workspace.remove()
        await executor.close()


async def test_in_bubblewrap_a_site_hides_its_state_folder(place: Path) -> None:
    """And what its runner has elsewhere."""
    state, elsewhere = place / "var", place / "elsewhere"
    state.mkdir(mode=0o700)
    for folder, hidden in (("", [state]), (str(elsewhere), [state, elsewhere / "runner-a"])):
        settings: Any = SimpleNamespace(runner=Runner(folder=folder), state=state, host="a", repositories=())
        executor, _ = executor_of(settings)
        assert executor is not None and executor.bubblewrap is not None
        assert executor.bubblewrap._hidden == [each.resolve() for each in hidden]
        await executor.close()


async def test_in_bubblewrap_only_the_workspace_can_be_written_to(walled: LocalWorkspace) -> None:
    name = uuid.uuid4().hex
    text = "for f in /usr /etc /var /run /dev / /opt; do touch $f/x || echo refused; done"
    told, ending = await ran(walled, f"{text}; touch here /tmp/{name} $HOME/x /dev/shm/x")
    assert told.count("refused\n") == 7 and ending.code == 0, told
    assert (walled.folder / "here").exists() and not os.access(f"/tmp/{name}", os.F_OK)


async def test_in_bubblewrap_there_are_no_other_processes(walled: LocalWorkspace) -> None:
    told, _ = await ran(walled, f"ls -d /proc/[0-9]* | wc -l; kill -9 {os.getpid()} || echo refused")
    assert int(told.split()[0]) < 8 and "refused" in told


async def test_in_bubblewrap_there_is_no_network_unless_wanted(walled: LocalWorkspace) -> None:
    text = "tail -n +3 /proc/net/dev | cut -d: -f1"
    told, _ = await ran(walled, text, network=False)
    assert told.split() == ["lo"]
    told, _ = await ran(walled, text)
    assert sorted(told.split()) == sorted(name for _, name in socket.if_nameindex())


async def test_in_bubblewrap_nobody_has_rights(walled: LocalWorkspace) -> None:
    told, _ = await ran(walled, "grep -E 'CapEff|NoNewPrivs' /proc/self/status; mount -t tmpfs x /tmp || echo refused")
    assert "CapEff:\t0000000000000000" in told and "NoNewPrivs:\t1" in told and "refused" in told


STAY = {
    "deaf": STAYS,
    "in a session of its own": f"setsid sh -c '{STAYS.replace(chr(39), chr(34))}'",
    "beside": f"({STAYS}) & wait",
}


@pytest.mark.parametrize("name", STAY)
async def test_in_bubblewrap_a_stop_leaves_no_process(walled: LocalWorkspace, name: str) -> None:
    token = uuid.uuid4().hex
    running = await walled.start(Command(run=STAY[name].replace("TOKEN", token), limits=NARROW))
    reading = await until_told(running, b"ready")
    began = time.monotonic()
    running.stop()
    ending = await running.ended()
    assert (ending.how, ending.survivors) == ("stopped", ()) and time.monotonic() - began < 10
    assert gone(token)
    await reading


async def test_in_bubblewrap_who_is_polite_can_tidy_up(walled: LocalWorkspace) -> None:
    text = "trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    running = await walled.start(Command(run=text, limits=narrow(stop_seconds=5.0)))
    reading = await until_told(running, b"ready")
    running.stop()
    await running.ended()
    assert b"tidied" in await reading


async def test_in_bubblewrap_nothing_outlives_its_keeper(place: Path) -> None:
    """Not even until the next runner comes: who is killed takes the namespace along."""
    token = uuid.uuid4().hex
    runner, keeper = await begun(place / "runner", STAY["in a session of its own"].replace("TOKEN", token), "walled")
    assert running_with(token)
    for pid in (keeper, runner.pid):
        os.kill(pid, signal.SIGKILL)
    await runner.wait()
    assert gone(token, within=5)
    executor = LocalExecutor(folder=place / "runner")
    assert [(each.run, each.survivors) for each in await executor.end_leftovers()] == [("run-1", ())]
    await executor.close()


async def test_a_user_of_its_own_reaches_nothing_of_ours(as_nobody: LocalWorkspace) -> None:
    told, _ = await ran(
        as_nobody, "id -un; touch here; ls ../pids ../kept 2>&1 >/dev/null | wc -l; kill -9 $PPID || echo refused; "
        "cat /proc/$PPID/environ || echo refused"
    )  # fmt: skip
    assert told.startswith("nobody\n2\n") and told.count("refused\n") == 2, told
    assert (as_nobody.folder / "here").stat().st_uid == 65534


async def test_a_user_of_its_own_enters_no_folder_that_it_cannot_reach(
    as_nobody: LocalWorkspace, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another job may put a link in the place of its folder, just before its keeper, which is root, starts it."""
    closed, folder, former = place / "closed", as_nobody.folder / "sub", executors.begin
    (closed / "home").mkdir(parents=True)
    (closed / "home" / "notes").write_text("private")
    for path, mode in ((closed, 0o700), (closed / "home", 0o755), (closed / "home" / "notes", 0o644)):
        path.chmod(mode)
    folder.mkdir()
    told, _ = await ran(as_nobody, f"cat {closed}/home/notes || pwd -P", folder="sub")
    assert told.endswith(f"Permission denied\n{folder}\n"), told

    async def swapped(*about: Any) -> Any:
        folder.rmdir()
        folder.symlink_to(closed / "home")
        return await former(*about)

    monkeypatch.setattr(executors, "begin", swapped)
    with pytest.raises(RunnerError, match="it cannot be begun"):
        await ran(as_nobody, "cat notes", folder="sub")


async def test_git_of_a_user_of_its_own_reads_our_configuration(place: Path) -> None:
    """Under the umask of a host. Where it cannot it goes on without: it follows redirects, and trusts no folder."""
    repository = place / "git"
    repository.mkdir(mode=0o755)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "commit", "-q", "--allow-empty", "-m", "1")
    executor = LocalExecutor(folder=place / "runner", user="nobody", bubblewrap=False, places=[str(repository)])
    former = os.umask(UMASK)
    try:
        workspace = await executor.prepare("run-1", Source(repository=str(repository), branch="main"), {})
        assert workspace.commit == git(repository, "rev-parse", "HEAD")
        await workspace.remove()
    finally:
        os.umask(former)
        await executor.close()


async def test_a_user_of_its_own_has_a_bound_of_processes(as_nobody: LocalWorkspace) -> None:
    """Whoever forks without end is held by the kernel (RLIMIT_NPROC), and ended by the keeper's count."""
    text = "bash -c '[ $(ulimit -u) -lt 1000 ] || exit 9; f() { f & f & wait; }; f' > /dev/null 2>&1"
    began = time.monotonic()
    _, ending = await ran(as_nobody, text, limits=narrow(processes=30, seconds=5.0))
    assert ending.how in ("too_many_processes", "timed_out") or ending.code not in (0, 9), ending
    assert ending.survivors == () and time.monotonic() - began < 15


async def test_a_step_is_not_refused_a_process_for_those_of_others(as_nobody: LocalWorkspace) -> None:
    """RLIMIT_NPROC counts all of a user, and those of a step that came later, too."""
    few = await as_nobody.start(Command(run="echo here; sleep 1; (true); echo forked", limits=narrow(processes=10)))
    reading = await until_told(few, b"here")
    many = await as_nobody.start(Command(run="for i in $(seq 40); do sleep 9 & done; echo here; wait", limits=NARROW))
    await until_told(many, b"here")
    assert b"forked" in await reading and (await few.ended()).succeeded
    many.stop()
    await many.ended()


async def test_caches_are_given_to_the_user_of_the_steps(as_nobody: LocalWorkspace) -> None:
    await ran(as_nobody, "mkdir cache; echo x > cache/x")
    await as_nobody.save_cache("key", "cache")
    await as_nobody.restore_cache("key", "a/again")
    told, ending = await ran(as_nobody, "cat a/again/x; echo y > a/again/x")
    assert (told, ending.code) == ("x\n", 0)


def test_a_user_that_is_not_there_is_told(place: Path) -> None:
    with pytest.raises(RunnerError, match="no user"):
        LocalExecutor(folder=place / "runner", user="no-such-user")


@pytest.fixture
def groups() -> Iterator[Path]:
    """A folder of cgroup v2, as it might be delegated to us, with whatever controllers this machine has."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    top = next(Path(fields[1]) for fields in mounts if fields[2] == "cgroup2")
    made = top / f"ottb-{uuid.uuid4().hex[:8]}"
    made.mkdir()
    yield made
    for folder in (made / "keepers", made):
        deadline = time.monotonic() + 5
        while folder.exists() and time.monotonic() < deadline:
            try:
                folder.rmdir()
            except OSError:
                time.sleep(0.1)


@pytest.mark.parametrize("name", ["a daemon", "forks and ends, again and again", "a crowd"])
async def test_a_group_ends_with_its_command(tmp_path: Path, groups: Path, name: str) -> None:
    executor = LocalExecutor(folder=tmp_path / "runner", bubblewrap=False)
    executor.groups = groups
    workspace = await executor.prepare("run-1", None, {})
    token = uuid.uuid4().hex
    running = await workspace.start(Command(run=ESCAPES[name].replace("TOKEN", token), limits=NARROW))
    reading = await until_told(running, b"ready")
    group = groups / running._order["mark"]
    members = set((group / "cgroup.procs").read_text().split())
    assert members and str(running._keeper.pid) not in members
    running.stop()
    ending = await running.ended()
    assert (ending.how, ending.survivors) == ("stopped", ()) and gone(token) and not group.exists()
    await reading
    await workspace.remove()
    await executor.close()
