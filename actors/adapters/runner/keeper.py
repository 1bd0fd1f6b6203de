"""The keeper of one command: a small process of its own between the runner and what a step starts.

It is the subreaper of all that the command begins (prctl(2), PR_SET_CHILD_SUBREAPER): who forks twice, or leaves the
session, comes back to it as a child. It sets the limits, notes who is there, and ends everybody when the command has
ended, when it is told to, when time is up or too many are there, and when its runner is gone. Nothing but the standard
library is in it, as it starts with each command.

It reads from stdin one line of JSON, the order (`Order`), then `stop`; the end of the input is the runner's. It writes
lines of JSON to stdout: {"refused": why} or {"began": pid}, then the ending (`Ended`).
"""

import ctypes
import errno
import json
import os
import pwd
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypedDict

from actors.adapters.runner.cgroup import Group
from actors.adapters.runner.processes import Process, end, everybody, process, threads, tree

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_libc = ctypes.CDLL(None, use_errno=True)

TICK = 0.1  # seconds between two looks at who is there
FULL = (errno.ENOSPC, errno.EDQUOT)
FILES_FREE = 20  # one of so many files that a disk can have is not made by a step
KILL_WITHIN = 1.5  # seconds after the grace in which all are to be gone
THREADS = 4  # that there may be for each process
BESIDE = 16  # steps of a user of the machine that may run at once, each with as many processes as it may have
LEFT_BEHIND_GRACE = 1.0  # seconds that those have who stay when the command has ended
_LESS_DEAR = b"600"  # of 1000: where memory runs out, the kernel ends a step before anything else of ours
BEHIND = 19  # nice(2): hundreds of processes that never rest, which a step may have, leave others their processors


How = Literal["exited", "timed_out", "stopped", "out_of_memory", "too_many_processes", "disk_full", "lost"]


class Order(TypedDict):
    """What is started. `words`: of the command; `output`: a descriptor that its output goes to; `pids`: the file that
    says who is there; `user`: another user, where we may be one; `group`: a folder of cgroup v2; `limits`: as
    `port.Limits` has them; `disk_free`: bytes without which nothing goes on."""

    words: list[str]
    environment: dict[str, str]
    folder: str
    output: int
    pids: str
    mark: str
    boot: str
    user: str | None
    group: str | None
    limits: dict[str, Any]  # any: numbers
    disk_free: int


class Ended(TypedDict):
    """As `port.Ending`; `status`: of the command, as wait(2) has it (None: it was not seen)."""

    how: How
    status: int | None
    seconds: float
    left_behind: int
    survivors: list[int]


