"""What stands above a list is no row of it: it is found, told, and nothing is read of it."""

from io import BytesIO

import pytest

from actors.dialing.rules import DialRules
from actors.leads.lead import Accepted
from actors.leads.mapping import Mapping, guess, headed
from actors.leads.parts import parts_of
from actors.leads.preview import Counts, Preview, mapping_of, outcomes, preview
from actors.leads.reading import layout_of
from actors.leads.titles import TITLES, titles_of

RULES = DialRules(site_region="UA")


def shown(text: str, mapping: Mapping | None = None) -> Preview:
    return preview(BytesIO(text.encode()), RULES, mapping)


def leads_of(text: str) -> list[str]:
    file = BytesIO(text.encode())
    layout = layout_of(file)
    found = outcomes(file, layout, mapping_of(file, layout, "UA"), RULES)
    return [f"{one.lead.numbers[0]} {one.lead.name}" for one in found if isinstance(one, Accepted)]


@pytest.mark.parametrize(
    ("text", "skip", "fields"),
    [
        ("Leads of November;;\nphone;name;city\n0991230006;Ann;Kyiv\n", 1, ("number", "name", "custom:city")),
        ("Leads of November\n\nphone;name\n0991230006;Ann\n", 1, ("number", "name")),
        ("\nLeads\n\n\nphone;name\n0991230006;Ann\n", 2, ("number", "name")),
        ("Клієнти за листопад 2026\nДата:;25.11.2026\nТелефон;ПІБ\n0991230006;Ann\n", 2, ("number", "name")),
        ("Report\nby me\n25.11.2026 10:30\nphone,name\n0991230006,Ann\n", 3, ("number", "name")),
        ("Leads, of November\nphone;name\n0991230006;Ann\n", 1, ("number", "name")),
        ("Client;;\nphone;name;who\n0991230006;Ann;\n", 1, ("number", "name", "custom:who")),
        ("Leads 2026;;\nWho;Where to;x\nAnn;0991230006;\n", 1, ("custom:Who", "number", "custom:x")),
        ("Leads 2026;;\nAnn;0991230006;\n", 1, ("name", "number", "custom:column 3")),
        ("sep=;\nLeads\nphone;name\n0991230006;Ann\n", 1, ("number", "name")),
        ("phone;name\n0991230006;Ann\n", 0, ("number", "name")),
        ("phone;name\nNobody;\n0991230006;Client\n", 0, ("number", "name")),
        ("Phone\n0991230006\n", 0, ("number",)),
        ("Phone;Type;Kind\n;client;contact\n0991230006;a;b\n", 0, ("number", "custom:Type", "custom:Kind")),
        ("Client\nWer;Nummer\nAnn;0991230006\n", 1, ("custom:Wer", "number")),
        ("Контакт;;\n2026\nWer;Nummer;x\nAnn;0991230006;\n", 2, ("custom:Wer", "number", "custom:x")),
        ("Client\nBob;0991230007\nAnn;0991230006\n", 0, ("name", "number")),
    ],
)  # fmt: skip
def test_the_header_is_found_below_titles(text: str, skip: int, fields: tuple[str, ...]) -> None:
    found = shown(text)
    assert (found.mapping.skip, found.mapping.fields, found.mapping.doubt) == (skip, fields, "")
    assert leads_of(text)[-1].startswith("+380991230006")


@pytest.mark.parametrize(
    "text",
    [
        "12\n0991230001;Ann\n", "12;;\n0991230001;Ann;Kyiv\n", "Ann\nBo;0991230002\n", "Ann\n0991230002;Bo\n",
        "Ann;\n0991230002;Bo\n", "Leads 2026\nAnn\nBo;0991230002\n",
    ],
)  # fmt: skip
def test_what_may_be_a_row_of_a_list_without_a_header_is_counted(text: str) -> None:
    counts = shown(text).counts
    assert counts is not None and counts.leads == 1 and sum(counts.invalid.values()) == 1


def test_titles_are_shown_and_not_counted() -> None:
    found = shown("Leads\nof November\nphone;name\n0991230006;Ann\n12;Bob\n")
    assert [row.number for row in found.rows] == [1, 2, 3, 4, 5] and found.total == 2
    assert found.counts == Counts(leads=1, duplicates=0, invalid={"number: short": 1})
    assert [(row.row, row.code) for row in found.invalid] == [(5, "short")]


def test_a_person_says_how_many_are_titles() -> None:
    text = "phone;name\nold\n0991230006;Ann\n0991230007;Bob\n"
    said = Mapping(fields=("number", "name"), header=False, skip=3)
    found = shown(text, said)
    assert found.counts == Counts(leads=1, duplicates=0, invalid={}) and found.total == 1
    assert shown(text, Mapping(fields=("number", "name"), header=False, skip=9)).total == 0
    [part] = parts_of(BytesIO(text.encode()), layout_of(BytesIO(text.encode())), said, RULES)
    assert (part.rows, part.row) == (1, 4)


def test_the_columns_of_the_table_of_what_is_bad_are_those_of_the_header() -> None:
    file = BytesIO(b"Leads\nphone;name\n0991230006;Ann\n12;Bob\n")
    layout = layout_of(file)
    [part] = parts_of(file, layout, mapping_of(file, layout, "UA"), RULES)
    assert part.names == ("phone", "name") and [bad.row for bad in part.bad] == [4]


@pytest.mark.parametrize("first", ["49;15123456789;Berta", "0991230005;x;x", "48;501234567;Jan"])
def test_what_could_be_a_lead_is_no_title(first: str) -> None:
    rows = [line.split(";") for line in (first, "49;15123456780;Contact", "phone;name;city", "0991230006;a;b")]
    assert titles_of(rows, "UA", headed) == 0


def test_far_below_no_header_is_looked_for() -> None:
    many = [["note", ""]] * (TITLES + 1)
    assert titles_of([*many, ["phone", "name"], ["0991230006", "Ann"]], "UA", headed) == 0
    assert titles_of([*many[1:], ["phone", "name"], ["0991230006", "Ann"]], "UA", headed) == TITLES
    assert not guess([*many, ["phone", "name"]], "UA").header
