"""What is expected of calls in flight, against counting every case; and what elapsed times say."""

from collections import Counter
from itertools import islice, pairwise, product
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.campaign.durations import EDGES, Durations, Survival, bin_of, binned, binned_since, guessed, mean_of, seen
from actors.campaign.learning import Learnt
from actors.campaign.lookahead import Expectations, Expected, Flight, most_dials, outlook
from tests.campaign.plain import expectations

chances = st.lists(st.floats(0, 1), max_size=5)


def exactly(chances: list[float]) -> dict[int, float]:
    """How many of them happen, by going through every case."""
    counts: dict[int, float] = {}
    for case in product((0, 1), repeat=len(chances)):
        weight = 1.0
        for happens, chance in zip(case, chances, strict=True):
            weight *= chance if happens else 1 - chance
        counts[sum(case)] = counts.get(sum(case), 0.0) + weight
    return counts


def case_by_case(idle: int, frees: list[float], answers: list[float]) -> Expected:
    abandoned = sum(
        ready_weight * answer_weight * max(answered - idle - ready, 0)
        for ready, ready_weight in exactly(frees).items()
        for answered, answer_weight in exactly(answers).items()
    )
    return Expected(sum(answers), abandoned)


def quickly(idle: int, frees: list[float], answers: list[float], rate: float, dials: int) -> list[Expected]:
    found = Expectations(Flight(idle, Counter(frees), Counter(answers), rate), range(dials))
    return [found.of(number) for number in range(dials)]


@given(st.integers(0, 3), chances, chances, st.floats(0.02, 1))
def test_expectations_are_those_of_every_case_counted(
    idle: int, frees: list[float], answers: list[float], rate: float
) -> None:
    counted = [case_by_case(idle, frees, [*answers, *[rate] * more]) for more in range(4)]
    for found in (quickly(idle, frees, answers, rate, 4), [*islice(expectations(idle, frees, answers, rate), 4)]):
        for one, other in zip(found, counted, strict=True):
            assert one == pytest.approx(other, abs=1e-6)


many = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0]), max_size=60)


@given(st.integers(0, 60), many, many, st.floats(0.02, 1), st.integers(1, 400), st.integers(1, 4))
def test_expectations_are_those_of_one_call_after_the_other(
    idle: int, frees: list[float], answers: list[float], rate: float, dials: int, times: int
) -> None:
    frees, answers = frees * times, answers * times
    plain = [*islice(expectations(idle, frees, answers, rate), dials)]
    for one, other in zip(quickly(idle, frees, answers, rate, dials), plain, strict=True):
        assert one.answered == pytest.approx(other.answered)
        assert one.abandoned == pytest.approx(other.abandoned, abs=1e-6)


@given(st.integers(0, 40), many, many, st.floats(0.02, 1), st.integers(0, 300), st.sampled_from([0.0, 0.014, 0.3, 0.9]))
def test_the_most_dials_are_those_before_the_first_that_is_too_many(
    idle: int, frees: list[float], answers: list[float], rate: float, more: int, allowed: float
) -> None:
    flight, first = Flight(idle, Counter(frees), Counter(answers), rate), max(idle - len(answers), 0) + 1
    dials = range(first, first + more)
    shares = [expected.share for expected in islice(expectations(idle, frees, answers, rate), dials.stop)]
    fewest, most = (
        next((number for number in dials if shares[number] > allowed + by), dials.stop) - 1 for by in (-1e-6, 1e-6)
    )  # on the brink it may be either
    assert fewest <= most_dials(flight, allowed, dials)[0] <= most


@pytest.mark.parametrize("sure", [4, 10, 40])
def test_the_most_dials_are_found_also_where_a_guess_is_far_off(sure: int) -> None:
    """Nobody may be abandoned, and it is sure who is ready: as if it were not, no dial would be without risk."""
    flight = Flight(2, Counter({1.0: sure}), Counter({1.0: 1}), 0.9)
    assert most_dials(flight, 0.0, range(2, 100))[0] == sure + 1


@given(st.integers(0, 40), st.lists(st.floats(0, 1), max_size=40), st.lists(st.floats(0, 1), max_size=40))
def test_each_further_dial_is_at_a_greater_risk(idle: int, frees: list[float], answers: list[float]) -> None:
    shares = [expected.share for expected in quickly(idle, frees, answers, 0.25, 30)[1:]]
    assert all(one <= next_one + 1e-9 for one, next_one in pairwise(shares))
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in shares)


