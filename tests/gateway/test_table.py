"""A list as CSV: what a spreadsheet would run is text, and everything else comes back as it was."""

import csv
import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.cells import all_defused, defused
from gateway.answers import known_columns
from gateway.routes import Part
from gateway.surface import routes_of
from gateway.table import csv_pieces, rows_of, to_csv


def _rows(table: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.decode(), newline="")))


def _cell(value: Any) -> str:
    return _rows(to_csv(json.dumps([{"a": value, "b": "x"}]).encode()))[1][0]


def test_a_list_is_a_table() -> None:
    rows = [{"number": 1, "user": "op12", "subject": {"slot": 44}}, {"number": 2, "user": 'Ї, "q"', "door": None}]
    assert to_csv(json.dumps(rows).encode()).decode() == (
        'number,user,subject,door\r\n1,op12,"{""slot"":44}",\r\n2,"Ї, ""q""",,\r\n'
    )


def test_a_list_without_rows_has_the_columns_that_are_known() -> None:
    assert b"".join(csv_pieces(b"[]", ("user", "day"))) == b"user,day\r\n"
    for route in (route for part in Part for route in routes_of(part) if route.table):
        assert known_columns(route), route.path


@pytest.mark.parametrize("text", ["=1+1", "+380991234567", "-2", "@SUM(A1)", "\t1", "\r1", "\n1", "=cmd|' /C x'!A0"])
def test_a_formula_is_text(text: str) -> None:
    assert _cell(text) == f"'{text}"
    assert _rows(to_csv(json.dumps([{text: 1, "b": 2}]).encode()))[0] == [f"'{text}", "b"]


@pytest.mark.parametrize("separator", [";", "\t", "\r", "\n"])
def test_a_formula_is_text_behind_another_separator(separator: str) -> None:
    assert _cell(f"x{separator}=1") == f"x{separator}'=1"
    assert _cell(f"{separator}=1").endswith(f"{separator}'=1")


def test_a_nul_does_not_hide_a_formula() -> None:
    assert _cell("\0=1+1") == "'=1+1"
    assert _cell("a\0b") == "ab"


@pytest.mark.parametrize(
    ("value", "shown"), [(-5, "-5"), (-0.5, "-0.5"), (True, "true"), (None, ""), ([1, 2], "[1,2]"), ("a=b", "a=b")]
)
def test_what_is_no_text_stays_what_it_is(value: Any, shown: str) -> None:
    assert _cell(value) == shown


def test_nothing_is_an_empty_table() -> None:
    assert to_csv(b"[]") == b""


@pytest.mark.parametrize("rows", [b"{}", b"[1]", b"not JSON"])
def test_what_is_no_list_is_refused(rows: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        to_csv(rows)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text() | st.integers(-9, 9) | st.none(), max_size=4)))
def test_no_text_of_a_table_is_a_formula(rows: list[dict[str, Any]]) -> None:
    table = _rows(to_csv(json.dumps(rows, ensure_ascii=False).encode()))
    for row in table:
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n")) and "\0" not in cell
            assert not cell.startswith("-") or cell.lstrip("-").isdigit()


ODD = st.text(st.sampled_from("a1'=+-@;\t\r\n\0\uff1d ,\""), max_size=4)


@given(st.lists(ODD | st.none() | st.booleans() | st.floats(allow_nan=False) | st.just(["="]), min_size=1, max_size=8))
def test_a_cell_is_the_same_whatever_is_above_and_below_it(values: list[Any]) -> None:
    """Columns are told by one look."""
    rows = [{"a": value, "b": 1} for value in values]
    assert rows_of(rows, ("a", "b")) == b"".join(rows_of([row], ("a", "b")) for row in rows)


@given(st.lists(ODD, max_size=6))
def test_many_texts_are_the_cells_that_each_of_them_is(texts: list[str]) -> None:
    assert [*all_defused(texts)] == [*map(defused, texts)]


@given(st.lists(st.from_regex(r"[+=-][;=1']{0,3}", fullmatch=True), min_size=1, max_size=3))
def test_a_column_of_numbers_of_phones_is_that_of_each(texts: list[str]) -> None:
    assert [*all_defused(texts)] == [*map(defused, texts)]
