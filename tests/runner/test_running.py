"""What a command gets, what is told of it, and how much it may use."""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.adapters.runner import execution, keeper
from actors.adapters.runner.executor import LocalExecutor, LocalWorkspace
from actors.runner.environment import PATH
from actors.runner.port import MIB, Command, Limits, RunnerError
from tests.runner.steps import NARROW, SECRET, gone, narrow, output, python, ran, until_told

_SAY_ALL = "import json, os; print(json.dumps(dict(os.environ)))"


async def test_exit_codes_and_signals_are_told(workspace: LocalWorkspace) -> None:
    told, ending = await ran(workspace, "echo out; echo err >&2")
    assert (told, ending.how, ending.code, ending.succeeded) == ("out\nerr\n", "exited", 0, True)
    _, ending = await ran(workspace, ("/bin/sh", "-c", "exit 3"))
    assert (ending.how, ending.code, ending.succeeded) == ("exited", 3, False)
    _, ending = await ran(workspace, "kill -SEGV $$")
    assert (ending.how, ending.code, ending.signal) == ("signalled", None, "SIGSEGV")
    told, ending = await ran(workspace, "false; echo not told")
    assert (told, ending.code) == ("", 1)


async def test_words_stay_words(workspace: LocalWorkspace) -> None:
    told, _ = await ran(workspace, ("printf", "%s|", "a b", "$(id)", "; echo", "*"))
    assert told == "a b|$(id)|; echo|*|"


async def test_what_runs_leaves_others_their_processors(workspace: LocalWorkspace) -> None:
    """A hundred that never rest had a host take 0.4 s for each 4 ms of work."""
    told, _ = await ran(workspace, "nice; cut -d' ' -f19 /proc/$PPID/stat")
    of_step, of_keeper = map(int, told.split())
    assert of_step == keeper.BEHIND > of_keeper


async def test_threads_are_bounded_as_processes_are(workspace: LocalWorkspace) -> None:
    """Root's are counted by no kernel: thirty thousand of one process are all that a machine has."""
    many = f"[threading.Thread(target=time.sleep, args=(2,)).start() for _ in range({4 * keeper.THREADS + 20})]"
    limits = narrow(processes=4, memory=16 << 30)
    _, ending = await ran(workspace, python(f"import threading, time; {many}"), limits=limits)
    assert not ending.succeeded, ending


