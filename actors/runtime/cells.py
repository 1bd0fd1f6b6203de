"""Texts as cells of a table that a spreadsheet opens without running anything that is in it, and back. Pure.

A `'` stands before what would be a formula, as people write it themselves, also behind what some spreadsheet takes for
the end of a cell (`;` where a comma stands in figures). What begins with such marks already gets one more, so that each
text comes back as it was.
"""

import re
from collections.abc import Collection, Sequence

_WIDE = "\uff1d\uff0b\uff0d\uff20"  # `=+-@` as wide as an ideograph, which spreadsheets of East Asia take for these
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", *_WIDE)  # a spreadsheet takes a text that begins so for a formula
_FIRST = frozenset({"=", "+", "-", "@", *_WIDE})
MARK = "'"
_PLAIN = re.compile(rf"""[^'=+@\t\r\n\0;{_WIDE}-][^\t\r\n\0;]*+\Z|\Z""")  # whatever is left as it is, at a glance
_ENDS = ("\t", "\r", "\n", ";")  # what some spreadsheet takes for the end of a cell
_ODD_BEGIN = re.compile(rf"\0['=+@{_WIDE}-]")
_INSIDE = re.compile(rf"""([;\t\r\n])(?=["' ]*[=+@\t\r\n{_WIDE}-])""")
_MARKED = re.compile(rf"""([;\t\r\n])'(?=["' ]*[=+@\t\r\n{_WIDE}-])""")


def defused(text: str) -> str:
    """The text as a cell. NULs, which hide what follows from some programs, are left out."""
    if _PLAIN.match(text):
        return text
    if text[0] in _FIRST and _PLAIN.match(text, 1):  # as nearly all numbers of phones
        return MARK + text
    text = _INSIDE.sub(rf"\1{MARK}", text.replace("\0", ""))
    return MARK + text if text.lstrip(MARK).startswith(FORMULA) else text


def all_defused(texts: Sequence[str]) -> Sequence[str]:
    """The same of many. Most columns are told at a glance: nothing in them is a formula, or they are numbers of phones.
    """
    if _are_plain(texts):
        return texts
    if {text[:1] for text in texts} <= _FIRST and _are_plain([text[1:] for text in texts]):
        return [MARK + text for text in texts]
    return [*map(defused, texts)]


def _are_plain(texts: Collection[str]) -> bool:
    """Whether all of them are cells as they are. False also where nobody has looked."""
    whole = "\0" + "\0".join(texts) if texts else ""
    if whole.count("\0") != len(texts) or any(end in whole for end in _ENDS):
        return False
    return _ODD_BEGIN.search(whole) is None


def undefused(cell: str) -> str:
    """The text of a cell that `defused` has written, or a spreadsheet."""
    if MARK not in cell:
        return cell
    text = cell[1:] if cell.startswith(MARK) and cell.lstrip(MARK).startswith(FORMULA) else cell
    return _MARKED.sub(r"\1", text)
