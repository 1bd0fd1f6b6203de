"""The lines of a file of text, as programs write them. Pure."""

import codecs
import csv
import re
import sys
from collections.abc import Iterator
from itertools import repeat

PIECE = 16 * 1024  # bytes that are decoded in one go: what is no text takes long
_END = re.compile(r"\r\n?|\n")  # str.splitlines knows more ends, which no editor counts as lines


def lines_of(data: bytes, longest: int = sys.maxsize) -> Iterator[str]:
    """The lines, without their ends; of an empty file one that is empty. Decoded as far as they are asked for; of a
    line of more than `longest` characters perhaps not all, and then no other one. UTF-16 says so by its mark, the rest
    is UTF-8: names may be in any code, and a number with what cannot be read in it is none."""
    rest = ""
    for text in _texts(data):
        *whole, rest = _END.split(rest + text)
        yield from whole
        if len(rest) > longest:
            break
    yield rest


def whole_rows(lines: Iterator[str], longest: int) -> Iterator[str]:
    """The lines of a table, a row that goes over several, in quotes, as one in its first line; the others are empty
    then, so that all keep their numbers. What begins with no names of columns is no table. `longest`: characters of a
    row, beyond which it is left as it is found."""
    head = next(lines, "")
    yield head
    mark = max(",;\t", key=head.count)
    if mark not in head or any(map(str.isdigit, head)):
        yield from lines
        return
    for line in lines:
        row, taken = line, 1
        while _is_open(row, mark) and len(row) <= longest and (more := next(lines, None)) is not None:
            row, taken = f"{row} {more}", taken + 1
        yield row
        yield from repeat("", taken - 1)


def _is_open(row: str, mark: str) -> bool:
    """Whether a cell that begins with a quote does not end in it."""
    if '"' not in row or row.lstrip().startswith("#"):
        return False
    try:
        next(csv.reader([row], delimiter=mark, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _texts(data: bytes) -> Iterator[str]:
    """The text in pieces, none of which ends in the middle of a line's end."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder("utf-16" if wide else "utf-8-sig")("replace")
    held = ""
    for at in range(0, len(data), PIECE):
        text = held + decoder.decode(data[at : at + PIECE])
        held = "\r" if text.endswith("\r") else ""
        yield text.removesuffix("\r")
    yield held + decoder.decode(b"", final=True)
