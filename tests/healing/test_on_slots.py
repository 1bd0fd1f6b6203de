"""What a slot does of what is ordered about its phone, and what stays on its record."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.slot import healing, machine, record
from actors.slot.healing import GiveUpOn, Heal, NoteConditions, Reopen, vitals
from actors.slot.hindrance import hindrance_of
from actors.slot.machine import RebootPhone, Reconnect, Take
from actors.slot.phone import NO_ANSWER, Trouble
from actors.slot.record import Reservation, Slot, SlotMemory
from actors.telephony.line import Holder
from actors.telephony.reports import Link, LinkChanged
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import SlotConfig, SlotRestarting, SlotStatus
from bus_schemas.slot_health import Condition, Quarantine, Rung, SlotHealed, Symptom

SLOT = Slot(config=SlotConfig(id=1, serial="phone1"), status=SlotStatus.ONLINE)
LIVE = SlotMemory(link=Link.ONLINE)
NOW = Moment(at="2026-01-01T00:00:00.000Z", mono=10.0, boot="b")
CALL = Holder(id="c_1", user="op12", slot=None)
ALONE = Quarantine(since=NOW.at, symptom=Symptom.SILENT, reason="it is silent", to_do="Look at it.")


def heal(rung: Rung, slot: Slot = SLOT, live: SlotMemory = LIVE, dry_run: bool = False) -> machine.SlotDecision:
    return healing.heal(slot, live, Heal(symptom=Symptom.SILENT, rung=rung, dry_run=dry_run), NOW)


def after(slot: Slot, *events: Any) -> Slot:
    for event in events:
        slot = record.evolve(slot, event) or slot
    return slot


@pytest.mark.parametrize(("rung", "effect"), [
    (Rung.RECONNECT, Reopen), (Rung.ADB_RECONNECT, Reconnect), (Rung.REBOOT, RebootPhone),
])  # fmt: skip
def test_what_is_done_stands_on_record_before_it_is(rung: Rung, effect: type) -> None:
    decision = heal(rung)
    assert isinstance(decision.events[0], SlotHealed) and decision.events[0].rung is rung
    assert isinstance(decision.effects[0], effect)
    assert [one.rung for one in after(SLOT, *decision.events).healed] == [rung]


@pytest.mark.parametrize("rung", list(Rung))
def test_a_dry_run_does_nothing(rung: Rung) -> None:
    decision = heal(rung, dry_run=True)
    assert decision.effects == () and len(decision.events) == 1
    assert after(SLOT, *decision.events).healed == ()


@pytest.mark.parametrize("rung", list(Rung))
def test_a_phone_that_somebody_holds_is_left_as_it_is(rung: Rung) -> None:
    for slot, live in (
        (SLOT, replace(LIVE, held={CALL.id: CALL})),
        (replace(SLOT, reservation=Reservation(user="op12", until=NOW.at)), LIVE),
    ):
        with pytest.raises(Refusal) as refused:
            heal(rung, slot, live)
        assert refused.value.code is ErrorCode.SLOT_BUSY
        with pytest.raises(Refusal):
            healing.give_up_on(slot, live, GiveUpOn(symptom=Symptom.SILENT, reason="r", to_do="t"), NOW)


@pytest.mark.parametrize("live", [replace(LIVE, up={"b/TC@1": True}), replace(LIVE, unsure=1.0)])
def test_nothing_that_would_end_a_call_of_the_phones_own(live: SlotMemory) -> None:
    for rung in (Rung.PORT_POWER, Rung.REBOOT):
        with pytest.raises(Refusal):
            heal(rung, live=live)
    assert heal(Rung.RECONNECT, live=live).effects


def test_what_was_done_is_remembered_for_a_day() -> None:
    def at(hour: int, day: int = 1) -> SlotHealed:
        moment = f"2026-01-{day:02d}T{hour:02d}:00:00.000Z"
        return SlotHealed(slot=1, at=moment, symptom=Symptom.SILENT, rung=Rung.REBOOT)

    slot = after(SLOT, at(1), at(3), at(2, day=2))
    assert [one.at[8:13] for one in slot.healed] == ["01T03", "02T02"]


def test_a_slot_in_quarantine_takes_nothing_and_says_why() -> None:
    order = GiveUpOn(symptom=Symptom.SILENT, reason="it is silent", to_do="Look at it.")
    slot = after(SLOT, *healing.give_up_on(SLOT, LIVE, order, NOW).events)
    assert slot.quarantine == ALONE
    with pytest.raises(Refusal, match="in quarantine: it is silent") as refused:
        machine.take(slot, LIVE, Take(id="c_1", user="op12", any_slot=False))
    assert refused.value.code is ErrorCode.SLOT_OFFLINE
    with pytest.raises(Refusal) as refused:  # whoever would cut it off hears that it talks
        machine.take(slot, replace(LIVE, up={"b/TC@1": True}), Take(id="c_1", user="op12", any_slot=False))
    assert refused.value.code is ErrorCode.SLOT_BUSY
    assert healing.give_up_on(slot, LIVE, order, NOW).events == ()
    assert after(slot, *healing.use_again(slot, NOW).events).quarantine is None
    assert healing.use_again(SLOT, NOW).events == ()


def test_who_restarts_a_slot_takes_it_out_of_quarantine_and_healing_does_not() -> None:
    slot = replace(SLOT, quarantine=ALONE)
    by: Callable[[str], SlotRestarting] = lambda user: SlotRestarting(  # noqa: E731
        slot=1, at=NOW.at, status=SlotStatus.RESTARTING, by=user
    )
    assert after(slot, by("op12")).quarantine is None
    assert after(slot, by("system")).quarantine == ALONE


def test_another_phone_is_not_in_the_quarantine_of_the_one_before() -> None:
    hot = Condition(name="hot", words="50 C", since=NOW.at, refuses_calls=True)
    slot = replace(SLOT, quarantine=ALONE, conditions=(hot,))
    moved = machine.configure(slot, LIVE, replace(SLOT.config, serial="phone2"), "admin", NOW)
    same = machine.configure(slot, LIVE, replace(SLOT.config, user="op12"), "admin", NOW)
    assert (after(slot, *moved.events).quarantine, after(slot, *moved.events).conditions) == (None, ())
    assert (after(slot, *same.events).quarantine, after(slot, *same.events).conditions) == (ALONE, (hot,))


def test_a_hot_phone_is_not_dialled_with_and_may_be_worked_with() -> None:
    hot = Condition(name="hot", words="50 C: it needs air", since=NOW.at, refuses_calls=True)
    slot = after(SLOT, *healing.note_conditions(SLOT, NoteConditions(conditions=(hot,)), NOW).events)
    assert healing.note_conditions(slot, NoteConditions(conditions=(hot,)), NOW).events == ()
    refusal = hindrance_of(slot, LIVE)
    assert refusal is not None and refusal.code is ErrorCode.CALL_FAILED
    assert "hot: 50 C: it needs air" in refusal.message
    script = Holder(id="r_1", user="op12", slot=1, kind="script")
    assert hindrance_of(slot, LIVE, script) is None
    low = replace(hot, refuses_calls=False)
    assert hindrance_of(replace(SLOT, conditions=(low,)), LIVE) is None


@pytest.mark.parametrize(("link", "detail", "symptom"), [
    (Link.ONLINE, "", None),
    (Link.OFFLINE, NO_ANSWER, Symptom.SILENT),
    (Link.OFFLINE, "offline", Symptom.OFFLINE),
    (Link.ABSENT, "not listed", Symptom.ABSENT),
    (Link.UNAUTHORIZED, "unauthorized", Symptom.UNAUTHORIZED),
])  # fmt: skip
def test_the_symptom_follows_from_the_link(link: Link, detail: str, symptom: Symptom | None) -> None:
    decision = machine.observe(SLOT, LIVE, LinkChanged(link=link, detail=detail), NOW)
    assert decision.memory is not None
    assert vitals(SLOT, decision.memory).symptom is symptom


def test_a_phone_that_does_not_tell_its_calls_is_not_well() -> None:
    assert vitals(replace(SLOT, status=SlotStatus.OFFLINE), LIVE).symptom is Symptom.MUTE
    assert vitals(replace(SLOT, status=SlotStatus.REBOOTING), LIVE).pending
    assert vitals(SLOT, replace(LIVE, link=Link.UNKNOWN)).pending, "it is the adb server that does not answer"
    assert vitals(SLOT, replace(LIVE, troubles={Trouble.SIM: "it asks"})).symptom is Symptom.ASKS_SIM
