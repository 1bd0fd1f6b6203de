"""In which encoding a file is that people have, told from its bytes. Pure."""

import codecs
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

PIECE = 1 << 16  # bytes that are looked at at once
BROKEN = "\ufffd"  # what a decoder makes of what it cannot read
SOUND = 10  # times as much is right in UTF-8 that is damaged; of a code page nearly nothing is
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Damaged(ValueError):
    """Some of it is none of what the rest is. The message says where."""


def encoding_of(file: BinaryIO) -> str:
    """A mark at the beginning says it; else UTF-8 where all of it is that, else the code page of Windows. Raises
    Damaged."""
    file.seek(0)
    piece = file.read(PIECE)
    for bom, encoding in _BOMS.items():
        if piece.startswith(bom):
            return encoding
    wide = _wide(piece[:4096])
    if wide:
        return wide
    try:
        for _ in _decoded(file, "strict"):
            pass
    except UnicodeDecodeError:
        _must_not_be_damaged(file)
        return "cp1251"
    return "utf-8"


def _must_not_be_damaged(file: BinaryIO) -> None:
    """Raise Damaged for UTF-8 some bytes of which are none: as a code page all its names would be wrong."""
    line, first, broken, sound = 1, 0, 0, 0
    for text in _decoded(file, "replace"):
        found = text.count(BROKEN)
        first = first or (found and line + text.count("\n", 0, text.find(BROKEN)))
        broken += found
        sound += len(text) - len(text.encode("ascii", "ignore")) - found
        line += text.count("\n")
    if sound > SOUND * broken:
        raise Damaged(f"line {first}: not UTF-8, as the rest of it is: damaged, or joined of two files")


def _decoded(file: BinaryIO, errors: str) -> Iterator[str]:
    file.seek(0)
    return codecs.iterdecode(iter(partial(file.read, PIECE), b""), "utf-8", errors=errors)


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: figures, commas and line ends have a NUL beside them, always on the same side."""
    low, high = sample[::2].count(0), sample[1::2].count(0)
    if not sample or max(low, high) * 20 < len(sample) or min(low, high) > 0:
        return None
    return "utf-16-le" if high else "utf-16-be"
