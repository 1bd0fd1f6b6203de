"""What the cells of a column look like, whatever it is called. Pure."""

import re
from collections.abc import Sequence

from actors.telephony.cells import number_text
from actors.telephony.numbers import NotANumber, canonical

_DIGITS = 7  # of what looks like a number, at least
_MARKS = "\t;|,"  # what parts cells: no number has it
_DAY = re.compile(
    r"\s*(?:[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2})(?:[ T,]|\s*\Z)"
)


def cells_of(rows: Sequence[Sequence[str]], at: int) -> list[str]:
    """The cells of a column, without those that are empty."""
    return [row[at] for row in rows if at < len(row) and row[at].strip()]


def is_number(cell: str, region: str) -> bool:
    """Whether a cell is a number, in a place in `region`."""
    try:
        canonical(number_text(cell), region)
    except NotANumber:
        return False
    return True


def is_numeric(cells: Sequence[str], region: str) -> bool:
    """Whether at least half of a column's cells are numbers."""
    return bool(cells) and 2 * sum(is_number(cell, region) for cell in cells) >= len(cells)


def is_word(cell: str) -> bool:
    """Letters, and no figure."""
    return any(map(str.isalpha, cell)) and not any(map(str.isdigit, cell))


def like_number(cell: str) -> bool:
    """Whether a cell could be a number somewhere: as many digits as one has, and nothing that none has."""
    digits = sum(map(str.isdigit, cell))
    return digits >= _DIGITS and not any(map(str.isalpha, cell)) and not any(mark in cell for mark in _MARKS)


def is_day(cell: str) -> bool:
    """Whether a cell is a day, as people write it, perhaps with a time behind it."""
    return bool(_DAY.match(cell))
