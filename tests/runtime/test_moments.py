"""Days as people give them. What is read of times is in tests/field/test_times.py."""

from zoneinfo import ZoneInfo

import pytest

from actors.runtime.moments import moment, must_be_a_day
from bus_schemas.errors import Refusal


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
