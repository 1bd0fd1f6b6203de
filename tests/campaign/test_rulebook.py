"""The rules of a campaign's numbers are the strictest of presets, site and campaign, whatever was asked before."""

import pytest

from actors.campaign.hours import parse_hours
from actors.campaign.pacing import Plan
from actors.campaign.presets import rules_for
from actors.campaign.rulebook import RuleBook, rules_of
from actors.campaign.rules import Rules
from actors.telephony.numbers import canonical, home_of
from bus_schemas.campaign import CampaignSettings, Mode
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


def test_a_number_has_its_own_rules_whoever_was_asked_before() -> None:
    settings, site = CampaignSettings(hours="07:00-19:00", attempts_per_day=5), Rules(quiet_hours=100, pause_minutes=3)
    book = RuleBook(presets=PRESETS, site=site)
    for asked in (settings, CampaignSettings(), settings):
        for number in (*NUMBERS, *reversed(NUMBERS)):
            found = canonical(number, "UA")
            assert book.rules_for(found.e164, asked) == rules_for(found, PRESETS, rules_of(asked), site)
