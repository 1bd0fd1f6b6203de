"""What a soak says of a series of figures: growth is seen, what swings or stays is none, and how sure that is."""

import math
import random
from collections.abc import Callable

import pytest

from bench.soak import PARTS, Series


def series(value: Callable[[float], float], *, count: int = 600, every: float = 2.0) -> Series:
    return Series([(at * every, value(at * every)) for at in range(count)])


@pytest.mark.parametrize("growth", [0.0, 3.0, -3.0, 120.0])
def test_a_slope_is_that_of_an_hour_and_within_what_is_said(growth: float) -> None:
    dice = random.Random(5)
    found = [series(lambda when: 100 + growth * when / 3600 + dice.gauss(0, 0.5)).slope() for _ in range(200)]
    within = sum(abs(slope - growth) <= sure for slope, sure in found) / len(found)
    assert 0.9 < within < 0.99  # of 95 %
    assert sum(slope for slope, _ in found) / len(found) == pytest.approx(growth, abs=0.3)


def test_what_swings_faster_than_the_parts_is_no_growth() -> None:
    slope, sure = series(lambda when: 100 + 20 * math.sin(when / 3)).slope()
    assert slope - sure <= 0 <= slope + sure


def test_what_stays_is_flat_and_sure() -> None:
    assert series(lambda when: 7.0).slope() == (0.0, 0.0)


def test_too_few_looks_say_nothing() -> None:
    _, sure = series(lambda when: when, count=2 * PARTS - 1).slope()
    assert sure == math.inf


def test_a_step_in_the_warm_up_does_not_count() -> None:
    whole = series(lambda when: 100.0 if when < 200 else 150.0)
    assert whole.slope()[0] > 50 and whole.after(0.25).slope() == (0.0, 0.0)
