"""Numbers, from what people and programs write to the one form that is dialled, compared and kept. Pure.

Whatever is to be a number goes through here: what is to be dialled, entries of do-not-call lists, callers' ids, the
settings. `phonenumbers` says what a number is; where it does not know, nothing is guessed, and NotANumber says why.
"""

import contextlib
import re
import unicodedata
from functools import cache
from itertools import chain, takewhile

import phonenumbers
from msgspec import Struct
from phonenumbers import CountryCodeSource, PhoneNumber, PhoneNumberFormat, PhoneNumberType, ValidationResult

# Dots that are no separators: of "380991230006.0", which a spreadsheet made, ".5", "0.99", or the end of a sentence.
_FRACTION = re.compile(
    r"\.[0-9]?\Z|\A[^.]*\.(?:[0-9]{1,3}|0+)\Z|\A\+?0?\.|\.\s*\.|\A[^0-9]*[0-9]{7,}\.[0-9]+\Z"
    r"|\A[ -]*[0-9]{1,3}\.[0-9]{4,}[ -]+[0-9]{1,3}\.[0-9]{4,}\Z"  # two of them, as a place on the map
)
FRACTION = "a fraction: a dot may only stand between groups of digits"
_DAY, _YEAR, _BETWEEN = "[0-3]?[0-9]", "(?:19|20)[0-9]{2}", "[ .-]+"
_TIME = r"[0-2]?[0-9]\.[0-5][0-9]"
_DATE = re.compile(  # days and months in any order; before it or behind it there may be a time
    rf"[^0-9+]*(?:{_TIME}(?:\.[0-9]{{2}})?[ -]+)?(?:{_DAY}{_BETWEEN}{_DAY}{_BETWEEN}{_YEAR}(?![0-9])"
    rf"|{_YEAR}{_BETWEEN}{_DAY}{_BETWEEN}{_DAY}(?![0-9])|{_DAY}[.-]{_DAY}[.-][0-9]{{2}} +{_TIME}(?![0-9]))"
)
_OCTET = "(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_ADDRESS = re.compile(rf"[^0-9+]*{_OCTET}(?:\.{_OCTET}){{3}}[^0-9]*\Z")
_ALONE = re.compile(r"[^0-9+][0-9][^0-9]*\Z")  # 0676 1234567 0, and with any marks around the digit
# What stands behind one dot or in brackets at the end: a part of the number, or of what else where the rest is whole.
_BEHIND = re.compile(r"(?P<rest>[^.]*)(?:\.(?P<decimals>[0-9]+)|\([0-9 -]*\)[^0-9]*)\Z")
_PLAIN = frozenset("0123456789+*# .()-")
# What a program that cannot draw it leaves out: Default_Ignorable_Code_Point of Unicode 15 (DerivedCoreProperties.txt),
# marks of direction, of where a line may break, of how a sign is drawn, fillers, tags.
_IGNORABLE = (
    "00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFF8 "
    "1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)
_UNSEEN = frozenset(
    chr(code)
    for first, _, last in (part.partition("-") for part in _IGNORABLE.split())
    for code in range(int(first, 16), int(last or first, 16) + 1)
)
_ALIKE = dict(zip("\u2212\u2043\u30fc\uff0b\ufe62\uff08\uff09\uff0e\uff0a\uff03\u2800", "---++().*# ", strict=True))
_ALIKE_BY_CATEGORY = {"Zs": " ", "Pd": "-"}  # blanks of any width; hyphens and dashes
_AROUND = frozenset(" \t\r\n\v\f\u0085\u00a0\u2007\u202f\u2028\u2029\u2800\u3000") | _UNSEEN
_QUOTES = frozenset(
    ('""', "''", "``", "\u201c\u201d", "\u201d\u201d", "\u201e\u201c", "\u201e\u201d", "\u2018\u2019", "\u2019\u2019",
     "\u201a\u2018", "\u00ab\u00bb", "\u00bb\u00ab", "\u2039\u203a", "\u203a\u2039")
)  # fmt: skip
_TEXT_MARKS = ("'", "\u2018", "\u2019")  # before a cell that is no figure; runtime/cells.py writes it too
EXTENSION = 6  # digits of the longest
_SEPARATORS = str.maketrans("", "", " .()-")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z")
_LENGTHS = {ValidationResult.TOO_SHORT: "too short", ValidationResult.TOO_LONG: "too long"}
_UNKNOWN = "unknown"
KINDS = {value: name.lower() for name, value in vars(PhoneNumberType).items() if isinstance(value, int)}
# Parts of a country that have letters of their own, with its code, its operators and its prices.
_PARTS = {"VA": "IT", "SJ": "NO", "AX": "FI", "CC": "AU", "CX": "AU"}
# Numbers that changed for everybody, in a way that is sure: how they began, how they begin now, and the digits behind.
# Mexico, 2019: mobiles lost the 1 behind the country's code.
_MOVED = (("+521", "+52", re.compile("[1-9][0-9]{9}")),)
_UNREADABLE = {
    phonenumbers.NumberParseException.TOO_LONG: "too long for any country",
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: "too short for any country",
    phonenumbers.NumberParseException.TOO_SHORT_NSN: "too short for any country",
}
_CODES = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)
NOWHERE = "ZZ"  # as phonenumbers has it
_MISTAKEN = {"UK": "GB", "EN": "GB"}


