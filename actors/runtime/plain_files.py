"""Files of folders that others may write to: nobody waits for a pipe or a device that lies there."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

NO_LINK = os.O_NOFOLLOW


class NoFile(OSError):
    """It is something else than a file."""


def opened(path: Path | str, flags: int = 0, *, folder: int | None = None) -> BinaryIO:
    """A file, to be read. `flags`: `NO_LINK`, a link is none; `folder`: a descriptor of the one that it is in. Raises
    OSError. Blocks, for as long as its disk does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoFile(f"{path}: it is no file")
    return os.fdopen(descriptor, "rb")
