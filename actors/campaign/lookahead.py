"""How many calls in flight a team can take: the chance that operators free in time, against that of answers. Pure.

That operators are weighed by how long they have been talking is old: US 5,640,445 (expired); Samuelson, Interfaces 29:5
(1999). The rest is plain probability, derived where it stands.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct

from actors.campaign.durations import MIDDLES, Survival, bin_of, mean_of
from actors.campaign.learning import Learnt

PATIENCE = 2.0  # seconds after an answer, then the call is abandoned
KEPT = 60.0  # seconds for which an outlook is good enough
STEPS = 6  # into which the horizon is cut for talks that end within it
NEGLIGIBLE = 1e-8  # probability


class Outlook(Struct, frozen=True):
    """What learnt durations say of the next `horizon` seconds, by the bin (`bin_of`) of the seconds that passed so far.

    `talking`, `wrapping`: the probability that the operator is ready within the horizon.
    `unanswered`: the odds against an answer of a dial that still rings, as a multiple of those at its beginning.
    """

    horizon: float
    talking: tuple[float, ...]
    wrapping: tuple[float, ...]
    unanswered: tuple[float, ...]

    def answer_chance(self, rate: float, ringing: float) -> float:
        """That a dial which has rung so many seconds is answered, if `rate` of all are (Bayes)."""
        return rate / (rate + (1 - rate) * self.unanswered[bin_of(ringing)])


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


def expectations(idle: int, frees: Iterable[float], answers: Iterable[float], rate: float) -> Iterator[Expected]:
    """What is expected with 0, 1, 2 ... more dials, each answered with probability `rate`. It never ends.

    Let S be the operators that there are within the horizon: the idle ones, and each busy one with a probability of
    its own (`frees`). Let D be the answers of the calls in flight, alike (`answers`). Both are Poisson-binomial, and
    (D - S)+ are abandoned. One more call, answered with probability q, is if S <= D without it:

        E(D + B(q) - S)+  =  E(D - S)+  +  q * P(S - D <= 0)

    So it is enough to know P(S - D = u) for u > 0 (`left`), and the call then moves that down:

        P(S - D - B(q) = u)  =  (1 - q) * P(S - D = u)  +  q * P(S - D = u + 1)
    """
    ready = [1.0]
    for chance in frees:
        ready = _one_more(ready, chance)
    left = [*[0.0] * idle, *ready][1:]
    expected = Expected(0.0, 0.0)
    for chance in answers:
        expected, left = _with_call(expected, left, chance)
    while True:
        yield expected
        expected, left = _with_call(expected, left, rate)


def _one_more(ready: list[float], chance: float) -> list[float]:
    """P(n are ready) for n = 0, 1 ..., with one more who may be."""
    stays = 1 - chance
    return _trimmed([stays * here + chance * below for here, below in zip([*ready, 0.0], [0.0, *ready], strict=True)])


def _with_call(expected: Expected, left: list[float], chance: float) -> tuple[Expected, list[float]]:
    nobody = 1 - sum(left)
    stays = 1 - chance
    moved = _trimmed([stays * here + chance * above for here, above in zip(left, [*left[1:], 0.0], strict=False)])
    return Expected(expected.answered + chance, expected.abandoned + chance * nobody), moved


def _trimmed(chances: list[float]) -> list[float]:
    """Without what is negligible at the upper end: most of it, in a large team. What is lost counts as nobody ready."""
    while chances and chances[-1] < NEGLIGIBLE:
        chances.pop()
    return chances
