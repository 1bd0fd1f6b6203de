"""Moments as people give them."""

import re
from datetime import UTC

from actors.runtime.clock import parse_utc, utc
from bus_schemas.errors import misfit

# An offset whose `+` became a blank, as it does in an address where it is not written `%2B`.
_LOST_PLUS = re.compile(r"(T[0-9:.]+) ([0-9]{2}:?(?:[0-9]{2})?)\Z")


def moment(text: str | None, field: str) -> str | None:
    """A date or a time as the records write it, so that they compare as text; UTC where it has no offset. `field`: of
    the request that has it. Raises Refusal(INVALID_PARAMS), which names it."""
    if text is None:
        return None
    try:
        said = parse_utc(_LOST_PLUS.sub(r"\1+\2", text.upper()))  # RFC 3339 allows `t` and `z`
        return utc(said if said.tzinfo is not None else said.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        why = "no date or time like 2025-11-15T10:30:00Z or 2025-11-15T12:30:00+02:00."
        raise misfit(field, why, given=text) from None
