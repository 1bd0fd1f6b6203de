"""Processes as /proc tells of them, and how trees of them are ended. Nothing but the standard library: the keeper,
which starts with each command, is made of it.

A process is known by its pid and its start time (clock ticks since the boot): a pid alone may be another's by now.
Signals go through a pidfd that was opened before the start time was compared, so they reach that process or nobody.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

MARK = "OTTB_RUN_MARK"  # the variable of the environment by which a run's processes are known, wherever they went
_PROC = "/proc"
_KEPT_BACK = b"bwrap"  # ends its whole namespace at SIGTERM, and those within could not tidy up
_LOOK_AGAIN = 0.02  # seconds
_EMPTY_LOOKS = 10


class Process(NamedTuple):
    pid: int
    start: int


def boot() -> str:
    """This boot: start times of another one say nothing."""
    return Path(f"{_PROC}/sys/kernel/random/boot_id").read_text().strip()


def process(pid: int) -> Process | None:
    """The process that has this pid now; None where there is none, or nothing but its exit code (a zombie)."""
    found = _stat(pid)
    return None if found is None or found[1] in "ZX" else Process(pid, found[2])


def _stat(pid: int) -> tuple[int, str, int] | None:
    """A process's parent, state and start time."""
    fields = _read(f"{_PROC}/{pid}/stat").rpartition(b")")[2].split()  # a name may have brackets and spaces in it
    return (int(fields[1]), fields[0].decode(), int(fields[19])) if len(fields) > 19 else None


def _read(path: str, most: int = 64 * 1024) -> bytes:
    """A file of /proc; nothing where it is gone, or not for us. Each tick reads some for each process: no `Path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, most)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _numbers(folder: str) -> list[int]:
    try:
        with os.scandir(folder) as entries:
            return [int(entry.name) for entry in entries if entry.name.isdecimal()]
    except OSError:
        return []


def everybody() -> list[int]:
    return _numbers(_PROC)


def threads(pid: int) -> int:
    return len(_numbers(f"{_PROC}/{pid}/task"))


def tree(roots: Iterable[int]) -> set[Process]:
    """All descendants of these processes, without themselves. What begins meanwhile may be missing: look again."""
    found, at = set[Process](), list(roots)
    children = _children if Path(f"{_PROC}/self/task/{os.getpid()}/children").exists() else _family().__getitem__
    while at:
        for child in children(at.pop()):
            known = process(child)
            if known is not None and known not in found:
                found.add(known)
            if known is not None or _stat(child) is not None:  # a zombie's children are another's, but for a moment
                at.append(child)
    return found


def _children(pid: int) -> list[int]:
    tasks = f"{_PROC}/{pid}/task"
    return [int(child) for thread in _numbers(tasks) for child in _read(f"{tasks}/{thread}/children").split()]


class _Family(dict[int, list[int]]):
    def __missing__(self, pid: int) -> list[int]:
        return []


def _family() -> _Family:
    """The children of all, where the kernel does not list them by their parents."""
    family = _Family()
    for pid in everybody():
        found = _stat(pid)
        if found is not None:
            family.setdefault(found[0], []).append(pid)
    return family


def marked(mark: str) -> set[Process]:
    """Our user's processes (of all users, if we are root) that began with this mark in their environment."""
    sought = f"{MARK}={mark}".encode()
    found = set[Process]()
    for pid in everybody():
        known = process(pid) if sought in _read(f"{_PROC}/{pid}/environ", 1 << 20).split(b"\0") else None
        if known is not None:
            found.add(known)
    return found


def send(target: Process, number: int) -> bool:
    """Send a signal to that process. False: it is gone, or not ours to end."""
    try:
        descriptor = os.pidfd_open(target.pid)
    except OSError:
        return False
    try:
        if process(target.pid) != target:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def terminate(targets: Iterable[Process]) -> None:
    """Ask them to end, also those that are stopped. Who holds a namespace together is spared: it ends with them.

    Parents are asked first: a shell that ends when a command fails (`-e`) is to hear of it before what it waits for
    ends, else it has no time for what it traps."""
    for target in sorted(targets, key=lambda one: (one.start, one.pid)):
        if _read(f"{_PROC}/{target.pid}/comm").strip() != _KEPT_BACK:
            send(target, signal.SIGTERM)
            send(target, signal.SIGCONT)


def end(
    look: Callable[[], set[Process]], *, grace: float, within: float, alone: Callable[[], bool] | None = None
) -> set[Process]:
    """End all that `look` finds: SIGTERM, after `grace` seconds SIGKILL, again and again until nobody is there. Those
    that are still there `within` seconds later: none, but for what the kernel does not let go of.

    A look may find nobody while somebody is there: who forks and ends all the time is always in what was not yet read.
    `alone`: says for sure that nobody is; without it, `_EMPTY_LOOKS` in a row that find nobody are believed."""
    asked, last = set[Process](), set[Process]()
    began, empty = time.monotonic(), 0
    while True:
        found = look()
        last, empty = (found, 0) if found else (last, empty + 1)
        if empty and (alone() if alone is not None else empty >= _EMPTY_LOOKS):
            return set()
        if (past := time.monotonic() - began) >= within:
            return found or last
        if past >= grace:
            _kill(found)
            continue
        terminate(found - asked)
        asked |= found
        time.sleep(min(_LOOK_AGAIN, grace - past))


def _kill(found: set[Process]) -> None:
    """Those that could begin others first stand still: who forks faster than we look would get away."""
    for target in found:
        send(target, signal.SIGSTOP)
    for target in found:
        send(target, signal.SIGKILL)