class NotANumber(ValueError):
    """It is not one phone number. The message says in words what is in the way, and repeats no digit of it."""


class Number(Struct, frozen=True, kw_only=True):
    """A number. `e164`: as it is dialled. `country`: where it belongs and is charged, ISO 3166; empty: nobody knows.
    `part`: the letters of that part of the country, where it has some of its own, else the country's. `kind`: in the
    words of `phonenumbers`, `mobile`, `premium_rate` ...; `unknown`: it knows no number like it."""

    e164: str
    country: str
    part: str
    kind: str


def tidy(raw: str) -> str:
    """What was written, in ASCII: digits, `+`, `*`, `#`, and blanks, dots, hyphens and brackets between them. What is
    not seen is left out, and quotes around it; what looks or counts like one of these becomes it. Raises NotANumber."""
    if _E164.match(raw):
        return raw
    first, last = _unwrapped(raw)
    if raw[first:last].startswith(_TEXT_MARKS):
        first += 1
    text = "".join(_plain(character, place) for place, character in enumerate(raw[first:last], first + 1))
    if not any(character.isdigit() or character in "*#" for character in text):
        raise NotANumber("no digit in it")
    return text


def is_blank(text: str) -> bool:
    """Whether nothing is seen of it."""
    return all(character in _AROUND for character in text)


def _unwrapped(raw: str) -> tuple[int, int]:
    """Where the text begins and ends between pairs of quotes, and what is not seen, around it. `="..."`: as a
    spreadsheet is told to keep a text."""
    first, last = 0, len(raw)
    while True:
        while first < last and raw[first] in _AROUND:
            first += 1
        while first < last and raw[last - 1] in _AROUND:
            last -= 1
        mark = first + raw.startswith("=", first)
        if last - mark < 2 or raw[mark] + raw[last - 1] not in _QUOTES:
            return first, last
        first, last = mark + 1, last - 1


def _plain(character: str, place: int) -> str:
    """A character in ASCII, or nothing where it is not seen. `place`: in what was sent, from 1."""
    if character in _PLAIN:
        return character
    if character in _UNSEEN:
        return ""
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    alike = _ALIKE.get(character) or _ALIKE_BY_CATEGORY.get(category)
    if alike is None:
        name = unicodedata.name(character, "a control character")
        raise NotANumber(f"character U+{ord(character):04X} at {place} ({name})")
    return alike


def digits_of(tidied: str) -> str:
    """What is dialled of it."""
    return tidied.translate(_SEPARATORS)


def caller_id(raw: str, region: str) -> str:
    """What a trunk is to send as its own number: digits, with `+` where they have one, since providers want different
    forms. Up to six digits are an extension of a PBX; else it must be a number. Raises NotANumber."""
    text = tidy(raw)
    digits = digits_of(text)
    _must_be_one(text, region)
    if digits.isdigit() and 1 < len(digits) <= EXTENSION:
        return digits
    number = number_of(text, region)
    return number.e164 if digits.startswith("+") else digits


def not_a_country(letters: str) -> str | None:
    """What is wrong with the letters of a country, in words. None: nothing."""
    if letters in COUNTRIES:
        return None
    perhaps = f", perhaps `{_MISTAKEN[letters]}`" if letters in _MISTAKEN else ""
    return f"no country has the letters `{letters}`{perhaps}"


