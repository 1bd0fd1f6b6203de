"""What is done about phones that are not well: one after the other, in bounds, and never to one that is in use."""

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.healing.ladder import DAY, HOUR, Act, Done, GiveUp, LetGo, Patient, Seen, Try, plan, step
from actors.healing.policy import BUILT_IN, policy_in
from bus_schemas.slot_health import ENDS_CALLS, Rung, Symptom
from tests.support.depth import examples

POLICY = policy_in(BUILT_IN)
SILENT = Seen(symptom=Symptom.SILENT)
WELL = Seen()
EPOCH = 1_700_000_000.0


NEW = Patient()


def lived(
    seen: Seen, seconds: int, patient: Patient = NEW, begin: int = 0
) -> tuple[list[tuple[int, Act]], Patient]:
    """What is done about a phone that stays as it is, each with its second, when what is done is on record."""
    acts: list[tuple[int, Act]] = []
    for second in range(begin, begin + seconds):
        patient, act = step(patient, seen, POLICY, now=float(second), epoch=EPOCH + second)
        if act is not None:
            acts.append((second, act))
        if isinstance(act, Try):
            seen = replace(seen, done=(*seen.done, Done(rung=act.rung, at=EPOCH + second)))
        if isinstance(act, GiveUp):
            seen = replace(seen, quarantined=act.symptom)
        if isinstance(act, LetGo):
            seen = replace(seen, quarantined=None)
    return acts, patient


def test_a_silent_phone_climbs_and_is_left_alone_at_the_end() -> None:
    acts, _ = lived(SILENT, 1_000)
    assert [act.rung for _, act in acts if isinstance(act, Try)] == [*POLICY.symptoms[Symptom.SILENT].rungs]
    for (began, act), (after, _) in itertools.pairwise(acts):
        assert isinstance(act, Try) and after - began >= POLICY.rungs[act.rung].wait
    _, last = acts[-1]
    assert isinstance(last, GiveUp) and "done in vain: reconnect, adb_reconnect" in last.reason and last.to_do


def test_nothing_is_done_before_its_time() -> None:
    acts, patient = lived(SILENT, 5)
    assert acts == []
    acts, _ = lived(SILENT, 1, patient, begin=5)
    assert acts == [(5, Try(Symptom.SILENT, Rung.RECONNECT))]


@pytest.mark.parametrize("inhand", [{"held": True}, {"pending": True}])
def test_nothing_is_done_to_a_phone_that_is_in_use(inhand: dict[str, bool]) -> None:
    acts, _ = lived(replace(SILENT, **inhand), 2_000)
    assert acts == []


def test_a_phone_that_may_be_in_a_call_is_not_restarted() -> None:
    acts, _ = lived(replace(SILENT, in_call=True), 2_000)
    assert not {act.rung for _, act in acts if isinstance(act, Try)} & ENDS_CALLS
    last = acts[-1][1]
    assert isinstance(last, GiveUp) and "in a call when it was last heard of: port_power, reboot" in last.reason


def test_what_a_phone_cannot_is_not_tried() -> None:
    acts, _ = lived(replace(SILENT, can=frozenset({Rung.RECONNECT})), 1_000)
    assert [act for _, act in acts][:1] == [Try(Symptom.SILENT, Rung.RECONNECT)] and len(acts) == 2


def test_a_phone_that_comes_back_for_a_moment_goes_on_where_it_was() -> None:
    acts, patient = lived(SILENT, 10)
    assert acts == [(5, Try(Symptom.SILENT, Rung.RECONNECT))]
    acts, patient = lived(WELL, 30, patient, begin=10)
    assert acts == []
    acts, _ = lived(SILENT, 5, patient, begin=40)
    assert acts == [(40, Try(Symptom.SILENT, Rung.ADB_RECONNECT))]


def test_a_phone_that_was_well_for_long_begins_at_the_bottom() -> None:
    _, patient = lived(SILENT, 10)
    _, patient = lived(WELL, 61, patient, begin=10)
    acts, _ = lived(SILENT, 8, patient, begin=100)
    assert acts == [(105, Try(Symptom.SILENT, Rung.RECONNECT))]


def test_a_quarantine_is_over_when_the_phone_has_been_well_for_long() -> None:
    acts, _ = lived(replace(WELL, quarantined=Symptom.SILENT), 100)
    assert acts == [(60, LetGo())]
    acts, _ = lived(replace(WELL, quarantined=Symptom.ABSENT), 100)
    assert acts == [(0, LetGo())], "it was plugged in: somebody was there"


def test_what_was_spared_for_a_call_is_what_could_have_been_done() -> None:
    """Nobody is told that a port was left alone which no hub can switch."""
    spared = replace(SILENT, in_call=True, can=frozenset(Rung) - {Rung.PORT_POWER})
    (_, act) = lived(spared, 1_000)[0][-1]
    assert isinstance(act, GiveUp) and act.reason.endswith("in a call when it was last heard of: reboot")


def test_who_restarts_a_phone_in_quarantine_begins_its_ladder_anew() -> None:
    acts, patient = lived(SILENT, 1_000)
    assert isinstance(acts[-1][1], GiveUp)
    acts, _ = lived(SILENT, 10, patient, begin=1_000)  # not in quarantine any more
    assert acts == [(1_005, Try(Symptom.SILENT, Rung.RECONNECT))]


def test_a_dry_run_says_once_that_it_would_give_up() -> None:
    dry, patient, acts = POLICY.but_dry(), Patient(), []
    for second in range(2_000):
        patient, act = step(patient, SILENT, dry, now=float(second), epoch=EPOCH + second)
        acts += [act] if act is not None else []
    assert [type(act) for act in acts] == [Try] * 4 + [GiveUp]


