"""An operator's machine: states, what comes after a call, reservations, presence, time by day."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.operator import machine
from actors.operator.days import spent
from actors.operator.machine import CallOver, CallUp, Look, OperatorRules
from actors.operator.record import LOOK, PRESENCE, RESERVATION, WRAP_UP, view
from actors.operator.settings import DISPOSITIONS
from actors.runtime.clock import utc
from actors.runtime.decision import NOTHING, SetTimer
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import Meaning
from bus_schemas.operator import AssignOperator, OperatorDisposed
from tests.operator.played import RULES, START, Played, S, at, step
from tests.support.depth import examples


def refused(code: ErrorCode) -> "pytest.RaisesExc[Refusal]":
    return pytest.raises(Refusal, check=lambda refusal: refusal.code is code)


# --- states


def test_a_call_leads_to_wrap_up_and_that_back_to_ready() -> None:
    played = Played().be("ready", 0).up("c1", 10).over("c1", 70)
    assert played.status is S.WRAP_UP and played.timer(WRAP_UP) == 30
    assert view(played.operator).until == at(100).at
    played.fired(WRAP_UP, 100)
    assert played.status is S.READY
    assert {**played.operator.spent} == {"ready": 10_000, "on_call": 60_000, "wrap_up": 30_000}


def test_what_is_asked_for_during_a_call_comes_after_its_wrap_up() -> None:
    played = Played().be("ready", 0).up("c1", 10).be("break", 20, reason="lunch")
    assert played.status is S.ON_CALL and view(played.operator).next is S.BREAK
    played.over("c1", 30)
    assert played.status is S.WRAP_UP
    played.fired(WRAP_UP, 60)
    assert (played.status, played.operator.reason) == (S.BREAK, "lunch")


def test_who_goes_after_a_call_needs_no_wrap_up() -> None:
    played = Played().be("ready", 0).up("c1", 10).be("offline", 20).over("c1", 30)
    assert played.status is S.OFFLINE


def test_a_call_in_a_break_leads_back_to_the_break() -> None:
    played = Played().be("ready", 0).be("break", 5, reason="lunch").up("c1", 10).over("c1", 20).fired(WRAP_UP, 50)
    assert (played.status, played.operator.reason) == (S.BREAK, "lunch")


def test_a_call_of_who_is_offline_leads_back_to_offline() -> None:
    played = Played().up("c1", 10)
    assert played.status is S.ON_CALL
    assert played.over("c1", 20).status is S.OFFLINE


def test_without_a_wrap_up_time_who_was_ready_is_ready_at_once() -> None:
    rules = OperatorRules(
        zone=UTC, wrap_up=0, wrap_up_longest=600, presence=60, reserve=2, words=DISPOSITIONS
    )
    assert Played(rules).be("ready", 0).up("c1", 10).over("c1", 20).status is S.READY


def test_of_several_calls_the_last_one_to_end_frees_the_operator() -> None:
    played = Played().be("ready", 0).up("c1", 10).up("c2", 20).over("c1", 30)
    assert played.status is S.ON_CALL and view(played.operator).since == at(10).at
    played.over("c2", 50)
    assert played.status is S.WRAP_UP and played.operator.spent["on_call"] == 40_000


def test_a_next_call_ends_the_wrap_up() -> None:
    played = Played().be("ready", 0).up("c1", 10).over("c1", 20).up("c2", 25)
    assert played.status is S.ON_CALL and played.operator.spent["wrap_up"] == 5_000
    assert played.over("c2", 30).fired(WRAP_UP, 60).status is S.READY


def test_a_wrap_up_can_be_ended_and_made_longer_up_to_a_bound() -> None:
    played = Played().be("ready", 0).up("c1", 10).over("c1", 20)
    played.take(machine.extend(played.operator, 120, at(40), RULES))
    assert played.operator.until == at(160).at and played.timer(WRAP_UP) == 120
    assert machine.extend(played.operator, 10, at(41), RULES) == NOTHING  # it makes nothing shorter
    played.take(machine.extend(played.operator, 3600, at(42), RULES))
    assert played.operator.until == at(620).at
    assert played.be("ready", 50).status is S.READY
    with refused(ErrorCode.CONFLICT):
        machine.extend(played.operator, 10, at(51), RULES)


def test_the_same_again_changes_nothing() -> None:
    played = Played().be("ready", 0)
    assert not played.be("ready", 5).last.events
    assert not played.up("c1", 10).be("ready", 11).last.events
    assert not played.over("c2", 12).last.events


def test_only_who_may_call_is_ready() -> None:
    with refused(ErrorCode.PERMISSION_DENIED):
        Played().be("ready", 0, may_call=False)
    assert Played().be("break", 0, may_call=False).status is S.BREAK


def test_a_supervisor_sets_others_but_makes_nobody_ready_who_is_gone() -> None:
    with refused(ErrorCode.CONFLICT):
        Played().be("ready", 0, by="boss", may_call=False)
    played = Played().be("ready", 0).be("break", 5, by="boss", may_call=False)
    assert played.status is S.BREAK
    assert played.be("ready", 6, by="boss", may_call=False).status is S.READY


# --- calls are neither lost nor invented


def test_a_call_that_is_told_again_is_the_same_call() -> None:
    played = Played().be("ready", 0).up("c1", 10, seq=7).over("c1", 20).fired(WRAP_UP, 50)
    assert not played.up("c1", 60, seq=7).last.events
    for number in range(30):  # it is no longer among those that are kept
        played.up(f"d{number}", 100 + number, seq=100 + number).over(f"d{number}", 100.5 + number)
    assert not played.up("c1", 200, seq=7).last.events


def test_a_call_that_was_joined_before_it_was_heard_of_is_not_told_twice() -> None:
    played = Played().be("ready", 0)
    for number in range(30):
        call, now = f"c{number}", 100.0 * (number + 1)
        played.join(call, now, "a", "l1").up(call, now + 1, seq=100 + number)
        assert (played.operator.calls[0].lead, played.operator.since) == ("l1", at(now).at)
        played.over(call, now + 2).be("ready", now + 3)
    assert not played.up("c0", 9000, seq=100).last.events


def test_a_call_heard_of_late_counts_from_when_it_was() -> None:
    played = Played().be("ready", 0)
    report = CallUp(seq=1, call_id="c1", at=at(10).at)
    played.take(machine.connected(played.operator, report, at(15), RULES))
    played.take(machine.over(played.operator, CallOver(call_id="c1", at=at(12).at), at(16), RULES))
    assert played.operator.spent["on_call"] == 2_000


def test_nobodys_time_goes_backwards() -> None:
    played = Played().be("ready", 0).be("break", 10).be("ready", 20)
    report = CallUp(seq=1, call_id="c1", at=at(15).at)  # said late, and before they were ready
    played.take(machine.connected(played.operator, report, at(21), RULES))
    assert view(played.operator).since == at(20).at
    played.take(machine.over(played.operator, CallOver(call_id="c1", at=at(18).at), at(22), RULES))
    assert played.operator.spent.get("on_call", 0) == 0


# --- reservations


def test_a_reservation_ends_with_the_call_that_is_joined() -> None:
    played = Played().be("ready", 0).reserve("a", 10)
    assert played.timer(RESERVATION) == 2 and view(played.operator).reserved_by == "a"
    played.join("c1", 11, "a", "lead-1")
    assert played.status is S.ON_CALL and played.operator.reserved is None
    assert any(isinstance(effect, Look) for effect in played.last.effects)  # it may be over already
    [talk] = played.operator.calls
    assert (talk.campaign_id, talk.lead) == ("a", "lead-1")


def test_only_a_ready_operator_is_reserved_by_one_campaign_that_is_theirs() -> None:
    played = Played()
    with refused(ErrorCode.CONFLICT):
        played.reserve("a", 1)
    played.be("ready", 2).reserve("a", 3)
    for campaign in ("a", "b"):
        with refused(ErrorCode.CONFLICT):
            played.reserve(campaign, 4, "r2")
    with refused(ErrorCode.CONFLICT):
        played.join("c9", 4, "b")
    played.take(machine.release(played.operator, "r1", at(5), RULES))
    played.take(machine.assign(played.operator, AssignOperator(user="op12", campaigns=["b"]), "boss", at(6)))
    with refused(ErrorCode.CONFLICT):
        played.reserve("a", 7)
    with refused(ErrorCode.CONFLICT):
        played.join("c8", 7.5, "a", "l1")
    assert played.reserve("b", 8).operator.reserved is not None


def test_a_reservation_that_is_not_used_is_over_after_its_time() -> None:
    played = Played().be("ready", 0).reserve("a", 10).fired(RESERVATION, 12)
    assert played.operator.reserved is None and played.status is S.READY
    assert view(played.operator).since == at(0).at
    assert machine.release(played.operator, "r1", at(13), RULES) == NOTHING
    assert played.join("c1", 13, "a").status is S.ON_CALL  # late, and nobody else has them


def test_who_is_kept_for_as_long_as_a_phone_rings_is_kept_for_that_long() -> None:
    played = Played().be("ready", 0).reserve("a", 10, seconds=60)
    assert played.timer(RESERVATION) == 60 and view(played.operator).reserved_until == at(70).at
    assert played.up("c1", 40).join("c1", 40.1, "a", "l1").operator.calls[0].lead == "l1"


def test_a_call_on_one_phone_is_not_that_of_somebody_in_a_call_on_another() -> None:
    played = Played().be("ready", 0).reserve("a", 10, seconds=60).up("by-hand", 11).up("c1", 12)
    with refused(ErrorCode.CONFLICT):
        played.join("c1", 12.1, "a", "l1")
    assert all(talk.campaign_id is None for talk in played.operator.calls)


def test_a_break_asked_for_while_reserved_comes_when_no_call_does() -> None:
    played = Played().be("ready", 0).reserve("a", 10).be("break", 11, reason="tea")
    assert played.status is S.READY and played.operator.reserved is not None
    assert played.fired(RESERVATION, 12).status is S.BREAK
    played = Played().be("ready", 0).reserve("a", 10).be("break", 11).join("c1", 11.5, "a").over("c1", 20)
    assert played.fired(WRAP_UP, 50).status is S.BREAK


def test_a_campaign_says_whose_an_own_call_is() -> None:
    played = Played().be("ready", 0).reserve("a", 10).up("c1", 11)
    assert played.operator.reserved is None and played.operator.calls[0].campaign_id is None
    played.join("c1", 11.5, "a", "l1")
    assert played.operator.calls[0].lead == "l1" and view(played.operator).since == at(11).at
    assert not played.join("c1", 12, "a", "l1").last.events


# --- presence


def test_who_is_not_heard_of_goes_offline_and_never_in_a_call() -> None:
    played = Played().be("ready", 0)
    assert played.timer(PRESENCE) == 60
    assert played.fired(PRESENCE, 60).status is S.OFFLINE
    played = Played().be("ready", 100).up("c1", 110).fired(PRESENCE, 160)
    assert played.status is S.ON_CALL and played.timer(PRESENCE) == 60
    played.over("c1", 170).fired(PRESENCE, 220)
    assert played.status is S.OFFLINE
    played = Played().be("ready", 0).reserve("a", 59.5).fired(PRESENCE, 60)
    assert played.status is S.READY and played.operator.reserved is not None
    assert played.timer(PRESENCE) == 2  # and no longer, or a campaign would go on with somebody who is gone


def test_what_others_do_does_not_make_somebody_present() -> None:
    played = Played().be("ready", 0).be("break", 10, by="boss")
    assert all(not (isinstance(e, SetTimer) and e.name == PRESENCE and not e.keep) for e in played.last.effects)


# --- a new owner


def test_a_new_owner_goes_on_with_what_is_under_way() -> None:
    played = Played().be("ready", 0).up("c1", 10)
    played.take(machine.resume(played.operator, at(15), RULES))
    assert Look(calls=("c1",)) in played.last.effects and played.timer(LOOK) is not None
    played.over("c1", 20).take(machine.resume(played.operator, at(32), RULES))
    assert played.timer(WRAP_UP) == 18
    played.take(machine.resume(played.operator, at(300), RULES))
    assert played.timer(WRAP_UP) == 0
    played.fired(WRAP_UP, 300).reserve("a", 301).take(machine.resume(played.operator, at(302), RULES))
    assert played.timer(RESERVATION) == 1


# --- dispositions


def test_a_disposition_says_all_that_the_lead_needs() -> None:
    played = Played().be("ready", 0).join("c1", 10, "a", "l1").over("c1", 20)
    played.say("c1", "callback", 25, callback=at(3600).at)
    [event] = played.last.events
    assert isinstance(event, OperatorDisposed)
    assert (event.campaign_id, event.lead, event.meaning, event.operator) == ("a", "l1", Meaning.CALLBACK, "op12")
    assert event.callback == at(3600).at and not event.corrects
    assert not played.say("c1", "callback", 26, callback=at(3600).at).last.events  # the same again
    played.say("c1", "sale", 27)
    [event] = played.last.events
    assert isinstance(event, OperatorDisposed) and event.corrects and event.meaning is Meaning.DONE


def test_what_was_said_stands_once_the_wrap_up_is_over() -> None:
    played = Played().be("ready", 0).up("c1", 10).over("c1", 20).say("c1", "sale", 25).fired(WRAP_UP, 50)
    with refused(ErrorCode.CONFLICT):
        played.say("c1", "no_decision", 51)
    played.up("c2", 60).over("c2", 70)
    with refused(ErrorCode.CONFLICT):  # it is another call's wrap-up
        played.say("c1", "no_decision", 71)
    played.fired(WRAP_UP, 100).say("c2", "not_interested", 101)  # the first word is never too late
    assert played.operator.past[0].said is not None


@pytest.mark.parametrize(("word", "more"), [
    ("unheard_of", {}), ("callback", {}), ("sale", {"callback": at(3600).at}), ("callback", {"callback": at(1).at}),
])  # fmt: skip
def test_a_disposition_that_makes_no_sense_is_refused(word: str, more: dict[str, str]) -> None:
    played = Played().be("ready", 0).up("c1", 10).over("c1", 20)
    with refused(ErrorCode.INVALID_PARAMS):
        played.say("c1", word, 25, **more)
    with refused(ErrorCode.NOT_FOUND):
        played.say("c_other", "sale", 25)


# --- days


def test_time_is_counted_by_the_days_of_the_site() -> None:
    kyiv = ZoneInfo("Europe/Kyiv")
    assert [(one.day, one.ms) for one in spent("2026-03-10T21:00:00Z", "2026-03-10T23:30:00Z", kyiv)] == [
        ("2026-03-10", 3_600_000), ("2026-03-11", 5_400_000),
    ]  # fmt: skip
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        begin = datetime.fromisoformat(day).replace(tzinfo=kyiv)
        end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=kyiv)
        assert [one.ms for one in spent(utc(begin), utc(end), kyiv)] == [hours * 3_600_000]


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(1, 20_000)), max_size=40))
def test_whatever_happens_all_time_is_counted_once(steps: list[tuple[int, int]]) -> None:
    played, now, total = Played(), 0.0, 0
    for what, more in steps:
        now += more
        before = played.operator
        try:
            step(played, what, now)
        except Refusal:
            continue
        total += sum(one.ms for event in played.last.events for one in getattr(event, "spent", ()))
        assert (played.status is S.ON_CALL) == bool(played.operator.calls)
        assert (played.operator.until is not None) == (played.status is S.WRAP_UP)
        assert played.operator.reserved is None or played.status is S.READY
        assert played.operator.since >= before.since
    offline = sum(ms for ms in _offline(played, steps))
    there = round(1000 * now) - offline
    running = 0 if played.status is S.OFFLINE else round(
        1000 * (now - (datetime.fromisoformat(played.operator.since) - START).total_seconds()))
    assert total + running == there


def _offline(played: Played, steps: list[tuple[int, int]]) -> list[int]:
    """How long the same operator was offline, in milliseconds, by playing it again."""
    again, now, found, since = Played(), 0.0, [], 0.0
    for what, more in steps:
        now += more
        was = again.status
        try:
            step(again, what, now)
        except Refusal:
            continue
        if was is S.OFFLINE and again.status is not S.OFFLINE:
            found.append(round(1000 * (now - since)))
        if was is not S.OFFLINE and again.status is S.OFFLINE:
            since = now
    if again.status is S.OFFLINE:
        found.append(round(1000 * (now - since)))
    return found
