"""The audit's chain as values: how entries are linked, and what a look at the whole chain finds."""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from bus_schemas.audit import AuditEntry, AuditRecorded

GENESIS = "0" * 64


class Verdict(Struct, kw_only=True):
    """What a look at the chain found. `head` is the hash of the last link, `number` that of the last entry."""

    number: int = 0
    head: str = GENESIS
    problems: list[str] = []


def link(first: int, previous: str, entries: Sequence[AuditEntry]) -> AuditRecorded:
    """The next link: entries numbered from `first` on, after the link whose hash is `previous`."""
    hash = digest(first, previous, entries)
    return AuditRecorded(first=first, entries=list(entries), previous=previous, hash=hash)


def digest(first: int, previous: str, entries: Sequence[AuditEntry]) -> str:
    """SHA-256 over the previous hash, the first number and the entries, as JSON with sorted keys."""
    return hashlib.sha256(msgspec.json.encode([previous, first, entries], order="sorted")).hexdigest()


def check(links: Iterable[AuditRecorded]) -> Verdict:
    """Follow the chain from its beginning. Every problem is named; the look goes on behind it."""
    verdict = Verdict(problems=[])
    for one in links:
        if one.hash != digest(one.first, one.previous, one.entries):
            verdict.problems.append(f"entries from number {one.first} on were changed")
        if one.previous != verdict.head:
            verdict.problems.append(f"the link before number {one.first} was changed or is missing")
        if one.first != verdict.number + 1:
            verdict.problems.append(f"number {verdict.number + 1} should follow, and it is {one.first}")
        verdict.number = one.first + len(one.entries) - 1
        verdict.head = one.hash
    return verdict
