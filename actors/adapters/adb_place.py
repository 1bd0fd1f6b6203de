"""Where an adb server listens: on a socket file that its user alone can open, or on TCP, where whoever reaches the port
may use every phone."""

import asyncio
import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.slot.settings import Adb

LINE_LIMIT = 64 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class AdbFile:
    """A socket file. The rights of its folder say who may use it."""

    path: Path

    @property
    def key(self) -> str:
        """A short name of this server on this machine."""
        return hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:16]

    async def connect(self) -> Streams:
        """Raises OSError."""
        with _short_name(self.path) as name:
            return await asyncio.open_unix_connection(name, limit=LINE_LIMIT)

    def connect_blocking(self, timeout: float) -> socket.socket:
        """Raises OSError."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout)
            with _short_name(self.path) as name:
                connection.connect(name)
        except BaseException:
            connection.close()
            raise
        return connection

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class AdbPort:
    """A port, for a server on another machine."""

    host: str
    port: int

    @property
    def key(self) -> str:
        return f"{self.host}-{self.port}"

    async def connect(self) -> Streams:
        """Raises OSError."""
        return await asyncio.open_connection(self.host, self.port, limit=LINE_LIMIT)

    def connect_blocking(self, timeout: float) -> socket.socket:
        """Raises OSError."""
        return socket.create_connection((self.host, self.port), timeout)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


AdbPlace = AdbFile | AdbPort


def place_of(adb: Adb, state: Path) -> AdbPlace:
    """Where the settings say that the server is."""
    return AdbPort(adb.host, adb.port) if adb.host else AdbFile(state / "adb" / "server.sock")


@contextlib.contextmanager
def _short_name(path: Path) -> Iterator[str]:
    """A name of a socket file that fits into an address of the kernel's (107 bytes), however deep its folder is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
