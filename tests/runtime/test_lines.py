"""The lines of a file that is decoded in parts."""

import codecs
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import lines
from actors.runtime.lines import lines_of

BYTES = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from([b"\r", b"\n", b"a", "ü".encode(), b"\xff", b"\xe2\x82", "😀".encode()])).map(b"".join),
)
MARKS = st.sampled_from([b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])


@given(mark=MARKS, data=BYTES, piece=st.integers(1, 7))
def test_the_lines_are_those_of_the_whole_text(mark: bytes, data: bytes, piece: int) -> None:
    wide = mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    text = (mark + data).decode("utf-16" if wide else "utf-8-sig", "replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "PIECE", piece)
        assert list(lines_of(mark + data)) == re.split(r"\r\n?|\n", text)


def test_of_a_line_without_end_little_is_decoded() -> None:
    found = lines_of(b"1\n" + 10_000_000 * b"2", longest=100)
    assert next(found) == "1" and 100 < len(next(found)) <= 100 + lines.PIECE and next(found, None) is None
