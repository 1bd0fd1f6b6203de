"""A virtual phone's log: what it keeps, and who follows it."""

import asyncio
import re
from collections import deque
from collections.abc import Iterable

from simulators.phone.shell_run import Write

BACKLOG = 256
QUEUE = 1024

Line = tuple[str, str]  # its buffer, and the line


class Logcat:
    """The newest lines of all buffers. A follower that is too slow loses lines."""

    def __init__(self) -> None:
        self._kept: deque[Line] = deque(maxlen=BACKLOG)
        self._readers: set[asyncio.Queue[Line | None]] = set()

    def add(self, line: Line) -> None:
        self._kept.append(line)
        for reader in self._readers:
            if reader.qsize() < QUEUE:
                reader.put_nowait(line)

    def forget(self) -> None:
        """What was kept is lost."""
        self._kept.clear()

    def end_streams(self) -> None:
        for reader in self._readers:
            reader.put_nowait(None)

    def shown(self, argv: list[str]) -> bytes:
        """What is kept, as a `logcat` that ends shows it."""
        return "".join(f"{line}\n" for line in _wanted(argv, self._kept)).encode()

    async def follow(self, argv: list[str], write: Write) -> None:
        """Show what is kept (unless `-T` says from now on) and then every new line."""
        reader: asyncio.Queue[Line | None] = asyncio.Queue()
        kept = [] if "-T" in argv else list(self._kept)
        self._readers.add(reader)
        try:
            for line in _wanted(argv, kept):
                await write(f"{line}\n".encode())
            while (entry := await reader.get()) is not None:
                for line in _wanted(argv, [entry]):
                    await write(f"{line}\n".encode())
        finally:
            self._readers.discard(reader)


def _wanted(argv: list[str], lines: Iterable[Line]) -> list[str]:
    """The lines that `logcat` with these options shows."""
    buffers = argv[argv.index("-b") + 1].split(",") if "-b" in argv else ["main", "system"]
    tags = re.findall(r"\b(\w+):[VDIWEF]", " ".join(argv)) if "-s" in argv else []
    return [
        line
        for buffer, line in lines
        if buffer in buffers and (not tags or any(f" {tag} " in line for tag in tags))
    ]
