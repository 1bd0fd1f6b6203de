"""The dial rules of the settings, for everybody who dials. Pure. Who asks them is the gate (`gate.py`), which asks the
do-not-call lists on record first.

Order of the rules, each with its name in the refusal's `details.rule`: `format` (E.164 after canonicalisation),
`mmi` (never a service code), `emergency` and `short` (checked on the raw dial string, for the SIM's and the
site's region, before and after canonicalisation), `do_not_call`, `premium` (by the kind that `phonenumbers` gives;
allow-list), `country` (allow-list; default the SIM's own), `hours`. Facts about emergency numbers:
`phonenumbers.shortnumberinfo` says false for `+1911` and `0112`, so the digits are also tried without their prefixes.
"""

import re
from collections.abc import Callable, Container, Iterable
from datetime import datetime, time
from functools import cache
from itertools import chain
from typing import Protocol

import phonenumbers
from msgspec import Struct
from phonenumbers import shortnumberinfo

from actors.telephony import numbers
from actors.telephony.numbers import NotANumber, Number
from actors.telephony.zones import zone
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit

# Without a country's own list these are emergency numbers for every GSM phone (3GPP TS 22.101, 10.1.1).
EMERGENCY_EVERYWHERE = frozenset({"112", "911", "000", "08", "110", "118", "119", "999"})
# The kinds (`Number.kind`) that cost more than other calls to their country, or may; and why they are not called.
COSTLY = {
    "premium_rate": "Premium numbers are not called.",
    "shared_cost": "Shared-cost numbers are not called.",
    "personal_number": "Personal numbers are not called: they cost what their owner likes.",
    "pager": "Pagers are not called.",
    "voicemail": "Voice mail boxes are not called.",
    "unknown": "No number like it is known in its country, so nobody can say what it costs.",
}
LISTED = RefusalTemplate(ErrorCode.CALL_FAILED, "The number is on the do-not-call list.", rule="do_not_call")
_HOURS = re.compile(r"\s*([01]?[0-9]|2[0-3]):([0-5][0-9])\s*-\s*(?:([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00)\s*\Z")
SHORTEST = 7  # digits of a number that can be anything but a short code


class DialRules(Struct, frozen=True, kw_only=True):
    """What the settings allow. `countries` empty: only the SIM's own. `premium_allowed`: numbers, or beginnings that
    end with `*`. `window` None: at all hours."""

    site_region: str
    countries: frozenset[str] = frozenset()
    do_not_call: frozenset[str] = frozenset()
    premium_allowed: frozenset[str] = frozenset()
    window: tuple[time, time] | None = None
    timezone: str = "UTC"


class Standing(Protocol):
    """Where numbers stand that do not say it."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Whose short and emergency numbers count."""

    def read(self, tidied: str) -> Number:
        """The number of a text from `numbers.tidy`. Raises NotANumber."""


class Region(Struct, frozen=True):
    """One region."""

    region: str

    @property
    def regions(self) -> tuple[str, ...]:
        """It alone."""
        return (self.region,)

    def read(self, tidied: str) -> Number:
        """The number that is written so there. Raises NotANumber."""
        return numbers.number_of(tidied, self.region)


def canonical(raw: str, rules: DialRules, regions: Iterable[str], field: str = "number") -> Number:
    """The number to dial, or a Refusal that names the rule. `regions`: of all SIMs that might dial it; `field`: of the
    request, in which it was sent."""
    return _canonical(raw, Region(rules.site_region), rules, regions, field)


def _canonical(raw: str, place: Standing, rules: DialRules, regions: Iterable[str], field: str) -> Number:
    try:
        text = numbers.tidy(raw)
        never = _never(numbers.digits_of(text), sorted({rules.site_region, *regions}))
        if never is None:
            return place.read(text)
    except NotANumber as error:
        raise misfit(field, f"not a phone number: {error}. Write it as +380991234567.", rule="format") from None
    rule, why = never
    raise misfit(field, why, rule=rule)


def of_a_lead(raw: str, rules: DialRules, field: str = "number", standing: Standing | None = None) -> Number:
    """The same for a list, of which nobody asks yet where its numbers belong: by the site's rules alone. What no line
    may ever call is refused too, so that nobody waits for it. `standing`: what the list itself says; None: nothing, and
    its numbers are the site's. Raises what that raises, too."""
    place = standing or Region(rules.site_region)
    number = _canonical(raw, place, rules, place.regions, field)
    if _is_costly(number, rules):
        raise misfit(field, COSTLY[number.kind], rule="premium", kind=number.kind)
    return number


def _is_costly(number: Number, rules: DialRules) -> bool:
    return number.kind in COSTLY and not is_listed(number.e164, rules.premium_allowed)


def check(number: Number, countries: frozenset[str], rules: DialRules, now: datetime) -> None:
    """Raise the Refusal of the first rule that forbids to call the number now from a line that may call `countries`."""
    if number.e164 in rules.do_not_call:
        raise LISTED()
    if _is_costly(number, rules):
        raise Refusal(ErrorCode.CALL_FAILED, COSTLY[number.kind], rule="premium", kind=number.kind)
    if not {number.country, number.part} & countries:
        raise Refusal(
            ErrorCode.CALL_FAILED, "Calls to this country are not allowed.", rule="country", country=number.country
        )
    if rules.window is not None and not _within(rules.window, now.astimezone(zone(rules.timezone)).time()):
        raise Refusal(ErrorCode.CALL_FAILED, "Calls are not allowed at this hour.", rule="hours")


