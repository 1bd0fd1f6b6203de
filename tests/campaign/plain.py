"""What is expected of calls in flight, one operator and one call after the other: what the quick way has to say too."""

from collections.abc import Iterable, Iterator

from actors.campaign.lookahead import Expected


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
    return [stays * here + chance * below for here, below in zip([*ready, 0.0], [0.0, *ready], strict=True)]


def _with_call(expected: Expected, left: list[float], chance: float) -> tuple[Expected, list[float]]:
    nobody = 1 - sum(left)
    stays = 1 - chance
    moved = [stays * here + chance * above for here, above in zip(left, [*left[1:], 0.0], strict=False)]
    return Expected(expected.answered + chance, expected.abandoned + chance * nobody), moved
