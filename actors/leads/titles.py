"""What stands above a list: titles, the day of an export, whose it is. Pure.

Nothing that could be a lead is taken for a title: from the first row on that holds a number all are rows of the list.
"""

from collections.abc import Callable, Sequence

from actors.leads.columns import is_day, is_number, like_number

TITLES = 10  # rows at most

Headed = Callable[[Sequence[str]], tuple[bool, int]]


def titles_of(rows: Sequence[Sequence[str]], region: str, headed: Headed) -> int:
    """How many of the first rows stand above the header, or above the list where it has none. `headed`: whether one of
    a row's cells names a column of numbers, and how many name columns: the row of the most is the header."""
    above = rows[: _first_number(rows, region)]
    headers = [at for at in range(len(above)) if headed(above[at])[1] and not _is_title_by_shape(above, at, headed)]
    if headers:
        return max(headers, key=lambda at: (*headed(above[at]), -at))
    found = len(above) < min(len(rows), TITLES + 1)
    if not (found and above and len(_filled(rows[len(above)])) > 1):
        return 0
    alone = _count(above, lambda row: len(_filled(row)) <= 1)
    return alone if alone < len(above) else _count(above, _is_no_lead)


def _is_title_by_shape(above: Sequence[Sequence[str]], at: int, headed: Headed) -> bool:
    """Whether a row is a word alone above others with more cells: a title that is also the name of a column."""
    alone = len(_filled(above[at])) == 1 and any(len(_filled(row)) > 1 for row in above[at:])
    return alone and not headed(above[at])[0]


def _first_number(rows: Sequence[Sequence[str]], region: str) -> int:
    """The first row that holds a number, or what could be one somewhere; behind the last that titles may stand in."""
    for at, row in enumerate(rows[: TITLES + 1]):
        if any(_could_be_number(cell, region) for cell in row):
            return at
    return min(len(rows), TITLES + 1)


def _could_be_number(cell: str, region: str) -> bool:
    return not is_day(cell) and (like_number(cell) or is_number(cell, region))


def _count(rows: Sequence[Sequence[str]], is_title: Callable[[Sequence[str]], bool]) -> int:
    """How many of the first rows are titles."""
    return next((at for at, row in enumerate(rows) if not is_title(row)), len(rows))


def _is_no_lead(row: Sequence[str]) -> bool:
    """Whether a row with one cell is no row of the list that begins below it, with a name alone, or with a number that
    is none: `Leads 2026`, or a day."""
    return all(is_day(cell) or (any(map(str.isalpha, cell)) and any(map(str.isdigit, cell))) for cell in _filled(row))


def _filled(row: Sequence[str]) -> list[str]:
    return [cell for cell in row if cell.strip()]
