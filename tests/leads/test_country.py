"""Columns that say where a number stands are asked, and not the site: what they leave open is no lead."""

from io import BytesIO

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from actors.dialing.rules import DialRules
from actors.leads.lead import Accepted, InvalidRow
from actors.leads.mapping import Mapping as Columns
from actors.leads.mapping import guess
from actors.leads.preview import mapping_of, outcomes, preview
from actors.leads.reading import Row, layout_of
from actors.leads.rows import Outcome, Rows

RULES = DialRules(site_region="UA", premium_allowed=frozenset({"+48700*"}))
BOTH = Columns(fields=("calling_code", "country", "number", "number_2"), header=True)


def read(*cells: str, columns: Columns = BOTH) -> Outcome:
    return Rows(RULES).read(Row(2, list(cells)), columns)


def of_file(text: str) -> list[Outcome]:
    file = BytesIO(text.encode())
    layout = layout_of(file)
    return list(outcomes(file, layout, mapping_of(file, layout, "UA"), RULES))


def test_a_list_of_a_dialer_is_read_with_its_own_codes() -> None:
    [found] = of_file("phone_code;phone_number;first_name;last_name;country_code\n48;501234567;Jan;Kowalski;PL\n")
    assert isinstance(found, Accepted) and found.lead.numbers == ("+48501234567",)
    assert found.lead.name == "Jan Kowalski" and found.lead.custom == {"country": "PL"}


@pytest.mark.parametrize(
    ("code", "country", "number", "right"),
    [
        ("48", "", "501234567", "+48501234567"), ("", "PL", "501234567", "+48501234567"),
        ("+48", "pl", "501 234 567", "+48501234567"), ("0048", "Польща", "501-234-567", "+48501234567"),
        ("48.0", "Poland", "501234567.0", "+48501234567"), ("'+48", "", "'501234567", "+48501234567"),
        ("48", "", "48501234567", "+48501234567"), ("48", "", "+48501234567", "+48501234567"),
        ("48", "", "0048501234567", "+48501234567"), ("380", "UA", "0501234567", "+380501234567"),
        ("380", "", "501234567", "+380501234567"), ("380", "", "380501234567", "+380501234567"),
        ("1", "CA", "(416) 555-1234", "+14165551234"), ("1", "", "14165551234", "+14165551234"),
        ("7", "KZ", "8 705 123 45 67", "+77051234567"), ("39", "", "06 1234 5678", "+390612345678"),
        ("44", "", "07400 123456", "+447400123456"), ("1", "US", "011 1 416 555 1234", "+14165551234"),
        ("", "PL", "+447400123456", "+447400123456"),  # who lives there may have a number of elsewhere
        ("", "", "+447400123456", "+447400123456"), ("999", "", "+447400123456", "+447400123456"),
        ("", "Atlantis", "+447400123456", "+447400123456"), ("-", "-", "+447400123456", "+447400123456"),
    ],
)  # fmt: skip
def test_a_number_is_of_the_country_that_its_row_says(code: str, country: str, number: str, right: str) -> None:
    found = read(code, country, number)
    assert isinstance(found, Accepted) and found.lead.numbers == (right,)


@pytest.mark.parametrize(
    ("code", "country", "number", "kind", "words"),
    [
        ("48", "", "+447400123456", "calling_code: disagrees", "begins with another"),
        ("48", "", "00447400123456", "calling_code: disagrees", "begins with another"),
        ("48", "UA", "501234567", "country: disagrees", "another country"),
        ("48", "UA", "+48501234567", "country: disagrees", "another country"),
        ("", "", "501234567", "calling_code: missing", "it is empty"),
        ("-", "", "501234567", "calling_code: missing", "it is empty"),
        ("999", "", "501234567", "calling_code: unknown", "no country has this calling code"),
        ("063", "", "1234567", "calling_code: unknown", "no country has this calling code"),
        ("800", "", "12345678", "calling_code: unknown", "no country has this calling code"),
        ("PL", "", "501234567", "calling_code: unknown", "no country has this calling code"),
        ("999", "PL", "501234567", "calling_code: unknown", "no country has this calling code"),
        ("48", "Atlantis", "501234567", "country: unknown", "no country is known by it"),
        ("", "48", "501234567", "country: unknown", "no country is known by it"),
        ("", "UK", "7400123456", "country: unknown", "perhaps `GB`"),
        ("48", "", "50123456", "number: format", "beside it"),
        ("48", "", "380501234567", "number: format", "beside it"),
        ("49", "", "49513270073", "number: format", "two numbers could be meant"),
        ("48", "", "25.11.2026", "number: format", "a date"),
        ("48", "", "112", "number: emergency", "emergency"),
        ("48", "", "*100#", "number: mmi", "service codes"),
        ("44", "", "9098123456", "number: premium_rate", "Premium"),
        ("48", "", "-", "number: missing", "no number"),
    ],
)  # fmt: skip
def test_what_a_row_leaves_open_is_no_lead(code: str, country: str, number: str, kind: str, words: str) -> None:
    found = read(code, country, number)
    assert isinstance(found, InvalidRow) and found.kind == kind and words in found.reason


def test_all_numbers_of_a_row_are_of_its_country() -> None:
    found = read("48", "PL", "501234567", "22 123 45 67")
    assert isinstance(found, Accepted) and found.lead.numbers == ("+48501234567", "+48221234567")
    spoilt = read("48", "PL", "501234567", "+447400123456")
    assert isinstance(spoilt, InvalidRow) and spoilt.kind == "calling_code: disagrees"


