"""What a cell of a list means: the number that a spreadsheet has written in its own way, yes and no. Pure.

Whether something is a number is not said here: that is `actors/telephony/numbers.py`, for everybody.
"""

import re

from actors.telephony.numbers import NotANumber

# A column of figures, as programs write it: its places after the dot say nothing, and no figure begins with 0.
_FIGURE = re.compile(r"\s*([1-9][0-9]{8,14})[.,]0{1,2}\s*\Z")
_EXPONENT = re.compile(r"\s*'?[+-]?[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+\s*\Z")
_TEXT_FORMULA = re.compile(r'\s*="([^"]*)"\s*\Z')  # as a spreadsheet keeps the 0 before a number
YES = frozenset(["yes", "y", "true", "1", "+", "так", "т", "да", "д"])
NO = frozenset(["no", "n", "false", "0", "-", "ні", "н", "нет"])


class DigitsLost(NotANumber):
    """A spreadsheet has rounded the number: what it was nobody can say."""


def number_text(cell: str) -> str:
    """The number of a cell as somebody would write it. Raises DigitsLost."""
    if _EXPONENT.match(cell):
        raise DigitsLost("a spreadsheet wrote it with an exponent, and digits are lost. Make the column a text there")
    found = _FIGURE.match(cell) or _TEXT_FORMULA.match(cell)
    return found[1] if found else cell


def is_blank(cell: str) -> bool:
    """Whether a cell holds nothing: no letter and no figure, but a dash perhaps."""
    return not any(map(str.isalnum, cell))
