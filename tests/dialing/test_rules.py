import random
from datetime import UTC, datetime

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import shortnumberinfo

from actors.dialing.rules import DialRules, canonical, check, countries_of, parse_window
from actors.telephony.numbers import COUNTRIES
from bus_schemas.errors import ErrorCode, Refusal
from tests.support.depth import examples

RULES = DialRules(site_region="UA")
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def _rule(raw: str, rules: DialRules = RULES, regions: tuple[str, ...] = ("UA",)) -> str | None:
    try:
        canonical(raw, rules, regions)
    except Refusal as refusal:
        assert refusal.details is not None
        return str(refusal.details["rule"])
    return None


@pytest.mark.parametrize(
    "raw", ["+380991234567", "0991234567", "380991234567", "+38 (099) 123-45-67", "00380991234567", " +380991234567 "]
)
def test_every_way_to_write_a_number_is_the_same_number(raw: str) -> None:
    assert canonical(raw, RULES, ["UA"]).e164 == "+380991234567"


EMERGENCY = {
    "UA": ["101", "102", "103", "112"], "RU": ["101", "102", "103", "112"], "US": ["911"], "GB": ["999", "112"],
    "DE": ["110", "112"], "FR": ["15", "17", "18", "112"], "PL": ["997", "998", "999", "112"], "AU": ["000", "112"],
    "JP": ["110", "119"], "CN": ["110", "119", "120"], "BR": ["190", "192", "193"], "IN": ["100", "101", "112"],
}  # fmt: skip


@pytest.mark.parametrize("region", EMERGENCY)
def test_emergency_numbers_are_refused_in_every_disguise(region: str) -> None:
    rules = DialRules(site_region=region)
    code = phonenumbers.country_code_for_region(region)
    for number in EMERGENCY[region]:
        disguises = [number, f" {number} ", "-".join(number), f"({number})", f"0{number}", f"+{code}{number}",
                     f"00{code}{number}", f"+{number}", f"+{code} 0 {number}", ".".join(number)]  # fmt: skip
        for raw in disguises:
            assert _rule(raw, rules, ()) in ("emergency", "short"), raw
        assert _rule(number, DialRules(site_region="UA"), (region,)) in ("emergency", "short")  # of a SIM's region


def test_no_short_number_of_a_country_is_dialled_however_it_is_written() -> None:
    tried, chance = 0, random.Random(1)
    for region in sorted(COUNTRIES):
        rules, code = DialRules(site_region=region), phonenumbers.country_code_for_region(region)
        for _ in range(examples(50)):
            short = "".join(chance.choices("0123456789", k=chance.randint(3, 12)))
            for raw in (short, f"{code}{short}", f"+{code}{short}", f"0{short}", f"00380{short}"):
                if _is_short(raw, region):
                    tried += 1
                    assert _rule(raw, rules, ()) is not None, (raw, region)
    print(f"{tried} short numbers tried, 0 dialled")
    assert tried > examples(1000)


def _is_short(raw: str, region: str) -> bool:
    try:
        return bool(shortnumberinfo.is_valid_short_number(phonenumbers.parse(raw.lstrip("+"), region)))
    except phonenumbers.NumberParseException:
        return False


def test_a_sims_country_has_emergency_numbers_of_its_own() -> None:
    assert (_rule("997", RULES, ("PL",)), _rule("997", RULES, ())) == ("emergency", "short")


@pytest.mark.parametrize("raw", ["*100#", "*#06#", "#31#+380991234567", "**21*+380991234567#", "+380991234567*"])
def test_service_codes_are_refused(raw: str) -> None:
    assert _rule(raw) == "mmi"


@pytest.mark.parametrize(
    "raw",
    ["", "+", "abc", "tel:112", "+380991234567;ext=1", "+380991234567,,1", "+380991234567p1",
     "+380991234567\r\nX", "500&PJSIP/1", "$(reboot)", "+38099 1234567\0", "+3809912345678901234"],
)  # fmt: skip
def test_what_is_no_number_is_refused(raw: str) -> None:
    assert _rule(raw) in ("format", "short")


@settings(max_examples=examples(125), deadline=None)
@given(st.text(alphabet="0123456789+*#,;pw &$()\r\n\0\t-.abc１", max_size=24))
def test_whatever_is_sent_only_e164_comes_out(raw: str) -> None:
    try:
        number = canonical(raw, RULES, ["UA", "US"])
    except Refusal as refusal:
        assert refusal.code is ErrorCode.INVALID_PARAMS
    else:
        assert number.e164.startswith("+") and number.e164[1:].isascii() and number.e164[1:].isdigit()
        assert 8 <= len(number.e164) <= 16
        national = number.e164.removeprefix("+380").removeprefix("+1")
        assert national not in ("112", "911", "101", "102", "103", "999")


def _check(raw: str, sim: str | None, rules: DialRules, now: datetime = NOON) -> str | None:
    try:
        check(canonical(raw, rules, ()), countries_of(sim, rules), rules, now)
    except Refusal as refusal:
        assert refusal.details is not None
        return str(refusal.details["rule"])
    return None


def test_only_the_sims_own_country_unless_more_is_allowed() -> None:
    assert _check("+380991234567", "UA", RULES) is None
    assert _check("+48601123456", "UA", RULES) == "country"
    assert _check("+48601123456", "PL", RULES) is None
    both = DialRules(site_region="UA", countries=frozenset({"UA", "PL"}))
    assert _check("+48601123456", "UA", both) is None
    assert _check("+12025550123", "US", both) == "country"


def test_do_not_call_and_hours() -> None:
    listed = DialRules(site_region="UA", do_not_call=frozenset({"+380991234567"}))
    assert _check("099 123 45 67", "UA", listed) == "do_not_call"
    daytime = DialRules(site_region="UA", window=parse_window("08:00-21:00"), timezone="Europe/Kyiv")
    assert _check("+380991234567", "UA", daytime) is None
    assert _check("+380991234567", "UA", daytime, datetime(2026, 1, 1, 20, 0, tzinfo=UTC)) == "hours"
    night = DialRules(site_region="UA", window=parse_window("22:00-06:00"))
    assert _check("+380991234567", "UA", night) == "hours"
    assert _check("+380991234567", "UA", night, datetime(2026, 1, 1, 23, 0, tzinfo=UTC)) is None
