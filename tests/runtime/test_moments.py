"""Days as people give them. What is read of times is in tests/field/test_times.py."""

import pytest

from actors.runtime.moments import must_be_a_day
from bus_schemas.errors import Refusal


def test_a_day_that_never_comes_is_refused() -> None:
    must_be_a_day(None, "day")
    must_be_a_day("2028-02-29", "day")
    for never in ("2026-13-45", "2026-02-29"):
        with pytest.raises(Refusal, match="`day`: there is no such day"):
            must_be_a_day(never, "day")
