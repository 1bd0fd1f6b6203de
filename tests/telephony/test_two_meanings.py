"""Digits without a country that are a number here, and another country's with a `+`, are nobody's."""

import random

import phonenumbers
import pytest

from actors.telephony.numbers import NotANumber, canonical
from tests.support.depth import examples


def exists(e164: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return False


@pytest.mark.parametrize("region", ["UA", "DE", "AT", "ID", "GB", "AU"])  # where a prefix is written
def test_digits_have_two_meanings_where_both_numbers_exist(region: str) -> None:
    chance, code = random.Random(1), phonenumbers.country_code_for_region(region)
    tried = refused = 0
    while tried < examples(1500):
        digits = "".join(chance.choices("123456789", k=1) + chance.choices("0123456789", k=chance.randint(6, 11)))
        if phonenumbers.parse(digits, region).national_number != int(digits) or not exists(f"+{code}{digits}"):
            continue
        tried += 1
        try:
            canonical(digits, region)
        except NotANumber as error:
            assert "two numbers could be meant" in str(error) and exists("+" + digits), digits
            refused += 1
        else:
            assert not exists("+" + digits), digits
    print(f"{tried} numbers of {region} without a prefix, {refused} refused")
