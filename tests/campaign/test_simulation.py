"""A simulated centre (bench/call_centre.py): the cap holds, a seed is the same run again, looking ahead is worth it."""

import pytest

from actors.campaign.durations import mean_of
from actors.campaign.learning import answer_rate
from actors.campaign.tally import totals
from bench.call_centre import CallCentre
from bench.dialers import LookAhead, Ratio
from bench.pacing import CAP, CHANGING, STEADY, simulate

HOURS = 20  # of operators: two of ten


def centre(seed: int, **changed: int) -> CallCentre:
    return simulate(STEADY, LookAhead(**changed), operators=10, seed=seed, operator_hours=HOURS)


def test_the_cap_holds_and_operators_talk_more() -> None:
    ahead = [centre(seed) for seed in range(2)]
    ahead.append(simulate(CHANGING, LookAhead(), operators=10, seed=2, operator_hours=HOURS))
    progressive = [simulate(STEADY, Ratio(1), operators=10, seed=seed, operator_hours=HOURS) for seed in range(3)]
    for each in ahead:
        assert each.abandoned <= CAP * each.answered
    assert sum(each.talked for each in ahead) > 1.15 * sum(each.talked for each in progressive)


def test_what_is_counted_is_what_happened() -> None:
    dialer = LookAhead()
    ended = simulate(STEADY, dialer, operators=10, seed=6, operator_hours=HOURS)
    assert totals(dialer.learnt.tally, 0) == (ended.answered, ended.abandoned) and ended.abandoned > 0
    assert mean_of(dialer.learnt.talk) == pytest.approx(90, rel=0.2)
    assert answer_rate(dialer.learnt, "list", 10) == pytest.approx(0.25, abs=0.08)


def test_the_same_seed_is_the_same_run() -> None:
    one, same, other = centre(3), centre(3), centre(4)
    assert (one.talked, one.answered, one.abandoned) == (same.talked, same.answered, same.abandoned)
    assert one.talked != other.talked


def test_a_team_that_is_too_small_abandons_nobody() -> None:
    ended = centre(5, smallest_team=11)
    assert ended.abandoned == 0 and ended.answered > 200
