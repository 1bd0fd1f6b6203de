"""Cgroups (v2) of commands, where the system has delegated a folder to us: memory and processes of a whole tree.

Delegated is the folder that our own cgroup lies in, if we may make others beside us: systemd does it with
`Delegate=yes` and `DelegateSubgroup=` (a folder with processes in it cannot have folders with controllers, so ours must
not be it). Kernel documentation: admin-guide/cgroup-v2. Nothing but the standard library: the keeper uses it.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from actors.adapters.runner.processes import Process, process

_MOUNT = Path("/sys/fs/cgroup")
_NEEDED = ("memory", "pids")


class NotDelegated(Exception):
    """There is no folder for us. The message says why."""


def delegated(*, mount: Path = _MOUNT, own: Path = Path("/proc/self/cgroup")) -> Path:
    """The folder in which groups may be made, with its controllers switched on. Raises NotDelegated."""
    line = next((line for line in own.read_text().splitlines() if line.startswith("0::")), None)
    if line is None or not (mount / "cgroup.controllers").exists():
        raise NotDelegated("this machine has no cgroup v2 at /sys/fs/cgroup")
    inside = mount / line.removeprefix("0::/")
    parent = inside.parent
    if inside == mount or not os.access(parent, os.W_OK) or not os.access(parent / "cgroup.procs", os.W_OK):
        raise NotDelegated("its folder is not ours: see Delegate= and DelegateSubgroup= of systemd")
    missing = [name for name in _NEEDED if name not in (parent / "cgroup.controllers").read_text().split()]
    if missing:
        raise NotDelegated(f"it lacks the controllers {', '.join(missing)}")
    try:
        (parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in _NEEDED))
    except OSError as error:
        raise NotDelegated(f"its controllers cannot be switched on: {error.strerror}") from None
    return parent


class Group:
    """The group of one command. Made here, and gone after `end`. Raises OSError."""

    def __init__(self, folder: str, memory: int, threads: int) -> None:
        self._folder = Path(folder)
        self._home = self._folder.parent
        self._folder.mkdir()
        self._write("memory.max", memory)
        self._write("memory.swap.max", 0)
        self._write("memory.oom.group", 1)  # half a step is no use
        self._write("pids.max", threads + 1)  # with the keeper

    def enter(self) -> None:
        """Have us and whatever we start be in it."""
        self._write("cgroup.procs", 0)

    def leave(self) -> None:
        """Have us be in one without bounds; what we have started stays. Else the kernel, which ends all of a group for
        its memory, ends its keeper, too. Raises OSError."""
        keepers = self._home / "keepers"
        keepers.mkdir(exist_ok=True)
        (keepers / "cgroup.procs").write_text("0")

    def members(self) -> set[Process]:
        """Who is in it, without us."""
        pids = self._read("cgroup.procs").split()
        return {known for pid in pids if int(pid) != os.getpid() and (known := process(int(pid)))}

    def out_of_memory(self) -> bool:
        """Whether the kernel ended some of it for its memory."""
        lines = dict(line.split() for line in self._read("memory.events").splitlines())
        return int(lines.get("oom_kill", 0)) > 0

    def end(self, within: float) -> set[Process]:
        """End all that is in it, at once and with whatever it is just starting, and remove it. Who is still there.
        Raises OSError where we cannot leave it ourselves first."""
        self.leave()
        deadline = time.monotonic() + within
        while self.members() and time.monotonic() < deadline:
            self._write("cgroup.kill", 1)
            time.sleep(0.02)
        with suppress(OSError):
            self._folder.rmdir()
        return self.members()

    def _write(self, name: str, value: int) -> None:
        path = self._folder / name
        if path.exists():  # swap and others are not in every kernel
            path.write_text(str(value))

    def _read(self, name: str) -> str:
        with suppress(OSError):
            return (self._folder / name).read_text()
        return ""
