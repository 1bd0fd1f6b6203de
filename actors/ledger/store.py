"""The port to the ledger's store: one writer, many readers, droppable. Every method may raise StoreFailed."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from actors.ledger.model import Placed, Query

Answer = TypeVar("Answer")


EXAMINING = 20.0  # seconds for one examination
LONGEST_READ = 5.0  # seconds for one read: nobody waits for its answer any longer
INTERRUPTED = "interrupted"  # the kind of failure where it has taken too long
FOREIGN_TABLES = "foreign tables"  # the kind of failure where somebody else, or another version, has made them


class StoreFailed(Exception):
    """The store did not do it, nothing of it: a repeat may succeed. `kind`: in a word or two, for the log."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class StoreDamaged(StoreFailed):
    """What is stored cannot be trusted any more: only dropping it helps."""


LEFT_OUT_KEPT = 100  # entries that were left out, of which the store says why


class LeftOut(Struct, frozen=True):
    """An entry that nobody can read, or that no table takes, and why. `number`: the how manyth it is."""

    seq: int
    number: int
    reason: str


class Soundness(Struct, frozen=True, kw_only=True):
    """`problems`: what is wrong with a table and its indexes; `unseen`: why nobody could look at the indexes."""

    problems: list[str] = []
    unseen: str | None = None


class JournalEntry(Struct, frozen=True, kw_only=True, gc=False):
    """One event of the journal, decoded: a struct of `bus_schemas`. `event` None: of a kind that the ledger does not
    keep, or nobody can read it, and `unreadable` says why."""

    seq: int
    event: Any
    subject: str = ""
    unreadable: str = ""


class Store(Protocol):
    """Each method is one transaction."""

    def sequence(self) -> int:
        """The last event that is in. Makes the store if there is none, or none that can be read."""

    def entries(self) -> int:
        """How many entries of the journal were taken in since the store was empty."""

    def left_out(self) -> list[LeftOut]:
        """The newest entries that were left out, oldest first."""

    def fold(self, batch: Sequence[JournalEntry]) -> list[LeftOut]:
        """Take events in, and their last sequence with them: each counts once, however often it is given. Returns those
        that were left out, which is on record."""

    def drop(self, *, aside: bool = False) -> None:
        """Forget everything. `aside`: keep what there was beside it, for whoever wants to know what it said."""

    def forget_aside(self) -> None:
        """Forget what was kept beside."""

    def read(self, query: Query[Answer], *, seconds: float = LONGEST_READ) -> list[Answer]:
        """What a query finds, in its order. It fails after so many seconds."""

    def read_placed(self, query: Query[Answer], *, seconds: float = LONGEST_READ) -> Placed[Answer]:
        """The same, with the last event that was in when it was found."""

    def examine(self, table: str) -> Soundness:
        """Whether each of a table's indexes has all of its rows: one that lacks some hides them from whoever asks with
        a condition. Nobody who writes waits for it; it takes `EXAMINING` seconds at most."""

    def close(self) -> None:
        """An examination ends here, too."""
