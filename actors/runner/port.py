"""The port to what carries the steps of a pipeline out on this machine: the executor.

It knows neither bus nor definitions. A run has one workspace; a step's command runs in it, and whatever it started is
gone when `Execution.ended` has answered. All that leaves it (output, names, errors) has the run's secrets masked.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

MIB = 1024 * 1024


class RunnerError(Exception):
    """What was asked cannot be done here, or failed. The message says why, for people, and names no secret."""


class Source(Struct, frozen=True, kw_only=True):
    """What is checked out. `repository`: a folder of this machine or a URL, both as this host's settings allow;
    `branch`: a branch or tag; `commit`: exactly this one of it (40 or 64 hex digits), else its newest."""

    repository: str
    branch: str
    commit: str | None = None


class Limits(Struct, frozen=True, kw_only=True):
    """What one command may use. `memory` (bytes) is the whole tree's where a cgroup holds it, else each process's
    address space; `cpu_seconds` and `file_size` are each process's, `processes` the whole tree's."""

    seconds: float = 3600.0
    cpu_seconds: int = 3600
    memory: int = 2048 * MIB
    open_files: int = 1024
    processes: int = 256
    file_size: int = 2048 * MIB
    output: int = 10 * MIB
    stop_seconds: float = 5.0  # from SIGTERM to SIGKILL, at most `MOST_STOP_SECONDS`


MOST_STOP_SECONDS = 8.0  # so that a stop is over within 10 s


class Command(Struct, frozen=True, kw_only=True):
    """One command of a step. `run`: words, or a text for `/bin/sh -eu`; both come from the definition alone.

    Its environment is a few fixed variables and `environment` (the definition's; names as `refused_name` in
    `pipeline/variables.py` allows), `facts` as OTTB_<NAME> (what the runner says of the run), `parameters` as
    PARAM_<NAME> and, of the run's secrets, those named in `secrets` as SECRET_<NAME>. `folder`: where, within the
    workspace.
    """

    run: str | tuple[str, ...]
    environment: Mapping[str, str] = {}
    facts: Mapping[str, str] = {}
    parameters: Mapping[str, str] = {}
    secrets: tuple[str, ...] = ()
    folder: str = "."
    network: bool = True  # False is kept only where `Isolation.bubblewrap`; else the command is refused
    limits: Limits = Limits()


How = Literal[
    "exited", "signalled", "timed_out", "stopped", "out_of_memory", "too_many_processes", "disk_full", "lost"
]  # fmt: skip


class Ending(Struct, frozen=True, kw_only=True):
    """How a command ended. `code`: where it exited by itself; `signal`: by which it ended (`SIGSEGV`); `disk_full`: it
    left less room on the disk than the host needs; `lost`: its keeper was killed. `cut`: its output was longer than
    allowed, and the rest is not told; `output`: bytes it wrote, cut or not. `left_behind`: processes it had not waited
    for, which were ended; `survivors`: pids that could not be ended within the deadline (in the kernel, without an
    end): none but on a broken machine."""

    how: How
    code: int | None = None
    signal: str | None = None
    seconds: float
    output: int
    cut: bool = False
    left_behind: int = 0
    survivors: tuple[int, ...] = ()

    @property
    def succeeded(self) -> bool:
        return self.how == "exited" and self.code == 0


class Execution(Protocol):
    """A command that runs. Whoever began it reads its output to the end and then asks for the ending."""

    def output(self) -> AsyncIterator[bytes]:
        """What it writes to stdout and stderr, masked, as it comes, at most 64 KiB at once, not cut at line ends; a
        notice on a line of its own where it is cut. Ends when the command has. To be iterated over once; who reads
        slowly holds the command up, and nothing piles up."""

    async def ended(self) -> Ending:
        """Wait until nothing of it runs. Its limit of seconds is the deadline, with what stopping takes."""

    def stop(self) -> None:
        """Begin to end everything: SIGTERM to all, SIGKILL after `stop_seconds`, until none is left. Within 10 s
        `ended` answers. Of no effect on what is over."""


class Artefact(Struct, frozen=True, kw_only=True):
    """A file that was collected: a copy nobody changes any more. `name`: its path in the workspace, with `/`."""

    name: str
    size: int
    sha256: str


class RefusedFile(Struct, frozen=True, kw_only=True):
    """A file that was not taken, and why. `name` is masked and printable."""

    name: str
    reason: str


class Collected(Struct, frozen=True, kw_only=True):
    """What globs found, by name; and what was refused of it, or why nothing was found."""

    artefacts: tuple[Artefact, ...] = ()
    refused: tuple[RefusedFile, ...] = ()


class Bounds(Struct, frozen=True, kw_only=True):
    """How much of files is taken at most: each file's bytes, all files' bytes, and how many. `disk_free`: bytes that
    are left on the disk."""

    each: int = 512 * MIB
    total: int = 1024 * MIB
    count: int = 1000
    disk_free: int = 0


BOUNDS = Bounds()


class Workspace(Protocol):
    """The folder of one run. `commit`: what was checked out, as hex digits; None where nothing was."""

    @property
    def folder(self) -> Path: ...

    @property
    def commit(self) -> str | None: ...

    async def start(self, command: Command) -> Execution:
        """Begin a command. Raises RunnerError where it may not be begun (an environment's name, a folder outside, no
        such program, no way to take the network from it). In bubblewrap a program that is not there is told by its
        output and its exit code instead."""

    async def collect(self, globs: Sequence[str], bounds: Bounds = BOUNDS) -> Collected:
        """Take the files that match (`dist/*.apk`, `**/report.xml`; relative, within the workspace). What is no plain
        file of its own (a link, a pipe, a device, a second name of another file), lies outside, is beyond the bounds,
        or whose name has a secret or a control character in it is refused. Raises RunnerError for a glob that is
        none."""

    def read(self, artefact: Artefact) -> AsyncIterator[bytes]:
        """A collected file's bytes, until the workspace is removed."""

    async def restore_cache(self, key: str, folder: str) -> bool:
        """Fill a folder of the workspace with what was saved under this key. False: nothing was, or the folder is
        there already. `key`: up to 200 characters, of any kind; who shares a key shares the cache. Raises
        RunnerError."""

    async def save_cache(self, key: str, folder: str, bounds: Bounds = BOUNDS) -> Collected:
        """Keep a folder of the workspace under this key, whole or not at all, instead of what was there. Links within
        it are kept; whatever else is no plain file or folder is refused, and left out. Raises RunnerError."""

    def mask(self, text: str) -> str:
        """A short text without the run's secrets."""

    async def masked(self, text: str) -> str:
        """Any text without them, while others have their turn."""

    async def remove(self) -> None:
        """End what still runs in it and delete it. Of no effect a second time."""


