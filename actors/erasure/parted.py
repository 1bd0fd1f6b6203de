"""Leads that were one person for a while, and which numbers of what was said of one of them are the other's. Pure.

While two leads are merged, whatever is said of the one that stays says the numbers of both. Once they are two again,
what the other one had is no number of that one any more: erasing one of them is not to reach the other.
"""

from collections.abc import Iterable, Iterator, Mapping, Set

from msgspec import Struct

Pair = tuple[str, str, str]  # a campaign, a lead of it, and the one that was merged into that
LeadKey = tuple[str, str]  # a campaign, and a lead of it
Numbered = tuple[LeadKey, int, frozenset[str]]  # a lead, and the numbers that an entry says of it, at its place


class Parted(Struct, frozen=True):
    """`pairs`: those that are two again. `lent`: by lead, numbers of others, and before which entry they are theirs."""

    pairs: frozenset[Pair] = frozenset()
    lent: Mapping[LeadKey, tuple[tuple[int, frozenset[str]], ...]] = {}

    def own(self, lead: LeadKey, seq: int, numbers: Set[str]) -> frozenset[str]:
        """Of the numbers that the entry at `seq` says of a lead, those that are its own."""
        theirs = (numbers for until, numbers in self.lent.get(lead, ()) if seq < until)
        return frozenset(numbers).difference(*theirs)


NONE_PARTED = Parted()


def parted_at(merged: Mapping[Pair, int], unmerged: Mapping[Pair, int]) -> dict[Pair, int]:
    """Which leads are two again, and since which entry. `merged`, `unmerged`: where that was said last."""
    return {pair: seq for pair, seq in unmerged.items() if seq > merged.get(pair, 0)}


def restored(parted: Iterable[Pair]) -> Iterator[LeadKey]:
    """Those that came back."""
    return ((campaign, other) for campaign, _, other in parted)


def parted(at: Mapping[Pair, int], said: Iterable[Numbered]) -> Parted:
    """`at`: since when they are two; `said`: all that was said of the numbers of those that came back."""
    rows = list(said)
    lent = dict[LeadKey, list[tuple[int, frozenset[str]]]]()
    for (campaign, lead, other), until in at.items():
        numbers = (each for key, seq, each in rows if key == (campaign, other) and seq < until)
        lent.setdefault((campaign, lead), []).append((until, frozenset[str]().union(*numbers)))
    return Parted(frozenset(at), {key: tuple(each) for key, each in lent.items()})
