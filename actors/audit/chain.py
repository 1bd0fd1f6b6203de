"""The audit's chain: every record names the hash of the one before it, so that a later change of any shows.

The hash is over the entries' canonical JSON: keys sorted, no white space. A field that `AuditEntry` gets later must
be left out of the JSON where it is empty, or the hashes of old entries no longer hold.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from bus_schemas.audit import AuditEntry, AuditRecorded

GENESIS = "0" * 64  # `previous` of the first record


class Verdict(Struct, frozen=True, kw_only=True):
    """What a chain was found to be. `records`: entries seen; `number` and `head`: of the newest. `problems`: in words,
    empty when the chain is whole. `erased`: records in which something was erased since (docs/erasure.md): each has its
    place between its neighbours still, and what it says now nothing holds."""

    records: int
    number: int
    head: str
    problems: list[str]
    erased: int = 0


def hash_of(first: int, previous: str, entries: Sequence[AuditEntry]) -> str:
    """SHA-256, hexadecimal, of the JSON `[previous, first, entries]` with sorted keys."""
    return sha256(msgspec.json.encode([previous, first, entries], order="sorted")).hexdigest()


def link(first: int, previous: str, entries: Sequence[AuditEntry], intents: Sequence[str] = ()) -> AuditRecorded:
    """The record that puts `entries` after the one whose hash is `previous`, numbered from `first`."""
    digest = hash_of(first, previous, entries)
    return AuditRecorded(
        first=first, entries=list(entries), previous=previous, hash=digest, intents=list(intents)
    )


def holds(recorded: AuditRecorded, number: int) -> bool:
    """Whether the entry with that number is in this record."""
    return recorded.first <= number < recorded.first + len(recorded.entries)


class Checker:
    """Reads a chain from its beginning, record by record."""

    def __init__(self) -> None:
        self._records = self._erased = 0
        self._number = 0
        self._head = GENESIS
        self._problems: list[str] = []

    def take(self, recorded: AuditRecorded) -> None:
        """The next record. After a problem it goes on from what it was given, so that each is named once."""
        last = recorded.first + len(recorded.entries) - 1
        name = f"record {recorded.first} to {last}"
        if not recorded.entries:
            self._problems.append(f"a record at {recorded.first} has no entries")
        if recorded.first != self._number + 1:
            self._problems.append(f"{name}: {self._number + 1} should come here, a gap in the numbers")
        if recorded.previous != self._head:
            self._problems.append(f"{name}: does not follow the record before it (wrong previous hash)")
        if recorded.erased:
            self._erased += 1
        elif recorded.hash != hash_of(recorded.first, recorded.previous, recorded.entries):
            self._problems.append(f"{name}: was changed (its hash is broken)")
        self._records += len(recorded.entries)
        self._number, self._head = last, recorded.hash

    def verdict(self) -> Verdict:
        """What was found up to here."""
        return Verdict(
            records=self._records, number=self._number, head=self._head, problems=list(self._problems),
            erased=self._erased,
        )  # fmt: skip


def check(recorded: Iterable[AuditRecorded]) -> Verdict:
    """Read a whole chain, oldest record first. A tail that was cut off does not show here: a chain may end anywhere."""
    checker = Checker()
    for one in recorded:
        checker.take(one)
    return checker.verdict()
