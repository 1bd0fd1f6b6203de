"""What a look at the rules costs: counted, not measured."""

from datetime import datetime

import pytest

from actors.campaign.hours import Hours
from actors.campaign.rules import Attempt, Candidate, Reason, Rules, verdict
from bus_schemas.call import EndReason
from tests.campaign.played import NOON

LEADS = 500
OF_TEN_ZONES = "+79{:09}"  # a mobile of a country with so many zones


def looked(monkeypatch: pytest.MonkeyPatch, rules: Rules, *candidates: Candidate) -> tuple[set[Reason | None], int]:
    """Why they are not called; and how often somebody looked at a clock for that."""
    looks = 0
    wait = Hours.wait

    def counted(hours: Hours, local: datetime) -> int:
        nonlocal looks
        looks += 1
        return wait(hours, local)

    with monkeypatch.context() as patched:
        patched.setattr(Hours, "wait", counted)
        return {verdict(candidate, rules, NOON).reason for candidate in candidates}, looks


def test_leads_of_the_same_zones_look_at_their_clocks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = Rules(hours=Hours([[(1120, 1303)]] * 7))  # such as no other test has
    leads = [Candidate(number=OF_TEN_ZONES.format(place)) for place in range(LEADS)]
    one = looked(monkeypatch, rules, leads[0])
    assert one[0] == {Reason.NO_HOURS} and one[1] > 10
    assert looked(monkeypatch, rules, *leads) == ({Reason.NO_HOURS}, 0)


def test_waits_that_end_in_one_minute_look_for_the_next_hours_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = Rules(hours=Hours([[(481, 1259)]] * 7), retry_minutes={EndReason.BUSY: 15 * 60})
    leads = [
        Candidate(number=number, attempts=[Attempt(number=number, at=NOON, ended=NOON, outcome=EndReason.BUSY)])
        for number in (f"+38099{place:07}" for place in range(LEADS))
    ]
    found, looks = looked(monkeypatch, rules, *leads)
    assert found == {Reason.RETRY} and looks < 20
