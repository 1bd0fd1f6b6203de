"""Lists of leads as people have them: what is surely one number becomes a lead, anything else an invalid row."""

from io import BytesIO

import pytest

from actors.dialing.rules import DialRules
from actors.leads.lead import Accepted, InvalidRow, ListError
from actors.leads.mapping import guess
from actors.leads.preview import mapping_of, outcomes
from actors.leads.reading import layout_of
from actors.leads.rows import Outcome, Rows
from tests.field.tables import cases

RULES = DialRules(site_region="UA")


def read(data: bytes) -> list[Outcome]:
    file = BytesIO(data)
    layout = layout_of(file)
    return list(outcomes(file, layout, mapping_of(file, layout, "UA"), RULES))


@pytest.mark.parametrize(("cell", "right"), cases("leads.toml", "numbers"))
def test_a_cell_that_is_surely_one_number_is_that(cell: str, right: str) -> None:
    outcome = Rows(RULES).take(2, {"number": cell})
    assert isinstance(outcome, Accepted) and outcome.lead.numbers == (right,)


@pytest.mark.parametrize(("cell", "why"), cases("leads.toml", "none"))
def test_a_cell_that_is_not_is_an_invalid_row_with_the_reason(cell: str, why: str) -> None:
    outcome = Rows(RULES).take(2, {"number": cell})
    assert isinstance(outcome, InvalidRow) and outcome.row == 2
    said, words = why.split(": ")
    assert f"{outcome.field} {outcome.code}" == said and words in outcome.reason


@pytest.mark.parametrize(("cell", "why"), cases("leads.toml", "none"))
def test_a_further_number_that_is_none_spoils_the_row_too(cell: str, why: str) -> None:
    outcome = Rows(RULES).take(2, {"number": "0671230006", "number_2": cell})
    if "missing" in why:
        assert isinstance(outcome, Accepted)
    else:
        assert isinstance(outcome, InvalidRow) and outcome.field == "number_2"


@pytest.mark.parametrize(("data", "right"), cases("leads.toml", "files"))
def test_a_list_is_read_as_programs_write_it(data: str, right: list[str]) -> None:
    found = read(data.encode("latin-1"))
    assert [
        f"{''.join(got.lead.numbers)} {got.lead.name}" if isinstance(got, Accepted) else getattr(got, "kind", "twice")
        for got in found
    ] == right


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251"])
@pytest.mark.parametrize("text", ["Телефон;ПІБ\n0991230006;Олена\n", "0991230006\tОлена\r\n", "0991230006,Ann\n"])
def test_a_list_is_read_in_whatever_encoding_it_is(encoding: str, text: str) -> None:
    [found] = read(text.encode(encoding))
    assert isinstance(found, Accepted)
    assert found.lead.numbers == ("+380991230006",) and found.lead.name in ("Олена", "Ann")


@pytest.mark.parametrize(("names", "right"), cases("leads.toml", "headers"))
def test_columns_are_known_by_what_people_call_them(names: str, right: list[str]) -> None:
    mapping = guess([names.replace(",", ";").split(";")], "UA")
    assert (list(mapping.fields), mapping.header, mapping.doubt) == (right, True, "")


@pytest.mark.parametrize(("data", "why"), cases("leads.toml", "broken"))
def test_a_file_that_cannot_be_read_says_why_and_where(data: str, why: str) -> None:
    with pytest.raises(ListError, match=why):
        read(data.encode("latin-1"))
