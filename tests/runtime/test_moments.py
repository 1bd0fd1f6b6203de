"""Days as people give them. What is read of times is in tests/field/test_times.py."""

from zoneinfo import ZoneInfo

import pytest

from actors.runtime.moments import moment, must_be_a_day
from bus_schemas.errors import ErrorCode, Refusal


def test_a_day_that_never_comes_is_refused() -> None:
    must_be_a_day(None, "day")
    must_be_a_day("2028-02-29", "day")
    for never in ("2026-13-45", "2026-02-29"):
        with pytest.raises(Refusal, match="`day`: there is no such day"):
            must_be_a_day(never, "day")


@pytest.mark.parametrize(("text", "zone"), [("9999-12-31T23:59", "America/New_York"), ("0001-01-01", "Asia/Tokyo")])
def test_a_time_that_no_calendar_has_elsewhere_is_refused(text: str, zone: str) -> None:
    with pytest.raises(Refusal, match="`callback`: no date or time"):
        moment(text, "callback", [ZoneInfo(zone)])


@pytest.mark.parametrize(
    ("text", "zone", "gap"),
    [
        ("2027-03-28T03:30", "Europe/Kyiv", "03:00 to 04:00"),
        ("2027-03-28T03:00", "Europe/Kyiv", "03:00 to 04:00"),
        ("2027-03-28T03:59:59", "Europe/Kyiv", "03:00 to 04:00"),
        ("2026-10-04T02:10", "Australia/Lord_Howe", "02:00 to 02:30"),
        ("2026-09-06", "America/Santiago", "00:00 to 01:00"),
    ],
)
def test_a_time_that_a_clock_leaves_out_is_refused(text: str, zone: str, gap: str) -> None:
    with pytest.raises(Refusal, match=f"`callback`: .* of {zone} goes from {gap}") as refused:
        moment(text, "callback", [ZoneInfo(zone)])
    assert refused.value.code is ErrorCode.INVALID_PARAMS
    assert refused.value.details == {"field": "callback", "given": text}


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("2027-03-28T02:59:59", "2027-03-28T00:59:59.000Z"),
        ("2027-03-28T04:00", "2027-03-28T01:00:00.000Z"),
        ("2027-03-28T03:30:00+02:00", "2027-03-28T01:30:00.000Z"),
        ("2027-10-31T03:30", "2027-10-31T00:30:00.000Z"),  # which comes twice: the first one
    ],
)
def test_the_times_beside_those_are_taken(text: str, right: str) -> None:
    assert moment(text, "callback", [ZoneInfo("Europe/Kyiv")]) == right
