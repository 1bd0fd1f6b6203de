"""Texts as cells of a table that a spreadsheet opens without running anything that is in it, and back. Pure.

A `'` stands before what would be a formula, as people write it themselves. What begins with such marks already gets one
more, so that each text comes back as it was.
"""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet takes a text that begins so for a formula
MARK = "'"


def defused(text: str) -> str:
    """The text as a cell. NULs, which hide what follows from some programs, are left out."""
    text = text.replace("\0", "")
    return MARK + text if text.lstrip(MARK).startswith(FORMULA) else text


def undefused(cell: str) -> str:
    """The text of a cell that `defused` has written, or a spreadsheet."""
    return cell[1:] if cell.startswith(MARK) and cell.lstrip(MARK).startswith(FORMULA) else cell
