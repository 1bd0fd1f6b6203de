"""Ages of calls by a clock that is set forward or back, over midnight, with and without somebody having noticed."""

from datetime import UTC, datetime, timedelta

import pytest

from actors.adapters.android import SECTION, Read, parse_look
from actors.adapters.phone_clock import Aged, Clock, ages_of, clock_of, set_by
from actors.telephony.reports import LiveCall, PastCall
from simulators.carrier.rules import REMOTE
from simulators.phone import dumps
from simulators.phone.telephony import Telephony

UP = 900_000.0  # ten days: no age of these tests is longer than the phone is up
ANSWERED, STEPPED, LOOKED = 0.1, 30.0, 100.0
TALKER = "+380991230007"
STEPS = [3600.0, -3600.0, 90.0, -90.0, 86_400.0, -86_400.0, 40 * 86_400.0, -40 * 86_400.0, 0.0]
STARTS = [datetime(2026, 11, 24, hour, minute, tzinfo=UTC) for hour, minute in ((12, 0), (0, 30), (23, 59), (0, 0))]


class Wall:
    """A phone's date: right at first, set by so many seconds at STEPPED."""

    def __init__(self, start: datetime, by: float) -> None:
        self.start = start
        self.by = by

    def __call__(self, at: float) -> datetime:
        return self.start + timedelta(seconds=at + (self.by if at >= STEPPED else 0.0))

    def clock(self, at: float) -> str:
        now = self(at)
        return f"{now:%H:%M:%S.%f}000 {now:%d} {int(now.timestamp())}\n{UP + at:.2f} 1.00\n"


def look(telephony: Telephony, wall: Wall, at: float, before: Read | None = None) -> Read:
    parts = (wall.clock(at), "0e5d6b4a-1f1e-4b52\n", "\n", dumps.telecom(telephony, 14, wall))
    read = parse_look(f"{SECTION}\n".join(parts), before)
    assert read is not None
    return read


def the_call(read: Read) -> LiveCall | PastCall:
    (call,) = (*read.look.live, *read.look.past)
    return call


def one_call() -> Telephony:
    telephony = Telephony()
    telephony.dial(TALKER, 0.0)
    telephony.advance(ANSWERED)
    return telephony


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("by", STEPS)
def test_a_step_during_a_call_that_was_looked_at_costs_nothing(start: datetime, by: float) -> None:
    telephony, wall = one_call(), Wall(start, by)
    before = look(telephony, wall, STEPPED - 1)
    between = look(telephony, wall, STEPPED + 2, before)
    for last in (before, between):
        live = the_call(look(telephony, wall, LOOKED, last))
        assert isinstance(live, LiveCall) and not live.suspect
        assert (live.created_age, live.answered_age) == (pytest.approx(100, abs=0.1), pytest.approx(99.9, abs=0.1))


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("by", STEPS)
@pytest.mark.parametrize("stepped_after_the_end", [False, True])
def test_an_end_between_two_looks_is_placed_between_them(
    start: datetime, by: float, stepped_after_the_end: bool
) -> None:
    telephony, wall = one_call(), Wall(start, by)
    before = look(telephony, wall, STEPPED - 20)
    telephony.end(telephony.live[0], REMOTE, STEPPED + (-5 if stepped_after_the_end else 5))
    past = the_call(look(telephony, wall, STEPPED + 20, before))
    assert isinstance(past, PastCall) and past.answered_age is not None
    assert past.ended_age == pytest.approx(25 if stepped_after_the_end else 15, abs=0.1)
    assert past.created_age == pytest.approx(50, abs=0.1) and past.answered_age == pytest.approx(49.9, abs=0.1)
    assert past.suspect is (stepped_after_the_end and by % 86_400 != 0)


def test_an_end_that_may_have_been_before_a_step_or_after_it_is_suspect() -> None:
    telephony, wall = one_call(), Wall(STARTS[0], -20.0)
    before = look(telephony, wall, STEPPED - 20)
    telephony.end(telephony.live[0], REMOTE, STEPPED + 5)  # 15 s ago by the clock as it is, 35 s as it was
    past = the_call(look(telephony, wall, STEPPED + 20, before))
    assert isinstance(past, PastCall) and past.suspect and past.ended_age == pytest.approx(15, abs=0.1)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("by", [-3600.0, -7200.0, -90.0])
