"""The rules of a campaign's numbers are the strictest of presets, site and campaign, whatever was asked before."""

from datetime import date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.campaign.hours import parse_hours, read_hours
from actors.campaign.pacing import Plan
from actors.campaign.presets import Preset, rules_for
from actors.campaign.rulebook import RuleBook, rules_of
from actors.campaign.rules import Rules
from actors.telephony.numbers import canonical, home_of
from bus_schemas.campaign import RETRY_MINUTES, CampaignSettings, Mode
from tests.campaign.played import PRESETS

NUMBERS = (
    "+380991230006", "+13055551234", "+12125551234", "+14165551234", "+18005551234", "+33612345678", "+4915112345678",
    "+441632960001", "+441481960001", "+79161234567", "+77011234567", "+390612345678", "+390669812345", "+4779123456",
    "+61891621234", "+88213300655", "+80012345678", "+13345551234", "+212612345678",
)  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_where_a_number_belongs_is_told_sooner_and_the_same(number: str) -> None:
    found = canonical(number, "UA")
    assert home_of(found.e164) == (found.country, found.part)


@pytest.mark.parametrize("number", ["+999", "+0", "+4400000"])
def test_what_has_become_no_number_keeps_the_rules_for_all(number: str) -> None:
    assert RuleBook(presets=PRESETS).rules_for(number, CampaignSettings()).hours == parse_hours("08:00-21:00")


def test_the_lowest_cap_of_all_that_hold_is_paced_by() -> None:
    for share, cap in ((0.5, 0.03), (0.01, 0.01)):
        settings = CampaignSettings(mode=Mode.POWER, ratio=3.0, abandoned_share=share)
        assert RuleBook(presets=PRESETS).plan_for(NUMBERS[0], settings) == Plan(mode=Mode.POWER, ratio=3.0, cap=cap)
        assert RuleBook().plan_for(NUMBERS[0], settings).cap == share


def test_the_cap_of_site_and_presets_is_known_before_any_number() -> None:
    settings, site = CampaignSettings(abandoned_share=0.5), Rules(abandoned_share=0.2)
    assert [RuleBook(site=each).cap(settings) for each in (None, site)] == [0.5, 0.2]
    assert RuleBook(presets=PRESETS, site=site).cap(settings) == 0.03
    of_one = tuple(preset for preset in PRESETS if preset.countries)
    assert RuleBook(presets=of_one, site=site).cap(settings) == 0.2
    assert RuleBook(presets=PRESETS).cap(CampaignSettings(abandoned_share=0.01)) == 0.01


def test_a_number_has_its_own_rules_whoever_was_asked_before() -> None:
    settings, site = CampaignSettings(hours="07:00-19:00", attempts_per_day=5), Rules(quiet_hours=100, pause_minutes=3)
    book = RuleBook(presets=PRESETS, site=site)
    for asked in (settings, CampaignSettings(), settings):
        for number in (*NUMBERS, *reversed(NUMBERS)):
            found = canonical(number, "UA")
            assert book.rules_for(found.e164, asked) == rules_for(found, PRESETS, rules_of(asked), site)


BOUNDS = st.none() | st.integers(1, 9)
HOURS = st.sampled_from(["", "07:00-22:00", "09:00-18:00", "08:00-12:00, 15:00-23:00"])
GIVEN = st.fixed_dictionaries({
    "attempts_per_lead": BOUNDS, "attempts_per_number": BOUNDS, "attempts_per_day": BOUNDS,
    "attempts_per_30_days": BOUNDS, "pause_minutes": st.integers(0, 9), "quiet_hours": st.integers(0, 99),
    "retry_minutes": st.dictionaries(st.sampled_from(["busy", "no_answer"]), st.integers(0, 9)),
    "consent": st.booleans(), "final": st.sets(st.sampled_from(["busy", "rejected"])).map(tuple), "hours": HOURS,
})  # fmt: skip


@given(GIVEN, GIVEN, GIVEN, st.floats(0, 60), st.floats(0, 60))
def test_the_strictest_of_site_preset_and_campaign_holds(
    site: dict[str, Any], preset: dict[str, Any], own: dict[str, Any], ring: float, longer: float
) -> None:
    """Each of the three may say each rule; whichever says it strictest is who is followed."""

    def rules(given: dict[str, Any], ring: float) -> Rules:
        return msgspec.convert(given | {"ring_seconds": ring}, Rules, dec_hook=read_hours)

    waits = {**RETRY_MINUTES, **own.get("retry_minutes", {})}
    three = [rules(site, ring), rules(preset, longer), rules({**own, "retry_minutes": waits}, 0.0)]
    presets = [Preset(name="xx", source="s", as_of=date(2026, 1, 1), rules=three[1])]
    found = RuleBook(presets=presets, site=three[0]).rules_for(NUMBERS[0], CampaignSettings(**own))
    for name in ("attempts_per_lead", "attempts_per_number", "attempts_per_day", "attempts_per_30_days"):
        said = [bound for one in three if (bound := getattr(one, name)) is not None]
        assert getattr(found, name) == min(said, default=None)
    for name in ("pause_minutes", "quiet_hours", "ring_seconds", "consent"):
        assert getattr(found, name) == max(getattr(one, name) for one in three)
    for outcome in ("busy", "no_answer"):
        assert found.retry_minutes.get(outcome, 0) == max(one.retry_minutes.get(outcome, 0) for one in three)
    assert found.final == frozenset().union(*(one.final for one in three))
    for minute in range(0, 24 * 60, 30):
        moment = datetime(2026, 11, 25, minute // 60, minute % 60)
        assert (found.hours.wait(moment) == 0) is all(one.hours.wait(moment) == 0 for one in three)
