"""Columns that hold countries or calling codes, and whose names do not say it, or that have none. Pure.

What stands in them is no proof: `Poland` may be where somebody was born, `48` how old they are. So a column in which
each calling code has its `+` is taken; for any other one a person is asked, if a number of the first rows would be
another one by it. Where none would the column is unsure, and a later row whose number would be is no lead.
"""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from actors.leads.columns import cells_of
from actors.leads.country import CALLING_CODE, COUNTRY, Home, home_of, is_code, is_country, perhaps_of, says_nothing
from actors.leads.lead import Unfit, tidy
from actors.telephony import numbers
from actors.telephony.cells import number_text
from actors.telephony.numbers import NotANumber

OF_COUNTRIES = ((CALLING_CODE, is_code), (COUNTRY, is_country))
# So many of a column's cells at least, of those that are not empty. All calling codes are known, and figures are much
# else besides, so that half of the numbers have to be of there, too; a country has more names than anybody knows.
KNOWN = {CALLING_CODE: 0.9, COUNTRY: 0.6}


class Unnamed(Struct, frozen=True, kw_only=True):
    """A column that may say where numbers stand. `sure`: it is nothing else; `matters`: a number of the first rows is
    another one by it, or only by it one at all."""

    at: int
    field: str
    sure: bool
    matters: bool


class Numbers(Struct, frozen=True, kw_only=True):
    """Where the numbers of a list are: their columns, from 0. `country`: the column that says in which country they
    stand; None: none does, and they stand in `region`."""

    columns: tuple[int, ...]
    country: int | None
    region: str

    def beside(self, rows: Sequence[Sequence[str]], at: int) -> Iterator[tuple[Sequence[str], str]]:
        """Each number of a row in which a column says something, with its row."""
        for row in rows:
            if at < len(row) and not says_nothing(row[at]):
                yield from ((row, row[column]) for column in self.columns if column < len(row) and row[column].strip())

    def read(self, row: Sequence[str], cell: str) -> str:
        """A number of a row, E.164, as it is read without a further column; empty: it is none."""
        if self.country is None:
            return _read(lambda tidied: numbers.number_of(tidied, self.region), cell)
        home = home_of({COUNTRY: row[self.country] if self.country < len(row) else ""}, (COUNTRY,))
        return _read(home.read, cell) if home is not None else ""


def unnamed(rows: Sequence[Sequence[str]], free: Sequence[int], among: Numbers) -> Iterator[Unnamed]:
    """Those among the `free` columns. Where a column says the country, others may only say the calling code."""
    for at in free:
        cells = [cell for cell in cells_of(rows, at) if not says_nothing(cell)]
        for field, is_known in OF_COUNTRIES[: 1 if among.country is not None else None]:
            if cells and sum(map(is_known, cells)) >= KNOWN[field] * len(cells):
                found = _looked_at(rows, at, field, among)
                if found is not None:
                    yield found
                    break


def says_another(home: Home, cell: str, e164: str) -> bool:
    """Whether by what stands beside it a number may not be the one that was read without it: that is another country,
    or nobody knows which."""
    return not _is_explicit(cell) and not (home.code and e164.startswith(f"+{home.code}"))


def _looked_at(rows: Sequence[Sequence[str]], at: int, field: str, among: Numbers) -> Unnamed | None:
    """What a column of countries is to the numbers beside it. None: nothing, since they are no numbers of there."""
    beside = list(among.beside(rows, at))
    pairs = [(perhaps_of(field, row[at]), row, cell) for row, cell in beside]
    said = [(home, row, cell) for home, row, cell in pairs if home is not None and home.code]
    bare = [(home, row, cell) for home, row, cell in said if not _is_explicit(cell)]
    fits = [bool(_read(home.read, cell)) for home, _, cell in bare or said]
    there = any(fits) if field == COUNTRY else bool(fits) and 2 * sum(fits) >= len(fits)
    explicit = field == CALLING_CODE and all(tidy(row[at]).lstrip("'").startswith(("+", "00")) for row, _ in beside)
    if not there and not (explicit and fits):
        return None
    matters = any(says_another(home, cell, among.read(row, cell)) for home, row, cell in bare)
    return Unnamed(at=at, field=field, sure=explicit and there, matters=matters)


def _read(reader: Callable[[str], numbers.Number], cell: str) -> str:
    """What a cell is, E.164; empty: it is no number."""
    try:
        return reader(numbers.tidy(number_text(cell))).e164
    except (Unfit, NotANumber):
        return ""


def _is_explicit(cell: str) -> bool:
    """Whether a number says its country by itself."""
    try:
        return numbers.tidy(number_text(cell)).lstrip(" (").startswith("+")
    except NotANumber:
        return False
