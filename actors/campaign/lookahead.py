"""How many calls in flight a team can take: the chance that operators free in time, against that of answers. Pure.

That operators are weighed by how long they have been talking is old: US 5,640,445 (expired); Samuelson, Interfaces 29:5
(1999). The rest is plain probability, derived where it stands.
"""

from bisect import bisect_right
from cmath import rect
from collections.abc import Iterator, Mapping
from math import asin, ceil, erfc, exp, log, prod, sqrt, tau
from typing import NamedTuple

from msgspec import Struct

from actors.campaign.durations import MIDDLES, Survival, mean_of
from actors.campaign.learning import Learnt

PATIENCE = 2.0  # seconds after an answer, then the call is abandoned
KEPT = 60.0  # seconds for which an outlook is good enough
STEPS = 6  # into which the horizon is cut for talks that end within it
NEGLIGIBLE = 1e-8  # probability
ENOUGH = -log(NEGLIGIBLE)
NEAR = 2.0  # answers: the normal distribution is hardly ever as far from the truth

Chances = Mapping[float, int]  # how many have which probability


class Outlook(Struct, frozen=True):
    """What learnt durations say of the next `horizon` seconds, by the bin (`bin_of`) of the seconds that passed so far.

    `talking`, `wrapping`: the probability that the operator is ready within the horizon.
    `unanswered`: the odds against an answer of a dial that still rings, as a multiple of those at its beginning.
    """

    horizon: float
    talking: tuple[float, ...]
    wrapping: tuple[float, ...]
    unanswered: tuple[float, ...]

    def answer_chances(self, rate: float) -> Iterator[float]:
        """That a dial is answered which has rung for so long, by bin, if `rate` of all are (Bayes)."""
        return (rate / (rate + (1 - rate) * odds) for odds in self.unanswered)


def outlook(learnt: Learnt) -> Outlook:
    """Costs 0.3 ms: it is kept for KEPT seconds. The horizon is how long a dial begun now rings, and then waits."""
    horizon = mean_of(learnt.answered_ring) + PATIENCE
    talk, wrap = Survival(learnt.talk), Survival(learnt.wrap)
    answered, unanswered = Survival(learnt.answered_ring), Survival(learnt.unanswered_ring)
    return Outlook(
        horizon=horizon,
        talking=tuple(_ready_after_talk(talk, wrap, elapsed, horizon) for elapsed in MIDDLES),
        wrapping=tuple(wrap.ends_within(horizon, elapsed) for elapsed in MIDDLES),
        unanswered=tuple(_odds(unanswered.beyond(elapsed), answered.beyond(elapsed)) for elapsed in MIDDLES),
    )


def _ready_after_talk(talk: Survival, wrap: Survival, elapsed: float, horizon: float) -> float:
    """P(talk and wrap-up end within the horizon | the talk has lasted so long). The horizon is cut into steps: the talk
    ends in one of them, and the wrap-up in what is left from its middle on."""
    step = horizon / STEPS
    chance, going = 0.0, 1.0
    for number in range(STEPS):
        ends = going * talk.ends_within(step, elapsed + number * step)
        chance += ends * wrap.ends_within(horizon - (number + 0.5) * step, 0.0)
        going -= ends
    return chance


def _odds(unanswered: float, answered: float) -> float:
    """Ringing on speaks against an answer as much as unanswered dials ring so long rather than answered ones."""
    if answered > NEGLIGIBLE:
        return unanswered / answered
    return 1 / NEGLIGIBLE if unanswered > NEGLIGIBLE else 1.0


class Expected(NamedTuple):
    """Calls in flight that are expected to be answered, and those of them that are to be abandoned."""

    answered: float
    abandoned: float

    @property
    def share(self) -> float:
        return self.abandoned / self.answered if self.answered > 0 else 0.0


class Flight(Struct, frozen=True):
    """Who may be ready, and which calls may be answered, within the horizon. `idle`: who is ready. `frees`, `answers`:
    of how many busy operators, and calls in flight, each probability is. `rate`: that of each further dial."""

    idle: int
    frees: Chances
    answers: Chances
    rate: float

    def answered(self, dials: int) -> float:
        return mean(self.answers) + dials * self.rate

    def ready(self) -> float:
        return self.idle + mean(self.frees)

    def variance(self, dials: int) -> float:
        """Of how many more calls are answered than operators are ready."""
        return variance(self.frees) + variance(self.answers) + dials * self.rate * (1 - self.rate)

    def most(self, dials: int) -> int:
        """How many more calls may be answered than operators are ready."""
        return sum(self.answers.values()) + dials - self.idle