async def test_who_forks_all_the_time_is_looked_at_as_often_as_others(
    workspace: LocalWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each end of one that was left behind had a keeper look at them all: 0.4 of a core, before all that is no step."""
    looks = workspace.folder.parent / "looks"
    counted = (
        f"import actors.adapters.runner.keeper as k; look = k.Keeper._look; to = open({str(looks)!r}, 'a', 1); "
        "k.Keeper._look = lambda self: (print(file=to), look(self))[1]; main()"
    )
    monkeypatch.setattr(execution, "_KEEP", execution._KEEP.replace("main()", counted))
    _, ending = await ran(workspace, "i=0; while [ $i -lt 300 ]; do (true &); i=$((i+1)); done; sleep 0.2")
    many = len(looks.read_text().splitlines())
    assert ending.succeeded and many <= ending.seconds / keeper.TICK + 20, (ending, many)


async def test_the_environment_is_what_was_given(workspace: LocalWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTTB_SECRET_TOKEN", "of the host")
    told, _ = await ran(
        workspace, python(_SAY_ALL), environment={"LEVEL": "2"}, parameters={"branch": "--upload-pack=id; $(id)"},
        facts={"RUN": "7"}, secrets=("TOKEN",),
    )  # fmt: skip
    found = json.loads(told)
    for name in ("OTTB_RUN_MARK", "LC_CTYPE", "_", "SHLVL", "OLDPWD"):
        found.pop(name, None)
    run = workspace.folder.parent
    assert found == {
        "CI": "true", "HOME": str(run / "home"), "LANG": "C.UTF-8", "LEVEL": "2", "OTTB_RUN": "7", "PATH": PATH,
        "PARAM_BRANCH": "--upload-pack=id; $(id)", "PWD": str(workspace.folder), "SECRET_TOKEN": "***",
        "SHELL": "/bin/sh", "TMPDIR": str(run / "tmp"),
    }  # fmt: skip


async def test_secrets_that_are_not_named_are_not_given(workspace: LocalWorkspace) -> None:
    told, _ = await ran(workspace, python(_SAY_ALL))
    assert "SECRET" not in told and "***" not in told
    with pytest.raises(RunnerError, match="no such secret: OTHER"):
        await workspace.start(Command(run="true", secrets=("OTHER",)))


async def test_a_secret_of_one_step_is_masked_in_another(workspace: LocalWorkspace) -> None:
    await ran(workspace, 'printf %s "$SECRET_TOKEN" > file', secrets=("TOKEN",))
    told, _ = await ran(workspace, "cat file; echo; base64 file; od -An -tx1 file | tr -d ' \\n'; echo")
    assert told == "***\n***Mg==\n***\n" or ("***" in told and SECRET not in told and "aHVudGVy" not in told)


async def test_a_secret_written_in_pieces_is_masked(workspace: LocalWorkspace) -> None:
    text = "for part in hun ter 2-h unt; do printf %s $part; sleep 0.2; done; echo er2"
    assert (await ran(workspace, text))[0] == "***\n"


async def test_no_shell_of_ours_reads_startup_files(workspace: LocalWorkspace) -> None:
    for name in (".profile", ".bashrc", ".shrc"):
        (workspace.folder.parent / "home" / name).write_text("echo started\n")
    assert (await ran(workspace, "echo only"))[0] == "only\n"


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "GIT_SSH", "BASH_ENV", "PARAM_X", "a=b", "", "X\n"])
async def test_names_that_are_refused_begin_nothing(workspace: LocalWorkspace, name: str) -> None:
    with pytest.raises(RunnerError):
        await workspace.start(Command(run="touch begun", environment={name: "x"}))
    assert not list(workspace.folder.iterdir())


@pytest.mark.parametrize("folder", ["..", "/", "/tmp", "a/../..", "link", "missing", "a\0b"])
async def test_a_folder_outside_is_refused(workspace: LocalWorkspace, folder: str) -> None:
    (workspace.folder / "link").symlink_to("/tmp")
    (workspace.folder / "a").mkdir()
    with pytest.raises(RunnerError):
        await workspace.start(Command(run="true", folder=folder))


@pytest.mark.parametrize("run", ["a\0b", (), ("",), ("true", "a\0b"), ("no-such-program-here",), "x" * 200_000])
async def test_what_cannot_be_begun_is_refused(workspace: LocalWorkspace, run: str | tuple[str, ...]) -> None:
    with pytest.raises(RunnerError):
        await workspace.start(Command(run=run))


@pytest.mark.parametrize("limits", [{"seconds": 0}, {"memory": -1}, {"stop_seconds": 9.0}, {"output": 0}])
async def test_limits_that_are_none_are_refused(workspace: LocalWorkspace, limits: dict[str, float]) -> None:
    with pytest.raises(RunnerError):
        await workspace.start(Command(run="true", limits=narrow(**limits)))


async def test_without_bubblewrap_nobody_promises_to_keep_the_network_away(workspace: LocalWorkspace) -> None:
    with pytest.raises(RunnerError, match="bubblewrap"):
        await workspace.start(Command(run="true", network=False))


async def test_a_line_is_told_at_once(workspace: LocalWorkspace) -> None:
    """Also one whose end might be the beginning of a secret, which begins with an h."""
    running = await workspace.start(Command(run="echo fresh; sleep 20", limits=NARROW))
    began = time.monotonic()
    async for piece in running.output():
        if piece.endswith(b"\n"):
            break
    assert time.monotonic() - began < 5
    running.stop()
    assert (await running.ended()).how == "stopped"


async def test_much_output_is_cut_and_takes_no_memory(workspace: LocalWorkspace) -> None:
    limits = narrow(output=MIB, seconds=120)
    running = await workspace.start(Command(run="yes hunter | head -c 100000000", limits=limits))
    before = _resident()
    told = most = 0
    last = b""
    async for piece in running.output():
        told, last = told + len(piece), piece
        most = max(most, _resident() - before, len(piece))
        assert len(piece) <= 64 * 1024
    ending = await running.ended()
    assert (ending.output, ending.cut, ending.code) == (100_000_000, True, 0)
    assert MIB <= told <= MIB + 200 and b"[cut: more than 1048576 bytes" in last
    assert most < 32 * MIB


async def test_who_reads_slowly_holds_the_command_up(workspace: LocalWorkspace) -> None:
    running = await workspace.start(Command(run="head -c 3000000 /dev/zero; touch done", limits=narrow(output=8 * MIB)))
    before = _resident()
    await asyncio.sleep(1)
    assert not (workspace.folder / "done").exists() and _resident() - before < 8 * MIB
    assert len(await output(running)) == 3_000_000
    assert (await running.ended()).succeeded


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


LIMITED = {
    "memory": (narrow(memory=256 * MIB), python("x = b'x' * (400 << 20)"), ("exited", 1, None)),
    "a file": (narrow(file_size=MIB), "head -c 3000000 /dev/zero > large", None),
    "open files": (narrow(open_files=20), python("f = [open('/dev/null') for _ in range(40)]"), ("exited", 1, None)),
    "time of the processor": (narrow(cpu_seconds=1), python("while True: pass"), ("signalled", None, "SIGXCPU")),
    "cores": (NARROW, python("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"), ("exited", 0, None)),
}


@pytest.mark.parametrize("name", LIMITED)
async def test_no_more_is_used_than_allowed(workspace: LocalWorkspace, name: str) -> None:
    limits, run, expected = LIMITED[name]
    told, ending = await ran(workspace, f"exec {run}" if expected else run, limits=limits)
    if expected is not None:
        how, code, sign = expected
        # SIGKILL comes when soft and hard limit of the processor's time are one
        assert (ending.how, ending.code) == (how, code) and ending.signal in (sign, "SIGKILL" if sign else None), told
    else:
        assert not ending.succeeded and (workspace.folder / "large").stat().st_size <= MIB


async def test_who_leaves_no_room_on_the_disk_is_ended(executor: LocalExecutor, workspace: LocalWorkspace) -> None:
    executor.disk_free = 4 * executor.isolation().disk_free  # as if it were nearly full
    for command in ("sleep 20", "true"):  # also one that has filled it and ends before anybody looks
        _, ending = await ran(workspace, command)
        assert (ending.how, ending.survivors) == ("disk_full", ()) and ending.seconds < 10
    with pytest.raises(RunnerError, match="the disk has"):
        await executor.prepare("run-2", None, {})


AS_IT_ENDS = {  # where there is `full`, its disk is
    "its time is over": "trap 'touch full; exit' TERM; touch begun; sleep 20 & wait",
    "it has left somebody": "(trap 'touch full; exit' TERM; touch begun; sleep 20 & wait) & "
    "until [ -e begun ]; do sleep 0.01; done",
}


@pytest.mark.parametrize("name", AS_IT_ENDS)
async def test_who_fills_the_disk_while_it_is_ended_is_told_of(
    workspace: LocalWorkspace, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Who is asked to end has some seconds for it. What is written then stayed as long as the run did: a week, where it
    went on to an approval."""
    seen = (
        "import os, types; os.statvfs = lambda path: types.SimpleNamespace(f_frsize=1, f_files=0, f_favail=0, "
        f"f_bavail=0 if os.path.exists({str(workspace.folder / 'full')!r}) else 1 << 60)"
    )
    monkeypatch.setattr(execution, "_KEEP", f"{seen}; {execution._KEEP}")
    _, ending = await ran(workspace, AS_IT_ENDS[name], limits=narrow(seconds=0.4))
    assert (workspace.folder / "full").exists() and (ending.how, ending.survivors) == ("disk_full", ())


async def test_who_leaves_no_room_for_files_is_ended(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million empty ones take no bytes, and the journal's next file cannot be made."""
    former, left = os.statvfs, (0, 0)

    def look(path: Path) -> SimpleNamespace:
        found = former(path)
        known = {name: getattr(found, name) for name in ("f_bavail", "f_frsize", "f_blocks", "f_bfree")}
        return SimpleNamespace(**known, f_files=left[0], f_favail=left[1])

    monkeypatch.setattr(os, "statvfs", look)
    for here, is_full in (((0, 0), False), ((1_000, 50), False), ((1_000, 49), True)):
        left = here
        assert keeper.is_full(str(tmp_path / "pids"), 0) is is_full
    left = 1_000, 99
    with pytest.raises(RunnerError, match="room for 99 files"):
        await executor.prepare("run-2", None, {})


async def test_large_environments_are_given_whole(workspace: LocalWorkspace) -> None:
    parameters = {f"p{number}": "x" * 30_000 for number in range(30)}
    told, _ = await ran(workspace, "echo ${#PARAM_P0} ${#PARAM_P29}", parameters=parameters)
    assert told == "30000 30000\n"
    with pytest.raises(RunnerError, match="cannot be begun"):
        await workspace.start(Command(run="true", parameters={f"p{number}": "x" * 30_000 for number in range(199)}))


async def test_nobody_gains_rights_by_a_program(workspace: LocalWorkspace) -> None:
    assert "NoNewPrivs:\t1" in (await ran(workspace, "cat /proc/self/status"))[0]


async def test_no_descriptor_of_the_host_is_handed_on(workspace: LocalWorkspace) -> None:
    listing = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:4])"
    assert (await ran(workspace, python(listing)))[0] == "[0, 1, 2, 3]\n"  # the last one is the list's own
    told, _ = await ran(workspace, "readlink /proc/self/fd/0")
    assert told == "/dev/null\n"


