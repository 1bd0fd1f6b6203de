"""Why a campaign does not dial, lead by lead and in all; and that a dry run is what then happens."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.campaign import claims, machine
from actors.campaign.claims import Claim, NotBegun
from actors.campaign.dry_run import Assumed, dry_run
from actors.campaign.explain import explain, of_campaign, put_off
from actors.campaign.hours import parse_hours
from actors.campaign.machine import NEXT
from actors.campaign.pacing import Limit, Pace
from actors.campaign.rules import Attempt, Reason
from actors.campaign.standing import Standing, shown
from actors.runtime.clock import parse_utc, utc
from actors.runtime.decision import SetTimer
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignFinished,
    CampaignStatus,
    Mode,
    StopMode,
)
from bus_schemas.campaign_outlook import LeadsByReason
from bus_schemas.lead import LeadStanding, LeadStatus
from tests.campaign.played import BY, NOON, Played, lead_at, number_at, rows
from tests.support.depth import examples

KYIV = ZoneInfo("Europe/Kyiv")
FULL = Pace(dials=0, limit=Limit.CARRIERS_FULL, mode=Mode.PROGRESSIVE)
TWO = Pace(dials=2, limit=Limit.NO_OPERATOR_READY, mode=Mode.PROGRESSIVE)


def reasons(played: Played, pace: Pace = TWO) -> dict[str, LeadsByReason]:
    return {group.reason: group for group in explain(played.state, played.standings(), pace, played.now).reasons}


def test_leads_are_counted_by_reason_with_what_would_change_it() -> None:
    played = Played()
    played.run(
        *(lead_at(place) for place in range(5)), lead_at(5, consent=False),
        lead_at(6, timezone="America/New_York"), lead_at(7, timezone="Asia/Tokyo"),
    )  # fmt: skip
    first, second = played.claim(2)
    played.over(first, EndReason.BUSY)
    played.do(machine.mark, 2, LeadStatus.DO_NOT_CALL)
    found = reasons(played)
    assert {reason: group.leads for reason, group in found.items()} == {
        "next": 2, "under_way": 1, "retry": 1, "do_not_call": 1, "consent": 1, "hours": 1,
        "no_operator_ready": 1,
    }  # fmt: skip
    assert found["retry"].until == utc(NOON + timedelta(minutes=15)) and "busy" in found["retry"].words
    assert "New_York" in found["hours"].words and found["hours"].until == "2026-11-25T13:00:00.000Z"
    assert found["no_operator_ready"].change == "an operator who is ready"
    assert second.place == 1


def test_one_zone_is_one_reason_and_a_full_house_another() -> None:
    played = Played()
    played.run(*(lead_at(place, timezone="America/New_York") for place in range(3)), lead_at(9))
    found = reasons(played, FULL)
    assert (found["hours"].leads, found["carriers_full"].leads) == (3, 1)


def test_what_a_campaign_that_does_not_run_says_is_that() -> None:
    played = Played()
    played.run(lead_at(1), lead_at(2))
    played.claim()
    played.do(machine.pause)
    assert reasons(played)["paused"].change == "to resume it"
    played.do(machine.stop, StopMode.DRAIN)
    assert {reason: group.leads for reason, group in reasons(played).items()} == {"draining": 1, "under_way": 1}


def test_a_campaign_that_calls_nobody_any_more_promises_nothing() -> None:
    played = Played()
    played.run(*(lead_at(place) for place in range(6)), lead_at(6, timezone="America/New_York"))
    first, second, _ = played.claim(3)
    played.over(first, EndReason.BUSY)
    played.over(second, EndReason.HANGUP_REMOTE, answered=True)
    played.do(machine.mark, 3, LeadStatus.CALLBACK, callback=utc(NOON + timedelta(hours=2)))
    assert {"retry", "callback", "hours"} < reasons(played).keys()
    played.do(machine.stop, StopMode.DRAIN)
    assert counted(played) == {"draining": 5, "under_way": 1, "done": 1}
    [open_one] = claims.claims_of(played.state)
    played.over(open_one)
    found = reasons(played)
    assert counted(played) == {"stopped": 6, "done": 1}
    assert all(group.until is None for group in found.values())
    assert found["stopped"].change == "another campaign with its leads"
    alone = of_campaign(played.state, played.standings()[0], TWO)
    assert (alone.reason, alone.until) == ("stopped", None)


def test_one_that_has_finished_still_says_why_nobody_could_be_called() -> None:
    played = Played()
    played.create(consent=True)
    played.run(lead_at(1))
    played.claim()
    assert played.status is CampaignStatus.FINISHED
    assert counted(played) == {"consent": 1}


def counted(played: Played) -> dict[str, int]:
    return {reason: group.leads for reason, group in reasons(played).items()}


def test_outside_the_hours_in_which_the_site_dials_nothing_is_tried() -> None:
    """Else each lead would be tried and refused, again and again, and nobody would know why."""
    played = Played(dials=(parse_hours("14:00-18:00"), KYIV))
    played.run(lead_at(1))
    assert played.claim() == []
    found = reasons(played)["site_hours"]
    assert found.words == "the site dials nobody outside 14:00-18:00: it is Wed 12:00 in Europe/Kyiv"
    assert found.until == utc(NOON + timedelta(hours=2)) and "[dial]" in found.change
    played.later(hours=2)
    assert len(played.claim()) == 1


def test_what_was_refused_says_why() -> None:
    played = Played()
    played.run(lead_at(1))
    [claim] = played.claim()
    why = "Calls to this country are not allowed."
    [event] = played.ended(claim, NotBegun(place=claim.place, attempt=claim.attempt, why=why))
    assert isinstance(event, CampaignAttemptEnded) and event.why == why
    assert why in reasons(played)["not_dialed"].words


def test_who_was_put_off_for_another_campaigns_call_is_told_so() -> None:
    ready, soon = Standing(reason="ready", words="", number=number_at(1)), (NOON + timedelta(seconds=40)).timestamp()
    other = Attempt(number=number_at(1), at=NOON, ended=NOON, outcome="busy")
    waits = put_off(ready, soon, [other], NOON)
    assert (waits.reason, waits.words) == ("looked_at_again", "another campaign has just called it")
    assert waits.until == NOON + timedelta(seconds=40) and waits.number is None
    assert "no line" in put_off(ready, soon, [], NOON).words
    assert put_off(ready, soon, [other], NOON + timedelta(minutes=1)) is put_off(ready, None, [other], NOON) is ready


def test_a_lead_is_told_the_same_as_all_of_them() -> None:
    played = Played()
    played.run(lead_at(1), lead_at(2))
    [claim] = played.claim()
    played.over(claim)
    waits, ready = played.standings()
    assert shown("a", of_campaign(played.state, waits, TWO)) == LeadStanding(
        lead="a", reason=Reason.RETRY, words="the wait after `no_answer`", until=utc(NOON + timedelta(hours=1)),
        change="a shorter `retry_minutes`",
    )  # fmt: skip
    assert of_campaign(played.state, ready, TWO).reason == "next"
    assert of_campaign(played.state, ready, FULL).reason == "carriers_full"


# --- dry run ----------------------------------------------------------------------------------------------------

ENDS = (
    Assumed(EndReason.BUSY, 3.0), Assumed(EndReason.NO_ANSWER, 30.0),
    Assumed(EndReason.HANGUP_REMOTE, 95.0, answered=True, talked=80),
)  # fmt: skip


def carrier(claim: Claim) -> Assumed:
    return ENDS[int(claim.number[-3:]) % 3]


def afterwards(played: Played, minutes: int, lines: int) -> None:
    """The same calls, of the campaign itself, a second at a time."""
    ends: list[tuple[Any, Claim]] = []
    end = played.now + timedelta(minutes=minutes)
    while played.now < end:
        for at, claim in [each for each in ends if each[0] <= played.now]:
            call = carrier(claim)
            played.over(claim, call.reason, answered=call.answered, talk_seconds=call.talked, call_id=claim.command_id)
            ends.remove((at, claim))
        again = True
        while again:
            for claim in played.claim(lines - len(ends)):
                ends.append((played.now + timedelta(seconds=carrier(claim).seconds), claim))
            again = SetTimer(name=NEXT, seconds=0.0) in played.effects
        played.later(seconds=1)


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 30), st.integers(0, 23))
@settings(max_examples=examples(10), deadline=None)
def test_a_dry_run_is_what_then_happens(leads: int, lines: int, minutes: int, hour: int) -> None:
    played = Played(now=NOON.replace(hour=hour, minute=50))
    played.run(*(lead_at(place, priority=place % 3) for place in range(leads)))
    before = len(played.events)
    book, now = played.book, played.now
    forecast = dry_run(played.state, book, minutes=minutes, lines=lines, carrier=carrier, now=now)
    afterwards(played, minutes, lines)
    assert forecast.campaign == played.state
    assert [utc_of(event) for event in forecast.events] == [utc_of(event) for event in played.events[before:]]


def utc_of(event: Any) -> Any:
    return event.at, type(event), getattr(event, "lead", None)


def test_a_dry_run_changes_nothing_and_tells_idle_lines() -> None:
    played = Played()
    played.run(lead_at(0), lead_at(1), lead_at(2))
    before, events = played.state, len(played.events)
    forecast = dry_run(before, played.book, minutes=10, lines=2, carrier=carrier, now=NOON)
    assert played.state is before and len(played.events) == events
    claims = [event for event in forecast.events if isinstance(event, CampaignAttemptClaimed)]
    assert [(event.number, parse_utc(event.at) - NOON) for event in claims] == [
        (number_at(0), timedelta()), (number_at(1), timedelta()), (number_at(2), timedelta(seconds=3))
    ]  # fmt: skip
    assert forecast.idle == 2 * 600 - 3 - 30 - 95


def test_calls_in_progress_end_in_a_dry_run_too() -> None:
    played = Played()
    played.run(*(lead_at(place) for place in range(9)))
    played.claim(2)
    played.later(seconds=10)
    forecast = dry_run(played.state, played.book, minutes=5, lines=2, carrier=carrier, now=played.now)
    claims = [event for event in forecast.events if isinstance(event, CampaignAttemptClaimed)]
    assert {event.place for event in claims} == {*range(2, 9)}
    assert [parse_utc(claim.at) - NOON for claim in claims[:2]] == [timedelta(seconds=10), timedelta(seconds=30)]
    assert forecast.campaign.open == 0


def test_a_draft_is_tried_as_if_it_were_started() -> None:
    played = Played()
    played.create()
    given_rows = rows(lead_at(0), lead_at(1))
    played.record(machine.add(played.state, played.selection, given_rows, BY, played.moment()).decision)
    assert played.status is CampaignStatus.DRAFT
    forecast = dry_run(played.state, played.book, minutes=5, lines=2, carrier=carrier, now=NOON)
    assert sum(isinstance(event, CampaignAttemptClaimed) for event in forecast.events) == 2
    assert played.status is CampaignStatus.DRAFT


def test_a_dry_run_ends_when_the_campaign_does() -> None:
    played = Played()
    played.run(lead_at(2))
    forecast = dry_run(played.state, played.book, minutes=60, lines=1, carrier=carrier, now=NOON)
    assert isinstance(forecast.events[-1], CampaignFinished)
    assert forecast.campaign.status is CampaignStatus.FINISHED
