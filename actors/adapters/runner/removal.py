"""Workspaces that are removed, whatever their steps have left there: a million folders within each other, or as many
names in one. So nothing is recursed into, and no list is made: what is in a folder comes up to the top before it is
looked into. What is in a subvolume (of btrfs; anybody makes one) cannot leave it, but for others, and comes up to the
top of that. Of what has come up some names are known, so that a million folders within each other are no million looks
at all that is at the top, which takes long where much was there once (ext4). No link is followed, also if somebody
still writes there. Blocks."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

log = structlog.get_logger()

LONGEST = 3600.0  # seconds, should somebody write there without end
KNOWN = 10_000  # names of what has come up: the others are found at the next look
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(place: Path) -> None:
    """Delete a workspace, also what its owner may not write to."""
    until = time.monotonic() + LONGEST
    with contextlib.suppress(OSError):
        top = os.open(place, os.O_RDONLY | _FOLDER)
        try:
            removal = _Removal(top, until)
            while removal.less(top, top, []) and removal.goes_on:
                pass
        finally:
            os.close(top)
        place.rmdir()
    if place.exists():
        log.warning("a workspace could not be removed", place=str(place))


class _Removal:
    """One of them. `whole`: the top of all, which is not that of a subvolume."""

    def __init__(self, whole: int, until: float) -> None:
        self._whole = whole
        self._until = until

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self._until

    def less(self, folder: int, top: int, up: list[str]) -> int:
        """Have less in a folder: of one below the top, nothing. How much of it has gone, or has come up, which is then
        in `up`."""
        done = 0
        for entry in _entries(folder):
            with contextlib.suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=folder)
                elif folder == top:
                    done += self._without(entry.name, top)
                    continue
                else:
                    _bring_up(entry.name, folder, top, up)
                done += 1
        return done

    def _without(self, name: str, top: int) -> int:
        """Remove a folder at the top, and what comes up of it."""
        done, names = 0, [name]
        while names and self.goes_on:
            name = names.pop()
            with contextlib.suppress(OSError):
                done += self._less_within(name, top, names)
                os.rmdir(name, dir_fd=top)
                done += 1
        return done

    def _less_within(self, name: str, top: int, up: list[str]) -> int:
        _open_up(name, top)
        inner = os.open(name, os.O_RDONLY | _FOLDER, dir_fd=top)
        try:
            return self.less(inner, top, up) or (self.less(inner, inner, []) if top == self._whole else 0)
        finally:
            os.close(inner)


def _entries(folder: int) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        yield from entries


def _bring_up(name: str, folder: int, top: int, up: list[str]) -> None:
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError:  # there is something in it
        _open_up(name, folder)  # as it gets another `..`
        there = secrets.token_hex(8)
        os.rename(name, there, src_dir_fd=folder, dst_dir_fd=top)
        if len(up) < KNOWN:
            up.append(there)


def _open_up(name: str, folder: int) -> None:
    """Have its owner be allowed to do anything there."""
    found = os.open(name, os.O_PATH | _FOLDER, dir_fd=folder)
    try:
        Path(f"/proc/self/fd/{found}").chmod(0o700)  # by the descriptor: a name may be a link by now
    finally:
        os.close(found)
