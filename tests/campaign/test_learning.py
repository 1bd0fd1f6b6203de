"""What is learnt, how it follows what changes, and that it stays small."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.campaign.durations import mean_of
from actors.campaign.learning import (
    LEAST_RATE,
    MOST_LISTS,
    Learnt,
    answer_rate,
    call_abandoned,
    dial_answered,
    dial_unanswered,
    talk_ended,
    wrap_ended,
)
from actors.campaign.tally import totals

chance = random.Random(13)


def after(learnt: Learnt, dials: int, live: float, *, of_list: str = "a", hour: int = 9) -> Learnt:
    for _ in range(dials):
        if chance.random() < live:
            learnt = dial_answered(learnt, of_list=of_list, hour=hour, day=1, ring=12.0)
        else:
            learnt = dial_unanswered(learnt, of_list=of_list, hour=hour, ring=22.0)
    return learnt


def test_the_rate_is_learnt() -> None:
    assert answer_rate(after(Learnt(), 1000, 0.12), "a", 9) == pytest.approx(0.12, abs=0.04)


def test_the_rate_follows_one_that_changes() -> None:
    learnt = after(after(Learnt(), 2000, 0.4), 1200, 0.1)
    assert answer_rate(learnt, "a", 9) == pytest.approx(0.1, abs=0.06)


def test_each_hour_and_list_has_its_own_rate() -> None:
    learnt = after(after(after(Learnt(), 1000, 0.1), 1000, 0.5, hour=18), 1000, 0.3, of_list="b")
    rates = [answer_rate(learnt, "a", 9), answer_rate(learnt, "a", 18), answer_rate(learnt, "b", 9)]
    assert rates == pytest.approx([0.1, 0.5, 0.3], abs=0.07)


def test_where_little_is_known_the_rate_is_that_of_all() -> None:
    learnt = after(Learnt(), 1000, 0.4)
    of_all = learnt.overall.answered / learnt.overall.dials
    assert answer_rate(learnt, "new", 9) == answer_rate(learnt, "a", 10) == pytest.approx(of_all)
    drawn = answer_rate(after(learnt, 5, 0.0, of_list="new"), "new", 9)
    assert 0.8 * of_all < drawn < of_all


def test_a_rate_is_never_so_low_that_everything_is_dialled() -> None:
    assert answer_rate(after(Learnt(), 5000, 0.0), "a", 9) == LEAST_RATE


def test_lists_beyond_the_bound_are_forgotten_least_dialled_first() -> None:
    learnt = after(after(Learnt(), 50, 0.2, of_list="often"), 1, 0.2, of_list="once")
    for number in range(MOST_LISTS - 1):
        learnt = after(learnt, 2, 0.2, of_list=f"list {number}")
    assert len(learnt.lists) == MOST_LISTS
    assert "often" in learnt.lists and "once" not in learnt.lists
    assert "new" in after(learnt, 1, 0.2, of_list="new").lists


def test_durations_are_learnt_each_from_its_own() -> None:
    learnt = Learnt()
    for _ in range(2000):
        learnt = wrap_ended(talk_ended(learnt, chance.expovariate(1 / 90)), 15.0)
    learnt = after(learnt, 4000, 0.5)
    means = [mean_of(each) for each in (learnt.talk, learnt.wrap, learnt.answered_ring, learnt.unanswered_ring)]
    assert means == pytest.approx([90, 15, 12, 22], rel=0.12)


def test_answers_and_abandoned_calls_are_counted() -> None:
    learnt = call_abandoned(after(Learnt(), 100, 1.0), day=1)
    assert totals(learnt.tally, 1) == (100, 1)


observations = st.one_of(
    st.tuples(st.just("answered"), st.integers(0, 40), st.floats(0, 1e5)),
    st.tuples(st.just("unanswered"), st.integers(0, 40), st.floats(0, 1e5)),
    st.tuples(st.just("talk"), st.just(0), st.floats(0, 1e5)),
    st.tuples(st.just("wrap"), st.just(0), st.floats(-5, 1e5)),
    st.tuples(st.just("abandoned"), st.just(0), st.just(0.0)),
)


def observed(learnt: Learnt, what: str, number: int, seconds: float) -> Learnt:
    if what == "answered":
        return dial_answered(learnt, of_list=f"l{number}", hour=number % 24, day=number, ring=seconds)
    if what == "unanswered":
        return dial_unanswered(learnt, of_list=f"l{number}", hour=number % 24, ring=seconds)
    if what == "abandoned":
        return call_abandoned(learnt, day=number)
    return (talk_ended if what == "talk" else wrap_ended)(learnt, seconds)


@given(st.lists(observations, max_size=80))
def test_whatever_is_seen_it_is_bounded_and_reads_back(seen: list[tuple[str, int, float]]) -> None:
    learnt = Learnt()
    for what, number, seconds in seen:
        before = msgspec.json.encode(learnt)
        then = observed(learnt, what, number, seconds)
        assert msgspec.json.encode(learnt) == before  # nothing is changed in its place
        learnt = then
    written = msgspec.json.encode(learnt)
    assert msgspec.json.decode(written, type=Learnt) == learnt
    assert len(written) < 20_000
    assert all(LEAST_RATE <= answer_rate(learnt, f"l{n}", hour) <= 1 for n in range(3) for hour in range(24))
