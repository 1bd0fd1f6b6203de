"""Columns that hold countries or calling codes, and whose names do not say it, or that have none. Pure.

What stands in them is no proof: `Poland` may be where somebody was born, `48` how old they are. So a column in which
each calling code has its `+` is taken; for any other one a person is asked, if a number of the first rows would be
another one by it. Where none would the column is unsure, and a later row whose number would be is no lead.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from actors.leads.cells import is_blank
from actors.leads.columns import cells_of, is_number
from actors.leads.country import CALLING_CODE, COUNTRY, Home, home_of, is_code, is_country
from actors.leads.lead import Unfit, tidy
from actors.telephony import numbers
from actors.telephony.cells import number_text
from actors.telephony.numbers import NotANumber

OF_COUNTRIES = ((CALLING_CODE, is_code), (COUNTRY, is_country))
ALL = 0.9  # of a column's cells: who types a thousand of them makes mistakes


class Unnamed(Struct, frozen=True, kw_only=True):
    """A column that may say where numbers stand. `sure`: it is nothing else; `matters`: a number of the first rows is
    another one by it, or only by it one at all."""

    at: int
    field: str
    sure: bool
    matters: bool


def unnamed(
    rows: Sequence[Sequence[str]], free: Sequence[int], number: int, region: str
) -> Iterator[Unnamed]:
    """Those among the `free` columns. `number`: the column of the numbers."""
    for at in free:
        cells = [cell for cell in cells_of(rows, at) if not is_blank(cell)]
        for field, is_known in OF_COUNTRIES:
            if cells and sum(map(is_known, cells)) >= ALL * len(cells):
                found = _looked_at(rows, at, field, number, region)
                if found is not None:
                    yield found


def says_another(home: Home, cell: str, e164: str) -> bool:
    """Whether by a country that stands beside it a number would not be the one that was read without it."""
    return bool(home.code) and not _is_explicit(cell) and not e164.startswith(f"+{home.code}")


def _looked_at(
    rows: Sequence[Sequence[str]], at: int, field: str, number: int, region: str
) -> Unnamed | None:
    """What a column of countries is to the numbers beside it. None: nothing, since they are no numbers of there."""
    beside = [row for row in rows if max(at, number) < len(row) and row[number].strip() and not is_blank(row[at])]
    pairs = [(home_of({field: row[at]}, (field,)), row[number]) for row in beside]
    said = [(home, cell) for home, cell in pairs if home is not None and home.code]
    bare = [(home, cell) for home, cell in said if not _is_explicit(cell)]
    fits = [_reads(home, cell) for home, cell in bare or said]
    there = bool(fits) and 2 * sum(fits) >= len(fits)
    explicit = field == CALLING_CODE and all(tidy(row[at]).lstrip("'").startswith(("+", "00")) for row in beside)
    if not there and not (explicit and fits):
        return None
    matters = any(not is_number(cell, region) or _differs(home, cell, region) for home, cell in bare)
    return Unnamed(at=at, field=field, sure=explicit and there, matters=matters)


def _differs(home: Home, cell: str, region: str) -> bool:
    return says_another(home, cell, numbers.canonical(number_text(cell), region).e164)


def _reads(home: Home, cell: str) -> bool:
    try:
        home.read(numbers.tidy(number_text(cell)))
    except (Unfit, NotANumber):
        return False
    return True


def _is_explicit(cell: str) -> bool:
    """Whether a number says its country by itself."""
    try:
        return numbers.tidy(number_text(cell)).lstrip(" (").startswith("+")
    except NotANumber:
        return False
