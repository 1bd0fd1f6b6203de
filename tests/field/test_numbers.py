"""Numbers as people and programs send them: one number is dialled as it was meant, anything else is refused with what
is in the way."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType, ValidationResult

from actors.dialing.rules import SHORTEST, DialRules, canonical, check, sim_regions_for
from actors.dialing.settings import Dial
from actors.dialing.site_rules import rules_of
from actors.runtime.settings import SettingsError
from actors.telephony import numbers
from actors.telephony.numbers import COUNTRIES, NotANumber, parts_of
from bus_schemas.errors import ErrorCode, Refusal
from tests.field.tables import cases

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
RULES = DialRules(site_region="UA")


@pytest.mark.parametrize(("raw", "right"), [*cases("numbers.toml", "one"), *cases("numbers.toml", "copied")])
def test_one_number_is_dialled_as_it_was_meant(raw: str, right: str) -> None:
    assert canonical(raw, RULES, ["UA"]).e164 == right


@pytest.mark.parametrize(("raw", "why"), [*cases("numbers.toml", "none"), *cases("numbers.toml", "strange")])
def test_anything_else_is_refused_with_what_is_in_the_way(raw: str, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        canonical(raw, RULES, ["UA"])
    assert refused.value.details is not None and refused.value.details["rule"] in ("format", "short")
    assert refused.value.message.startswith("`number`: ") and why in refused.value.message


@pytest.mark.parametrize(("place", "right"), cases("numbers.toml", "elsewhere"))
def test_what_no_country_is_said_of_is_the_sites(place: str, right: str) -> None:
    region, _, raw = place.partition(" ")
    assert canonical(raw, DialRules(site_region=region), [region]).e164 == right


@pytest.mark.parametrize(("place", "why"), cases("numbers.toml", "elsewhere_none"))
def test_what_could_be_another_countrys_is_not_dialled(place: str, why: str) -> None:
    region, _, raw = place.partition(" ")
    with pytest.raises(Refusal) as refused:
        canonical(raw, DialRules(site_region=region), [region])
    assert why in refused.value.message


def test_no_country_mistakes_its_own_numbers_with_their_code_for_others() -> None:
    """An example of each kind of number of each country, as a program writes it that leaves the plus away."""
    tried = refused = 0
    for region in sorted(COUNTRIES):
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            right = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            tried += 1
            try:
                assert canonical(right[1:], DialRules(site_region=region), [region]).e164 == right
            except Refusal:
                refused += 1
    print(f"{tried} numbers without their plus, {refused} refused, 0 taken for others")
    assert tried > 400


def test_every_country_may_write_its_numbers_as_it_does() -> None:
    """An example of each kind of number of each country, as it is written there and as it is abroad."""
    tried = short = 0
    for region, kind in product(sorted(COUNTRIES), PhoneNumberType.values()):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        right = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for form in (phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL):
            possible = phonenumbers.is_possible_number_with_reason(example)  # 310-1234 in Canada is within a town only
            if possible == ValidationResult.IS_POSSIBLE and len(right) > SHORTEST:
                written = phonenumbers.format_number(example, form)
                assert numbers.canonical(written, region).e164 == right, f"{written} in {region}"
                tried += 1
            else:
                short += 1
    print(f"{tried} tried, 0 refused; {short} are too short to be dialled")
    assert tried > 2500


# Default_Ignorable_Code_Point of Unicode 15 (DerivedCoreProperties.txt): what a program that cannot draw it leaves out.
IGNORABLE = (
    "00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFF8 "
    "1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)


def test_nothing_that_is_not_seen_is_in_the_way() -> None:
    tried = 0
    for first, _, last in (part.partition("-") for part in IGNORABLE.split()):
        for code in range(int(first, 16), int(last or first, 16) + 1):
            raw = f"{chr(code)}+38099{chr(code)}1230006{chr(code)}"
            assert canonical(raw, RULES, ["UA"]).e164 == "+380991230006", f"U+{code:04X}"
            tried += 1
    print(f"{tried} characters tried, 0 in the way")
    assert tried > 4000


DISGUISES = {
    "＊１００＃": "mmi", "\u202a112": "emergency", "１１２": "emergency", "١١٢": "emergency",
    "1\u20111\u20112": "emergency", "'112": "emergency", "1.1.2": "emergency", "112.0": "emergency",
    '"112"': "emergency", "\u20181\u034f12\u2019": "emergency", "1\u28001\u28002": "emergency", '="112"': "emergency",
    "\u201c*100#\u201d": "mmi",
}  # fmt: skip


@pytest.mark.parametrize(("raw", "rule"), DISGUISES.items())
def test_no_disguise_gets_past_the_rules(raw: str, rule: str) -> None:
    with pytest.raises(Refusal) as refused:
        canonical(raw, RULES, ["UA"])
    assert refused.value.details == {"rule": rule, "field": "number"}


def rule_of(raw: str, rules: DialRules) -> Any:
    number = canonical(raw, rules, ["UA"])
    try:
        check(number, frozenset({number.country}), rules, NOON)
    except Refusal as refusal:
        assert refusal.code is ErrorCode.CALL_FAILED
        return refusal.details
    return None


@pytest.mark.parametrize(("raw", "kind"), cases("numbers.toml", "premium"))
def test_what_costs_more_is_not_dialled_unless_the_site_allows_it(raw: str, kind: str) -> None:
    assert rule_of(raw, RULES) == {"rule": "premium", "kind": kind}
    for allowed in (raw, "+*", canonical(raw, RULES, []).e164[:6] + "*"):
        rules = rules_of(Dial(premium_allowed=("+380900999999", allowed)))
        assert rule_of(raw, rules) is None
    assert rule_of(raw, rules_of(Dial(premium_allowed=("+380900999999", "+419*")))) == {"rule": "premium", "kind": kind}


@pytest.mark.parametrize(("raw", "right"), [*cases("numbers.toml", "ordinary"), *cases("numbers.toml", "moved")])
def test_what_costs_no_more_is_dialled_by_its_number_of_today(raw: str, right: str) -> None:
    assert canonical(raw, RULES, []).e164 == right
    assert rule_of(raw, RULES) is None


@pytest.mark.parametrize(("raw", "country"), cases("numbers.toml", "places"))
def test_a_number_belongs_where_it_is_charged(raw: str, country: str) -> None:
    assert canonical(raw, RULES, []).country == country
    assert rule_of(raw, RULES) is None


def test_who_allows_a_part_of_a_country_only_calls_that() -> None:
    vatican = frozenset({"VA"})
    check(canonical("+39 06 6988 3511", RULES, []), vatican, RULES, NOON)
    with pytest.raises(Refusal, match="country"):
        check(canonical("+39 06 1234567", RULES, []), vatican, RULES, NOON)
    assert sim_regions_for(canonical("+39 06 6988 3511", RULES, []), RULES) == {"IT", "VA"}


@pytest.mark.parametrize(("entry", "right"), cases("numbers.toml", "allowed"))
def test_what_is_allowed_is_written_as_people_write_it(entry: str, right: str) -> None:
    assert rules_of(Dial(premium_allowed=(entry,))).premium_allowed == {right}


@pytest.mark.parametrize(("entry", "why"), cases("numbers.toml", "not_allowed"))
def test_what_is_allowed_must_be_numbers_or_their_beginnings(entry: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        rules_of(Dial(premium_allowed=("+380900212345", entry)))
    assert str(refused.value).startswith("dial.premium_allowed[1]: ") and why in str(refused.value)


@pytest.mark.parametrize(("place", "right"), cases("numbers.toml", "asked"))
def test_a_number_on_record_is_found_however_it_is_asked_for(place: str, right: str) -> None:
    region, _, raw = place.partition(" ")
    assert any(part in right for part in parts_of(raw, region)), parts_of(raw, region)
    assert not any(part in "+33612345678" for part in parts_of(raw, region)), parts_of(raw, region)


@pytest.mark.parametrize(("place", "why"), cases("numbers.toml", "asked_none"))
def test_what_is_no_part_of_a_number_is_not_asked_for(place: str, why: str) -> None:
    region, _, raw = place.partition(" ")
    with pytest.raises(NotANumber) as refused:
        parts_of(raw, region)
    assert why in str(refused.value)