def countries_of(sim_region: str | None, rules: DialRules) -> frozenset[str]:
    """Where a SIM may call. A SIM of unknown region is taken for one of the site's."""
    return rules.countries or frozenset({sim_region or rules.site_region})


def countries_of_trunk(own: frozenset[str], rules: DialRules) -> frozenset[str]:
    """Where a trunk may call: what both the trunk and the site allow; without either, the site's own country."""
    site = rules.countries or frozenset({rules.site_region})
    return (own & rules.countries if rules.countries else own) if own else site


def sim_regions_for(number: Number, rules: DialRules) -> frozenset[str] | None:
    """The SIM regions that may call the number. None: any."""
    if rules.countries:
        return None if {number.country, number.part} & rules.countries else frozenset()
    return frozenset({number.country, number.part})


def may_be_listed(premium_allowed: Container[str]) -> Callable[[Number], bool]:
    """What may stand in a do-not-call list: what could be called. Else it is perhaps a slip, and the number that was
    meant would be."""
    return lambda number: number.kind != "unknown" or is_listed(number.e164, premium_allowed)


def is_listed(e164: str, listed: Container[str]) -> bool:
    """Whether a number is one of these, or begins as one of them says."""
    beginnings = (e164[:length] + "*" for length in range(1, len(e164) + 1))
    return e164 in listed or any(beginning in listed for beginning in beginnings)


def parse_window(text: str) -> tuple[time, time] | None:
    """`"08:00-21:00"` as two times; None: all day, which is empty too; 24:00 is its end. Raises ValueError."""
    if not text:
        return None
    found = _HOURS.match(text)
    if found is None:
        raise ValueError(f"`{text}` is not of the form 08:00-21:00")
    hour, minute, until_hour, until_minute = (int(part or 0) for part in found.groups())
    first, last = time(hour, minute), time(until_hour, until_minute)
    if first == last == time(0) and found[3] is None:
        return None
    if first == last:
        raise ValueError(f"`{text}` ends when it begins; leave it empty for all hours")
    return first, last


def _within(window: tuple[time, time], moment: time) -> bool:
    first, last = window
    if first <= last:
        return first <= moment < last
    return moment >= first or moment < last


def _never(digits: str, regions: Iterable[str]) -> tuple[str, str] | None:
    """The rule by which this is never dialled, and why. `regions`: where it would be dialled."""
    if any(character in digits for character in "*#"):
        return "mmi", "service codes (MMI, USSD) are never dialled."
    bare = digits.lstrip("+")
    for region in regions:
        readings = _without_prefixes(digits, region)
        if any(_is_emergency(number, region) for number in readings if number):
            return "emergency", "emergency numbers are never dialled from here."
        if len(bare) < SHORTEST or (_may_be_short(bare, readings, region) and _is_short(bare, region)):
            return "short", "short numbers are never dialled."
    return None


def _without_prefixes(digits: str, region: str) -> set[str]:
    """What is dialled, and what is left of it without the prefixes that people and phones put before a number."""
    bare = digits.lstrip("+")
    country_code = str(phonenumbers.country_code_for_region(region))
    inside = bare.removeprefix(country_code)
    abroad = bare.removeprefix("00")
    return {digits, bare, bare.lstrip("0"), abroad, abroad.removeprefix(country_code), inside, inside.lstrip("0")}


def _may_be_short(digits: str, readings: set[str], region: str) -> bool:
    """Whether it is worth a look: that takes as long as all other rules together."""
    longest, abroad = _shape_of_short(region)
    return min(map(len, readings)) <= longest or abroad.match(digits) is not None


@cache
def _shape_of_short(region: str) -> tuple[int, re.Pattern[str]]:
    """Digits of the longest short number there, or in a country with the same code, and what calls to other countries
    begin with, whose short numbers count as well."""
    code = phonenumbers.country_code_for_region(region)
    alike = map(phonenumbers.PhoneMetadata.short_metadata_for_region, phonenumbers.region_codes_for_country_code(code))
    known = (short.general_desc.possible_length for short in alike if short is not None and short.general_desc)
    own = phonenumbers.PhoneMetadata.metadata_for_region(region)
    abroad = own.international_prefix if own is not None else None
    return max((SHORTEST, *chain(*known))), re.compile(abroad or "")  # the empty one begins everything


def _is_short(digits: str, region: str) -> bool:
    try:
        return bool(shortnumberinfo.is_valid_short_number(phonenumbers.parse(digits, region)))
    except phonenumbers.NumberParseException:
        return False


def _is_emergency(number: str, region: str) -> bool:
    if len(number) > _longest_emergency(region):
        return False
    return (
        number in EMERGENCY_EVERYWHERE
        or shortnumberinfo.is_emergency_number(number, region)
        or (len(number) < SHORTEST and shortnumberinfo.connects_to_emergency_number(number, region))
    )


@cache
def _longest_emergency(region: str) -> int:
    """Digits of the longest number that can be an emergency number there: a longer one need not be looked up."""
    metadata = phonenumbers.PhoneMetadata.short_metadata_for_region(region)
    known = metadata.emergency.possible_length if metadata is not None and metadata.emergency is not None else ()
    return max(SHORTEST, *map(len, EMERGENCY_EVERYWHERE), *known)
