"""The board's machine: one alert for what lasts, one end to each, and no flood whatever figures do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.alert import machine
from actors.alert.beyond import STALE, Figures
from actors.alert.machine import FORGET, MOST_SILENCES
from actors.alert.rules import Rule, Rules
from bus_schemas.alert import (
    AlertAcknowledged,
    AlertSeverity,
    AlertSilenced,
    AlertUnsilenced,
    Channel,
    Matcher,
    Sighting,
    SilenceEnded,
)
from bus_schemas.errors import ErrorCode, Refusal
from tests.alert.boards import HOT, RULES, Played, hot, hub_gone, times
from tests.support.states import at

PHONE = ("slot", "44")


def test_what_lasts_fires_once_and_is_resolved_once_it_is_well_for_long() -> None:
    played = Played()
    played.seconds(1, hot("44", 29))
    assert played.fired == []
    [pending] = machine.stands(played.board, played.memory, RULES, played.moment).pending
    played.seconds(20, hot("44", 30))
    [fired] = played.fired
    assert (fired.rule, fired.kind, fired.id, fired.host, fired.value) == ("hot", "slot", "44", "a", 50.0)
    assert fired.told == (Channel.WEBHOOKS, Channel.MAIL) and fired.alert == pending.alert
    played.seconds(60)
    assert played.resolved == []
    played.seconds(3)
    [resolved] = played.resolved
    assert resolved.alert == fired.alert and not played.board.alerts


def test_what_comes_back_in_that_time_is_the_same_alert() -> None:
    played = Played()
    for _ in range(20):
        played.seconds(31, hot("44", 31))
        played.seconds(50)
    assert (len(played.fired), len(played.resolved)) == (1, 0)


def test_what_is_pending_and_stops_says_nothing() -> None:
    played = Played()
    for seconds in range(29):
        played.seconds(1, hot("44", float(seconds)))
    played.seconds(100)
    assert played.fired == [] and played.mails == []


def test_a_hub_that_is_gone_is_one_alert_and_its_slots_are_within() -> None:
    played = Played()
    slots = [hot(str(id), 100) for id in range(20)]
    played.seconds(3, hub_gone(2), *slots)
    assert played.fired == []  # the hub is about to
    played.seconds(60, hub_gone(6), *slots)
    [fired] = played.fired
    assert (fired.rule, fired.id, fired.covers) == ("hub", "HUB1", "hub")
    stands = machine.stands(played.board, played.memory, RULES, played.moment)
    assert len(stands.within[fired.alert]) == 20 and stands.pending == ()
    assert {one.within for one in stands.within[fired.alert]} == {fired.alert}
    [mail] = played.mails
    assert "HUB1" in mail.subject
    played.seconds(40, hot("3", 200), hot("9", 10, "HUB2"))  # it is back, and one of its phones is hot
    assert [one.id for one in played.fired] == ["HUB1", "3"] and len(played.resolved) == 1


def test_what_is_measured_of_a_hub_is_within_the_alert_that_it_is_gone() -> None:
    few = Rule(
        kind="hub", metric="online", below=15, severity=AlertSeverity.WARNING, words="{value:g} phones on {id}"
    )
    played = Played(replace(RULES, rules={**RULES.rules, "few": few}))
    sees = Sighting(rule="few", kind="hub", id="HUB1", seconds=9, words="0 phones on HUB1", hub="HUB1", value=0.0)
    played.seconds(2, sees, hub_gone(9))
    assert [one.rule for one in played.fired] == ["hub"]


def test_another_hub_and_the_same_name_elsewhere_are_no_reason() -> None:
    played = Played()
    played.sees(hub_gone(6), host="b")
    played.seconds(2, hub_gone(6, "HUB2"), hot("44", 31), hot("45", 31, None))
    assert sorted(one.id for one in played.fired) == ["44", "45", "HUB1", "HUB2"]


def test_a_slot_that_was_hot_before_its_hub_went_is_within_it() -> None:
    played = Played()
    played.seconds(2, hot("44", 31))
    played.seconds(20, hot("44", 40), hub_gone(6))
    first, hub = played.fired
    assert machine.view(played.board, played.board.alerts[first.alert]).within == hub.alert


def test_a_host_that_says_nothing_is_one_alert_and_nothing_of_it_ends() -> None:
    played = Played()
    played.seconds(1, hot("44", 31), hot("45", 29))
    played.sees(host="b")
    for _ in range(200):
        played.sees(host="b")
        played.second()
    slot, gone = played.fired
    assert (gone.rule, gone.id, gone.host, slot.id) == ("gone", "a", "a", "44")
    assert played.resolved == []
    shown = machine.stands(played.board, played.memory, RULES, played.moment)
    assert {one.id for one in shown.within[gone.alert]} == {"44", "45"}
    played.seconds(70)
    assert {one.alert for one in played.resolved} == {slot.alert, gone.alert}


def test_a_host_that_is_away_for_a_week_is_forgotten() -> None:
    played = Played()
    played.seconds(1, hot("44", 31))
    played.sees(host="b")
    played.second(60)
    played.second(FORGET)
    played.second()
    assert played.board.hosts == frozenset() and not played.board.alerts
    assert {one.why for one in played.resolved} == {"its host is not there any more"}
    assert times(played.fired) == times(played.resolved)


def test_a_new_owner_tells_nothing_twice_and_forgets_nothing() -> None:
    played = Played()
    played.seconds(20, hot("44", 31))
    before, mails = list(played.events), len(played.mails)
    assert mails == 1
    played.take_over()
    played.second(5)  # before anybody has told it anything
    played.seconds(100, hot("44", 60))
    assert played.events == before and len(played.mails) == mails
    played.take_over()
    played.seconds(70)
    assert times(played.fired) == times(played.resolved)


def test_a_new_owner_that_hears_nothing_takes_nothing_for_well() -> None:
    played = Played()
    played.seconds(20, hot("44", 31))
    played.take_over()
    for _ in range(200):
        played.second()
    assert [one.rule for one in played.fired] == ["hot", "gone"] and played.resolved == []


def test_a_rule_that_is_taken_away_ends_its_alerts() -> None:
    played = Played()
    played.seconds(2, hot("44", 31))
    played.rules = Rules(rules={name: rule for name, rule in RULES.rules.items() if name != "hot"})
    played.seconds(1, hot("44", 33))
    assert [one.why for one in played.resolved] == ["there is no such rule any more"]


# --- silences and acknowledgements


def silenced(played: Played, matcher: Matcher, until: float, id: str = "si_1") -> None:
    played.does(machine.silence(played.board, id, matcher, at(until).at, "known", "op", played.moment))


def test_a_silence_keeps_what_fits_from_being_told_until_it_is_over() -> None:
    played = Played()
    played.seconds(2, hot("44", 31))
    silenced(played, Matcher(hub="HUB1"), 100)
    played.seconds(20, hot("44", 31), hot("45", 31), hot("46", 31, "HUB2"))
    assert [one.silence for one in played.fired] == [None, "si_1", None]
    assert played.told(AlertSilenced) == 1 and ["46" in mail.text for mail in played.mails] == [True]
    assert "44" not in played.mails[0].text
    played.seconds(150, hot("44", 31), hot("45", 31), hot("46", 31, "HUB2"))
    assert played.told(SilenceEnded) == 1 and played.told(AlertUnsilenced) == 2
    assert "Slot 44" in played.mails[-1].text and "Slot 45" in played.mails[-1].text
    played.seconds(70)
    assert len(played.resolved) == 3


def test_what_ends_under_a_silence_is_told_to_nobody() -> None:
    played = Played()
    silenced(played, Matcher(rule="hot"), 10_000)
    played.seconds(20, hot("44", 31))
    played.seconds(300)
    assert [one.told for one in played.resolved] == [()] and played.mails == []


@pytest.mark.parametrize(("matcher", "until", "field"), [
    (Matcher(), 100.0, "matcher"), (Matcher(rule="hot"), -1.0, "until"), (Matcher(rule="hot"), 31 * 86_400.0, "until"),
])  # fmt: skip
def test_a_silence_of_everything_or_for_ever_is_refused(matcher: Matcher, until: float, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        silenced(Played(), matcher, until)
    assert refused.value.code is ErrorCode.INVALID_PARAMS and refused.value.details["field"] == field


def test_there_are_not_more_silences_than_may_be_and_a_repeat_is_none() -> None:
    played = Played()
    for number in range(MOST_SILENCES):
        silenced(played, Matcher(rule="hot"), 100, f"si_{number}")
    with pytest.raises(Refusal):
        silenced(played, Matcher(rule="hot"), 100, "si_more")
    before = len(played.events)
    silenced(played, Matcher(rule="hot"), 100, "si_1")
    assert len(played.events) == before


def test_a_silence_can_be_ended_once() -> None:
    played = Played()
    silenced(played, Matcher(rule="hot"), 100)
    played.does(machine.unsilence(played.board, "si_1", "op", played.moment))
    with pytest.raises(Refusal):
        machine.unsilence(played.board, "si_1", "op", played.moment)


def test_who_looks_after_an_alert_is_on_record_once_and_is_not_told_again() -> None:
    played = Played()
    played.seconds(20, hot("44", 31))
    [alert] = played.board.alerts
    for _ in range(2):
        played.does(machine.acknowledge(played.board, alert, "on my way", "op", played.moment))
    assert played.told(AlertAcknowledged) == 1
    assert machine.view(played.board, played.board.alerts[alert]).acknowledged_by == "op"
    for _ in range(800):
        played.sees(hot("44", 31))
        played.second(10)
    assert len(played.mails) == 1
    with pytest.raises(Refusal) as refused:
        machine.acknowledge(played.board, "al_none", "", "op", played.moment)
    assert refused.value.code is ErrorCode.NOT_FOUND


# --- whatever happens

WHAT = st.sampled_from(["44", "45", "hub", "away", "take_over", "quiet"])
STEPS = st.lists(st.tuples(WHAT, st.integers(1, 40)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_every_alert_ends_once_whatever_happens(steps: list[tuple[str, int]]) -> None:
    played = Played()
    for what, seconds in steps:
        match what:
            case "take_over":
                played.take_over()
            case "away":
                played.second(seconds)
            case "hub":
                played.seconds(seconds, hub_gone(float(seconds)), hot("44", 50))
            case "quiet":
                played.seconds(seconds)
            case _:
                played.seconds(seconds, hot(what, float(seconds)))
        open_now = {one.alert for one in played.fired} - {one.alert for one in played.resolved}
        assert open_now == set(played.board.alerts)
    played.seconds(100)
    assert times(played.fired) == times(played.resolved) and set(times(played.fired).values()) <= {1}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(20, 70), min_size=1, max_size=400))
def test_figures_that_flap_give_no_flood(temperatures: list[float]) -> None:
    """A reading every 5 seconds, as a phone tells it."""
    played, figures = Played(), Figures(RULES)
    for value in temperatures:
        figures.saw(PHONE, {"temperature": value}, played.now)
        for _ in range(5):
            found = [
                hot("44", played.now - beyond.since) for _, _, beyond in figures.all(played.now)
            ]
            played.seconds(1, *found)
    most = len(temperatures) * 5 / (HOT.seconds + HOT.resolve_after) + 1
    assert len(played.fired) <= most
    assert len(played.mails) <= len(temperatures) * 5 / RULES.mailing.interval + 2


def test_a_figure_begins_at_one_value_and_ends_at_another() -> None:
    figures = Figures(RULES)
    readings = ((45.0, False), (46.0, True), (42.0, True), (41.0, False), (42.0, False))
    for now, (value, is_beyond) in enumerate(readings):
        figures.saw(PHONE, {"temperature": value, "battery": None}, now)
        assert bool(list(figures.all(now))) is is_beyond, value
    figures.saw(PHONE, {"temperature": 50.0}, 10)
    figures.saw(PHONE, {"temperature": None}, 20)  # not told: as it was
    [(name, thing, beyond)] = figures.all(20)
    assert (name, thing, beyond.since) == ("hot", PHONE, 10)
    assert list(figures.all(11 + STALE)) == []  # nobody knows any more


def test_a_rule_is_of_the_things_that_it_names() -> None:
    rules = Rules(rules={"hot": replace(HOT, ids=("4*",))})
    figures = Figures(rules)
    for id in ("44", "54"):
        figures.saw(("slot", id), {"temperature": 50.0}, 0)
    assert [thing for _, thing, _ in figures.all(0)] == [PHONE]
