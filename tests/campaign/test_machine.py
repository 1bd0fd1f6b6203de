"""What a campaign does: who is called next, how it runs, pauses, stops and finishes, and what is on record of it."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from actors.campaign import machine
from actors.campaign.claims import BeginCall, CallOver, EndCall, FindCall, Joined, command_of
from actors.campaign.machine import LOOKS, LOOKS_UP, NEXT
from actors.campaign.places import at
from actors.campaign.record import NOT_DIALED, attempts_of, evolve, size
from actors.campaign.rules import Attempt, Reason
from actors.campaign.seats import Seats
from actors.campaign.selection import Selection
from actors.campaign.standing import Stand
from actors.leads.lead import Duplicate, InvalidRow
from actors.runtime.clock import utc
from actors.runtime.decision import SetTimer
from actors.runtime.digest import LARGEST, must_be_digestible
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    ABANDONED,
    ANSWERED,
    CAMPAIGN_LEADS_ADDED,
    OUTCOMES,
    RETRY_MINUTES,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignDraining,
    CampaignLeadsAdded,
    CampaignSettings,
    CampaignStatus,
    CampaignStopped,
    StopMode,
)
from bus_schemas.carriers import Carriers
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import Lead, LeadStatus
from tests.campaign.played import BY, ID, NOON, Played, held_by, lead_at, number_at, rows

S = CampaignStatus


def running(*leads: Lead, **book: Any) -> Played:
    played = Played(**book)
    played.run(*leads)
    return played


def refused(code: ErrorCode) -> Any:
    return pytest.raises(Refusal, check=lambda refusal: refusal.code is code)


# --- run --------------------------------------------------------------------------------------------------------


def test_a_run_makes_a_campaign_with_good_defaults_and_starts_it() -> None:
    played = Played()
    answer = played.run(lead_at(1), lead_at(2))
    assert (answer.campaign_id, answer.status, answer.accepted, answer.duplicates) == (ID, S.RUNNING, 2, 0)
    assert [type(event).__name__ for event in played.events] == [
        "CampaignCreated", "CampaignStarted", "CampaignLeadsAdded"
    ]  # fmt: skip
    assert played.state.settings == CampaignSettings() and played.effects == (SetTimer(name=NEXT, seconds=0.0),)


def test_the_same_body_twice_changes_nothing() -> None:
    played = running(lead_at(1), lead_at(2))
    before = played.state
    answer = played.run(lead_at(1), lead_at(2))
    assert (answer.accepted, answer.duplicates, answer.status) == (0, 2, S.RUNNING)
    assert played.state is before and not played.effects


def test_a_run_adds_the_leads_that_are_new() -> None:
    played = running(lead_at(1))
    answer = played.run(lead_at(1), lead_at(2))
    assert (answer.accepted, answer.duplicates) == (1, 1) and size(played.state) == 2
    event = played.events[-1]
    assert isinstance(event, CampaignLeadsAdded) and event.first == 1 and event.leads == (lead_at(2),)


def test_a_run_answers_for_rows_that_are_no_leads() -> None:
    given = [*rows(lead_at(1)), InvalidRow(row=2, field="number", code="format", reason="no digit in it")]
    answer = Played().run(given=[*given, Duplicate(row=3, first_row=1)])
    assert (answer.accepted, answer.duplicates) == (1, 1)
    assert [(row.row, row.field, row.reason) for row in answer.invalid] == [(2, "number", "no digit in it")]


def test_a_number_is_the_leads_that_had_it_first() -> None:
    played = running(Lead(id="a", numbers=(number_at(1), number_at(2))))
    answer = played.run(
        Lead(id="b", numbers=(number_at(2),)), Lead(id="c", numbers=(number_at(3), number_at(1))),
        Lead(id="a", numbers=(number_at(4),)),
    )  # fmt: skip
    assert (answer.accepted, answer.duplicates, answer.invalid[0].field) == (1, 1, "lead_id")
    assert at(played.state.leads, 1).numbers == number_at(3)


def test_a_lead_is_found_by_its_id_and_not_by_that_of_a_number() -> None:
    played = running(lead_at(1), Lead(id="a", numbers=(number_at(2),)))
    assert played.selection is not None
    found = [played.selection.place_of(played.state, id) for id in (lead_at(1).id, "a", lead_at(2).id, "b")]
    assert found == [0, 1, None, None]


def test_leads_go_on_record_in_batches_that_fit_into_a_message() -> None:
    small = [lead_at(place) for place in range(1200)]
    large = [lead_at(place, custom={f"f{key}": "ї" * 1000 for key in range(50)}) for place in range(2000, 2009)]
    played = running(*small, *large)
    batches = [event for event in played.events if isinstance(event, CampaignLeadsAdded)]
    assert sum(len(event.leads) for event in batches) == 1209 == size(played.state)
    assert max(len(event.leads) for event in batches) == 500 and len(batches) >= 5
    assert [event.first for event in batches] == [
        sum(len(other.leads) for other in batches[:place]) for place in range(len(batches))
    ]
    assert max(len(must_be_digestible(CAMPAIGN_LEADS_ADDED, event)) for event in batches) < LARGEST / 2


@pytest.mark.parametrize("leads", [0, machine.MOST_LEADS + 1])
def test_no_lead_and_too_many_get_a_clear_answer(leads: int) -> None:
    with refused(ErrorCode.INVALID_PARAMS) as refusal:
        Played().run(given=[Duplicate(row=1, first_row=1)] * leads)
    assert "100,000" in str(refusal.value)


def test_a_paused_campaign_is_resumed_by_a_run() -> None:
    played = running(lead_at(1))
    played.do(machine.pause)
    assert played.claim(5) == [] and played.status is S.PAUSED
    assert played.run(lead_at(1)).status is S.RUNNING and len(played.claim(5)) == 1


def test_a_campaign_that_is_over_runs_again_with_the_new_leads_only() -> None:
    played = running(lead_at(1), lead_at(2))
    played.do(machine.stop, StopMode.DRAIN)
    assert played.run(lead_at(1)).status is S.STOPPED
    assert played.run(lead_at(1), lead_at(3)).status is S.RUNNING
    assert [claim.number for claim in played.claim(5)] == [number_at(3)]
    assert [found.reason for found in played.standings()[:2]] == [Stand.EARLIER_RUN] * 2


@pytest.mark.parametrize("before", ["new", "draft", "running", "paused", "stopped"])
def test_a_run_that_a_crash_cuts_off_anywhere_is_whole_when_repeated(before: str) -> None:
    old, new = lead_at(1), [lead_at(place, custom={"text": "x" * 999}) for place in range(10, 1300)]

    def played_until() -> Played:
        played = Played()
        if before == "draft":
            played.create()
        elif before != "new":
            played.run(old)
            played.over(played.claim()[0], EndReason.HANGUP_REMOTE, answered=True)
        if before == "paused":
            played.do(machine.pause)
        elif before == "stopped":
            played.do(machine.stop, StopMode.DRAIN)
        return played

    def ran(played: Played) -> Any:
        return machine.run(ID, played.campaign, played.selection, rows(*new), BY, played.moment()).decision

    for events in range(len(ran(played_until()).events) + 1):
        played = played_until()
        whole = ran(played)
        played.record(replace(whole, events=whole.events[:events]))
        if played.campaign is not None:
            played.selection = Selection(played.state)
        played.record(ran(played))
        ready = [found.number for found in played.standings() if found.reason == Stand.READY]
        assert played.status is S.RUNNING and len(ready) == len(new), (before, events)


def test_a_campaign_that_is_being_stopped_refuses_a_run() -> None:
    played = running(lead_at(1))
    played.claim()
    played.do(machine.stop, StopMode.DRAIN)
    with refused(ErrorCode.CONFLICT):
        played.run(lead_at(2))


# --- who is next ------------------------------------------------------------------------------------------------


def test_an_attempt_is_on_record_with_its_command_before_its_call() -> None:
    played = running(lead_at(1, source="spring"))
    [claim] = played.claim(5)
    [event] = [event for event in played.events if isinstance(event, CampaignAttemptClaimed)]
    assert (event.number, event.attempt, event.place) == (number_at(1), 1, 0)
    assert event.command_id == command_of(ID, event.lead, 1) == claim.command_id != command_of(ID, event.lead, 2)
    [begin] = [effect for effect in played.effects if isinstance(effect, BeginCall)]
    assert (begin.of_list, begin.claim.user) == ("spring", BY)
    assert played.claim(5) == [] and played.standings()[0].reason is Reason.UNDER_WAY


def test_higher_priorities_come_first_then_who_is_ready_the_longest() -> None:
    played = running(lead_at(1), lead_at(2, priority=5), lead_at(3), lead_at(4, priority=-1))
    assert [claim.number for claim in played.claim(9)] == [number_at(place) for place in (2, 1, 3, 4)]


def test_a_callback_comes_first_at_its_time_and_not_before() -> None:
    played = running(*(lead_at(place, priority=9) for place in range(1, 4)), lead_at(4))
    wish = utc(NOON + timedelta(minutes=30))
    played.do(machine.mark, 3, LeadStatus.CALLBACK, callback=wish, operator="op7")
    found = played.standings()[3]
    assert (found.reason, found.until) == (LeadStatus.CALLBACK, NOON + timedelta(minutes=30))
    assert played.claim()[0].number == number_at(1)
    played.later(minutes=29)
    assert played.claim()[0].number == number_at(2)
    played.later(minutes=1)
    assert played.claim()[0].number == number_at(4)


def test_a_callback_to_an_operator_is_dialled_on_that_ones_line() -> None:
    played = running(lead_at(1), lead_at(2), lead_at(3))
    played.do(machine.mark, 1, LeadStatus.CALLBACK, callback=utc(NOON + timedelta(seconds=1)), operator="op7")
    ready = {"op7", "op8"}
    [other] = played.claim(9, ready=ready, lines=["op8"])
    assert (other.number, other.operator) == (number_at(1), "op8")
    played.later(seconds=1)
    both = played.claim(9, ready=ready, lines=["op8", "op7"])
    assert {claim.number: claim.operator for claim in both} == {number_at(2): "op7", number_at(3): "op8"}
    assert played.replayed() == played.state and set(played.state.crew) == {0, 1, 2}


def test_a_call_that_was_answered_and_nobody_took_was_abandoned() -> None:
    played = running(lead_at(1), lead_at(2))
    one, other = played.claim(2, ready={"op7", "op8"}, lines=["op7", "op8"])
    taken = Joined(place=0, attempt=1, user="op7", call_id="c_1")
    for _ in range(2):
        played.record(machine.joined(played.state, taken, played.moment()))
    assert played.state.crew[0].joined and len(played.events) == 6
    ended = [played.over(claim, answered=True, talk_seconds=9)[0] for claim in (one, other)]
    assert [(event.outcome, event.talk_seconds) for event in ended] == [("answered", 9), ("abandoned", 0)]
    assert [event.why for event in ended] == ["", "No operator took it in time."]
    late = Joined(place=1, attempt=1, user="op8", call_id="c_1")
    assert not machine.joined(played.state, late, played.moment()).events and not played.state.crew
    [day] = played.state.tally.days
    assert (day.answered, day.abandoned) == (2, 1) and played.replayed() == played.state


def test_a_call_whose_extension_nobody_took_was_abandoned() -> None:
    played = running(lead_at(1))
    [claim] = played.claim(1, ready={"op7"}, lines=["op7"])
    taken = Joined(place=0, attempt=1, user="op7", call_id="c_1")
    played.record(machine.joined(played.state, taken, played.moment()))
    [event] = played.over(claim, EndReason.EXTENSION_FAILED, answered=True, talk_seconds=9)
    assert (event.outcome, event.status) == ("abandoned", LeadStatus.IN_PROGRESS)


def test_a_call_for_whoever_is_ready_of_unknown_end_was_abandoned() -> None:
    played = running(lead_at(1), lead_at(2))
    [mine] = played.claim(1, ready={"op7"}, lines=["op7"])
    assert played.over(mine, EndReason.UNKNOWN, why="not shown")[0].outcome == "unknown"
    [claim] = played.claim(1, ready={"op7"}, lines=[None], seats=Seats(["op7"], kept=False))
    assert claim.joins
    [event] = played.over(claim, EndReason.UNKNOWN, why="not shown")
    assert (event.outcome, event.why) == ("abandoned", "Whether it was answered is not known: not shown")


def test_a_callback_to_an_operator_waits_for_that_one_and_holds_nobody_up() -> None:
    played = running(lead_at(1), lead_at(2))
    played.do(machine.mark, 0, LeadStatus.CALLBACK, callback=utc(NOON + timedelta(seconds=1)), operator="op7")
    played.later(seconds=1)
    assert [claim.number for claim in played.claim(9, ready={"op8"})] == [number_at(2)]
    assert SetTimer(name=NEXT, seconds=10.0) in played.effects
    played.later(seconds=10)
    assert [claim.number for claim in played.claim(9, ready={"op7"})] == [number_at(1)]


def test_a_retry_waits_as_its_outcome_says() -> None:
    played = running(lead_at(1))
    played.over(played.claim()[0], EndReason.BUSY)
    assert played.claim() == [] and SetTimer(name=NEXT, seconds=LOOKS_UP) in played.effects
    played.later(minutes=14, seconds=59)
    assert played.claim() == []
    played.later(seconds=1)
    [again] = played.claim()
    assert again.attempt == 2


def test_the_second_number_is_called_while_the_first_waits() -> None:
    played = running(Lead(id="a", numbers=(number_at(1), number_at(2))))
    played.over(played.claim()[0])
    assert played.claim()[0].number == number_at(2)


def test_numbers_take_turns_where_nothing_waits_after_an_outcome() -> None:
    played = Played()
    played.create(retry_minutes={"busy": 0}, attempts_per_lead=3)
    played.run(Lead(id="a", numbers=(number_at(1), number_at(2))))
    called = []
    for _ in range(3):
        called += played.claim()
        played.over(called[-1], EndReason.BUSY)
    assert [claim.number for claim in called] == [number_at(place) for place in (1, 2, 1)]


def test_an_archived_campaign_keeps_its_settings() -> None:
    played = running(lead_at(1))
    played.do(machine.stop, StopMode.DRAIN)
    played.do(machine.archive)
    with refused(ErrorCode.CONFLICT):
        played.do(machine.configure, CampaignSettings(weight=3))


def test_a_night_holds_everybody_until_the_morning() -> None:
    played = Played(now=NOON + timedelta(hours=12))
    played.run(*(lead_at(place) for place in range(3)))
    assert played.claim(9) == [] and played.effects == (SetTimer(name=NEXT, seconds=LOOKS_UP),)
    played.later(hours=8)
    assert len(played.claim(9)) == 3


def test_one_turn_looks_at_a_bounded_number_of_leads() -> None:
    played = Played(now=NOON + timedelta(hours=12))
    played.run(*(lead_at(place) for place in range(LOOKS + 1)))
    assert played.claim(9) == [] and played.effects == (SetTimer(name=NEXT, seconds=0.0),)
    assert played.claim(9) == [] and played.effects == (SetTimer(name=NEXT, seconds=LOOKS_UP),)


def test_without_a_free_line_nothing_is_looked_at_and_no_timer_runs() -> None:
    played = running(lead_at(1))
    assert played.claim(0) == [] and played.effects == ()


def test_attempts_of_other_campaigns_count() -> None:
    elsewhere = {
        number_at(1): [Attempt(number=number_at(1), at=NOON)],
        number_at(2): [Attempt(number=number_at(2), at=NOON, ended=NOON, outcome="answered")] * 3,
    }
    played = running(lead_at(1), lead_at(2), lead_at(3), elsewhere=lambda number: elsewhere.get(number, ()))
    assert [claim.number for claim in played.claim(9)] == [number_at(3)]
    assert [found.reason for found in played.standings()[:2]] == [Reason.UNDER_WAY, Reason.DAY_ATTEMPTS]
    elsewhere.clear()
    played.later(minutes=1)
    assert number_at(1) in [claim.number for claim in played.claim(9)]


def test_numbers_on_the_do_not_call_list_are_left_out() -> None:
    listed = {number_at(1), "+380990000003*"}
    played = running(lead_at(1), Lead(id="a", numbers=(number_at(3), number_at(2))), held_until=held_by(listed))
    assert [claim.number for claim in played.claim(9)] == [number_at(2)]
    assert played.standings()[0].reason == "do_not_call"


def test_what_was_taken_and_did_not_come_on_record_is_ready_again() -> None:
    played = running(lead_at(1), lead_at(2))
    assert played.selection is not None
    lost = machine.claim(played.state, played.selection, played.book, 1, played.moment())
    assert [claim.number for claim in played.claim(9)] == [number_at(1), number_at(2)] and len(lost.events) == 1


def test_a_clock_that_is_set_back_has_everybody_looked_at_again() -> None:
    played = Played(now=NOON + timedelta(hours=12))
    played.run(lead_at(1))
    assert played.claim() == []
    played.later(hours=-12)
    assert len(played.claim()) == 1


# --- what becomes of attempts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "outcome", "status"),
    [
        ({"answered": True, "reason": EndReason.HANGUP_REMOTE}, "answered", LeadStatus.DONE),
        ({"reason": EndReason.BUSY}, "busy", LeadStatus.IN_PROGRESS),
        ({"answered": True, "abandoned": True, "reason": EndReason.HANGUP_LOCAL}, "abandoned", LeadStatus.IN_PROGRESS),
        ({"reason": EndReason.INVALID_NUMBER}, "invalid_number", LeadStatus.INVALID),
    ],
)
def test_an_outcome_makes_something_of_the_lead(more: dict[str, Any], outcome: str, status: LeadStatus) -> None:
    played = running(lead_at(1))
    [event] = played.over(played.claim()[0], **more)
    assert isinstance(event, CampaignAttemptEnded) and (event.outcome, event.status) == (outcome, status)
    assert at(played.state.leads, 0).status is status


def test_a_lead_is_invalid_when_none_of_its_numbers_is_left() -> None:
    played = running(Lead(id="a", numbers=(number_at(1), number_at(2))))
    played.not_begun(played.claim()[0], never=True)
    assert at(played.state.leads, 0).status is LeadStatus.IN_PROGRESS
    played.over(played.claim()[0], EndReason.INVALID_NUMBER)
    assert at(played.state.leads, 0).status is LeadStatus.INVALID


def test_an_attempt_ends_once() -> None:
    played = running(lead_at(1))
    [claim] = played.claim()
    assert played.over(claim, EndReason.BUSY) and not played.over(claim, EndReason.BUSY)
    played.later(hours=1)
    [again] = played.claim()
    assert not played.over(claim) and played.over(again)


def test_what_an_operator_says_during_the_call_holds_after_it() -> None:
    played = running(lead_at(1))
    [claim] = played.claim()
    played.do(machine.mark, 0, LeadStatus.CALLBACK, callback=utc(NOON + timedelta(days=1)), disposition="later")
    played.over(claim, EndReason.HANGUP_REMOTE, answered=True)
    assert at(played.state.leads, 0).status is LeadStatus.CALLBACK and played.claim() == []
    played.later(days=1)
    assert len(played.claim()) == 1


def test_a_lead_that_was_marked_again_and_again_is_claimed_once() -> None:
    played = running(lead_at(1), lead_at(2))
    for _ in range(3):
        played.do(machine.mark, 0, LeadStatus.IN_PROGRESS)
    assert [claim.place for claim in played.claim(9)] == [0, 1]


def test_who_does_not_want_to_be_called_is_not() -> None:
    played = running(lead_at(1), lead_at(2))
    played.do(machine.mark, 0, LeadStatus.DO_NOT_CALL)
    assert [claim.number for claim in played.claim(9)] == [number_at(2)]


@pytest.mark.parametrize(("status", "callback"), [(LeadStatus.CALLBACK, None), (LeadStatus.DONE, utc(NOON))])
def test_a_callback_has_a_time_and_nothing_else_has(status: LeadStatus, callback: str | None) -> None:
    played = running(lead_at(1))
    with refused(ErrorCode.INVALID_PARAMS):
        played.do(machine.mark, 0, status, callback=callback)


@pytest.mark.parametrize(("days", "why"), [(-1, "over"), (0, "over"), (367, "366 days"), (36_525, "366 days")])
def test_a_callback_is_at_a_time_that_comes(days: int, why: str) -> None:
    played = running(lead_at(1))
    with refused(ErrorCode.INVALID_PARAMS) as refusal:
        played.do(machine.mark, 0, LeadStatus.CALLBACK, callback=utc(NOON + timedelta(days=days)))
    assert why in refusal.value.message


def test_nobody_is_promised_a_call_by_a_run_that_is_over() -> None:
    played = running(lead_at(1))
    played.do(machine.stop, StopMode.DRAIN)
    wish = utc(NOON + timedelta(hours=1))
    for again in (False, True):
        if again:
            played.run(lead_at(2))
        with refused(ErrorCode.CONFLICT):
            played.do(machine.mark, 0, LeadStatus.CALLBACK, callback=wish)
        played.do(machine.mark, 0, LeadStatus.DO_NOT_CALL)
    played.do(machine.mark, 1, LeadStatus.CALLBACK, callback=wish)


def test_an_outcome_of_a_later_version_is_one_that_nobody_knows() -> None:
    played = running(lead_at(1))
    [claim] = played.claim()
    event = CampaignAttemptEnded(
        campaign=ID, at=utc(NOON), lead=lead_at(1).id, place=0, attempt=claim.attempt, outcome="beamed_up",
        status=LeadStatus.IN_PROGRESS,
    )  # fmt: skip
    after = evolve(played.state, event)
    assert after is not None and attempts_of(at(after.leads, 0))[0].outcome == "unknown"


def test_a_call_that_no_line_took_counts_for_no_cap_and_is_tried_later() -> None:
    played = running(lead_at(1))
    for minutes in (1, 2, 4, 8, 16, 32, 64, 64):
        played.not_begun(played.claim()[0])
        assert played.claim() == [] and played.standings()[0].reason is Stand.NOT_DIALED
        played.later(minutes=minutes)
    [claim] = played.claim()
    assert claim.attempt == 9 and len(attempts_of(at(played.state.leads, 0))) == 1


def test_abandoned_calls_are_counted_by_day() -> None:
    played = running(lead_at(1), lead_at(2))
    for claim in played.claim(2):
        played.over(claim, EndReason.HANGUP_LOCAL, answered=True, abandoned=claim.place == 0)
    [day] = played.state.tally.days
    assert (day.day, day.answered, day.abandoned) == (NOON.toordinal(), 2, 1)


# --- stop, finish, take over ------------------------------------------------------------------------------------


def test_after_a_stop_no_attempt_begins() -> None:
    played = running(*(lead_at(place) for place in range(5)))
    played.claim(2)
    played.do(machine.stop, StopMode.DRAIN)
    assert (played.status, machine.stopping(played.state).in_progress, played.effects) == (S.DRAINING, 2, ())
    assert played.claim(9) == []
    first, second = played.claims
    played.over(first)
    assert played.status is S.DRAINING and played.claim(9) == []
    assert isinstance(played.over(second)[-1], CampaignStopped) and played.claim(9) == []


def test_calls_are_hung_up_where_the_stop_says_so() -> None:
    played = running(lead_at(1), lead_at(2))
    claims = played.claim(2)
    played.do(machine.stop, StopMode.DRAIN)
    played.do(machine.stop, StopMode.HANGUP)
    assert [effect.claim for effect in played.effects if isinstance(effect, EndCall)] == claims
    for mode in StopMode:
        played.do(machine.stop, mode)
        assert isinstance(played.events[-1], CampaignDraining) and played.effects == ()
    played.do(machine.stop, StopMode.DRAIN)
    assert len([event for event in played.events if isinstance(event, CampaignDraining)]) == 2


def test_a_stop_without_calls_is_at_once_and_a_second_one_changes_nothing() -> None:
    played = running(lead_at(1))
    for _ in range(2):
        played.do(machine.stop, StopMode.HANGUP)
        assert played.status is S.STOPPED and played.state.campaign == ID
    assert sum(isinstance(event, CampaignStopped) for event in played.events) == 1


@pytest.mark.parametrize("decide", [machine.pause, machine.resume])
def test_only_a_running_campaign_is_paused_and_only_a_paused_one_resumed(decide: Any) -> None:
    played = running(lead_at(1))
    for _ in range(2):
        played.do(machine.pause)
        played.do(machine.pause)
        played.do(machine.resume)
        played.do(machine.resume)
    assert [type(event).__name__ for event in played.events[3:]] == ["CampaignPaused", "CampaignResumed"] * 2
    played.do(machine.stop, StopMode.DRAIN)
    with refused(ErrorCode.CONFLICT):
        played.do(decide)


def test_it_finishes_when_nothing_can_be_called_any_more() -> None:
    played = running(lead_at(1), lead_at(2, consent=False))
    [claim] = played.claim(9)
    assert played.claim(9) == [] and played.status is S.RUNNING  # a call is in progress
    played.over(claim, EndReason.HANGUP_REMOTE, answered=True)
    assert played.claim(9) == [] and played.status is S.FINISHED
    assert played.standings()[1].reason is Reason.CONSENT


def test_it_finishes_also_while_there_is_nothing_to_call_with() -> None:
    """No line is free, or no operator is ready: for those who can be called it waits, for no others."""
    leads = [*(lead_at(one, consent=True) for one in (1, 2)), *(lead_at(one) for one in range(3, 4 + LOOKS))]
    played = Played()
    played.create(attempts_per_lead=1, consent=True)
    played.run(*leads)
    [first] = played.claim()
    assert first.place == 0 and played.claim(0) == []
    played.over(first, EndReason.BUSY)
    assert played.claim(0) == [] and played.status is S.RUNNING  # the second one may be called
    [second] = played.claim()
    played.over(second, EndReason.BUSY)
    assert second.place == 1
    assert played.claim(0) == [] and played.status is S.RUNNING  # a turn looks at so many
    assert played.effects == (SetTimer(name=NEXT, seconds=0.0),)
    assert played.claim(0) == [] and played.status is S.FINISHED


def test_a_draft_that_has_leads_is_started_by_a_resume() -> None:
    played = Played()
    played.create()
    with refused(ErrorCode.CONFLICT) as refusal:
        played.do(machine.resume)
    assert "no lead" in refusal.value.message
    played.record(machine.add(played.state, played.selection, rows(lead_at(1)), BY, played.moment()).decision)
    played.do(machine.resume)
    assert played.status is S.RUNNING and played.replayed() == played.state and len(played.claim(5)) == 1


def test_settings_that_free_leads_of_a_finished_campaign_let_it_be_resumed() -> None:
    played = Played()
    played.create(consent=True)
    played.run(lead_at(1), lead_at(2, consent=False))
    assert played.claim(9) == [] and played.status is S.FINISHED
    played.do(machine.configure, CampaignSettings())
    assert played.status is S.FINISHED  # who may change settings may not run it for that
    played.do(machine.resume)
    [claim] = played.claim(9)
    assert claim.place == 0
    played.over(claim, EndReason.HANGUP_REMOTE, answered=True)
    played.claim()
    played.do(machine.resume)
    assert played.claim(9) == [] and played.status is S.FINISHED  # the other one has said no
    played.do(machine.mark, 1, LeadStatus.DONE)
    with refused(ErrorCode.CONFLICT):
        played.do(machine.resume)


def test_leads_of_an_earlier_run_are_not_resumed() -> None:
    played = running(lead_at(1))
    played.do(machine.stop, StopMode.DRAIN)
    played.run(lead_at(2))
    played.over(played.claim()[0], EndReason.HANGUP_REMOTE, answered=True)
    played.claim()
    assert played.status is S.FINISHED
    with refused(ErrorCode.CONFLICT):
        played.do(machine.resume)


def test_it_does_not_finish_while_somebody_waits() -> None:
    played = running(lead_at(1))
    played.over(played.claim()[0])
    assert played.claim(9) == [] and played.status is S.RUNNING


def test_settings_that_change_are_asked_for_everybody_again() -> None:
    played = running(lead_at(1))
    played.do(machine.configure, CampaignSettings(hours="18:00-19:00"))
    assert played.claim() == [] and played.status is S.RUNNING
    played.do(machine.configure, CampaignSettings())
    assert len(played.claim()) == 1
    before = len(played.events)
    played.do(machine.configure, CampaignSettings())
    assert len(played.events) == before


def test_who_names_one_wait_keeps_the_others() -> None:
    played = Played()
    played.create(retry_minutes={"busy": 1})
    assert played.state.settings.retry_minutes == {**RETRY_MINUTES, "busy": 1}
    assert min(RETRY_MINUTES[outcome] for outcome in OUTCOMES if outcome != NOT_DIALED) > 0


@pytest.mark.parametrize("outcome", [ANSWERED, ABANDONED])
def test_who_was_talked_to_is_not_called_again_at_once(outcome: str) -> None:
    played = Played()
    played.create()
    played.run(lead_at(1), lead_at(2))
    [claim] = played.claim()
    played.over(claim, EndReason.HANGUP_REMOTE, answered=True, abandoned=outcome == ABANDONED)
    played.do(machine.mark, 0, LeadStatus.IN_PROGRESS)
    assert [claim.place for claim in played.claim(9)] == [1]
    played.later(hours=80)
    assert [claim.place for claim in played.claim(9)] == [0]


def test_a_callback_does_not_wait_for_what_holds_after_a_talk() -> None:
    played = running(lead_at(1))
    played.over(played.claim()[0], EndReason.HANGUP_REMOTE, answered=True)
    played.do(machine.mark, 0, LeadStatus.CALLBACK, callback=utc(NOON + timedelta(minutes=10)))
    played.later(minutes=10)
    assert len(played.claim()) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"hours": "8-25"}, "settings.hours"), ({"hours": {"someday": "08:00-09:00"}}, "settings.hours"),
     ({"retry_minutes": {"lunch": 5}}, "settings.retry_minutes"), ({"final": ("lunch",)}, "settings.final"),
     ({"hours": "x" * 10_000}, "settings.hours"), ({"final": ("x" * 10_000,)}, "settings.final"),
     ({"carriers": Carriers(slots=None)}, "settings.carriers")],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused_with_their_field(wrong: dict[str, Any], field: str) -> None:
    with refused(ErrorCode.INVALID_PARAMS) as refusal:
        Played().create(**wrong)
    assert refusal.value.details is not None and refusal.value.details["field"] == field
    played = running(lead_at(1))
    assert len(refusal.value.message) < 400
    with refused(ErrorCode.INVALID_PARAMS) as refusal:  # where the fields are those of the request itself
        played.do(machine.configure, CampaignSettings(**wrong))
    assert refusal.value.details is not None and f"settings.{refusal.value.details['field']}" == field


def test_a_new_owner_asks_what_became_of_attempts_and_dials_none_anew() -> None:
    played = running(lead_at(1), lead_at(2), lead_at(3))
    claims = played.claim(2)
    decision = machine.taken_over(played.state, played.moment())
    finds = [effect for effect in decision.effects if isinstance(effect, FindCall)]
    assert [find.claim for find in finds] == claims and not decision.events
    assert not any(isinstance(effect, BeginCall | EndCall) for effect in decision.effects)
    played.selection = Selection(played.state)
    assert [claim.number for claim in played.claim(9)] == [number_at(3)]


def stopped_but_for_the_record() -> Played:
    """A campaign between the end of its last call and the record of its stop."""
    played = running(lead_at(1))
    [claim] = played.claim()
    played.do(machine.stop, StopMode.DRAIN)
    report = CallOver(place=0, attempt=claim.attempt, call_id="c_1", reason=EndReason.BUSY, answered=False)
    last = machine.ended(played.state, report, played.book, played.moment())
    played.record(replace(last, events=last.events[:1]))
    return played


def test_a_stop_that_a_crash_cuts_off_is_told_by_the_next_owner() -> None:
    played = stopped_but_for_the_record()
    assert played.status is S.DRAINING and played.state.open == 0
    for _ in range(2):
        played.record(machine.taken_over(played.state, played.moment()))
        assert played.status is S.STOPPED
    assert sum(isinstance(event, CampaignStopped) for event in played.events) == 1


def test_a_new_owner_goes_on_hanging_up() -> None:
    played = running(lead_at(1))
    [claim] = played.claim()
    played.do(machine.stop, StopMode.HANGUP)
    assert EndCall(claim=claim) in machine.taken_over(played.state, played.moment()).effects


def test_a_report_of_another_lead_changes_nothing() -> None:
    played = running(lead_at(1), lead_at(2))
    played.claim(1)
    report = CallOver(place=1, attempt=1, call_id="c", reason=EndReason.BUSY, answered=False)
    assert not machine.ended(played.state, report, played.book, played.moment()).events


@pytest.mark.parametrize("id", ["global", "settings"])
def test_a_campaign_is_not_called_as_a_list_for_all_is(id: str) -> None:
    played = Played()
    for decide in (
        lambda: machine.create(id, None, CampaignSettings(), BY, played.moment()),
        lambda: machine.run(id, None, None, rows(lead_at(1)), BY, played.moment()),
    ):
        with refused(ErrorCode.INVALID_PARAMS) as refusal:
            decide()
        assert refusal.value.details is not None and refusal.value.details["field"] == "campaign_id"


def test_a_campaign_that_is_made_again_without_settings_keeps_its_own() -> None:
    played = Played()
    played.create()
    played.do(machine.configure, CampaignSettings(attempts_per_lead=1))
    for settings in (None, CampaignSettings(attempts_per_lead=1)):
        assert not machine.create(ID, played.state, settings, BY, played.moment()).events
    with refused(ErrorCode.CONFLICT):
        machine.create(ID, played.state, CampaignSettings(), BY, played.moment())


def test_a_stop_whose_last_call_has_just_ended_is_told_as_one() -> None:
    played = stopped_but_for_the_record()
    said = machine.stopping(played.state)
    assert (said.status, said.in_progress) == (S.STOPPED, 0)


# --- a list that comes in parts -----------------------------------------------------------------------------------


def test_the_rest_of_a_list_takes_back_neither_a_stop_nor_a_pause() -> None:
    played = running(lead_at(1))
    played.do(machine.pause)
    assert played.run(lead_at(2), goes_on=True).status is S.PAUSED and size(played.state) == 2
    played.do(machine.stop, StopMode.DRAIN)
    with refused(ErrorCode.CONFLICT):
        played.run(lead_at(3), goes_on=True)
    assert played.status is S.STOPPED and size(played.state) == 2
    assert played.run(lead_at(3)).status is S.RUNNING  # that is another list


def test_the_rest_of_a_list_runs_a_campaign_that_has_finished_meanwhile() -> None:
    played = running(lead_at(1))
    [claim] = played.claim()
    played.over(claim, EndReason.HANGUP_REMOTE, answered=True)
    played.claim()
    assert played.status is S.FINISHED
    assert played.run(lead_at(2), goes_on=True).status is S.RUNNING and len(played.claim(5)) == 1


def test_a_list_in_parts_is_one_run_also_where_one_of_them_is_of_nobody() -> None:
    played = Played()
    played.create(hours="closed")
    played.run(lead_at(1))
    played.claim()
    assert played.status is S.FINISHED
    played.run(lead_at(2), goes_on=True)
    assert played.status is S.RUNNING
    assert [found.reason for found in played.standings()] == [Reason.NO_HOURS] * 2
    played.run(lead_at(2), goes_on=True)  # and nobody is new
    played.claim()
    assert played.run(lead_at(2), goes_on=True).status is S.FINISHED
