"""How long something lasts, learnt from what was seen: a bounded histogram that begins with a guess and forgets. Pure.

Seconds fall into bins whose edges grow by a fifth each, from 1 s to an hour. So 47 numbers say what is needed of talk,
wrap-up and ringing, whatever their form: people hang up at once or talk for long, phones ring out after the same time.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from math import exp, inf

from msgspec import Struct

GROWTH = 1.2
EDGES = (0.0, *(GROWTH**power for power in range(46)))  # seconds; the last bin is open
MIDDLES = (*((low + high) / 2 for low, high in pairwise(EDGES)), EDGES[-1])  # seconds that stand for each bin

Counts = tuple[int, ...]  # how many are in each bin
NONE: Counts = (0,) * len(EDGES)


class Durations(Struct, frozen=True, array_like=True):
    """`weights`: how often a duration of each bin was seen, newer ones counting more."""

    weights: tuple[float, ...]


def guessed(mean: float, weight: float) -> Durations:
    """Before anything was seen: exponential with this mean (seconds), worth `weight` observations."""
    beyond = [exp(-edge / mean) for edge in (*EDGES, inf)]
    return Durations(tuple(weight * (low - high) for low, high in pairwise(beyond)))


def seen(durations: Durations, seconds: float, memory: float) -> Durations:
    """One more. What was seen `memory` observations ago counts 1/e of it."""
    keep = 1 - 1 / memory
    weights = [keep * weight for weight in durations.weights]
    weights[bin_of(seconds)] += 1
    return Durations(tuple(weights))


def bin_of(seconds: float) -> int:
    """Of seconds that are not negative; a clock that ran backwards counts as none passed."""
    return max(bisect_right(EDGES, seconds) - 1, 0)


def binned(seconds: Iterable[float]) -> Counts:
    """How many of these are in each bin."""
    found = Counter(map(bin_of, seconds))
    return tuple(found[number] for number in range(len(EDGES)))


def binned_since(began: Sequence[float], now: float) -> Counts:
    """The same of how long it is since each of these moments, the earliest first: one search for each edge, however
    many there are."""
    if not began:
        return NONE
    longer = [bisect_right(began, now - edge) for edge in EDGES]
    longer[0] = len(began)  # also what begins in a moment, by another clock
    return tuple(here - beyond for here, beyond in pairwise((*longer, 0)))


def mean_of(durations: Durations) -> float:
    """Seconds."""
    return sum(map(float.__mul__, durations.weights, MIDDLES)) / sum(durations.weights)


class Survival:
    """S(t) = P(something lasts longer than t): by the histogram at its edges, linear between two of them, and beyond
    the last one falling with 1/t."""

    def __init__(self, durations: Durations) -> None:
        longer = [*accumulate(reversed(durations.weights))]
        self._at = [each / longer[-1] for each in reversed(longer)]

    def beyond(self, seconds: float) -> float:
        number = bin_of(seconds)
        if number == len(EDGES) - 1:
            return self._at[number] * EDGES[number] / seconds
        share = (seconds - EDGES[number]) / (EDGES[number + 1] - EDGES[number])
        return self._at[number] + share * (self._at[number + 1] - self._at[number])

    def ends_within(self, horizon: float, elapsed: float) -> float:
        """P(T <= elapsed + horizon | T > elapsed). Where nothing ever lasted so long: even chances."""
        going = self.beyond(elapsed)
        return 1 - self.beyond(elapsed + horizon) / going if going > 0 else 0.5
