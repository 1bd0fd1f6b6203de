"""Definitions in files: brought on record as they are at the start, and again when they have changed."""

from pathlib import Path

from msgspec import Struct

from actors.pipeline.checking import check
from actors.pipeline.language import Definition
from actors.runtime.toml_files import Stamp, stamps, text_of

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "pipelines"
LARGEST = 256_000  # bytes of a file


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
        self._numbers: dict[str, int] = {}  # of the pipelines that they define

    def changed(self) -> list[tuple[str, Path, Stamp]]:
        """Files that are not as they were when they were last taken; one that was away is taken anew."""
        there = {Path(path).name: (Path(path), stamp) for path, stamp in stamps(self._folders)}
        self._taken = {name: stamp for name, stamp in self._taken.items() if name in there}
        return [(name, *found) for name, found in there.items() if self._taken.get(name) != found[1]]

    def take(self, name: str, stamp: Stamp) -> None:
        """It is on record as it is, or cannot be."""
        self._taken[name] = stamp

    def is_gone(self, name: str, number: int) -> bool:
        """Whether no file of this name defines this pipeline any more. Where a folder cannot be looked into, nobody
        knows."""
        if not all(folder.is_dir() for folder in self._folders):
            return False
        if any(map(_may_be_there, (folder / name for folder in self._folders))):
            return self._numbers.get(name, number) != number
        return True

    def read(self, name: str, path: Path) -> Read:
        """A file, checked. It takes a while."""
        try:
            text = text_of(path, LARGEST)
        except (OSError, ValueError) as error:
            return Read(name, "", None, f"{name}: it cannot be read: {getattr(error, 'strerror', None) or error}")
        checked = check(text)
        if checked.definition is not None:
            self._numbers[name] = checked.definition.id
        return Read(name, text, checked.definition, checked.words(name) or None)


def _may_be_there(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
