"""Letters that are put together of several signs, in one form (Unicode Standard Annex 15). Pure."""

import re
import unicodedata
from functools import cache

_MOST = 30  # marks on one letter: no language has as many
_APART = "\u034f"  # the grapheme joiner, which no mark passes


def composed(text: str) -> str:
    """A text in normal form C, in a time that grows with its length: marks are put into order by pairs, which takes
    the square of how many there are on a letter. So behind each thirtieth they are parted (UAX 15, 13: Stream-Safe
    Text Format)."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _many().sub(rf"\g<0>{_APART}", text))


@cache
def _many() -> re.Pattern[str]:
    """As many marks as stay together, where one more follows. Made at first use: it takes a hundredth of a second."""
    signs = map(chr, range(0x300, 0x1F000))
    marks = re.escape("".join(sign for sign in signs if unicodedata.combining(unicodedata.normalize("NFD", sign)[0])))
    return re.compile(rf"[{marks}]{{{_MOST}}}(?=[{marks}])")
