"""Files of text from programs that write them in their own way, as the lines that they hold."""

import codecs

import pytest

from actors.runtime.lines import lines_of, whole_rows
from bus_schemas.errors import ErrorCode, Refusal
from gateway import line_files
from gateway.line_files import in_utf8, text_of
from tests.support.sheets import workbook

TEXT = "Номер;Ім'я\r\n0991230099;Анна Ковальчук, село Високе\r\n"
ENCODED = {
    "UTF-8": TEXT.encode(), "UTF-8 with a mark": codecs.BOM_UTF8 + TEXT.encode(), "cp1251": TEXT.encode("cp1251"),
    "UTF-16 with a mark": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "UTF-16 without": "number,note\r\n0991230099,x\r\n".encode("utf-16-le"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENCODED)
def test_whatever_encoding_it_is_in(name: str) -> None:
    found = list(lines_of(in_utf8(ENCODED[name])))
    right = TEXT if "without" not in name else "number,note\r\n0991230099,x\r\n"
    assert found == right.split("\r\n")


def test_lines_keep_their_numbers_where_a_row_goes_over_several() -> None:
    rows = list(whole_rows(iter(['number,note', '1,"a', "b", 'c"', "2,", '# 5" pipes', '3,5" x', "4"]), 800))
    assert rows == ["number,note", '1,"a b c"', "", "", "2,", '# 5" pipes', '3,5" x', "4"]


def test_what_is_no_table_keeps_its_lines() -> None:
    lines = ["0991230099", '0991230098,"a', "0991230097"]
    assert list(whole_rows(iter(lines), 800)) == lines


def test_a_workbook_has_a_line_for_each_row() -> None:
    cells: list[list[str | float | None]] = [
        ["Номер", "reason"], [], [380991230006.0, "asked,\nin a letter"], [None, "x"], ["099 123 00 07"],
    ]  # fmt: skip
    found = list(lines_of(text_of(workbook(cells))))
    assert found == ["Номер,reason", ",", '380991230006,"asked, in a letter"', ",x", "099 123 00 07,", ""]


@pytest.mark.parametrize("body", [b"PK\x03\x04" + b"x" * 100, b"\xd0\xcf\x11\xe0" + bytes(600)])
def test_a_workbook_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal, match=r"the workbook cannot be read: .*Nothing of the file was taken") as told:
        text_of(body)
    assert told.value.code is ErrorCode.INVALID_PARAMS


def test_a_sheet_is_bounded_as_a_text_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_files, "FILE_LIMIT", 1 << 20)
    with pytest.raises(Refusal, match="a sheet of more than 1 MB as a table"):
        text_of(workbook([[f"+38099{end:07}"] for end in range(90_000)]))
