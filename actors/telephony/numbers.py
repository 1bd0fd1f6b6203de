"""Numbers, from what people and programs write to the one form that is dialled, compared and kept. Pure.

Whatever is to be a number goes through here: what is to be dialled, entries of do-not-call lists, callers' ids, the
settings. `phonenumbers` says what a number is; where it does not know, nothing is guessed, and NotANumber says why.
"""

import re

import phonenumbers
from msgspec import Struct
from phonenumbers import CountryCodeSource, ValidationResult

_SEPARATORS = re.compile(r"[ .()\-/\u00a0]")
_STRANGE = re.compile(r"[^0-9+*#]")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z")
_LENGTHS = {ValidationResult.TOO_SHORT: "too short", ValidationResult.TOO_LONG: "too long"}


class NotANumber(ValueError):
    """It is not one phone number. The message says in words what is in the way, and repeats no digit of it."""


class Number(Struct, frozen=True, kw_only=True):
    """A number. `e164`: as it is dialled. `country`: where it belongs, ISO 3166; empty: nobody knows."""

    e164: str
    country: str


def tidy(raw: str) -> str:
    """What is to be dialled, without what only separates: digits, and `+`, `*` and `#`. Raises NotANumber."""
    kept = _SEPARATORS.sub("", raw.strip(" "))
    if (strange := _STRANGE.search(kept)) is not None:
        place = raw.index(strange.group())
        raise NotANumber(f"character U+{ord(raw[place]):04X} at {place + 1}")
    return kept


def canonical(raw: str, region: str) -> Number:
    """The number that was written, in a place in `region`. Raises NotANumber."""
    return number_of(tidy(raw), region)


def number_of(tidied: str, region: str) -> Number:
    """The number that these digits are in a place in `region`. Raises NotANumber."""
    if "*" in tidied or "#" in tidied:
        raise NotANumber("a service code (MMI, USSD)")
    if "+" in tidied[1:]:
        raise NotANumber("a `+` inside: perhaps two numbers")
    try:
        parsed = phonenumbers.parse(tidied, region, keep_raw_input=True)
    except phonenumbers.NumberParseException:
        raise NotANumber("no number with a country that is known") from None
    e164 = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    length = phonenumbers.is_possible_number_with_reason(parsed)
    if length != ValidationResult.IS_POSSIBLE or not _E164.match(e164):
        raise NotANumber(f"{_LENGTHS.get(length, 'of no possible length')} for a number in its country")
    if _is_a_guess(tidied, parsed, region):
        raise NotANumber(f"no number of {region}, and without `+` another country's is not known")
    return Number(e164=e164, country=phonenumbers.region_code_for_number(parsed) or "")


def _is_a_guess(tidied: str, parsed: phonenumbers.PhoneNumber, region: str) -> bool:
    """Whether only the length speaks for a number of `region`: neither its country nor the prefix of calls inside of it
    is written, and it is none that exists there. It may be another country's, its `+` lost."""
    if parsed.country_code_source != CountryCodeSource.FROM_DEFAULT_COUNTRY:
        return False
    inside = phonenumbers.ndd_prefix_for_region(region, True)
    return not (inside and tidied.startswith(inside)) and not phonenumbers.is_valid_number(parsed)
