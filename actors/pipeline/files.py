"""Definitions in files: brought on record as they are at the start, and again when they have changed."""

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from actors.pipeline.checking import check
from actors.pipeline.language import Definition
from actors.runtime.plain_files import NoFile, opened

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "pipelines"
EVERY = 2.0  # seconds between two looks at the files
MOST_FILES = 500
LARGEST = 256_000  # bytes of a file

Stamp = tuple[int, int, int]  # of a file: when it was changed, its size, and which it is


class Read(Struct, frozen=True):
    """A file as it was read: its definition, or why there is none."""

    name: str
    text: str
    definition: Definition | None
    problem: str | None = None


class DefinitionFiles:
    """The files of these folders, the last of which counts where names are the same."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        self._taken: dict[str, Stamp] = {}

    def changed(self) -> list[tuple[str, Path, Stamp]]:
        """Files that are not as they were when they were last taken."""
        there = {path.name: (path, stamp) for path, stamp in self._stamps()}
        return [(name, *found) for name, found in there.items() if self._taken.get(name) != found[1]]

    def take(self, name: str, stamp: Stamp) -> None:
        """It is on record as it is, or cannot be."""
        self._taken[name] = stamp

    @staticmethod
    def read(name: str, path: Path) -> Read:
        """A file, checked. It takes a while."""
        try:
            text = _text_of(path)
        except (OSError, ValueError) as error:
            return Read(name, "", None, f"{name}: it cannot be read: {getattr(error, 'strerror', None) or error}")
        checked = check(text)
        return Read(name, text, checked.definition, checked.words(name) or None)

    def _stamps(self) -> Iterator[tuple[Path, Stamp]]:
        for folder in self._folders:
            try:
                with os.scandir(folder) as entries:
                    files = sorted(Path(one.path) for one in entries if one.name.endswith(".toml"))[:MOST_FILES]
            except OSError:
                continue
            for path in files:
                try:
                    status = path.stat()
                except OSError:
                    continue
                yield path, (status.st_mtime_ns, status.st_size, status.st_ino)


def _text_of(path: Path) -> str:
    """Raises OSError, ValueError."""
    try:
        with opened(path) as file:
            data = file.read(LARGEST + 1)
    except NoFile:
        raise ValueError("it is no file") from None
    if len(data) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    return data.decode("utf-8-sig")