def canonical(raw: str, region: str) -> Number:
    """The number that was written, in a place in `region`. Raises NotANumber."""
    return number_of(tidy(raw), region)


def number_of(tidied: str, region: str) -> Number:
    """The number that a text from `tidy` is, in a place in `region`. Raises NotANumber."""
    if _E164.match(tidied) and (found := _as_written(tidied)) is not None:
        return found
    parsed = _parsed(tidied, region)
    return _number(parsed, _e164(parsed))


def number_beside(tidied: str, code: str) -> Number:
    """The number that a text from `tidy` is where its country's calling code stands beside it: what is written has that
    code too, or goes on behind it, or says its country by itself. Raises NotANumber."""
    region, digits = region_of(code), digits_of(tidied)
    if digits.startswith("+") or _abroad(digits, region):
        return number_of(tidied, region)
    if "*" in digits or "#" in digits:
        raise NotANumber("a service code (MMI, USSD)")
    _must_be_one(tidied, region)
    readings = [f"+{code} {tidied}", *([f"+{digits}"] if digits.startswith(code) else [])]
    found = {number.e164: number for number in map(_known, readings) if number is not None}
    if len(found) > 1:
        raise NotANumber("two numbers could be meant, with the code beside it and without. Write it with `+`")
    for number in found.values():
        return number
    raise NotANumber("no number of the country that is said beside it, and without `+` another country's is not known")


def _known(tidied: str) -> Number | None:
    """The number, if there are such."""
    with contextlib.suppress(NotANumber):
        found = number_of(tidied, NOWHERE)
        return found if found.kind != _UNKNOWN else None
    return None


def region_of(code: str) -> str:
    """The country, ISO 3166, that has a calling code, the first of those that share it; empty: none."""
    region = phonenumbers.region_code_for_country_code(int(code)) if code in _CODES else ""
    return region if region in COUNTRIES else ""


def code_of_country(letters: str) -> str:
    """The calling code of a country, ISO 3166; empty: there is no such country."""
    return str(phonenumbers.country_code_for_region(letters)) if letters in COUNTRIES else ""


def _number(parsed: PhoneNumber, e164: str) -> Number:
    part = phonenumbers.region_code_for_number(parsed) or ""
    kind = KINDS[phonenumbers.number_type(parsed)]
    return Number(e164=e164, country=_PARTS.get(part, part), part=part, kind=kind)


def _as_written(e164: str) -> Number | None:
    """The number that this is, in a third of the time in which it is read, for most that are written so. None: it is
    none that is known, or what stands behind the country's code may begin with what is put before numbers inside."""
    code = _code_of(e164)
    if not code or e164.startswith(tuple(old for old, _, _ in _MOVED)) or _before(code).match(e164, 1 + len(code)):
        return None
    parsed = in_parts(e164)
    if phonenumbers.is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return None
    found = _number(parsed, e164)
    return found if found.kind != _UNKNOWN else None


@cache
def _before(code: str) -> re.Pattern[str]:
    """What `phonenumbers` may leave out behind a country's code."""
    region = phonenumbers.region_code_for_country_code(int(code))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
    return re.compile((metadata and metadata.national_prefix_for_parsing) or "(?!)")


def _parsed(tidied: str, region: str) -> PhoneNumber:
    digits = digits_of(tidied)
    if "*" in digits or "#" in digits:
        raise NotANumber("a service code (MMI, USSD)")
    _must_be_one(tidied, region)
    try:
        parsed = phonenumbers.parse(digits, region, keep_raw_input=True)
    except phonenumbers.NumberParseException as error:
        raise NotANumber(_UNREADABLE.get(error.error_type, "no number of a country that is known")) from None
    source, parsed = parsed.country_code_source, _of_today(parsed)
    length = phonenumbers.is_possible_number_with_reason(parsed)
    if length != ValidationResult.IS_POSSIBLE or not _E164.match(_e164(parsed)):
        raise NotANumber(f"{_LENGTHS.get(length, 'of no possible length')} for a number in its country")
    if parsed.italian_leading_zero and "(0)" in tidied:
        raise NotANumber("a `(0)`, and numbers of this country may keep their 0")
    if source == CountryCodeSource.FROM_DEFAULT_COUNTRY and not _prefix(digits, region):
        _must_be_of(region, digits, parsed)
    return parsed


