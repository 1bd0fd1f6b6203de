"""The abandoned share of 30 days, and what it allows."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.campaign.tally import AIM, DAYS, FILLED, MOST, Tally, allowed_share, counted, room, surplus, totals

CAP = 0.03
days = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 500), st.integers(0, 20)), max_size=60)


def tally_of(*days: tuple[int, int, int]) -> Tally:
    tally = Tally()
    for day, answered, abandoned in days:
        tally = counted(tally, day, answered=answered, abandoned=abandoned)
    return tally


def test_thirty_days_count() -> None:
    tally = tally_of((1, 100, 9), (2, 100, 2), (30, 50, 1))
    assert totals(tally, 30) == (250, 12)
    assert totals(tally, 31) == (150, 3)
    assert totals(tally, 61) == (0, 0)
    assert totals(counted(tally, 40, answered=1), 40) == (51, 1)


@given(days)
def test_it_stays_small_and_in_order(days: list[tuple[int, int, int]]) -> None:
    tally = tally_of(*days)
    kept = [each.day for each in tally.days]
    assert kept == sorted(set(kept)) and len(kept) <= DAYS
    assert msgspec.json.decode(msgspec.json.encode(tally), type=Tally) == tally


def test_a_clock_that_is_set_back_takes_nothing_from_the_count() -> None:
    tally = tally_of((5, 100, 3), (4, 10, 1))
    assert totals(tally, 4) == totals(tally, 5) == (110, 4)


def test_the_surplus_is_that_of_the_worst_window() -> None:
    assert surplus(tally_of((1, 1000, 0), (2, 100, 1)), 2, CAP) == 2
    assert surplus(tally_of((1, 1000, 0), (2, 100, 8)), 2, CAP) == -5  # good days before do not excuse a bad one
    assert surplus(tally_of((1, 100, 8), (2, 1000, 0)), 2, CAP) == 25
    assert surplus(tally_of((1, 1000, 0)), 2, CAP) == 0  # nor are they saved for the next one


def test_what_is_allowed_follows_the_surplus() -> None:
    usual = FILLED * AIM * CAP
    shares = [allowed_share(tally_of((1, 20_000, abandoned)), 1, CAP) for abandoned in (580, 573, 570, 568, 567, 500)]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == MOST * usual
    assert shares[2] == pytest.approx(usual)  # at 95 % of the cap


def test_nothing_is_allowed_where_one_more_would_be_over_the_cap() -> None:
    for answered, abandoned in ((0, 0), (33, 0), (1000, 30), (1000, 29)):
        assert allowed_share(tally_of((1, answered, abandoned)), 1, CAP) == 0


@given(days, st.integers(0, 120), st.floats(0, 0.1))
def test_no_stretch_is_allowed_much_more_than_the_cap(
    days: list[tuple[int, int, int]], today: int, cap: float
) -> None:
    tally = tally_of(*days)
    allowed = allowed_share(tally, today, cap)
    assert 0 <= allowed <= MOST * FILLED * AIM * cap
    assert allowed == 0 or room(tally, today, cap) > 1