def main() -> None:
    """Keep one command."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # who stops the host stops it, too: it has something to end first
    os.setsid()
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_LESS_DEAR)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_DUMPABLE, 0)  # what runs as the same user cannot read the secrets in its memory
    order: Order = json.loads(_line())
    try:
        keeper = Keeper(order)
    except (OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
        _tell({"refused": _reason(error)})
        return
    _tell({"began": keeper.main.pid})
    _tell(keeper.keep())


class Keeper:
    """One command, which has begun when this is made. Raises OSError and others where it cannot begin."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._limits = order["limits"]
        self._noted: set[Process] | None = None
        self._status: int | None = None
        limits, folder = self._limits, order["group"]
        self._group = Group(folder, limits["memory"], THREADS * limits["processes"]) if folder else None
        self._wake, alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        self._note(set())
        self._began = self._look_at = time.monotonic()
        self.main = self._start()
        if self._group is not None:
            with suppress(OSError):  # told at the end
                self._group.leave()
        os.close(order["output"])

    def keep(self) -> Ended:
        """Wait for the end, and see to it that it is one."""
        how = self._until_over()
        grace = LEFT_BEHIND_GRACE if how == "exited" else float(self._limits["stop_seconds"])
        self._reap()
        left = len(self._others())
        grace = 0.0 if how in ("too_many_processes", "disk_full") else grace
        survivors = end(self._look, grace=grace, within=grace + KILL_WITHIN, alone=self._reap)
        if self._group is not None:
            how = "out_of_memory" if self._group.out_of_memory() else how
            try:
                survivors |= self._group.end(KILL_WITHIN)
            except OSError:
                survivors |= self._group.members()
        self._reap()
        if is_full(self._order["pids"], self._order["disk_free"]):  # whoever had a grace has written in it
            how = "disk_full"
        if not survivors:
            Path(self._order["pids"]).unlink(missing_ok=True)
        return {
            "how": how, "status": self._status, "seconds": time.monotonic() - self._began,
            "left_behind": left, "survivors": sorted(each.pid for each in survivors),
        }  # fmt: skip

    def _until_over(self) -> How:
        deadline = self._began + float(self._limits["seconds"])
        while self._status is None:
            if time.monotonic() >= deadline:
                return "timed_out"
            ready = select.select([0, self._wake], [], [], min(TICK, max(deadline - time.monotonic(), 0.0)))[0]
            if self._wake in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            if 0 in ready:  # it is to stop, which may be said twice, or the runner is gone
                return "stopped"
            self._reap()
            try:
                many = time.monotonic() >= self._look_at and self._are_many()
            except OSError as error:
                if error.errno not in FULL:
                    raise
                return "disk_full"
            if many:
                return "too_many_processes"
            if is_full(self._order["pids"], self._order["disk_free"]):  # also when it has ended just now
                return "disk_full"
        return "exited"

    def _are_many(self) -> bool:
        """Look at who is there, whom the next runner has to know of, and whether they are more than may be."""
        self._look_at = time.monotonic() + TICK  # who forks all the time wakes us as often
        found = self._look()
        most = self._limits["processes"]
        return self._note(found) > most or (
            self._group is None and sum(threads(one.pid) for one in found) > THREADS * most
        )

    def _look(self) -> set[Process]:
        found = tree([os.getpid()])
        return found | self._group.members() if self._group is not None else found

    def _others(self) -> set[Process]:
        return {each for each in self._look() if each.pid != self.main.pid}

    def _reap(self) -> bool:
        """Take the exit codes of all that came back to us. Popen must not: it would wait for one that is gone. True:
        nobody is left. Who has no child has no descendant either, since each comes back to us when its parent ends;
        the kernel says so for all at once, which no look into /proc does."""
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.main.pid:
                    self._status, self.main.returncode = ended[1], 0
        except ChildProcessError:
            return True
        return False

    def _note(self, found: set[Process]) -> int:
        """Write down who is there, for a runner that comes after us; whole or not at all. How many they are."""
        if found != self._noted:
            own = process(os.getpid())
            lines = [f"{pid} {start}" for pid, start in ([own] if own else []) + sorted(found)]
            partial = Path(f"{self._order['pids']}.partial")
            partial.write_text("\n".join([f"{self._order['boot']} {self._order['mark']}", *lines]) + "\n")
            partial.replace(self._order["pids"])
            self._noted = found
        return len(found)

    def _start(self) -> "subprocess.Popen[bytes]":
        user = pwd.getpwnam(self._order["user"]) if self._order["user"] else None
        uid = os.getuid() if user is None else user.pw_uid
        wanted = self._bounds(uid)

        def prepare() -> None:
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            os.chdir(self._order["folder"])  # as its user: by now it may be a link to where that one cannot get
            os.nice(BEHIND)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for what, most in wanted.items():
                resource.setrlimit(what, (most, most))

        if self._group is not None:
            self._group.enter()  # we ourselves too: what we start is in it from its first moment
        return subprocess.Popen(
            self._order["words"], env=self._order["environment"], stdin=subprocess.DEVNULL,
            stdout=self._order["output"], stderr=self._order["output"], start_new_session=True, umask=0o022,
            preexec_fn=prepare, user=None if user is None else user.pw_uid,  # nothing runs beside it
            group=None if user is None else user.pw_gid, extra_groups=None if user is None else [],
        )  # fmt: skip

    def _bounds(self, user: int) -> dict[int, int]:
        """What the kernel holds each process to; a hard limit of ours that is lower stays. RLIMIT_NPROC counts all of
        a user, also what begins later, those who are dead until their keeper comes by, and no root's: it only has a
        keeper who looks not find more than a machine bears. Whoever has more than `processes` is ended by that look."""
        limits = self._limits
        wanted = {
            resource.RLIMIT_CPU: limits["cpu_seconds"], resource.RLIMIT_NOFILE: limits["open_files"],
            resource.RLIMIT_FSIZE: limits["file_size"], resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NPROC: BESIDE * limits["processes"] + _threads_of(user),
        }  # fmt: skip
        if self._group is None:
            wanted[resource.RLIMIT_AS] = limits["memory"]
        hard = {what: resource.getrlimit(what)[1] for what in wanted}
        unbounded = resource.RLIM_INFINITY
        return {what: most if hard[what] == unbounded else min(most, hard[what]) for what, most in wanted.items()}


def is_full(path: str, bytes_free: int) -> bool:
    """Whether less is free where a file is, or hardly any files can be made there any more (0: no number of them is
    set). A step that fills the disk takes it from the host's journal, too."""
    return lacks_room(os.statvfs(Path(path).parent), bytes_free)


def lacks_room(look: os.statvfs_result, bytes_free: int) -> bool:
    """The same of a disk that was looked at."""
    return look.f_bavail * look.f_frsize < bytes_free or look.f_favail < look.f_files // FILES_FREE


def _threads_of(user: int) -> int:
    """How many a user has already."""
    count = 0
    for pid in everybody():
        with suppress(OSError):
            if Path(f"/proc/{pid}").stat().st_uid == user:
                count += threads(pid)
    return count


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _line() -> bytes:
    """The first line of stdin. Nothing comes behind it before it is answered."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 64 * 1024)
        if not piece:
            sys.exit(1)
        line += piece
    return bytes(line)


def _tell(what: Any) -> None:
    with suppress(BrokenPipeError):  # nobody listens any more: all the same, everybody is to be gone
        os.write(1, json.dumps(what).encode() + b"\n")


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no such user: {error}"
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)
