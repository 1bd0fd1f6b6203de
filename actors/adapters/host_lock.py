"""One process per host name on a machine: an exclusive lock on a file in the state folder.

The kernel lets go of it when the process is gone, and not before: one that is stopped (SIGSTOP, a debugger) still
holds it. So whoever starts after it cannot reach the phones beside it, whatever the lease on the bus says by then.
"""

import asyncio
import fcntl
import os
from pathlib import Path

import structlog

from actors.runtime.secret_files import open_own

log = structlog.get_logger()

LOOK_AGAIN = 0.1  # seconds
SAID_AGAIN = 30.0  # seconds between two lines of the log about the same wait


class HostLock:
    """The lock of one host name. Locks of file handles are not passed on to processes that we start."""

    def __init__(self, folder: Path, host: str) -> None:
        self.path = folder / f"host-{host}.lock"
        self._host = host
        self._handle: int | None = None

    async def acquire(self) -> None:
        """Wait until nobody else has it. The file names the process that does, for people."""
        handle = open_own(self.path, os.O_RDWR)
        try:
            waits = 0.0
            while not _lock(handle):
                if waits % SAID_AGAIN < LOOK_AGAIN:
                    holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                    log.warning("another process of this host is still there", host=self._host, pid=holder)
                await asyncio.sleep(LOOK_AGAIN)
                waits += LOOK_AGAIN
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        log.info("host lock taken", host=self._host)

    def release(self) -> None:
        """Let the next one have it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
