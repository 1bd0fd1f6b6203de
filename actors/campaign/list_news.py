"""What comes on do-not-call lists and off them, for a campaign that has put away whom they held."""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

Watch = Callable[[str, Callable[[Sequence[str]], None]], Callable[[], None]]


class ListsChanged(Struct, frozen=True, kw_only=True):
    """Some entries have come, or gone."""


class Owner(Protocol):
    """A campaign. One that does not run is told nothing: it looks at everybody anew when it does."""

    id: str

    @property
    def runs(self) -> bool: ...

    def tell(self, report: ListsChanged) -> None: ...


class ListNews:
    """The entries that have come or gone since a campaign last looked; it is told once of however many."""

    def __init__(self, *, owner: Owner, watch: Watch) -> None:
        self._owner = owner
        self._watch = watch
        self._stop: Callable[[], None] | None = None
        self._entries = set[str]()

    def begin(self) -> None:
        self._stop = self._watch(self._owner.id, self._hear)

    def end(self) -> None:
        if self._stop is not None:
            self._stop()

    def take(self) -> frozenset[str]:
        """The entries, each once."""
        found = frozenset(self._entries)
        self._entries.clear()
        return found

    def _hear(self, entries: Sequence[str]) -> None:
        if self._owner.runs:
            if not self._entries:
                self._owner.tell(ListsChanged())
            self._entries.update(entries)
