"""When it is allowed on all clocks that count, also on the days on which clocks change."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.campaign.hours import ALWAYS, DAYS, HORIZON, Hours, closed_in, next_open, parse_hours
from tests.support.depth import examples

KYIV, NEW_YORK, LORD_HOWE = ZoneInfo("Europe/Kyiv"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
ZONES = [
    KYIV, NEW_YORK, LORD_HOWE, ZoneInfo("America/Los_Angeles"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("Pacific/Apia"),
    ZoneInfo("Africa/Casablanca"), ZoneInfo("America/Santiago"), ZoneInfo("Asia/Tehran"), ZoneInfo("UTC"),
]  # fmt: skip
CHANGES = [  # moments near which clocks change somewhere
    datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 9, 6, 4, tzinfo=UTC),
    datetime(2026, 2, 15, 2, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2022, 9, 21, 19, 30, tzinfo=UTC),
]  # fmt: skip

MINUTE_OF_DAY = st.integers(0, 95).map(lambda quarter: quarter * 15) | st.integers(0, 1439)
SPANS = st.tuples(MINUTE_OF_DAY, MINUTE_OF_DAY).map(lambda pair: (min(pair), max(pair) + 1))
HOURS = st.lists(st.lists(SPANS, max_size=2), min_size=7, max_size=7).map(Hours) | st.tuples(
    st.integers(0, 12), st.integers(13, 24)
).map(lambda pair: Hours([[(pair[0] * 60, pair[1] * 60)]] * 7))
MOMENTS = st.builds(
    lambda near, minutes, seconds: near + timedelta(minutes=minutes, seconds=seconds),
    st.sampled_from(CHANGES), st.integers(-3 * 1440, 3 * 1440), st.sampled_from([0, 0, 1, 59]),
)  # fmt: skip
SETS = st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True)


def is_open(hours: Hours, zones: Sequence[ZoneInfo], moment: datetime) -> bool:
    """The definition, said once more: what each clock shows stands in a span of its day."""
    clocks = [moment.astimezone(zone) for zone in zones]
    return all(
        any(first <= clock.hour * 60 + clock.minute < end for first, end in hours.days[clock.weekday()])
        for clock in clocks
    )


@settings(max_examples=examples(50), deadline=None)
@given(HOURS, SETS, MOMENTS)
def test_the_next_moment_is_allowed_and_none_before_is(hours: Hours, zones: list[ZoneInfo], now: datetime) -> None:
    found = next_open(hours, zones, now)
    end = found or now + HORIZON
    if found is not None:
        assert found >= now and is_open(hours, zones, found)
    moment = now
    while moment < end:
        assert not is_open(hours, zones, moment), moment
        moment = moment.replace(second=0) + timedelta(minutes=1)


@settings(max_examples=examples(75), deadline=None)
@given(HOURS, SETS, MOMENTS)
def test_closed_is_what_any_zone_says(hours: Hours, zones: list[ZoneInfo], now: datetime) -> None:
    assert (closed_in(hours, zones, now) == []) is is_open(hours, zones, now)


@given(HOURS, HOURS, MOMENTS)
def test_both_allow_what_each_allows(one: Hours, other: Hours, now: datetime) -> None:
    assert is_open(one & other, [KYIV], now) == (is_open(one, [KYIV], now) and is_open(other, [KYIV], now))
    assert one & ALWAYS == one == one & one and (one & other) == (other & one)


def test_a_time_left_out_never_comes_and_one_that_comes_twice_counts_twice() -> None:
    hours = parse_hours("03:15-03:45")
    spring = next_open(hours, [KYIV], datetime(2026, 3, 29, 0, 0, tzinfo=UTC))  # 03:00 becomes 04:00
    assert spring == datetime(2026, 3, 30, 0, 15, tzinfo=UTC)
    autumn = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)  # 03:00, and 04:00 becomes 03:00
    first = next_open(hours, [KYIV], autumn)
    assert first == autumn + timedelta(minutes=15)
    assert next_open(hours, [KYIV], autumn + timedelta(minutes=45)) == autumn + timedelta(minutes=75)
    early = datetime(2026, 3, 29, 0, 29, tzinfo=UTC)
    assert next_open(parse_hours("02:30-05:00"), [KYIV], early) == early + timedelta(minutes=1)


def test_the_evening_ends_at_its_local_hour_on_both_days_of_change() -> None:
    hours = parse_hours("08:00-21:00")
    for day, last in (((2026, 3, 28), 19), ((2026, 3, 29), 18), ((2026, 10, 24), 18), ((2026, 10, 25), 19)):
        end = datetime(*day, last, 0, tzinfo=UTC)
        assert closed_in(hours, [KYIV], end) and not closed_in(hours, [KYIV], end - timedelta(seconds=1))


def test_zones_that_are_never_open_together_are_never() -> None:
    assert next_open(parse_hours("08:00-12:00"), [KYIV, ZoneInfo("Pacific/Honolulu")], CHANGES[0]) is None


def right(**given: str) -> Hours:
    return parse_hours({days.replace("_", "-"): text for days, text in given.items()})


def test_hours_are_read_as_people_write_them() -> None:
    assert parse_hours("00:00-24:00") == right(mon_sun="00:00-24:00") == ALWAYS
    assert parse_hours("") == ALWAYS == right(mon_sun="")
    assert str(parse_hours("8:00-21:00")) == "08:00-21:00"
    assert str(right(mon_fri="09:00-13:00, 14:00-18:00", sat="10:00-14:00")) == (
        "mon-fri 09:00-13:00, 14:00-18:00; sat 10:00-14:00; sun closed"
    )
    assert str(right(fri="22:00-06:00")) == "mon-thu closed; fri 22:00-24:00; sat 00:00-06:00; sun closed"
    assert str(right(sun="22:00-06:00")) == "mon 00:00-06:00; tue-sat closed; sun 22:00-24:00"
    assert right(sat_mon="10:00-11:00") == right(sat="10:00-11:00", sun="10:00-11:00", mon="10:00-11:00")
    assert right(mon="closed") == Hours([[]] * 7)


@pytest.mark.parametrize("given", ["8-21", "25:00-26:00", "08:00-08:00", "08:00-21:00,", {"monday": "08:00-21:00"},
                                   {"mon-": "08:00-21:00"}, {"mon": "shut"}])  # fmt: skip
def test_what_is_no_hours_is_refused(given: str | dict[str, str]) -> None:
    with pytest.raises(ValueError, match="`"):
        parse_hours(given)


def test_days_are_seven() -> None:
    assert [datetime(2026, 11, 23 + at).strftime("%a").lower() for at in range(7)] == list(DAYS)