def test_nobody_is_abandoned_while_calls_are_fewer_than_the_idle() -> None:
    found = quickly(3, [0.5], [0.25], 1.0, 4)
    assert [expected.abandoned for expected in found[:3]] == pytest.approx([0, 0, 0], abs=1e-9)
    assert found[3].abandoned == pytest.approx(0.25 * 0.5)


eighths = st.integers(0, 40_000).map(lambda number: number / 8)  # of a second: what rounding does not move over an edge


@given(st.lists(eighths, max_size=60), eighths)
def test_durations_are_counted_alike_by_when_they_began(began: list[float], now: float) -> None:
    assert binned_since(sorted(began), now) == binned(max(now - one, 0.0) for one in began)


@given(st.lists(st.floats(0, 5000), max_size=60), st.floats(0, 4000), st.floats(0, 60))
def test_what_lasts_longer_is_less_probable(lasted: list[float], elapsed: float, more: float) -> None:
    durations = guessed(60.0, 10.0)
    for seconds in lasted:
        durations = seen(durations, seconds, 300.0)
    survival = Survival(durations)
    assert survival.beyond(0) == pytest.approx(1)
    assert 0 <= survival.beyond(elapsed + more) <= survival.beyond(elapsed) + 1e-9
    assert -1e-9 <= survival.ends_within(more, elapsed) <= 1


def test_a_guess_survives_as_an_exponential() -> None:
    durations = guessed(90.0, 10.0)
    survival = Survival(durations)
    for seconds in EDGES[:-1]:
        assert survival.beyond(seconds) == pytest.approx(exp(-seconds / 90))
    assert mean_of(durations) == pytest.approx(90, rel=0.02)


def test_durations_forget() -> None:
    durations = guessed(90.0, 10.0)
    for _ in range(3000):
        durations = seen(durations, 20.0, 300.0)
    assert sum(durations.weights) == pytest.approx(300, rel=0.01)
    assert Survival(durations).beyond(EDGES[bin_of(20.0) + 1]) < 0.001


def test_what_never_lasted_so_long_has_even_chances() -> None:
    assert Survival(Durations((1.0, *(0.0,) * (len(EDGES) - 1)))).ends_within(10.0, 50.0) == 0.5


def test_an_operator_late_in_the_wrap_up_is_likelier_to_be_ready() -> None:
    learnt = Learnt()
    for _ in range(500):
        learnt = Learnt(wrap=seen(learnt.wrap, 20.0, 300.0))
    ahead = outlook(learnt)
    early, late = ahead.wrapping[bin_of(1.0)], ahead.wrapping[bin_of(18.0)]
    assert early < 0.1 < 0.9 < late
    talking = ahead.talking[bin_of(30.0)]  # of what must talk and then wrap up for 20 s, next to nothing is in time
    assert talking < early


def test_without_a_wrap_up_an_operator_is_ready_when_the_talk_ends() -> None:
    at_once = Durations((1.0, *(0.0,) * (len(EDGES) - 1)))
    ahead = outlook(Learnt(talk=guessed(90.0, 10.0), wrap=at_once, answered_ring=guessed(60.0, 10.0)))
    ready = 1 - exp(-ahead.horizon / 90)  # an exponential has no memory
    assert [ahead.talking[bin_of(elapsed)] for elapsed in (2.0, 50.0, 200.0)] == pytest.approx([ready] * 3, rel=0.04)


@given(st.floats(0.02, 0.98))
def test_chances_are_chances(rate: float) -> None:
    ahead = outlook(Learnt())
    for table in (ahead.talking, ahead.wrapping):
        assert all(0 <= chance <= 1 for chance in table)
    assert all(0 <= chance <= 1 for chance in ahead.answer_chances(rate))


def test_ringing_on_speaks_against_an_answer() -> None:
    ahead = outlook(Learnt())  # answered after 10 s, unanswered after 20 s, as guessed
    chances = [*ahead.answer_chances(0.25)]
    assert chances[bin_of(0.0)] == pytest.approx(0.25, abs=0.02)
    assert chances[bin_of(30.0)] < 0.1


def test_the_horizon_is_a_ring_and_the_patience_after_it() -> None:
    learnt = Learnt()
    for _ in range(2000):
        learnt = Learnt(answered_ring=seen(learnt.answered_ring, 12.0, 300.0))
    assert outlook(learnt).horizon == pytest.approx(14, rel=0.1)
