"""The attempts on a lead, as they are kept: packed, 18 bytes each. Pure.

A call that counts for another lead by now keeps its place here, since by how many there were the next one is numbered.
Such places are a number alone, before all others: one entry, however many they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from struct import Struct as Packing
from typing import NamedTuple

_TRY = Packing("<BQQB")  # which number, began and ended in milliseconds, which outcome from 1; 0: not over
SIZE = _TRY.size
EMPTY = 255  # instead of a number: so many places, where `began` else is, are calls of another lead


class Try(NamedTuple):
    """An attempt. `number`: which of the lead's, from 0 (`record.all_numbers`). `began`, `ended`: milliseconds; 0: it
    is not over. `outcome`: which of OUTCOMES, from 1."""

    number: int
    began: int
    ended: int
    outcome: int


class Made(NamedTuple):
    """The same, by the number itself."""

    number: str
    began: int
    ended: int
    outcome: int


def unpacked(tries: bytes) -> Iterator[Try]:
    """The attempts, oldest first."""
    return (Try(*fields) for fields in _TRY.iter_unpack(tries) if fields[0] != EMPTY)


def empty(tries: bytes) -> int:
    """How many places are calls of another lead."""
    if not tries or tries[0] != EMPTY:
        return 0
    count: int = _TRY.unpack_from(tries)[1]
    return count


def places(tries: bytes) -> int:
    """How many attempts there were, those of another lead too."""
    others = empty(tries)
    return len(tries) // SIZE + others - (others > 0)


def begin(number: int, began: int) -> bytes:
    """One that is under way."""
    return _TRY.pack(number, began, 0, 0)


def end(tries: bytes, at: int, outcome: int) -> bytes:
    """With the last of them over."""
    before = len(tries) - SIZE
    number, began, _, _ = _TRY.unpack_from(tries, before)
    return tries[:before] + _TRY.pack(number, began, at, outcome)


def made_on(numbers: Sequence[str], tries: bytes) -> list[Made]:
    """The attempts, by the numbers that they count."""
    return [Made(numbers[one.number], *one[1:]) for one in unpacked(tries)]


def in_order(*of_leads: Iterable[Made]) -> list[Made]:
    """Attempts of several leads, as they began."""
    return sorted(chain(*of_leads), key=attrgetter("began"))


def packed(numbers: Sequence[str], attempts: Sequence[Made], others: int) -> tuple[list[str], bytes]:
    """Attempts on these numbers and on others: those others, which count behind them, and the attempts. `others`: how
    many places are calls of another lead."""
    former = [*dict.fromkeys(one.number for one in attempts if one.number not in numbers)]
    place = {number: at for at, number in enumerate((*numbers, *former))}
    first = _TRY.pack(EMPTY, others, 0, EMPTY) if others else b""
    return former, first + b"".join(_TRY.pack(place[one.number], *one[1:]) for one in attempts)
