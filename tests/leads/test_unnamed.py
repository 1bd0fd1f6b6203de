"""Columns of countries that no name tells: no number is read by the site's region that may be another country's."""

from io import BytesIO

import pytest

from actors.dialing.rules import DialRules
from actors.leads.lead import Accepted, InvalidRow
from actors.leads.mapping import guess
from actors.leads.preview import GUESSED_FROM, mapping_of, outcomes
from actors.leads.reading import layout_of
from actors.leads.rows import Outcome

RULES = DialRules(site_region="UA")


def of_file(text: str) -> list[Outcome]:
    file = BytesIO(text.encode())
    layout = layout_of(file)
    return list(outcomes(file, layout, mapping_of(file, layout, "UA"), RULES))


def guessed(text: str) -> tuple[tuple[str, ...], str, tuple[int, ...]]:
    found = guess([line.split(";") for line in text.split()], "UA")
    return found.fields, found.doubt.partition(":")[0], found.unsure


CODE, COUNTRY = "column 1 could be the calling code of the numbers", "column 1 could be the country of the numbers"


@pytest.mark.parametrize(
    ("text", "fields", "doubt"),
    [
        ("+48;501234567;Jan +48;501234568;Ala", ("calling_code", "number", "name"), ""),
        ("0048;501234567 0048;501234568", ("calling_code", "number"), ""),
        ("Präfix;Rufnummer +49;15123456789 +49;15123456780", ("calling_code", "number"), ""),
        ("+48;PL;501234567 +48;PL;501234568", ("calling_code", "name", "number"), ""),
        ("48;501234567;Jan 48;501234568;Ala", ("calling_code", "number", "name"), CODE),
        ("49;15123456789 49;15123456780", ("calling_code", "number"), CODE),
        ("PL;501234567;Jan PL;501234568;Ala", ("country", "number", "name"), COUNTRY),
        ("Польща;501234567 Україна;0501234568", ("country", "number"), COUNTRY),
        ("Land;phone PL;501234567 UA;0501234568", ("country", "number"), COUNTRY),
        ("Land;phone PL;501234567 -;0501234568", ("country", "number"), COUNTRY),
        ("+49;501234567 +49;0501234568", ("calling_code", "number"), CODE),  # not of there: is it a code at all?
        ("Belgium;470123456 Sweden;701234567 Belarus;291234567", ("country", "number"), COUNTRY),
        ("Бельгія;470123456 Швеция;701234567 CHE;781234567", ("country", "number"), COUNTRY),
        ("(48);501234567 (48);501234568", ("calling_code", "number"), CODE),
        ("(+48);501234567 (+48);501234568", ("calling_code", "number"), CODE),
        ("Poland(PL);501234567 Poland(PL);501234568", ("country", "number"), COUNTRY),
        ("PL;501234567 Belgiu;470123456 PL;501234568", ("country", "number"), COUNTRY),  # people make mistakes
        ("BEL;501234567 SWE;501234568 CHE;501234569", ("country", "number"), COUNTRY),  # one of them is one of there
        ("UK;7400123456 UK;7400123457", ("country", "number"), COUNTRY),
    ],
)
def test_a_column_of_countries_is_proposed(text: str, fields: tuple[str, ...], doubt: str) -> None:
    assert guessed(text) == (fields, doubt, ())


def test_of_two_a_person_says_which() -> None:
    found = guess([["Land", "phone", "Born"], ["PL", "501234567", "UA"], ["UA", "0501234568", "PL"]], "UA")
    assert found.doubt == "columns 1 and 3 could be the country: say which" and "country" not in found.fields
    found = guess([["48", "PL", "501234567"]], "UA")
    assert found.fields == ("calling_code", "country", "number") and found.doubt.count("say whether") == 2


@pytest.mark.parametrize(
    "text",
    [
        "qty;phone 1;0991230006 1;0991230007", "called;phone no;0991230006 no;0991230007",
        "Land;phone PL;0501234567x Atlantis;0501234568", "floor;phone 2;0991230006 1;0991230007",
        "calling_code;born;phone 48;UA;501234567",
    ],
)  # fmt: skip
def test_what_says_nothing_of_the_numbers_is_a_field_of_their_own(text: str) -> None:
    fields, doubt, unsure = guessed(text)
    assert {"country", "calling_code"}.isdisjoint(fields[1:]) and fields[0] != "country" and not doubt and not unsure