def test_without_such_a_column_numbers_are_the_sites() -> None:
    columns = Columns(fields=("", "number"), header=True)
    found = read("48", "501234567", columns=columns)
    assert isinstance(found, Accepted) and found.lead.numbers == ("+380501234567",)


def test_a_row_that_ends_before_the_column_is_no_guess() -> None:
    found = read("501234567", columns=Columns(fields=("number", "country"), header=True))
    assert isinstance(found, InvalidRow) and found.kind == "country: missing"


@pytest.mark.parametrize("said", ["48", "+48", "PL"])
@pytest.mark.parametrize("name", ["country_code", "Код країни", "Код страны", "Phone country code"])
def test_a_country_code_is_what_stands_in_it(said: str, name: str) -> None:
    fields = guess([[name, "phone"], [said, "501234567"], ["", "501234568"]], "UA").fields
    assert fields == ("country" if said == "PL" else "calling_code", "number")


def test_two_columns_that_say_the_same_are_asked_about() -> None:
    found = guess([["phone_code", "phone", "phone_code_2", "phone_2"], ["48", "501234567", "44", "7400123456"]], "UA")
    assert found.doubt == "columns 1 and 3 could be the calling code: say which"
    found = guess([["country", "phone", "Країна"], ["PL", "501234567", "UA"]], "UA")
    assert found.doubt == "columns 1 and 3 could be the country: say which"


@pytest.mark.parametrize(
    ("name", "cells", "doubt"),
    [
        ("country", ["48", "380", "PL"], "column 2 is called like the country"),
        ("country", ["EU", "Europe", ""], "column 2 is called like the country"),
        ("phone_code", ["063", "067", "48"], "column 2 is called like the calling code"),
        ("country", ["PL", "Atlantis", ""], ""), ("country", ["POL", "ukr", ""], ""), ("phone_code", ["", "", ""], ""),
    ],
)  # fmt: skip
def test_a_column_of_which_little_is_understood_is_asked_about(name: str, cells: list[str], doubt: str) -> None:
    found = guess([["phone", name], *(["501234567", cell] for cell in cells)], "UA").doubt
    assert found.startswith(doubt) and bool(found) == bool(doubt)


def test_a_preview_shows_where_numbers_are_taken_to_stand() -> None:
    found = preview(BytesIO(b"phone_code;phone\n48;501234567\n;501234568\n"), RULES)
    assert found.mapping.fields == ("calling_code", "number") and not found.mapping.doubt
    assert found.counts is not None and (found.counts.leads, found.counts.invalid) == (1, {"calling_code: missing": 1})


def test_no_number_of_any_country_becomes_another_one() -> None:
    """As people of each country write theirs, with its letters or its calling code beside them."""
    read_right = tried = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            right = phonenumbers.format_number(number, PhoneNumberFormat.E164)
            written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
            bare = phonenumbers.national_significant_number(number)
            for cell in (written, bare, right[1:], right):
                for code, country in ((str(number.country_code), ""), ("", region)):
                    found, tried = read(code, country, cell), tried + 1
                    assert isinstance(found, InvalidRow) or (
                        isinstance(found, Accepted) and found.lead.numbers[0] == right
                    ), (region, code, cell)
                    read_right += isinstance(found, Accepted)
    assert read_right > 0.95 * tried > 3000, (read_right, tried)


@pytest.mark.parametrize(
    ("cell", "number", "right"),
    [
        ("Belgium", "470123456", "+32470123456"), ("Бельгія", "470123456", "+32470123456"),
        ("Швеция", "701234567", "+46701234567"), ("Schweden", "701234567", "+46701234567"),
        ("Szwajcaria", "781234567", "+41781234567"), ("CHE", "781234567", "+41781234567"),
        ("bel", "470123456", "+32470123456"), ("Białoruś", "291234567", "+375291234567"),
        ("Белоруссия", "291234567", "+375291234567"), ("Poland (PL)", "501234567", "+48501234567"),
        ("PL - Польща", "501234567", "+48501234567"), ("+48 PL", "501234567", "+48501234567"),
        ("PL Poland", "501234567", "+48501234567"), ("Poland (+48)", "501234567", "+48501234567"),
        ("\U0001f1f5\U0001f1f1", "501234567", "+48501234567"), ("Türkiye", "5012345678", "+905012345678"),
        ("Německo", "15123456789", "+4915123456789"), ("Bélgica", "470123456", "+32470123456"),
        ("Turkiye", "5012345678", "+905012345678"), ("Turkey", "5012345678", "+905012345678"),
    ],
)  # fmt: skip
def test_countries_are_known_as_people_write_them(cell: str, number: str, right: str) -> None:
    found = read("", cell, number)
    assert isinstance(found, Accepted) and found.lead.numbers == (right,)


@pytest.mark.parametrize("cell", ["(48)", "(+48)", "+48 PL", "PL +48", "48 (Poland)", "48-PL", "PL48"])
def test_calling_codes_are_known_as_people_write_them(cell: str) -> None:
    found = read(cell, "", "501234567")
    assert isinstance(found, Accepted) and found.lead.numbers == ("+48501234567",)


@pytest.mark.parametrize("cell", ["PL/UA", "Poland (DE)", "+48 UA", "48 49", "Poland Atlantis", "PL " * 40])
def test_a_cell_that_names_two_countries_or_half_of_one_is_no_guess(cell: str) -> None:
    for found in (read("", cell, "501234567"), read(cell, "", "501234567")):
        assert isinstance(found, InvalidRow) and found.code == "unknown"
