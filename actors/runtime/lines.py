"""The lines of a file of text, as programs write them. Pure."""

import codecs
import re
from collections.abc import Iterator

_LINE = re.compile(r"([^\r\n]*)(\r\n?|\n|\Z)")  # str.splitlines knows more ends, which no editor counts as lines


def lines_of(data: bytes) -> Iterator[str]:
    """The lines, without their ends; of an empty file one that is empty. UTF-16 says so by its mark, the rest is UTF-8:
    names may be in any code, and a number with what cannot be read in it is none."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    for found in _LINE.finditer(text):
        yield found[1]
        if not found[2]:
            return
