"""Numbers that are written in their one form are told faster, and just as when they are read as people write them."""

import random
from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat

from actors.telephony import numbers
from actors.telephony.numbers import KINDS, NotANumber, Number

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
EACH = 20  # numbers of each country's code that are tried


def tried(code: int) -> Iterator[str]:
    """Examples of all kinds, what begins like them, and what is put before numbers inside."""
    chance = random.Random(code)
    examples = {
        phonenumbers.format_number(found, PhoneNumberFormat.E164)
        for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
        for kind in KINDS
        for found in [
            phonenumbers.example_number_for_type(region, kind)
            if region != "001" else phonenumbers.example_number_for_non_geo_entity(code)
        ]
        if found is not None
    }  # fmt: skip
    yield from sorted(examples)
    for _ in range(EACH):
        near = chance.choice(sorted(examples))
        behind = near.removeprefix(f"+{code}")
        kept = behind[: chance.randint(0, len(behind))]
        more = len(behind) - len(kept) + chance.choice((-1, 0, 0, 1))
        rest = "".join(chance.choice("0123456789") for _ in range(more))
        yield f"+{code}{chance.choice(('', '', '', '0', '1', '8'))}{kept}{rest}"


def told(text: str) -> Number | str:
    try:
        return numbers.canonical(text, "UA")
    except NotANumber as error:
        return str(error)


@pytest.mark.parametrize("code", CODES)
def test_a_number_in_its_one_form_is_told_as_one_that_is_read(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = list(tried(code))
    fast = list(map(told, texts))
    monkeypatch.setattr(numbers, "_as_written", lambda e164: None)
    assert fast == list(map(told, texts))


def test_most_numbers_in_their_one_form_are_told_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phonenumbers, "parse", None)
    for text in ("+380991234567", "+48601234567", "+16502530000", "+390612345678", "+79161234567"):
        assert numbers.canonical(text, "UA").e164 == text