def test_a_step_back_that_nobody_noticed_gives_no_day_long_talk(start: datetime, by: float) -> None:
    live = the_call(look(one_call(), Wall(start, by), LOOKED))
    assert isinstance(live, LiveCall) and live.answered_age is not None
    assert live.created_age <= LOOKED and live.answered_age <= LOOKED
    assert live.suspect is (by < -LOOKED)  # a small one cannot be told


@pytest.mark.parametrize("start", STARTS)
def test_a_past_call_after_a_step_back_that_nobody_noticed_ended_no_day_ago(start: datetime) -> None:
    telephony = one_call()
    telephony.end(telephony.live[0], REMOTE, STEPPED - 5)
    past = the_call(look(telephony, Wall(start, -3600.0), LOOKED))
    assert isinstance(past, PastCall) and past.suspect and past.created_age <= LOOKED


def test_answers_that_come_in_another_order_change_nothing() -> None:
    telephony, wall = one_call(), Wall(STARTS[0], 0.0)
    late, early = look(telephony, wall, 20.0), look(telephony, wall, 10.0)
    assert not early.is_later_than(late) and late.is_later_than(early)
    assert the_call(look(telephony, wall, 10.0, late)).created_age == pytest.approx(10.0, abs=0.1)


def test_a_jump_while_a_call_is_being_dialled_is_no_hour_of_dialling() -> None:
    clock = Clock(time_of_day=13 * 3600.0)
    aged = ages_of("TC@1", [("CREATED", 43_190.0), ("SET_ACTIVE", 46_790.0)], "", clock, None)
    assert aged == Aged(ages=(10.0, 10.0), suspect=True)


def test_no_call_is_older_than_the_phone_is_up() -> None:
    clock = Clock(time_of_day=40_000.0, uptime=120.0)
    aged = ages_of("TC@1", [("CREATED", 39_000.0), ("SET_ACTIVE", 39_990.0)], "", clock, None)
    assert aged == Aged(ages=(10.0, 10.0), suspect=True)


@pytest.mark.parametrize(
    ("date", "created", "age", "suspect"),
    [
        ("24 нояб. 2026 г., 11:00:00", 39_600.0, 3600.0, False),
        ("Nov 23, 2026, 1:00:00\u202fPM", 46_800.0, 82_800.0, False),  # yesterday, at a later hour
        ("23. nov. 2026 11:00:00", 39_600.0, 90_000.0, False),
        ("2 Nov 2026 13:00:00", 46_800.0, 21 * 86_400.0 + 82_800.0, False),
        ("Nov 24, 2026 13:00:00", 46_800.0, 0.0, True),  # this afternoon is still to come
        ("23/11/26 11:00:00", 39_600.0, 3600.0, False),  # which number is the day is not said
        ("", 39_600.0, 3600.0, False),
    ],
)
def test_the_day_of_a_past_call_is_read_where_it_can_be(date: str, created: float, age: float, suspect: bool) -> None:
    clock = clock_of(f"12:00:00.000 24 {int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp())}\n9999999.00 1.00\n")
    assert clock is not None
    assert ages_of("TC@1", [("CREATED", created)], date, clock, None) == Aged(ages=(age,), suspect=suspect)


def test_the_day_before_the_first_is_in_the_month_before() -> None:
    clock = clock_of(f"12:00:00.000 01 {int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())}\n9999999.00 1.00\n")
    assert clock is not None
    aged = ages_of("TC@1", [("CREATED", 46_800.0)], "Feb 28, 2026 13:00:00", clock, None)
    assert aged == Aged(ages=(82_800.0,), suspect=False)


def test_a_clock_that_runs_well_or_says_too_little_was_not_set() -> None:
    first, later = Clock(time_of_day=0, epoch=1000.0, uptime=10.0), Clock(time_of_day=0, epoch=1101.5, uptime=110.0)
    assert set_by(first, later) == 0 and set_by(Clock(time_of_day=0), later) == 0
    assert set_by(first, Clock(time_of_day=0, epoch=4700.0, uptime=110.0)) == 3600