def home_of(e164: str) -> tuple[str, str]:
    """`country` and `part` of a number that has its one form already: in a tenth of the time, for most countries. Empty
    for what has become none, since plans of numbers change."""
    regions = phonenumbers.region_codes_for_country_code(int(_code_of(e164) or 0))
    part = regions[0] if len(regions) == 1 else ""
    if len(regions) > 1:
        with contextlib.suppress(NotANumber):
            part = phonenumbers.region_code_for_number(in_parts(e164)) or ""
    return _PARTS.get(part, part), part


def in_parts(e164: str) -> PhoneNumber:
    """A number that has its one form already, as `phonenumbers` wants it: in a fifth of the time in which it reads what
    people write. Raises NotANumber for what has become none."""
    code = _code_of(e164)
    behind = e164[1 + len(code) :]
    if not (code and behind.isdecimal() and behind.isascii()):
        raise NotANumber("no number of a country that is known")
    zeros = min(len(behind) - len(behind.lstrip("0")), len(behind) - 1)
    return PhoneNumber(
        country_code=int(code), national_number=int(behind), italian_leading_zero=True if zeros else None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )  # fmt: skip


def nearness(e164: str, other: str) -> int:
    """With how many digits alike two numbers of one country begin, behind its code."""
    code = _code_of(e164)
    pairs = zip(e164.removeprefix(f"+{code}"), other.removeprefix(f"+{code}"), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def parts_of(raw: str, region: str) -> frozenset[str]:
    """What a number on record has one of in it that is asked for so in `region` (NOWHERE: it is not known), whole or in
    part, as people write it. Raises NotANumber."""
    tidied = tidy(raw)
    digits = digits_of(tidied)
    if "*" in digits or "#" in digits:
        raise NotANumber("a service code (MMI, USSD)")
    _must_be_nothing_else(tidied, region)
    found = {digits, *_begun(digits)}
    with contextlib.suppress(NotANumber):
        found.add(number_of(tidied, region).e164)
    if abroad := _abroad(digits, region):
        found |= _begun(f"+{digits.removeprefix(abroad)}")
    elif prefix := _prefix(digits, region):  # the beginning of one that is written with it
        found.add(f"+{phonenumbers.country_code_for_region(region)}{digits.removeprefix(prefix)}")
    return frozenset(found)


def beginning_of(digits: str) -> str:
    """How numbers begin, E.164, of which people write so the beginning with `+`: `+38099` of `+380 (0)99`, since the 0
    of calls inside is none of it. Empty: no country's do."""
    code = _code_of(digits)
    if not code:
        return digits if any(one.startswith(digits[1:]) for one in _CODES) else ""
    inside = phonenumbers.ndd_prefix_for_region(phonenumbers.region_code_for_country_code(int(code)), True) or ""
    rest = digits.removeprefix(f"+{code}")
    return f"+{code}{rest.removeprefix(inside) if inside.startswith('0') else rest}"


def is_of_old(beginning: str) -> bool:
    """Whether numbers that begin so are others today."""
    return beginning.startswith(tuple(old for old, _, _ in _MOVED))


def _begun(digits: str) -> frozenset[str]:
    """How a number on record begins where this is the beginning of one with `+`; also of an old one."""
    begun = beginning_of(digits) if digits.startswith("+") else ""
    moved = [new + begun.removeprefix(old) for old, new, _ in _MOVED if begun.startswith(old)]
    return frozenset({begun, *moved} - {""})


def _abroad(digits: str, region: str) -> str:
    """What digits begin with as calls from a region to others do; empty: they do not. One digit could be anything."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    found = re.match((metadata and metadata.international_prefix) or "00", digits) or re.match("00", digits)
    return found[0] if found and len(found[0]) > 1 else ""


def _e164(parsed: PhoneNumber) -> str:
    return str(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))


def _of_today(parsed: PhoneNumber) -> PhoneNumber:
    """The number, or what became of it."""
    e164 = _e164(parsed)
    for old, new, behind in _MOVED:
        if e164.startswith(old) and behind.fullmatch(e164.removeprefix(old)):
            return phonenumbers.parse(new + e164.removeprefix(old))
    return parsed


def _must_be_one(tidied: str, region: str) -> None:
    """Raise NotANumber for what is written otherwise than one number is in a place in `region`."""
    behind = _must_be_nothing_else(tidied, region)
    if _FRACTION.search(_close(tidied)):
        raise NotANumber(FRACTION)
    if _ALONE.search(tidied):
        raise NotANumber("a single digit at the end: perhaps an extension, or a part of another number")
    if behind:
        raise NotANumber("brackets behind a whole number: perhaps an extension")


def _must_be_nothing_else(tidied: str, region: str) -> bool:
    """Raise NotANumber for what is neither a number nor a part of one. Whether brackets stand behind a whole number."""
    if "+" in tidied.lstrip(" ()")[1:]:
        raise NotANumber("a `+` inside: perhaps two numbers")
    if _DATE.match(tidied) and not ("." not in tidied and _grouped_as_in(region, tidied)):
        raise NotANumber("a date")
    if _ADDRESS.match(tidied) and not _grouped_as_in(region, tidied):
        raise NotANumber("an address of a computer (IP)")
    behind = _BEHIND.match(_close(tidied))
    if behind is None or not _is_whole(behind["rest"], region):
        return False
    if behind["decimals"]:
        raise NotANumber(FRACTION)
    return True


def _close(tidied: str) -> str:
    """Without blanks around dots."""
    return ".".join(part.strip(" ") for part in tidied.split("."))


def _is_whole(text: str, region: str) -> bool:
    """Whether a beginning of a text is a number by itself, which no short code is taken for."""
    digits = digits_of(text)
    with contextlib.suppress(phonenumbers.NumberParseException):
        return len(digits) > EXTENSION and bool(phonenumbers.is_valid_number(phonenumbers.parse(digits, region)))
    return False


def _grouped_as_in(region: str, text: str) -> bool:
    """Whether digits stand in the groups in which people in a region write this number, so that it is one all the same:
    `31 01 1980` is one of Haiti."""
    with contextlib.suppress(phonenumbers.NumberParseException):
        parsed = phonenumbers.parse(digits_of(text), region)
        inside = re.findall("[0-9]+", phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL))
        abroad = re.findall("[0-9]+", phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL))[1:]
        return phonenumbers.is_valid_number(parsed) and re.findall("[0-9]+", text) in (inside, abroad)
    return False


def _prefix(digits: str, region: str) -> str:
    """What digits begin with as calls inside of a region do; empty: they do not."""
    inside = phonenumbers.ndd_prefix_for_region(region, True) or ""
    return inside if digits.startswith(inside) else ""


def _must_be_of(region: str, digits: str, parsed: PhoneNumber) -> None:
    """Raise NotANumber where only their length speaks for digits without a country. They may be another country's, or
    this one's with its code, the `+` lost; where people write a prefix in front of their own numbers, also those that
    would be a number of this country are that no more surely than the other."""
    if not phonenumbers.is_valid_number(parsed):
        raise NotANumber(f"no number of {region}, and without `+` another country's is not known")
    if _exists("+" + digits):
        written = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
        if _prefix(digits_of(written), region):
            both = f"one of {region} and `+` with these digits"
            raise NotANumber(f"two numbers could be meant, {both}. Write it with `+`")


def _code_of(e164: str) -> str:
    """The country's code of what is written with `+`: none begins like another one. Empty: it is no country's."""
    return next((e164[1:end] for end in (2, 3, 4) if e164[1:end] in _CODES), "")


def _exists(e164: str) -> bool:
    code = _code_of(e164)
    if not code or len(e164) - 1 - len(code) < _shortest(int(code)):
        return False  # so most are told, in a tenth of the time
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(e164)))
    except phonenumbers.NumberParseException:
        return False


@cache
def _shortest(code: int) -> int:
    """Digits of the shortest number behind a country's code; 0 where digits may be put before what is written."""
    regions = phonenumbers.region_codes_for_country_code(code)
    parts = [phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region) for region in regions]
    if any(part is None or part.national_prefix_transform_rule for part in parts):
        return 0
    return min(chain(*(part.general_desc.possible_length for part in parts if part and part.general_desc)), default=0)
