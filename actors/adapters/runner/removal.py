"""Workspaces that are removed, whatever their steps have left there: a million folders within each other, or as many
names in one. So nothing is recursed into, and no list is made: what is in a folder comes up to the top before it is
looked into. What is in a subvolume (of btrfs; anybody makes one) cannot leave it, but for others, and comes up to the
top of that. No link is followed, also if somebody still writes there. Blocks."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

log = structlog.get_logger()

LONGEST = 3600.0  # seconds, should somebody write there without end
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(place: Path) -> None:
    """Delete a workspace, also what its owner may not write to."""
    until = time.monotonic() + LONGEST
    with contextlib.suppress(OSError):
        top = os.open(place, os.O_RDONLY | _FOLDER)
        try:
            while _less(top, top, top) and time.monotonic() < until:
                pass
        finally:
            os.close(top)
        place.rmdir()
    if place.exists():
        log.warning("a workspace could not be removed", place=str(place))


def _less(folder: int, top: int, whole: int) -> int:
    """Have less in a folder: of one below the top, nothing. How much of it has gone, or has come up. `whole`: the top
    of all, which is not that of a subvolume."""
    done = 0
    for entry in _entries(folder):
        with contextlib.suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
            elif folder == top:
                done += _less_within(entry.name, top, whole)
                os.rmdir(entry.name, dir_fd=top)
            else:
                _bring_up(entry.name, folder, top)
            done += 1
    return done


def _entries(folder: int) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        yield from entries


def _less_within(name: str, top: int, whole: int) -> int:
    _open_up(name, top)
    inner = os.open(name, os.O_RDONLY | _FOLDER, dir_fd=top)
    try:
        return _less(inner, top, whole) or (_less(inner, inner, whole) if top == whole else 0)
    finally:
        os.close(inner)


def _bring_up(name: str, folder: int, top: int) -> None:
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError:  # there is something in it
        _open_up(name, folder)  # as it gets another `..`
        os.rename(name, secrets.token_hex(8), src_dir_fd=folder, dst_dir_fd=top)


def _open_up(name: str, folder: int) -> None:
    """Have its owner be allowed to do anything there."""
    found = os.open(name, os.O_PATH | _FOLDER, dir_fd=folder)
    try:
        Path(f"/proc/self/fd/{found}").chmod(0o700)  # by the descriptor: a name may be a link by now
    finally:
        os.close(found)
