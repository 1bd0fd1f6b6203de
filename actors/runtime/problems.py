"""What is wrong without having stopped anything: kept, within bounds, for whoever looks."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from bus_schemas.fields import plainly

KEPT = 100


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong. `kind`: of what (`ledger`, `point`, `audit`); `id`: which one; `reason`: in words."""

    kind: str
    id: str
    reason: str


class Problems:
    """The problems of one part. Faults of single entries are kept for good, the newest `kept` of them; conditions last
    until they are settled."""

    def __init__(self, kind: str, *, kept: int = KEPT) -> None:
        self._kind = kind
        self._kept = kept
        self._faults: dict[str, str] = {}
        self._forgotten = 0
        self._conditions: dict[str, str] = {}

    def fault(self, id: str, reason: str) -> bool:
        """One entry is bad, and was left out. True: this was not known."""
        if id in self._faults:
            return False
        self._faults[id] = plainly(reason)
        if len(self._faults) > self._kept:
            del self._faults[next(iter(self._faults))]
            self._forgotten += 1
        return True

    @property
    def faults(self) -> tuple[Mapping[str, str], int]:
        """The newest faults, oldest first, and how many there were before."""
        return self._faults, self._forgotten

    def restore(self, faults: Mapping[str, str], forgotten: int) -> None:
        """Begin with what is on record: the newest faults, oldest first, and how many there were before."""
        self._faults, self._forgotten = dict(faults), forgotten

    def condition(self, id: str, reason: str) -> bool:
        """Something is wrong for now. True: this was not known."""
        new = id not in self._conditions
        self._conditions[id] = reason
        return new

    def settle(self, id: str) -> bool:
        """A condition is over. True: it had been one."""
        return self._conditions.pop(id, None) is not None

    def all(self) -> list[Problem]:
        """Conditions first, then the entries that were left out, oldest first."""
        found = [*self._conditions.items(), *self._faults.items()]
        if self._forgotten:
            found.append(("older entries", f"{self._forgotten} more were left out"))
        return [Problem(kind=self._kind, id=id, reason=reason) for id, reason in found]


def of_entry(seq: int) -> str:
    """The name of a problem that one entry of the journal is."""
    return f"entry {seq}"


def but_for(step_over: Iterable[int], *found: Iterable[Problem]) -> list[Problem]:
    """All problems but those of entries that a person has decided to do without."""
    known = {of_entry(seq) for seq in step_over}
    return [one for each in found for one in each if one.id not in known]