def test_what_changes_nothing_so_far_is_told_and_a_later_row_is_no_guess() -> None:
    rows = "".join(f"+48{501234500 + at};PL\n" for at in range(60))
    *first, bare, own, other = of_file(f"phone;Land\n{rows}501234567;PL\n0501234567;UA\n0501234568;?\n")
    assert guessed(f"phone;Land\n{rows}") == (("number", "custom:Land"), "", (2,))
    assert all(isinstance(one, Accepted) and one.lead.custom == {"Land": "PL"} for one in first)
    assert isinstance(bare, InvalidRow) and bare.kind == "number: unsure" and "column 2" in bare.reason
    assert isinstance(own, Accepted) and own.lead.numbers == ("+380501234567",) and isinstance(other, Accepted)


def test_no_lead_has_a_number_that_may_be_another_countrys() -> None:
    """Lists of people of two countries, in each form: a row is a lead of the country that stands beside it, or none."""
    wrong = ("+380501234567", "+380671234567")
    for said in ("48", "+48", "0048", "PL", "Poland", "POL", "Польша"):
        for header in ("", "Where;Whom\n", "Leads of 2026\nWhere;phone\n"):
            file = BytesIO(f"{header}{said};501234567\n{said};671234567\n".encode())
            layout = layout_of(file)
            mapping = mapping_of(file, layout, "UA")
            found = [one for one in outcomes(file, layout, mapping, RULES) if isinstance(one, Accepted)]
            assert mapping.doubt or {one.lead.numbers[0] for one in found}.isdisjoint(wrong), (said, header)


@pytest.mark.parametrize("said", ["Atlantis", "PL/UA", "n/k", "UK"])
def test_what_is_not_understood_beside_a_number_is_no_guess(said: str) -> None:
    rows = "".join(f"+48{501234500 + at};PL\n" for at in range(60))
    *_, odd, none, explicit = of_file(f"phone;Land\n{rows}501234567;{said}\n0501234568;\n+380501234569;{said}\n")
    assert isinstance(odd, InvalidRow) and odd.kind == "number: unsure"
    assert isinstance(none, Accepted) and isinstance(explicit, Accepted)


def test_a_named_country_hides_no_calling_code_beside_it() -> None:
    fields, doubt, unsure = guessed("Phone;Country;Prefix 501234567;Ukraine;+48 501234568;Ukraine;+48")
    assert (fields, doubt, unsure) == (("number", "country", "calling_code"), "", ())
    [found] = of_file("Phone;Country;Prefix\n501234567;Ukraine;+48\n")
    assert isinstance(found, InvalidRow) and found.kind == "country: disagrees"
    _, doubt, _ = guessed("Phone;Country;Prefix 501234567;Ukraine;48 501234568;Ukraine;48")
    assert doubt == "column 3 could be the calling code of the numbers"
    agreed = "".join(f"{501234500 + at};Poland;48\n" for at in range(60))
    *_, last = of_file(f"Phone;Country;Prefix\n{agreed}501234567;Ukraine;48\n")
    assert isinstance(last, InvalidRow) and last.kind == "number: unsure" and "column 3" in last.reason


def test_a_second_number_is_asked_about_beside_an_explicit_one() -> None:
    text = "phone;phone_2;Land +48501234567;501234568;PL +48501234569;501234560;PL"
    assert guessed(text) == (
        ("number", "number_2", "country"), "column 3 could be the country of the numbers", ()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("header", "empty", "first", "doubt"),
    [
        ("phone;Land\n", "0501234567;\n", "501235555;PL", "column 2 could be the country of the numbers"),
        ("phone;Land\n", "0501234567;-\n", "501235555;PL", "column 2 could be the country of the numbers"),
        ("phone;Country;X\n", "050123;UA;\n", "501235555;UA;48", "column 3 could be the calling code of the numbers"),
    ],
)  # fmt: skip
def test_a_column_that_is_empty_at_first_is_looked_at_further_on(
    header: str, empty: str, first: str, doubt: str
) -> None:
    file = BytesIO(f"{header}{empty * 2 * GUESSED_FROM}{first};far;too;many\n".encode())
    found = mapping_of(file, layout_of(file), "UA")
    assert found.doubt.partition(":")[0] == doubt and len(found.fields) == header.count(";") + 1
