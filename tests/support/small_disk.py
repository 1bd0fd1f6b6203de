"""A disk of a few MB in a mount namespace of its own: gone with the process that holds it, for any user who may."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.parts import process


class SmallDisk:
    """`folder` is mounted in the namespace of process `holder` only; from outside it is `seen`."""

    def __init__(self, holder: int, folder: Path) -> None:
        self._holder = holder
        self.folder = folder
        self.seen = Path(f"/proc/{holder}/root") / folder.relative_to("/")

    def inside(self, *command: str) -> list[str]:
        """The command, run where the disk is."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self._holder), "--mount", *user, *command]

    def fill(self) -> None:
        """Leave no space."""
        with (self.seen / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)

    def free(self) -> None:
        (self.seen / "filler").unlink()


@asynccontextmanager
async def small_disk(folder: Path, megabytes: int) -> AsyncIterator[SmallDisk | None]:
    """The disk, or None where no file system may be mounted."""
    await asyncio.to_thread(folder.mkdir)
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = f'mount -t tmpfs -o size={megabytes}m tmpfs "$0" && touch "$0/mounted" && exec sleep 600'
    async with process("unshare", "--mount", *user, "sh", "-c", script, str(folder)) as holder:
        disk = SmallDisk(holder.pid, folder)
        while not (disk.seen / "mounted").exists():
            if holder.returncode is not None:
                yield None
                return
            await asyncio.sleep(0.01)
        yield disk
