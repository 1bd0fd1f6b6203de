"""What stands above a list: titles, the day of an export, whose it is. Pure.

Nothing that could be a lead is taken for a title: from the first row on that holds a number all are rows of the list.
"""

from collections.abc import Callable, Sequence

from actors.leads.columns import is_day, is_number, like_number

TITLES = 10  # rows at most


def titles_of(rows: Sequence[Sequence[str]], region: str, known: Callable[[Sequence[str]], int]) -> int:
    """How many of the first rows stand above the header, or above the list where it has none. `known`: how many of a
    row's cells are names of columns: the row that has most of them is the header."""
    above = rows[: _first_number(rows, region)]
    if not above:
        return 0
    header = max(range(len(above)), key=lambda at: (known(above[at]), -at))
    if known(above[header]):
        return header
    found = len(above) < min(len(rows), TITLES + 1)
    return _alone(above) if found and len(_filled(rows[len(above)])) > 1 else 0


def _first_number(rows: Sequence[Sequence[str]], region: str) -> int:
    """The first row that holds a number, or what could be one somewhere; behind the last that titles may stand in."""
    for at, row in enumerate(rows[: TITLES + 1]):
        if any(_could_be_number(cell, region) for cell in row):
            return at
    return min(len(rows), TITLES + 1)


def _could_be_number(cell: str, region: str) -> bool:
    return not is_day(cell) and (like_number(cell) or is_number(cell, region))


def _alone(rows: Sequence[Sequence[str]]) -> int:
    """How many of the first rows have one cell alone."""
    return next((at for at, row in enumerate(rows) if len(_filled(row)) > 1), len(rows))


def _filled(row: Sequence[str]) -> list[str]:
    return [cell for cell in row if cell.strip()]
