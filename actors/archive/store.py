"""The port to where segments are kept: a folder, or storage that takes objects. All of it blocks."""

from types import TracebackType
from typing import BinaryIO, Protocol

from msgspec import Struct


class NotKept(Exception):
    """The place of the archive does not do it: it is full, away, or not ours. Nothing has changed."""


class NotThere(NotKept):
    """It has no file of that name."""


class Kept(Struct, frozen=True):
    """What is there under a name. `age`: seconds since it was last written to, `size`: bytes; `draft`: it never was
    kept."""

    name: str
    size: int
    age: float
    draft: bool = False


class Draft(Protocol):
    """A file on its way, which nobody finds by a name. It is forgotten where it was not kept in the end."""

    def write(self, data: bytes) -> None:
        """Raises NotKept."""

    def keep(self, name: str) -> None:
        """Have all that was written under a name, and on the disk, or nothing of it. Raises NotKept."""

    def __enter__(self) -> "Draft": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class SegmentStore(Protocol):
    """Files that are written once and never changed. Every method may raise NotKept."""

    def must_be_ours(self) -> None:
        """Raise NotKept where others could delete what is kept here."""

    def draft(self) -> Draft:
        """Begin a new file."""

    def open(self, name: str) -> BinaryIO:
        """Read one. Raises NotThere."""

    def kept(self) -> list[Kept]:
        """What is there, drafts that nobody ended among it, in the order of the names."""

    def delete(self, name: str) -> None:
        """Have it gone; one that is not there is no error."""
