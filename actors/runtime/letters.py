"""Letters that are put together of several signs, in one form (Unicode Standard Annex 15). Pure."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

_MOST = 30  # marks on one letter: no language has as many
_PIECE = 16_384  # signs that are looked through at a time: no other thread runs meanwhile
_FURTHER = 1_000  # signs among which there is one that nothing before it can be joined with, in any language
_APART = "\u034f"  # the grapheme joiner, which no mark passes


def composed(text: str) -> str:
    """A text in normal form C, in a time that grows with its length: marks are put into order by pairs, which takes
    the square of how many there are on a letter. So behind each thirtieth they are parted (UAX 15, 13: Stream-Safe
    Text Format)."""
    if text.isascii():
        return text
    return "".join(
        unicodedata.normalize("NFC", _many().sub(rf"\g<0>{_APART}", piece)) for piece in _pieces(text)
    )


def _pieces(text: str) -> Iterator[str]:
    """The text, cut before signs that stand by themselves."""
    at = 0
    while at < len(text):
        found = _alone().search(text, at + _PIECE, at + _PIECE + _FURTHER)
        end = found.start() if found is not None else at + _PIECE + _FURTHER
        yield text[at:end]
        at = end


@cache
def _alone() -> re.Pattern[str]:
    """A sign that is joined with none before it: no mark, and not the second part of any other one."""
    signs = [*map(chr, range(0x300, 0x1F000))]
    parts = (unicodedata.normalize("NFD", sign) for sign in signs)
    seconds = {one for part in parts for one in part[1:]} | {sign for sign in signs if unicodedata.combining(sign)}
    return re.compile(f"[^{re.escape(''.join(sorted(seconds)))}\u1160-\u11ff]")


@cache
def _many() -> re.Pattern[str]:
    """As many marks as stay together, where one more follows. Made at first use: it takes a hundredth of a second."""
    signs = map(chr, range(0x300, 0x1F000))
    marks = re.escape("".join(sign for sign in signs if unicodedata.combining(unicodedata.normalize("NFD", sign)[0])))
    return re.compile(rf"[{marks}]{{{_MOST}}}(?=[{marks}])")
