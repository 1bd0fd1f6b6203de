"""Where an adb server listens: on a socket file that its user alone can open, or on TCP, where whoever reaches the port
may use every phone."""

import asyncio
import contextlib
import hashlib
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.adapters.peer import owner_of_server
from actors.runtime.secret_files import refuse_stranger
from actors.slot.settings import Adb

FRONT = "front.sock"  # of what the sandbox puts before an adb server, in its folder
LINE_LIMIT = 64 * 1024
QUEUE_PAUSE = 0.005  # seconds until a full queue is tried again

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class AdbFile:
    """A socket file. The rights of its folder say who may use it; a server of another user's is told nothing."""

    path: Path

    @property
    def key(self) -> str:
        """A short name of this server on this machine: of its folder, whichever way it is asked."""
        return hashlib.sha256(str(self.path.resolve().parent).encode()).hexdigest()[:16]

    async def connect(self) -> Streams:
        """Raises OSError."""
        with socket.socket(socket.AF_UNIX) as connection, short_name(self.path) as name:
            connection.setblocking(False)
            while not _connected(connection, name):
                await asyncio.sleep(QUEUE_PAUSE)
            return await asyncio.open_unix_connection(sock=connection.dup(), limit=LINE_LIMIT)

    def connect_blocking(self, timeout: float) -> socket.socket:
        """Raises OSError."""
        give_up = time.monotonic() + timeout
        with socket.socket(socket.AF_UNIX) as connection, short_name(self.path) as name:
            connection.settimeout(timeout)
            while not _connected(connection, name):
                if time.monotonic() > give_up:
                    raise TimeoutError
                time.sleep(QUEUE_PAUSE)
            return connection.dup()

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


def place_of(adb: Adb, state: Path, server: int = 0) -> AdbPlace:
    """Where the settings say that a server is: the second one on `server-2.sock` beside `server.sock`."""
    if adb.host:
        return AdbPort(adb.host, adb.port)
    file = state / "adb" / adb.socket
    return AdbFile(file.with_stem(f"{file.stem}-{server + 1}") if server else file)


def _connected(connection: socket.socket, name: str) -> bool:
    """Try once. The server's queue holds few (4); when it is full the kernel says so at once, and never again when it
    is not. asyncio takes that for a connection that is on its way. Raises OSError, PermissionError where a stranger
    listens."""
    try:
        connection.connect(name)
    except BlockingIOError:
        return False
    refuse_stranger(owner_of_server(connection))
    return True


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name of a socket file that fits into an address of the kernel's (107 bytes), however deep its folder is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
