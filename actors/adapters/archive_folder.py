"""Segments of the archive in a folder, which only their user can read."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from actors.archive.segment import is_name
from actors.archive.store import Kept, NotKept, NotThere
from actors.runtime.plain_files import NO_LINK, opened
from actors.runtime.secret_files import refuse_others_above

PARTIAL = ".partial"  # the end of a draft's name


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """Turn what the system raises into what the port says."""
    try:
        yield
    except FileNotFoundError:
        raise NotThere(f"{what}: there is no such file") from None
    except OSError as error:
        raise NotKept(f"{what}: {error.strerror or error}") from None


class FolderDraft:
    """A file with a name that no segment has, until it is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = folder / f"{secrets.token_hex(8)}{PARTIAL}"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(descriptor, "wb")

    def write(self, data: bytes) -> None:
        with _doing(f"the archive in {self._folder}"):
            self._file.write(data)

    def keep(self, name: str) -> None:
        assert self._path is not None
        with _doing(f"the archive in {self._folder}"):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(self._folder / name)
            self._path = None
            _sync(self._folder)

    def __enter__(self) -> "FolderDraft":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what the last write could not do is not needed any more
            self._file.close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()


class ArchiveFolder:
    """A folder of this machine, or one that several mount."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def must_be_ours(self) -> None:
        with _doing(f"the archive in {self._folder}"):
            refuse_others_above(self._folder / "any")

    def draft(self) -> FolderDraft:
        self.must_be_ours()
        with _doing(f"the archive in {self._folder}"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return FolderDraft(self._folder)

    def open(self, name: str) -> BinaryIO:
        with _doing(f"{self._folder / name}"):
            return opened(self._folder / name, NO_LINK)

    def kept(self) -> list[Kept]:
        now = time.time()
        with _doing(f"the archive in {self._folder}"):
            try:
                found = sorted(os.scandir(self._folder), key=lambda each: each.name)
            except FileNotFoundError:
                return []
            return [_kept(each, now) for each in found if _is_of_the_archive(each)]

    def delete(self, name: str) -> None:
        with _doing(f"{self._folder / name}"):
            (self._folder / name).unlink(missing_ok=True)
            _sync(self._folder)


def _sync(folder: Path) -> None:
    """Have the names of a folder on its disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_of_the_archive(each: "os.DirEntry[str]") -> bool:
    """What else is in the folder, as the `lost+found` of a file system of its own, is nobody's to delete here."""
    return each.is_file(follow_symlinks=False) and (is_name(each.name) or each.name.endswith(PARTIAL))


def _kept(each: "os.DirEntry[str]", now: float) -> Kept:
    stat = each.stat(follow_symlinks=False)
    return Kept(each.name, stat.st_size, now - stat.st_mtime, draft=each.name.endswith(PARTIAL))
