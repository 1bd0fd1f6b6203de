"""Rows become leads, each number once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from actors.dialing.rules import DialRules, canonical, check, may_be_listed
from actors.leads.lead import CUSTOM, NAME, VALUE, Accepted, Duplicate, InvalidRow, Unfit, id_of
from actors.leads.mapping import Mapping as Columns
from actors.leads.mapping import guess
from actors.leads.reading import Row
from actors.leads.rows import Outcome, Rows
from bus_schemas.errors import Refusal
from bus_schemas.lead import Lead

RULES = DialRules(site_region="UA")
ANN = {"number": "099 123 00 06"}


def take(*rows: Mapping[str, str]) -> list[Outcome]:
    reader = Rows(RULES)
    return [reader.take(at, row) for at, row in enumerate(rows, 2)]


def test_a_row_has_all_that_a_lead_has() -> None:
    [found] = take(
        ANN | {"number_2": "044 123-00-06", "name": " Ann\n Smith\u200b ", "timezone": "Europe/Kyiv", "priority": "-5",
               "language": "UK", "source": "site", "consent": "Так", "custom:city": "'=Kyiv"}
    )  # fmt: skip
    assert found == Accepted(
        row=2,
        lead=Lead(
            id=id_of("+380991230006"), numbers=("+380991230006", "+380441230006"), name="Ann Smith",
            timezone="Europe/Kyiv", priority=-5, language="uk", source="site", consent=True, custom={"city": "=Kyiv"},
        ),
    )  # fmt: skip


def test_the_same_number_twice_is_one_lead() -> None:
    assert take(ANN, {"number": "+380991230006", "name": "Bob"})[1] == Duplicate(row=3, first_row=2)
    [once] = take(ANN | {"number_2": "380991230006"})
    assert isinstance(once, Accepted) and once.lead.numbers == ("+380991230006",)


def test_a_number_is_its_leads_in_whose_row_it_stands_first() -> None:
    first, second = take({"number": "0671230006", "number_2": "0991230006"}, ANN)
    assert isinstance(first, Accepted) and second == Duplicate(row=3, first_row=2)
    _, second = take(ANN, {"number": "0671230006", "number_2": "0991230006", "number_3": "0441230006"})
    assert isinstance(second, Accepted) and second.left_out == {"number_2": 2}
    assert second.lead.numbers == ("+380671230006", "+380441230006")


def test_what_is_invalid_takes_no_number() -> None:
    spoilt, found = take(ANN | {"consent": "perhaps"}, ANN)
    assert isinstance(spoilt, InvalidRow) and isinstance(found, Accepted)


def test_a_second_number_alone_is_the_first() -> None:
    [found] = take({"number": "-", "number_3": "0991230006"})
    assert isinstance(found, Accepted) and found.lead.numbers == ("+380991230006",)


def test_ids_do_not_tell_the_number_and_are_the_same_each_time() -> None:
    [first], [again] = take(ANN), take({"number": "+380991230006"})
    assert isinstance(first, Accepted) and isinstance(again, Accepted)
    assert first.lead.id == again.lead.id and "991230006" not in first.lead.id


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"lead_id": "a b"}, "lead_id", "shape"),
    ({"timezone": "Europe/Kyyiv"}, "timezone", "unknown"),
    ({"timezone": "UTC+2"}, "timezone", "unknown"),
    ({"priority": "high"}, "priority", "shape"),
    ({"priority": "101"}, "priority", "shape"),
    ({"language": "Ukrainian!"}, "language", "shape"),
    ({"consent": "perhaps"}, "consent", "shape"),
    ({"name": "x" * (NAME + 1)}, "name", "too_long"),
    ({"custom:note": "x" * (VALUE + 1)}, "custom:note", "too_long"),
    ({f"custom:{key}": "x" for key in range(CUSTOM + 1)}, "", "too_many"),
    ({f"custom:{key}": "x" * VALUE for key in range(4)}, "", "too_large"),
]


@pytest.mark.parametrize(("more", "field", "code"), WRONG, ids=lambda value: str(value)[:40])
def test_a_field_that_cannot_be_is_named(more: dict[str, str], field: str, code: str) -> None:
    [found] = take(ANN | more)
    assert isinstance(found, InvalidRow) and (found.field, found.code) == (field, code)
    assert "991230006" not in found.reason


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+3809912770101", "unknown"), ("+380900123456", "unknown"), ("+449098123456", "premium_rate"),
        ("+49180512345", "shared_cost"), ("+447012345678", "personal_number"), ("112", "emergency"),
        ("10112", "emergency"), ("101", "emergency"), ("15500", "short"), ("*100#", "mmi"),
    ],
)
@pytest.mark.parametrize("field", ["number", "number_2"])
def test_a_number_that_is_never_called_is_no_lead_s(number: str, code: str, field: str) -> None:
    [found] = take(ANN | {field: number})
    assert isinstance(found, InvalidRow) and (found.field, found.code) == (field, code)
    assert not set(number) & set("3456789") & set(found.reason)


def test_a_number_that_the_site_lets_be_called_is_a_lead_s() -> None:
    rules = DialRules(site_region="UA", premium_allowed=frozenset({"+380900*"}))
    assert isinstance(Rows(rules).take(1, {"number": "+380900123456"}), Accepted)
    assert isinstance(Rows(rules).take(1, {"number": "+380901123456"}), InvalidRow)


EVERY = [f"+{code}{digits}" for code in (380, 44, 49, 39, 1, 7) for digits in (
    "0991230006", "991230006", "900123456", "9098123456", "180512345", "7012345678", "800123456", "612345678",
    "2125551234",
)]  # fmt: skip


def test_leads_and_those_who_dial_read_numbers_alike() -> None:
    """What is taken could be called on a line that may call its country, and stand on a do-not-call list; and so on."""
    listed, taken = may_be_listed(frozenset()), 0
    for number in EVERY:
        is_lead = isinstance(Rows(RULES).take(1, {"number": number}), Accepted)
        taken += is_lead
        try:
            found = canonical(number, RULES, ())
            check(found, frozenset({found.country}), RULES, datetime(2026, 11, 26, tzinfo=UTC))
        except Refusal:
            assert not is_lead, number
        else:
            assert is_lead and listed(found), number
    assert 5 < taken < len(EVERY) - 5


def test_a_lead_is_renewed_as_a_row_is_read() -> None:
    [found] = take(ANN | {"name": "Ann", "custom:city": "Kyiv", "custom:plan": "a", "priority": "3"})
    assert isinstance(found, Accepted)
    lead = found.lead
    assert Rows(RULES).renewed(lead, {}, {}, None) == lead
    other = Rows(RULES).renewed(lead, {"name": " Ann\n Smith ", "priority": ""}, {"plan": None, "city": ""}, None)
    assert other == replace(lead, name="Ann Smith", priority=0, custom={})
    assert Rows(RULES).renewed(replace(lead, custom={" x\n": "1"}), {}, {" x\n": None}, None).custom == {}
    other = Rows(RULES).renewed(lead, {}, {"age": " 30 "}, ["067 123 00 06", "+380671230006", "0991230006"])
    assert other.custom == {"city": "Kyiv", "plan": "a", "age": "30"}
    assert other.numbers == ("+380671230006", "+380991230006") and other.id == lead.id


@pytest.mark.parametrize(("texts", "custom", "numbers", "field"), [
    ({"name": "x" * (NAME + 1)}, {}, None, "name"),
    ({}, {}, ["0671230006", "12"], "numbers[1]"),
    ({}, {"a": "x" * (VALUE + 1)}, None, "custom:a"),
    ({}, {f"k{at}": "x" for at in range(CUSTOM + 1)}, None, ""),
    ({}, {f"k{at}": "x" * 900 for at in range(5)}, None, ""),
    ({}, {"a\n": "x"}, None, "custom"),
])  # fmt: skip
def test_what_a_row_could_not_say_a_lead_is_not_renewed_to(
    texts: dict[str, str], custom: dict[str, str | None], numbers: list[str] | None, field: str
) -> None:
    [found] = take(ANN)
    assert isinstance(found, Accepted)
    with pytest.raises(Unfit) as unfit:
        Rows(RULES).renewed(found.lead, texts, custom, numbers)
    assert unfit.value.field == field


def test_an_id_is_one_leads() -> None:
    _, second = take(ANN | {"lead_id": "a"}, {"number": "0671230006", "lead_id": "a"})
    assert isinstance(second, InvalidRow) and second.reason == "it is the id of row 2 already"


def test_cells_without_a_column_are_no_guess() -> None:
    columns = Columns(fields=("number", "name"), header=True)
    found = Rows(RULES).read(Row(2, ["0991230006", "Smith", " Ann"]), columns)
    assert isinstance(found, InvalidRow) and found.code == "columns"
    assert isinstance(Rows(RULES).read(Row(2, ["0991230006", "Ann", " ", ""]), columns), Accepted)


@pytest.mark.parametrize(
    ("rows", "doubt"),
    [
        ([["500123456", "380991230006"]], "columns 1 and 2 could be the number: say which"),
        ([["Ann", "Kyiv"]], "no column holds numbers"),
        ([["Name", "City"], ["Ann", "Kyiv"]], "no column holds numbers"),
        ([], "there is nothing in it"),
    ],
)
def test_a_number_that_is_in_no_sure_column_is_asked_for(rows: Any, doubt: str) -> None:
    assert guess(rows, "UA").doubt == doubt
