"""The port by which a phone's files, apps and log are reached."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from actors.slot.phone import ShellResult
from bus_schemas.slot import SlotConfig

REGULAR, FOLDER, LINK, KIND = 0o100000, 0o040000, 0o120000, 0o170000


class FileStat(Struct, frozen=True, kw_only=True):
    """What is at a path, a link as itself. `mode`: as of Linux; `size`: bytes."""

    mode: int
    size: int

    @property
    def kind(self) -> int:
        return self.mode & KIND


class FileReader(Protocol):
    """A file that is being read."""

    async def read(self, most: int) -> bytes:
        """The next bytes, no more than these; none: it is read. Raises PhoneError."""

    def close(self) -> None:
        """Read no more."""


class FileWriter(Protocol):
    """A file that is being written."""

    async def write(self, data: bytes) -> None:
        """Raises PhoneError."""

    async def finish(self) -> None:
        """It is whole. Raises PhoneError."""

    def close(self) -> None:
        """Write no more. What is not finished the phone throws away."""


class PhoneTools(Protocol):
    """One phone. Every method has a deadline of its own and raises `PhoneError`."""

    async def stat(self, path: str) -> FileStat | None:
        """What is there. None: nothing."""

    async def reader(self, path: str) -> FileReader: ...

    async def writer(self, path: str, mode: int) -> FileWriter: ...

    async def run(self, words: Sequence[str], *, timeout: float, most: int = 64 * 1024) -> ShellResult:
        """Run a command of these words, each of which stays one."""

    def lines(self, words: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """What a command prints, line by line, for as long as it runs."""


MakeTools = Callable[[SlotConfig], PhoneTools]
