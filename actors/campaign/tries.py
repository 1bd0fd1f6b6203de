"""The attempts on a lead, as they are kept: packed, 18 bytes each. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from struct import Struct as Packing
from typing import NamedTuple

_TRY = Packing("<BQQB")  # which number, began and ended in milliseconds, which outcome from 1; 0: not over
SIZE = _TRY.size
NOT_ITS = 255  # instead of a number: the call counts for another lead now, and keeps its place here


class Try(NamedTuple):
    """An attempt. `number`: which of the lead's, from 0 (`record.all_numbers`). `began`, `ended`: milliseconds; 0: it
    is not over. `outcome`: which of OUTCOMES, from 1."""

    number: int
    began: int
    ended: int
    outcome: int


class Made(NamedTuple):
    """The same, by the number itself; empty: NOT_ITS."""

    number: str
    began: int
    ended: int
    outcome: int


def unpacked(tries: bytes) -> Iterator[Try]:
    """The attempts that are the lead's, oldest first."""
    return (Try(*fields) for fields in _TRY.iter_unpack(tries) if fields[0] != NOT_ITS)


def begin(number: int, began: int) -> bytes:
    """One that is under way."""
    return _TRY.pack(number, began, 0, 0)


def end(tries: bytes, at: int, outcome: int) -> bytes:
    """With the last of them over."""
    before = len(tries) - SIZE
    number, began, _, _ = _TRY.unpack_from(tries, before)
    return tries[:before] + _TRY.pack(number, began, at, outcome)


def made_on(numbers: Sequence[str], tries: bytes) -> list[Made]:
    """All attempts that have a place, by the numbers that they count."""
    return [
        Made("" if number == NOT_ITS else numbers[number], *rest) for number, *rest in _TRY.iter_unpack(tries)
    ]


def its(attempts: Iterable[Made]) -> list[Made]:
    """Those of the lead."""
    return [one for one in attempts if one.number]


def given_away(attempts: Iterable[Made], numbers: Sequence[str] | None = None) -> list[Made]:
    """With those on these numbers, None: all, counting for another lead."""
    return [one._replace(number="") if numbers is None or one.number in numbers else one for one in attempts]


def given_back(attempts: Sequence[Made], found: Iterable[Made]) -> list[Made]:
    """Attempts that were all given away, with those that were `found`. Each keeps its place, so there are no fewer: by
    how many there are the next one is numbered."""
    back = [*found]
    has = Counter(one[1:] for one in back)
    rest = list[Made]()
    for one in attempts:
        if has[one[1:]]:
            has[one[1:]] -= 1
        else:
            rest.append(one)
    return in_order(rest, back)


def in_order(*of_leads: Iterable[Made]) -> list[Made]:
    """Attempts of several leads, as they began."""
    return sorted(chain(*of_leads), key=attrgetter("began"))


def packed(numbers: Sequence[str], attempts: Sequence[Made]) -> tuple[list[str], bytes]:
    """Attempts on these numbers and on others: those others, which count behind them, and the attempts."""
    former = [*dict.fromkeys(one.number for one in its(attempts) if one.number not in numbers)]
    place = {number: at for at, number in enumerate((*numbers, *former))}
    return former, b"".join(_TRY.pack(place.get(one.number, NOT_ITS), *one[1:]) for one in attempts)
