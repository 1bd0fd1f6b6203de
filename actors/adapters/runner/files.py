"""Files of a workspace, which belongs to whatever ran in it: taken, kept and put back without following anything.

Each folder is opened from the one that it is in, each file from its folder, never through a link (openat(2),
O_NOFOLLOW): what comes to a name's place meanwhile leads nowhere else. A file is looked at once it is open. All of it
blocks, so it is run in a thread.
"""

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from msgspec import Struct

from actors.adapters.runner.keeper import lacks_room
from actors.runner.port import Artefact, RefusedFile, RunnerError

DEEPEST = 64  # folders within each other
_MOST_LOOKED_AT = 200_000  # names; a workspace with more is not searched to its end
_LONGEST = 60.0  # seconds of the processor's that it may take to look through them, with what is done for each
_MOST_REFUSED = 100  # that are told
_PIECE = 256 * 1024  # bytes
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device", stat.S_IFDIR: "a folder",
}  # fmt: skip


Owner = tuple[int, int]  # user and group; -1: as it comes
OURS: Owner = (-1, -1)


class Refused(Exception):
    """A file that is not taken. The message says why."""


class TooLarge(Refused):
    """A file that is larger than there is room for."""

    def __init__(self, most: int) -> None:
        super().__init__(f"it is larger than {most} bytes, which is all that is taken")


class NoRoom(Refused):
    """A file for which the disk has none: what is copied leaves as much as the host needs."""

    def __init__(self) -> None:
        super().__init__("it would leave too little room on the disk")


class Found(NamedTuple):
    """A name in a folder that is open. `path`: its names from the top; `mode`: as of Linux, of itself, not of what it
    leads to."""

    folder: int
    path: tuple[str, ...]
    mode: int

    @property
    def name(self) -> str:
        return self.path[-1]


class Taken(Struct, kw_only=True):
    """What has been taken, and refused, so far."""

    artefacts: list[Artefact]
    refused: list[RefusedFile]
    size: int = 0

    def refuse(self, name: str, reason: str) -> None:
        if len(self.refused) < _MOST_REFUSED:
            self.refused.append(RefusedFile(name=name, reason=reason))


@contextlib.contextmanager
def opened_folder(top: Path | int, names: PurePosixPath | str = ".", *, owner: Owner | None = None) -> Iterator[int]:
    """A folder below `top`, reached without a link; made where it is to have an owner. Raises OSError, RunnerError
    where the names lead elsewhere."""
    path = PurePosixPath(names)
    if path.is_absolute() or ".." in path.parts or "\0" in str(names):
        raise RunnerError(f"{str(names)[:200]!r} is no folder within the workspace")
    at = os.dup(top) if isinstance(top, int) else os.open(top, _FOLDER)
    try:
        for name in path.parts:
            made = owner is not None and _made(name, at)
            further = os.open(name, _FOLDER, dir_fd=at)
            os.close(at)
            at = further
            if made and owner is not None:
                os.fchown(at, *owner)
        yield at
    finally:
        os.close(at)


def _made(name: str, folder: int) -> bool:
    try:
        os.mkdir(name, 0o755, dir_fd=folder)  # `Path` knows no folder that is open
    except FileExistsError:
        return False
    return True


def walk(folder: int, into: Callable[[tuple[str, ...]], bool]) -> Iterator[Found]:
    """All names below a folder, but for folders themselves, in order. `into`: which folders are looked into. Raises
    RunnerError where there is no end to it."""
    device, until = os.fstat(folder).st_dev, time.thread_time() + _LONGEST
    waiting = [(folder, tuple[str, ...](), _names(folder))]
    left = _MOST_LOOKED_AT - len(waiting[0][2])  # names are in memory until their folder is left, so all count at once
    try:
        while waiting:
            at, path, names = waiting[-1]
            if left < 0 or (names and len(path) > DEEPEST):
                raise RunnerError(f"there are more than {_MOST_LOOKED_AT} files, or folders more than {DEEPEST} deep")
            if not names:
                waiting.pop()
                if at != folder:
                    os.close(at)
                continue
            if time.thread_time() > until:
                raise RunnerError(f"to look through its files takes more than {_LONGEST:g} s")
            name = names.pop()
            mode, inside = _mode(name, at), (*path, name)
            if stat.S_ISDIR(mode):
                if into(inside) and (inner := _inner(name, at, device)) is not None:
                    waiting.append((inner, inside, within := []))
                    within += _names(inner)
                    left -= len(within)
            elif mode:
                yield Found(at, inside, mode)
    finally:
        for at, _, _ in waiting:
            if at != folder:
                os.close(at)


def _names(folder: int) -> list[str]:
    """The last one first."""
    with os.scandir(folder) as entries:
        return sorted((entry.name for entry in islice(entries, _MOST_LOOKED_AT + 1)), reverse=True)


def _mode(name: str, folder: int) -> int:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return 0  # it is gone again


def _inner(name: str, folder: int, device: int) -> int | None:
    try:
        inner = os.open(name, _FOLDER, dir_fd=folder)
    except OSError:
        return None
    if os.fstat(inner).st_dev != device:  # something was mounted there
        os.close(inner)
        return None
    return inner


def open_file(found: Found, most: int) -> int:
    """A plain file that nobody else has under another name, ready to be read. Raises Refused."""
    if not stat.S_ISREG(found.mode):
        raise Refused(f"it is {_KINDS.get(stat.S_IFMT(found.mode), 'no file')}")
    try:
        descriptor = os.open(found.name, _FILE, dir_fd=found.folder)
    except OSError as error:
        raise Refused(f"it cannot be opened: {error.strerror}") from None
    look = os.fstat(descriptor)
    reason = None
    if not stat.S_ISREG(look.st_mode) or look.st_dev != os.fstat(found.folder).st_dev:
        reason = "it is no file any more"
    elif look.st_nlink != 1:
        reason = "it has another name (a hard link), and may be somebody else's file"
    elif look.st_size > most:
        os.close(descriptor)
        raise TooLarge(most)
    if reason:
        os.close(descriptor)
        raise Refused(reason)
    return descriptor


def copy(
    found: Found, into: int, target: str, most: int, owner: Owner = OURS, *, disk_free: int = 0
) -> tuple[int, str]:
    """Copy a file of at most so many bytes: its size and its SHA-256. `disk_free`: bytes that are left on the disk.
    Raises Refused or OSError, and leaves nothing then."""
    source = open_file(found, most)
    try:
        made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=into)
        try:
            os.fchown(made, *owner)
            os.fchmod(made, 0o700 if os.fstat(source).st_mode & 0o100 else 0o600)
            return _copied(source, made, most, disk_free)
        except (Refused, OSError):
            os.unlink(target, dir_fd=into)
            raise
        finally:
            os.close(made)
    finally:
        os.close(source)


def _copied(source: int, target: int, most: int, disk_free: int) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    while piece := os.read(source, _PIECE):
        size += len(piece)
        if size > most:  # it has grown
            raise TooLarge(most)
        digest.update(piece)
        if lacks_room(os.fstatvfs(target), disk_free + len(piece)) or os.write(target, piece) != len(piece):
            raise NoRoom
    return size, digest.hexdigest()
