"""Whatever a file is, it is read, or it is said why not: nothing else happens."""

import csv
import io
from io import BytesIO

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.dialing.rules import DialRules
from actors.leads.lead import Accepted, ListError
from actors.leads.mapping import Mapping
from actors.leads.preview import Counts, mapping_of, outcomes, preview
from actors.leads.reading import DELIMITERS, Row, layout_of, rows_of
from tests.support.depth import examples

RULES = DialRules(site_region="UA")
PLAIN = Mapping(fields=("number", "name"), header=False)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b" \r\n\r\n", b"\xff\xfe"])
def test_a_file_with_nothing_in_it_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(ListError, match="there is nothing in it"):
        layout_of(BytesIO(data))


@settings(max_examples=examples(100), deadline=None)
@given(st.binary(max_size=300) | st.text(alphabet='09+;,\t|"\r\n\'=E. Яї', max_size=200).map(str.encode))
@example(b"\xff\xfe")
@example(b"sep=;")
@example(b'"')
@example(b"\xff\xfe\x00\xd8")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for mapping in (None, PLAIN):
        try:
            shown = preview(BytesIO(data), RULES, mapping)
        except ListError as error:
            assert str(error)
        else:
            msgspec.json.encode(shown)
            assert len(shown.rows) <= 10


CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)


@settings(max_examples=examples(75), deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=4), st.sampled_from(DELIMITERS),
       st.sampled_from(ENCODINGS))  # fmt: skip
def test_cells_come_out_as_they_were_written(table: list[list[str]], delimiter: str, encoding: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(table)
    file = BytesIO(text.getvalue().encode(encoding))
    layout = msgspec.structs.replace(layout_of(BytesIO(b"x")), encoding=encoding, delimiter=delimiter)
    rows = [row for row in rows_of(file, layout) if isinstance(row, Row)]
    assert [row.cells for row in rows] == [cells for cells in table if any(map(str.strip, cells))]


def test_a_row_that_cannot_be_parted_costs_itself_alone() -> None:
    data = b'phone,name\n0991230006,"Ann" Smith\n0991230007,Bob\n'
    shown = preview(BytesIO(data), RULES)
    assert shown.counts == Counts(leads=1, duplicates=0, invalid={"row: quotes": 1})
    assert shown.invalid[0].row == 2 and "a quote" in shown.invalid[0].reason


def test_a_preview_shows_the_first_rows_the_mapping_and_the_counts() -> None:
    lines = "".join(f"09912300{at:02},{'x' * 300}\n" for at in range(30))
    shown = preview(BytesIO(f"phone,note\n{lines}0991230000,a\n112,a\n1,a\n".encode()), RULES)
    assert [row.number for row in shown.rows] == list(range(1, 11)) and len(shown.rows[1].cells[1]) == 200
    assert (shown.mapping.fields, shown.mapping.header) == (("number", "custom:note"), True)
    assert shown.counts == Counts(leads=30, duplicates=1, invalid={"number: emergency": 1, "number: short": 1})
    assert [(row.row, row.code) for row in shown.invalid] == [(33, "emergency"), (34, "short")]


def test_a_list_in_doubt_is_shown_and_not_counted() -> None:
    shown = preview(BytesIO(b"500123456,380991230006\n"), RULES)
    assert shown.counts is None and shown.mapping.doubt and len(shown.rows) == 1
    shown = preview(BytesIO(b"500123456,380991230006\n"), RULES, Mapping(fields=("", "number"), header=False))
    assert shown.counts == Counts(leads=1, duplicates=0, invalid={})


def test_utf_8_that_is_damaged_is_not_taken_for_a_code_page() -> None:
    text = "name,phone\n" + "Олена Петренко,0991230006\n" * 20
    damaged = text.encode()[:-20] + b"\xd0,0991230007\n" + "Ольга,0991230008\n".encode()
    shown = preview(BytesIO(damaged), RULES)
    assert shown.counts == Counts(leads=2, duplicates=18, invalid={"row: encoding": 1})
    [bad] = shown.invalid
    assert bad.row == 21 and "not UTF-8, as the rest of the file" in bad.reason
    assert "\udcd0" not in msgspec.json.encode(shown).decode() and shown.rows[1].cells[0] == "Олена Петренко"
    assert preview(BytesIO(b"\xef\xbb\xbf" + damaged), RULES).counts == shown.counts  # also with a mark
    quoted = text.encode() + b'"\xff\nx",1\n' + "Ольга,0991230008\n".encode()  # in a row of several lines
    assert [bad.row for bad in preview(BytesIO(quoted), RULES).invalid] == [22]
    scarred = "name,phone\nОле\ufffdна,0991230006\n".encode()  # by whoever wrote it
    assert layout_of(BytesIO(scarred)).encoding == "utf-8"
    for names in ("Кіровоград", "Олена", "«Ромашка» — №1", "Їжакевич", "ҐЄІЇ"):
        data = f"name,phone\n{names},0991230006\n".encode("cp1251")
        layout = layout_of(BytesIO(data))
        [found] = outcomes(BytesIO(data), layout, mapping_of(BytesIO(data), layout, "UA"), RULES)
        assert isinstance(found, Accepted) and found.lead.name == names


@pytest.mark.parametrize(
    "fields", [("phone",), ("number", "number"), ("custom:",), ("custom:a", "custom:a"), ("source", "source")]
)
def test_a_mapping_to_no_field_is_refused(fields: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="fields"):
        Mapping(fields=fields, header=False)