async def test_what_a_keeper_knows_cannot_be_read_by_its_step(workspace: LocalWorkspace) -> None:
    told, _ = await ran(workspace, "cat /proc/$PPID/environ | wc -c; ls -l /proc/$PPID/environ", secrets=("TOKEN",))
    assert SECRET not in told
    assert os.geteuid() == 0 or "Permission denied" in told


async def test_a_keeper_is_not_in_the_group_that_it_bounds(
    executor: LocalExecutor, workspace: LocalWorkspace, tmp_path: Path
) -> None:
    """Where a step takes too much memory the kernel ends all of its group at once (memory.oom.group)."""
    executor.groups = tmp_path / "groups"
    executor.groups.mkdir()
    running = await workspace.start(Command(run="echo ready; sleep 5", limits=NARROW))
    reading = await until_told(running, b"ready")
    assert (executor.groups / "keepers" / "cgroup.procs").read_text() == "0"
    running.stop()
    await reading
    assert (await running.ended()).survivors == ()
    assert [each.name for each in executor.groups.iterdir()] == ["keepers"], "its own is gone"


async def test_the_workspace_is_nobody_elses(executor: LocalExecutor, workspace: LocalWorkspace) -> None:
    for path in (executor.folder, workspace.folder.parent, workspace.folder):
        assert path.stat().st_mode & 0o777 == 0o700
    assert not list(workspace.folder.iterdir())
    with pytest.raises(RunnerError, match="already"):
        await executor.prepare("run-1", None, {})
    for name in ("", "..", "a/b", ".caches", "A", "x" * 65, "a\n"):
        with pytest.raises(RunnerError):
            await executor.prepare(name, None, {})
    with pytest.raises(RunnerError, match="at least 4"):
        await executor.prepare("run-3", None, {"SHORT": "abc"})
    assert sorted(path.name for path in executor.folder.iterdir()) == ["run-1"]


async def test_what_cannot_be_written_to_is_removed_all_the_same(executor: LocalExecutor) -> None:
    workspace = await executor.prepare("run-2", None, {})
    outside = executor.folder.parent / "outside"
    outside.mkdir(mode=0o500)
    await ran(workspace, f"mkdir -p a/b; touch a/b/c; ln -s {outside} a/link; chmod 0 a/b a")
    await workspace.remove()
    assert not workspace.folder.parent.exists() and outside.stat().st_mode & 0o777 == 0o500


async def test_a_runner_that_is_terminated_takes_its_steps_along(executor: LocalExecutor) -> None:
    """Its keepers are not killed by whoever signals all processes of the service."""
    workspace = await executor.prepare("run-2", None, {})
    token = "a-keeper-stays"
    running = await workspace.start(Command(run=f": {token}; echo ready; sleep 20", limits=Limits()))
    reading = await until_told(running, b"ready")
    assert running._keeper.pid
    os.kill(running._keeper.pid, signal.SIGTERM)
    await asyncio.sleep(0.3)
    assert not gone(token)
    assert sys.executable
    await executor.close()
    assert gone(token) and (await running.ended()).how == "stopped"
    await reading
