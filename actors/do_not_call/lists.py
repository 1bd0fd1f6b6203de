"""The do-not-call lists in memory, as their events tell them. Pure: the moment comes in as `now`.

A host may hold a million entries, so each is two small integers in a dictionary: the digits of its number, and the
second since 1970 in which it expires (0: never). That is 60 to 93 bytes (`python -m bench do_not_call`).
"""

from dataclasses import dataclass, field
from math import ceil, inf

from actors.runtime.clock import parse_utc
from bus_schemas.do_not_call import DoNotCallAdded, DoNotCallEvent, DoNotCallRemoved, Listed

FOR_EVER = 0


@dataclass(eq=False)
class NumberList:
    """One list. `seq`: of the last of its events that is in."""

    seq: int = 0
    numbers: dict[int, int] = field(default_factory=dict)
    beginnings: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers) + len(self.beginnings)

    def holds(self, entry: str, expires: int = FOR_EVER) -> bool:
        """Whether an entry is on the list at least until then."""
        until = self._part(entry).get(_digits(entry))
        return until is not None and (until == FOR_EVER or 0 < expires <= until)

    def has(self, entry: str) -> bool:
        """Whether an entry is on the list, though it may have expired."""
        return _digits(entry) in self._part(entry)

    def held_until(self, e164: str) -> float:
        """Until when a number is on the list, by itself or by its beginning: seconds since 1970, which may be over; 0:
        it is not, infinity: for ever."""
        digits = int(e164[1:])
        found = _until(self.numbers.get(digits))
        while self.beginnings and digits:
            found = max(found, _until(self.beginnings.get(digits)))
            digits //= 10
        return found

    def take(self, event: DoNotCallEvent, seq: int) -> None:
        """The list after an event. One that is in already changes nothing: the owner of the list has it first."""
        if seq <= self.seq:
            return
        self.seq = seq
        match event:
            case DoNotCallAdded():
                for one in event.entries:
                    self._part(one.entry)[_digits(one.entry)] = second_of(one)
            case DoNotCallRemoved():
                for entry in event.entries:
                    self._part(entry).pop(_digits(entry), None)

    def _part(self, entry: str) -> dict[int, int]:
        return self.beginnings if entry.endswith("*") else self.numbers


def covering(e164: str) -> list[str]:
    """All entries that a number would be covered by: itself, and each of its beginnings."""
    return [e164, *(f"{e164[:length]}*" for length in range(2, len(e164) + 1))]


def second_of(entry: Listed) -> int:
    """When an entry expires, in whole seconds since 1970."""
    return FOR_EVER if entry.expires is None else max(ceil(parse_utc(entry.expires).timestamp()), 1)


def _digits(entry: str) -> int:
    return int(entry[1:].removesuffix("*"))


def _until(second: int | None) -> float:
    return 0.0 if second is None else inf if second == FOR_EVER else second