class Isolation(Struct, frozen=True, kw_only=True):
    """What this host can do to keep steps apart from it, for the status; with the reason where it cannot.

    `memory`: `tree` (a cgroup's) or `process` (RLIMIT_AS of each); `processes`: `tree` (a cgroup's pids.max, exact),
    `user` (RLIMIT_NPROC, all of the user's processes) or `watched` (counted by the keeper, for root has no such
    limit: four threads for each that there may be); the keeper counts in each case. `user`: whose processes steps are.
    """

    bubblewrap: bool
    bubblewrap_reason: str | None = None
    bubblewrap_version: str | None = None
    cgroup: bool
    cgroup_reason: str | None = None
    user: str
    own_user: bool
    memory: Literal["tree", "process"]
    processes: Literal["tree", "user", "watched"]
    git: str | None  # its version; None: there is none, and no repository can be checked out
    disk_free: int  # bytes, where workspaces are


class Leftover(Struct, frozen=True, kw_only=True):
    """A run that an earlier runner process began here and did not finish, and the processes that were ended."""

    run: str
    ended: int
    survivors: tuple[int, ...] = ()


class Executor(Protocol):
    """What carries out the runs of this host. Runs are named by the caller: `[a-z0-9][a-z0-9-]{0,63}`."""

    async def end_leftovers(self) -> Sequence[Leftover]:
        """End what earlier runner processes on this machine left running, and delete their workspaces. To be asked
        once, before any run is taken: whatever has a folder here is taken for a leftover."""

    def isolation(self) -> Isolation: ...

    async def no_room(self) -> str | None:
        """Why no run can begin, for want of room on the disk; caches go before that. None: one can. Raises OSError."""

    async def prepare(self, run: str, source: Source | None, secrets: Mapping[str, str]) -> Workspace:
        """Make a run's workspace, empty or with a checkout, within the executor's own deadline. `secrets`: all that
        the run may see, by name; none of them leaves it. Raises RunnerError, and leaves nothing behind then."""

    async def caches_since(self) -> int:
        """Which place in the journal all caches were last dropped for; 0: they never were."""

    async def drop_caches(self, since: int) -> None:
        """Delete all caches, for what is at this place in the journal. What workspaces that there are by now would save
        is refused from now on. Raises OSError."""

    async def close(self) -> None:
        """End everything that runs. The workspaces stay for `end_leftovers`."""
