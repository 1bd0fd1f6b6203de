"""Whose turn it is among those who wait for lines: shares near weights, priorities, and nobody starves."""

from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from actors.dialing.sharing import AWAY, ONE_IN, Shares
from tests.support.depth import examples


class Asker(Struct, frozen=True):
    name: str
    weight: int = 1
    priority: int = 0


FIVE = [Asker("c1", 1), Asker("c2", 2), Asker("c3", 3), Asker("c4", 10), Asker("c5", 100)]


def always(askers: Iterable[Asker]) -> Callable[[int], list[Asker]]:
    return lambda line: list(askers)


def given_out(lines: int, waiting: Callable[[int], list[Asker]], every: float = 0.01) -> Counter[str]:
    """How many lines each gets, of which there is one `every` so many seconds."""
    shares, got = Shares[Asker](), Counter[str]()
    for line in range(lines):
        turns = shares.among(waiting(line), line * every)
        turn = turns.next()
        assert turn is not None
        turns.gave(turn)
        got[turn.who.name] += 1
    return got


@pytest.mark.parametrize("every", [0.001, AWAY * 10])
def test_lines_go_by_weight(every: float) -> None:
    got = given_out(1160, always(FIVE), every)
    for asker in FIVE:
        assert abs(got[asker.name] - 10 * asker.weight) <= 2, got


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=8), st.integers(1, 400))
def test_nobody_is_ever_far_from_their_share(weights: list[int], lines: int) -> None:
    askers = [Asker(f"c{place}", weight) for place, weight in enumerate(weights)]
    got = given_out(lines, always(askers))
    for asker in askers:
        assert abs(got[asker.name] - lines * asker.weight / sum(weights)) <= len(askers)


def test_a_higher_priority_is_first_and_those_below_get_one_in_ten() -> None:
    askers = [Asker("top", 1, 5), Asker("low", 1, 0), Asker("lower", 4, -5)]
    got = given_out(50 * ONE_IN, always(askers))
    assert got == {"top": 50 * (ONE_IN - 1), "lower": 40, "low": 10}


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.tuples(st.integers(1, 100), st.integers(-100, 100)), min_size=5, max_size=5))
def test_of_five_campaigns_none_starves(of: list[tuple[int, int]]) -> None:
    askers = [Asker(f"c{place}", *one) for place, one in enumerate(of)]
    got = given_out(ONE_IN * 401, always(askers))
    assert min(got[asker.name] for asker in askers) >= 1, got


def test_who_was_away_has_saved_nothing_up() -> None:
    one, other = Asker("one"), Asker("other")
    got = given_out(1000, lambda line: [one, other] if line < 100 or line >= 900 else [one])
    assert 50 <= got["other"] - 50 <= 51


def test_who_is_about_to_ask_again_loses_nothing() -> None:
    """The heavy one is away at every second line, for a moment."""
    heavy, light = Asker("heavy", 9), Asker("light", 1)
    got = given_out(1000, lambda line: [light] if line % 20 == 0 else [heavy, light])
    assert 90 <= got["light"] <= 110


def test_a_priority_that_comes_back_does_not_have_others_wait_for_their_turn() -> None:
    """What one has had while it was the highest is not held against it below."""
    top, mid, low = Asker("top", 1, 9), Asker("mid", 1, 5), Asker("low", 1, 0)
    got = given_out(2000, lambda line: [mid, low] if line < 1000 else [top, mid, low])
    last = given_out(1000, always([top, mid, low]))
    assert last["mid"] == last["low"] == 50 and abs(got["mid"] - 900 - last["mid"]) <= 1
