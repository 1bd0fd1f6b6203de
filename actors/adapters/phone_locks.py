"""One process per phone on a machine: a name in the kernel for each phone that is in use.

Two hosts of one machine may have the same phone: by its serial here and by its place there, or told so both in the same
moment. A socket's abstract name belongs to one process, needs no folder that both know, and is free when the process is
gone, not before: one that stands still keeps its phones.
"""

import errno
import socket
from collections.abc import Collection

import structlog

log = structlog.get_logger()


class PhoneLocks:
    """The phones of one adb server (`server`: its name on this machine) that this process uses, each by the boot
    that it is in."""

    def __init__(self, *, server: str) -> None:
        self._server = server
        self._held: dict[str, socket.socket] = {}

    def take(self, boot: str) -> bool:
        """Whether the phone is this process's from now on, or was already."""
        if boot in self._held:
            return True
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind(f"\0ottb-phone-{self._server}-{boot}")
        except OSError as error:
            lock.close()
            if error.errno != errno.EADDRINUSE:  # a system without such names: then there is no such lock
                log.warning("a phone could not be locked", error=str(error))
            return error.errno != errno.EADDRINUSE
        self._held[boot] = lock
        return True

    def keep(self, boots: Collection[str]) -> None:
        """Let go of all but these."""
        for boot in self._held.keys() - set(boots):
            self._held.pop(boot).close()
