"""Files of the folder whose files may be imported by their path: no way leads out of it, neither `..` nor a link."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from actors.runtime import plain_files
from actors.runtime.plain_files import NO_LINK, NoFile
from bus_schemas.errors import misfit

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def opened(folder: Path, path: str, *, largest: int) -> Iterator[BinaryIO]:
    """A file below the folder. Raises Refusal(INVALID_PARAMS), which names `path`. Blocks."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise misfit("path", "a file below the allowed folder, like `lists/leads.csv`")
    try:
        with _below(folder, parts) as file:
            if os.fstat(file.fileno()).st_size > largest:
                raise misfit("path", f"larger than {largest >> 20} MB.")
            yield file
    except NoFile:
        raise misfit("path", "it is no file.") from None
    except OSError as error:  # also of a link (ELOOP, ENOTDIR): links are not followed
        raise misfit("path", f"it cannot be read: {error.strerror}.") from None


@contextmanager
def _below(folder: Path, parts: tuple[str, ...]) -> Iterator[BinaryIO]:
    at = os.open(folder, FOLDER)
    try:
        for name in parts[:-1]:
            further = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = further
        with plain_files.opened(parts[-1], NO_LINK, folder=at) as file:
            yield file
    finally:
        os.close(at)