def test_a_hub_that_is_away_is_nobodys_phone_that_ails() -> None:
    away = {slot: Seen(symptom=Symptom.ABSENT, hub="HUB1") for slot in range(1, 21)}
    patients: dict[int, Patient] = {}
    for second in range(500):
        patients, acts = plan(patients, away, POLICY, now=float(second), epoch=EPOCH + second)
        assert acts == {}
    one = {**{slot: Seen(hub="HUB1") for slot in range(1, 21)}, 7: away[7]}
    found: list[int] = []
    for second in range(500, 700):
        patients, acts = plan(patients, one, POLICY, now=float(second), epoch=EPOCH + second)
        found += acts
    assert set(found) == {7}


def test_phones_of_a_hub_that_adb_cannot_talk_to_are_tried_and_not_given_up() -> None:
    """They may be stuck in adb, which a new connection mends; or it is the hub, and no phone is to blame."""
    away = {slot: Seen(symptom=Symptom.OFFLINE, hub="HUB1") for slot in range(1, 5)}
    patients: dict[int, Patient] = {}
    done: list[tuple[int, type[Act]]] = []
    for second in range(2_000):
        now = {**away, 1 + second // 40 % 4: Seen(pending=True, symptom=Symptom.MUTE, hub="HUB1")}  # restarted just now
        patients, acts = plan(patients, now, POLICY, now=float(second), epoch=EPOCH + second)
        done += [(slot, type(act)) for slot, act in acts.items()]
    assert set(done) == {(slot, Try) for slot in away}
    well = {**away, 1: Seen(hub="HUB1")}  # the hub is there
    for second in range(2_000, 3_000):
        patients, acts = plan(patients, well, POLICY, now=float(second), epoch=EPOCH + second)
        done += [(slot, type(act)) for slot, act in acts.items()]
    assert {slot for slot, act in done if act is GiveUp} == {2, 3, 4}


def test_of_one_hub_only_so_many_are_mended_at_once() -> None:
    """And the others have their turn after them."""
    seen = {slot: Seen(symptom=Symptom.SILENT, hub="HUB1") for slot in range(1, 9)}
    patients: dict[int, Patient] = {}
    first: dict[int, int] = {}
    under_way: dict[int, float] = {}
    for second in range(3_000):
        patients, acts = plan(patients, seen, POLICY, now=float(second), epoch=EPOCH + second)
        for slot, act in acts.items():
            if isinstance(act, Try):
                first.setdefault(slot, second)
                under_way[slot] = second + POLICY.rungs[act.rung].wait
                seen[slot] = replace(seen[slot], done=(*seen[slot].done, Done(rung=act.rung, at=EPOCH + second)))
            elif isinstance(act, GiveUp):
                seen[slot] = replace(seen[slot], quarantined=act.symptom)
        assert sum(until > second for until in under_way.values()) <= POLICY.at_once
    assert first.keys() == seen.keys(), "everybody's turn came"


def test_a_phone_that_each_restart_helps_a_little_is_not_restarted_for_ever() -> None:
    patient, done, reasons = Patient(), [], []
    seen = SILENT
    for second in range(10 * 3600):
        if (restarted := [one.at - EPOCH for one in done if one.rung is Rung.REBOOT]) and second - restarted[-1] < 100:
            seen = WELL
        elif not reasons:
            seen = SILENT
        patient, act = step(patient, replace(seen, done=tuple(done)), POLICY, now=float(second), epoch=EPOCH + second)
        if isinstance(act, Try):
            done.append(Done(rung=act.rung, at=EPOCH + second))
        elif isinstance(act, GiveUp):
            reasons.append(act.reason)
            break
    assert Counter(one.rung for one in done)[Rung.REBOOT] == 1, "it comes back within the hour"
    assert "as often as it may be: " in reasons[0] and reasons[0].endswith("reboot")


SEEN = st.builds(
    Seen,
    symptom=st.sampled_from([None, *Symptom]),
    pending=st.booleans(),
    held=st.booleans(),
    in_call=st.booleans(),
    hub=st.just("HUB1"),
)


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(st.integers(1, 900), SEEN), min_size=1, max_size=40))
def test_whatever_a_phone_does_it_is_not_mended_without_end(life: list[tuple[int, Any]]) -> None:
    """Over two days, in steps of 5 s: no more than is allowed in an hour and a day, and nothing while it is in use."""
    patient, now, done, quarantined = Patient(), 0, [], None
    for steps, seen in life:
        for _ in range(steps):
            now += 5
            lately = tuple(one for one in done if EPOCH + now - one.at < DAY)
            one = replace(seen, done=lately, quarantined=quarantined)
            patient, act = step(patient, one, POLICY, now=float(now), epoch=EPOCH + now)
            match act:
                case Try(_, rung):
                    assert not seen.held and not seen.pending and quarantined is None
                    assert not (seen.in_call and rung in ENDS_CALLS)
                    done.append(Done(rung=rung, at=EPOCH + now))
                case GiveUp(symptom, _, _):
                    assert not seen.held and not seen.pending
                    quarantined = symptom
                case LetGo():
                    assert seen.symptom is None and quarantined is not None
                    quarantined = None
    for within, most in ((HOUR, "per_hour"), (DAY, "per_day")):
        for last in done:
            count = Counter(one.rung for one in done if 0 <= last.at - one.at < within)
            assert count[last.rung] <= getattr(POLICY.rungs[last.rung], most)