def most_dials(flight: Flight, allowed: float, dials: range) -> tuple[int, "Expectations"]:
    """The greatest of these numbers of dials with which the expected share is allowed; if none is, one fewer than the
    first. It grows with each dial, so it is found by halving; first roughly, as few numbers cost less than many."""
    allowed += NEGLIGIBLE  # to which no share is known
    roughly, about = dials.start + bisect_right(dials, allowed, key=Roughly(flight).share), ceil(NEAR / flight.rate)
    near = range(max(roughly - about, dials.start), min(roughly + about, dials.stop))
    exactly = Expectations(flight, near)
    found = near.start + bisect_right(near, allowed, key=exactly.share)
    if found == near.start > dials.start or found == near.stop < dials.stop:
        exactly = Expectations(flight, dials)
        found = dials.start + bisect_right(dials, allowed, key=exactly.share)
    return found - 1, exactly


class Roughly:
    """What is expected if what is answered and who is ready were distributed normally."""

    def __init__(self, flight: Flight) -> None:
        self._answered, self._ready, self._variance = flight.answered(0), flight.ready(), flight.variance(0)
        self._rate = flight.rate

    def share(self, dials: int) -> float:
        answered = self._answered + dials * self._rate
        mean, spread = answered - self._ready, sqrt(self._variance + dials * self._rate * (1 - self._rate)) or 1.0
        normed = mean / spread
        abandoned = mean * erfc(-normed / sqrt(2)) / 2 + spread * exp(-normed * normed / 2) / sqrt(tau)
        return Expected(answered, abandoned).share


class Expectations:
    """What is expected with these numbers of dials.

    Let S be the operators that there are within the horizon: the idle ones, and each busy one with a probability of
    its own. Let D be the answers of the calls in flight, alike. (D - S)+ are abandoned. X = D - S is a sum of
    independent parts, so its characteristic function is a product, in which all with the same chance are one power:

        f(t)  =  exp(-it idle)  *  prod (1 - p + p exp(-it))^frees[p]  *  prod (1 - q + q exp(it))^answers[q]

    and k more dials multiply it by (1 - rate + rate exp(it))^k. At the points t = 2 pi j / N it gives, as a discrete
    Fourier transform does, the distribution of X over N values on end, if X is hardly ever another one:

        E(X+)  =  sum over u > 0 of u P(X = u)  =  1/N  sum over j of f(t)  sum over u > 0 of u exp(-itu)

    How many values: P(|X - E X| > w) <= 2 exp(-w^2 / (2 var X + 2w / 3)) (Bernstein). Only the first few points
    matter: |f(t)| <= exp(-2 var X sin^2(t / 2)), and f(-t) is conjugate to f(t). So the cost depends on how many
    chances differ, and next to not on how many operators there are.
    """

    def __init__(self, flight: Flight, dials: range) -> None:
        self._flight = flight
        self._answered, self._ready = flight.answered(0), flight.ready()
        least, most = flight.variance(max(dials.start - 1, 0)), flight.variance(dials.stop)
        width = 2 * ceil(ENOUGH / 3 + sqrt((ENOUGH / 3) ** 2 + 2 * ENOUGH * most)) + 1
        self._lowest, self._highest = -flight.idle - sum(flight.frees.values()), flight.most(dials.stop)
        self._width = min(width, (self._highest - self._lowest + 1) | 1)  # odd
        frees, answers = [*flight.frees.items()], [*flight.answers.items()]
        self._points = [self._point(turn, frees, answers) for turn in _turns(self._width, least)]

    def share(self, dials: int) -> float:
        return self.of(dials).share

    def of(self, dials: int) -> Expected:
        answered = self._answered + dials * self._flight.rate
        mean = answered - self._ready
        low = min(max(round(mean) - self._width // 2, self._lowest), self._highest - self._width + 1)
        high = min(low + self._width - 1, self._flight.most(dials))
        if low >= 0 or high <= 0:
            return Expected(answered, mean if low >= 0 else 0.0)
        found = high * (high + 1) / 2
        for here, dial, back, weight in self._points:
            inner = weight * (1 - back**high * (high + 1 - high * back))  # the sum over u, which is nearly geometric
            found += 2 * (here * dial**dials * inner).real
        return Expected(answered, max(found / self._width, 0.0))

    def _point(
        self, turn: float, frees: list[tuple[float, int]], answers: list[tuple[float, int]]
    ) -> tuple[complex, complex, complex, complex]:
        """At one t: f without more dials, what each of these multiplies it by, exp(-it), and a factor of the inner
        sum."""
        forth, back = rect(1.0, turn), rect(1.0, -turn)
        up, down = forth - 1, back - 1
        ready = prod([(1 + chance * down) ** number for chance, number in frees])
        answered = prod([(1 + chance * up) ** number for chance, number in answers])
        return back**self._flight.idle * ready * answered, 1 + self._flight.rate * up, back, back / down**2


def _turns(width: int, variance: float) -> list[float]:
    """The points at which f is not negligible, of the half above 0."""
    last = width // 2
    if 2 * variance > ENOUGH:
        last = min(last, ceil(2 * asin(sqrt(ENOUGH / (2 * variance))) * width / tau))
    return [tau * number / width for number in range(1, last + 1)]


def mean(chances: Chances) -> float:
    return sum(chance * number for chance, number in chances.items())


def variance(chances: Chances) -> float:
    return sum(chance * (1 - chance) * number for chance, number in chances.items())
