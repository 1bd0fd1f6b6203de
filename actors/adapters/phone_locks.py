"""One process per phone on a machine: a byte of one file for each phone that is in use.

Two hosts of one machine may have the same phone: by its serial here and by its place there, or told so both in the same
moment. The kernel keeps who has locked a byte until the process is gone or lets go, not before: one that stands still
keeps its phones. The file is in the state folder, where no other user of the machine can come and hold a phone for good
(a socket's abstract name, which needs no folder, is everybody's to take).
"""

import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import Collection
from pathlib import Path

import structlog

from actors.runtime.secret_files import open_own

log = structlog.get_logger()

LOCK_FILE = "phones.lock"
_RANGE = struct.Struct("hhqqi0q")  # `struct flock`: kind, whence, start, length, process
_HELD = (errno.EAGAIN, errno.EACCES)


class PhoneLocks:
    """The phones of one adb server (`server`: its name on this machine) that this process uses, each by the boot
    that it is in."""

    def __init__(self, folder: Path, *, server: str) -> None:
        self._path = folder / LOCK_FILE
        self._server = server
        self._handle: int | None = None
        self._held: set[str] = set()

    def take(self, boot: str) -> bool:
        """Whether the phone is this process's from now on, or was already."""
        if boot in self._held:
            return True
        try:
            self._set(boot, fcntl.F_WRLCK)
        except OSError as error:
            if error.errno not in _HELD:  # a file system without locks: then there is no such lock
                log.warning("a phone could not be locked", error=str(error))
            return error.errno not in _HELD
        self._held.add(boot)
        return True

    def keep(self, boots: Collection[str]) -> None:
        """Let go of all but these."""
        for boot in self._held - set(boots):
            self._held.remove(boot)
            self._set(boot, fcntl.F_UNLCK)
        if not self._held and self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _set(self, boot: str, kind: int) -> None:
        """Raises OSError. The lock is the open file's (Linux), so two of this class in one process differ too."""
        if self._handle is None:
            self._handle = open_own(self._path, os.O_RDWR)
        name = hashlib.sha256(f"{self._server}\n{boot}".encode()).digest()
        place = int.from_bytes(name[:8], "big") >> 2
        fcntl.fcntl(self._handle, fcntl.F_OFD_SETLK, _RANGE.pack(kind, os.SEEK_SET, place, 1, 0))
