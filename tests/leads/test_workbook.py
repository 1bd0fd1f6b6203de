"""Workbooks are read as any other list."""

from io import BytesIO

import pytest

from actors.adapters.workbook import as_table, is_workbook
from actors.dialing.rules import DialRules
from actors.leads.lead import Accepted, InvalidRow, ListError
from actors.leads.preview import mapping_of, outcomes, preview
from actors.leads.reading import layout_of
from actors.leads.rows import Outcome
from tests.support.sheets import packed, workbook

RULES = DialRules(site_region="UA")


def read(data: bytes) -> list[Outcome]:
    assert is_workbook(data[:8])
    with as_table(BytesIO(data)) as table:
        layout = layout_of(table)
        return list(outcomes(table, layout, mapping_of(table, layout, "UA"), RULES))


def test_figures_and_texts_are_numbers_alike() -> None:
    cells = [380991230006, 380991230006.0, 9.91230007e8, 991230008, "0991230009", "+380 99 123-00-10", "'0991230011"]
    found = read(workbook([["Телефон", "ПІБ"], *([cell, "Олена; Ё, \"й\""] for cell in cells)]))
    assert [outcome.row for outcome in found] == [2, 3, 4, 5, 6, 7, 8]
    leads = [outcome.lead for outcome in found if isinstance(outcome, Accepted)]
    assert [lead.numbers[0][-2:] for lead in leads] == ["06", "07", "08", "09", "10", "11"]  # the first two are one
    assert {lead.name for lead in leads} == {'Олена; Ё, "й"'}


def test_figures_that_lost_digits_are_invalid() -> None:
    [figure, text] = read(workbook([["phone"], [3.80991230006123e17], ["3.80991E+11"]]))
    assert isinstance(figure, InvalidRow) and figure.code == "digits_lost"
    assert isinstance(text, InvalidRow) and text.code == "digits_lost"


def test_rows_keep_their_numbers_and_columns_their_places() -> None:
    found = read(workbook([[], [], [None, "phone", "name"], [], [None, 991230006, "Ann"], [None, None, "Bob"]]))
    assert [(type(outcome), outcome.row) for outcome in found] == [(Accepted, 5), (InvalidRow, 6)]


def test_a_line_break_in_a_cell_stays_in_it() -> None:
    [found] = read(workbook([["phone", "name"], ["0991230006", "Ann\nof sales"]]))
    assert isinstance(found, Accepted) and found.lead.name == "Ann of sales"


def test_a_workbook_has_a_preview() -> None:
    with as_table(BytesIO(workbook([["phone", "name"], ["0991230006", "Ann"]]))) as table:
        shown = preview(table, RULES)
    assert shown.counts is not None and shown.counts.leads == 1 and shown.rows[0].cells == ["phone", "name"]


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"PK\x03\x04" + b"x" * 1000, b"\xd0\xcf\x11\xe0" + bytes(600)])
def test_a_damaged_workbook_says_so(data: bytes) -> None:
    with pytest.raises(ListError, match="the workbook cannot be read: "):
        read(data)


def test_a_sheet_that_is_empty_is_refused_in_words() -> None:
    with pytest.raises(ListError, match="there is nothing in it"):
        read(packed(""))
