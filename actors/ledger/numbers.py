"""Numbers of phones that lists are asked for."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from actors.telephony.numbers import NotANumber, parts_of
from bus_schemas.errors import misfit


def parts_in(number: str | None, region: str) -> frozenset[str] | None:
    """What a number on record is, or has in it, where this is asked for in `region`; None: whatever it is. Raises
    Refusal(INVALID_PARAMS)."""
    if number is None:
        return None
    try:
        parts = parts_of(number, region)
    except NotANumber as error:
        raise misfit("number", f"no phone number nor a part of one: {error}.") from None
    return frozenset(part for part in parts if any(character.isdigit() for character in part))  # `00` is also `+`


def has_one_of(numbers: sa.Column[Any], parts: Iterable[str]) -> sa.ColumnElement[bool]:
    """The condition that one of these parts is in a column of numbers."""
    return sa.or_(*(numbers.contains(part, autoescape=True) for part in sorted(parts)))
