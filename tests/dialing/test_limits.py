"""What counts against the limits, from when on, and what of it a new process finds again."""

import pytest

from actors.dialing.limits import CallLimits
from actors.runtime.clock import Moment
from bus_schemas.errors import Refusal


def at(seconds: float, boot: str = "b") -> Moment:
    return Moment(at=f"2026-01-01T00:{int(seconds) // 60:02d}:{seconds % 60:06.3f}Z", mono=seconds, boot=boot)


def rule(error: Refusal) -> str:
    return str((error.details or {})["rule"])


def test_a_user_may_start_so_many_a_minute() -> None:
    limits = CallLimits(per_minute=3, at_once=100)
    for second in range(3):
        limits.let_in(f"c_{second}", "a", at(second))
    with pytest.raises(Refusal) as refused:
        limits.let_in("c_3", "a", at(10))
    assert rule(refused.value) == "user_calls_per_minute" and (refused.value.details or {})["retry_after"] == 50
    limits.let_in("c_3", "b", at(10))
    limits.let_in("c_4", "a", at(60.5))


def test_a_start_counts_from_the_moment_it_is_let_in() -> None:
    limits = CallLimits(per_minute=100, at_once=1)
    limits.let_in("c_1", "a", at(0))
    for number in (2, 3):  # at the same moment, before anything is on record
        with pytest.raises(Refusal) as refused:
            limits.let_in(f"c_{number}", "a", at(0))
        assert rule(refused.value) == "user_concurrent_calls"
    limits.over("c_1", "a")
    limits.let_in("c_2", "a", at(1))


def test_a_start_that_came_to_nothing_does_not_count() -> None:
    limits = CallLimits(per_minute=1, at_once=1)
    limits.let_in("c_1", "a", at(0))
    limits.withdraw("c_1", "a")
    limits.let_in("c_2", "a", at(1))


def test_what_a_former_process_began_counts_on() -> None:
    limits = CallLimits(per_minute=2, at_once=2)
    for number, began in ((1, 0.0), (2, 50.0), (2, 50.0)):  # told twice, counted once
        limits.began("slot-1", f"c_{number}", "a", at(began, "earlier boot"), at(70))
    limits.is_open("c_2", "a", pooled=None)
    assert limits.starts("slot-1", 3600, at(70)) == 2
    limits.let_in("c_3", "a", at(70))
    with pytest.raises(Refusal) as refused:
        limits.let_in("c_4", "a", at(70))
    assert rule(refused.value) == "user_concurrent_calls"


def test_who_else_wanted_slots_of_the_pool_is_known_for_an_hour() -> None:
    limits = CallLimits(per_minute=1000, at_once=1000)
    assert not limits.pool_has_others("a", at(0))
    limits.wants_of_pool("a", 10.0)
    limits.wants_of_pool("a", 20.0)
    assert not limits.pool_has_others("a", at(20)) and limits.pool_has_others("b", at(20))
    limits.began("slot-1", "c_1", "b", at(5, "earlier boot"), at(30), pooled=True)  # told late
    limits.began("slot-2", "c_2", "c", at(25), at(30))  # of their own
    assert limits.pool_has_others("a", at(30)) and limits.pool_has_others("c", at(30))
    assert not limits.pool_has_others("a", at(3606)) and limits.pool_has_others("b", at(3606))
    limits.wants_of_pool("b", 3610.0)
    assert limits.pool_has_others("a", at(3700)) and not limits.pool_has_others("b", at(3700))


def test_a_line_counts_in_its_window() -> None:
    limits = CallLimits(per_minute=1000, at_once=1000)
    for number in range(5):
        limits.count("trunk-t", f"c_{number}", "a", at(number))
    assert [limits.starts("trunk-t", window, at(4.5)) for window in (1, 3, 60)] == [1, 3, 5]
    assert limits.first_in("trunk-t", 3, at(4.5)) == 0.5
    assert limits.starts("trunk-t", 60, at(100)) == 0 and not list(limits.of("trunk-t"))
