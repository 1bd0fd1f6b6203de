"""Who holds a slot, and what it makes of calls on its phone that nobody owns."""

import pytest
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.decision import SetTimer
from actors.slot import machine, record
from actors.slot.hindrance import may_be_used
from actors.slot.machine import EndCallOnPhone, LookAtPhone, Take
from actors.slot.phone import Health, Trouble, TroubleSeen
from actors.slot.record import Slot, SlotMemory
from actors.telephony.line import Doubtful, OnRecord, nameless
from actors.telephony.orders import Drop
from actors.telephony.reports import (
    CallPhase,
    CallSeen,
    HoldSeen,
    Link,
    LinkChanged,
    LiveCall,
    Look,
    Looked,
    Noted,
    PastCall,
)
from bus_schemas.call import EndReason
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import SlotConfig, SlotLinked, SlotStatus

SLOT = Slot(
    config=SlotConfig(id=1, serial="s"), status=SlotStatus.ONLINE, last_activity="", last_event="",
    calls=OnRecord(doubtful=(Doubtful(name="b/TC@4"), Doubtful(name=nameless("c_9")))),
)  # fmt: skip
NOW = Moment(at="2026-01-01T00:00:01.000Z", mono=1.0, boot="h")
UP = LiveCall(ref="b/TC@7", phase=CallPhase.ACTIVE, created_age=600.0, answered_age=590.0)


def _ended(seen: LiveCall, order: Noted | None, *past: PastCall, slot: Slot = SLOT) -> bool:
    looked = Looked(look=Look(live=(seen,), past=past, boot="b", order=order), why="link", asked=1.0)
    decision = machine.observe(slot, SlotMemory(link=Link.ONLINE), looked, NOW)
    return EndCallOnPhone(call_id="", ref=seen.ref) in decision.effects


def test_an_own_call_over_on_record_is_ended_by_name_and_by_note() -> None:
    assert _ended(replace(UP, ref="b/TC@4"), None)
    assert _ended(UP, Noted("c_9", 600.5))
    assert _ended(UP, Noted("c_9", 605.0))


def test_a_call_that_did_not_come_of_the_noted_order_is_left_alone() -> None:
    assert not _ended(UP, None)
    assert not _ended(UP, Noted("c_8", 600.5))
    assert not _ended(UP, Noted("c_9", 620.0)), "somebody dialled by hand long after the order"
    assert not _ended(replace(UP, incoming=True), Noted("c_9", 600.5))


def test_a_call_that_a_set_clock_makes_older_than_the_note_is_ended() -> None:
    """The phone was in no call then, and no other one went out since: nobody else would ever end it."""
    for up in (UP, replace(UP, suspect=True)):
        assert _ended(up, Noted("c_9", 590.0)) and _ended(up, Noted("c_9", 5.0))
        over = PastCall(ref="b/TC@6", created_age=3.0, answered_age=None, ended_age=1.0, reason=EndReason.BUSY)
        for first in (over, replace(over, created_age=700.0, suspect=True), replace(over, created_age=700.0)):
            assert not _ended(up, Noted("c_9", 590.0), first), "it may be ours, and then the other one is not"
        before = replace(over, created_age=700.0, ended_age=650.0)
        assert _ended(up, Noted("c_9", 590.0), before)


def test_where_the_clock_was_set_back_only_an_age_that_fits_names_a_call() -> None:
    set_back = replace(UP, suspect=True)
    assert _ended(set_back, Noted("c_9", 605.0))
    assert not _ended(set_back, Noted("c_9", 620.0))
    unknown = replace(set_back, created_age=0.0)  # it went out between the note and the look
    assert _ended(unknown, Noted("c_9", 5.0)) and not _ended(unknown, Noted("c_9", 20.0))


def test_a_later_call_is_let_be_whatever_the_phones_clock_says_of_the_first() -> None:
    """The clock was set by a few seconds, so that ours seems to have been over before its order."""
    calls = OnRecord(doubtful=(Doubtful(name=nameless("c_9"), after_ref="b/TC@5"),))
    slot, up = replace(SLOT, calls=calls), replace(UP, created_age=5.0, answered_age=None)
    first = PastCall(ref="b/TC@6", created_age=16.0, answered_age=None, ended_age=15.0, reason=EndReason.BUSY)
    assert not _ended(up, Noted("c_9", 13.0), first, slot=slot)
    assert _ended(up, Noted("c_9", 13.0), replace(first, ref="b/TC@5"), slot=slot)



def test_a_start_that_is_under_way_holds_the_slot_until_it_comes_to_nothing() -> None:
    first, second = (Take(id=id, user="op12", any_slot=False) for id in ("c_1", "c_2"))
    live = machine.take(SLOT, SlotMemory(link=Link.ONLINE), first).memory
    assert live is not None and not may_be_used(SLOT, live)
    with pytest.raises(Refusal) as refused:
        machine.take(SLOT, live, second)
    assert refused.value.code is ErrorCode.SLOT_BUSY
    with pytest.raises(Refusal):
        machine.restart(SLOT, live, "op12", NOW)
    free = machine.observe(SLOT, live, Drop(id="c_1"), NOW).memory
    assert free is not None and may_be_used(SLOT, free)
    assert machine.take(SLOT, free, second).memory is not None


# --- a phone in trouble -------------------------------------------------------------------------------------------

MUTE = TroubleSeen(trouble=Trouble.HANG_UP, words="it does not hang up: INJECT_EVENTS")


def test_a_phone_in_trouble_takes_no_call_and_says_why() -> None:
    decision = machine.observe(SLOT, SlotMemory(link=Link.ONLINE), MUTE, NOW)
    assert decision.memory is not None and not may_be_used(SLOT, decision.memory)
    (told,) = decision.events
    assert isinstance(told, SlotLinked) and (told.status, told.detail) == (SlotStatus.ONLINE, MUTE.words)
    with pytest.raises(Refusal, match="INJECT_EVENTS") as refused:
        machine.take(SLOT, decision.memory, Take(id="c_1", user="op12", any_slot=False))
    assert refused.value.code is ErrorCode.CALL_FAILED


def test_what_a_phone_in_trouble_is_said_to_be_outlasts_a_look() -> None:
    decision = machine.observe(SLOT, SlotMemory(link=Link.ONLINE), MUTE, NOW)
    slot = record.evolve(SLOT, decision.events[0])
    assert decision.memory is not None and slot is not None
    looked = Looked(look=Look(live=(), past=(), boot="b"), why="link", asked=1.0)
    assert machine.observe(slot, decision.memory, looked, NOW).events == ()
    over = machine.observe(slot, decision.memory, replace(MUTE, words=""), NOW)
    assert over.memory is not None and may_be_used(slot, over.memory)
    assert [event.detail for event in over.events if isinstance(event, SlotLinked)] == [""]


def test_the_trouble_of_a_phone_out_of_reach_is_told_when_it_is_back() -> None:
    offline = replace(SLOT, status=SlotStatus.OFFLINE)
    live = SlotMemory(link=Link.ABSENT)
    decision = machine.observe(offline, live, MUTE, NOW)
    assert decision.events == () and decision.memory is not None
    looked = Looked(look=Look(live=(), past=(), boot="b"), why="link", asked=1.0)
    back = machine.observe(offline, replace(decision.memory, link=Link.ONLINE), looked, NOW)
    assert [event.detail for event in back.events if isinstance(event, SlotLinked)] == [MUTE.words]


def test_a_slot_with_another_sim_begins_anew_with_its_phone() -> None:
    decision = machine.configure(SLOT, SlotMemory(), replace(SLOT.config, sim="2"), "op12", NOW)
    assert [type(effect) for effect in decision.effects] == [machine.UsePhone]


# --- a call on hold that nobody takes back --------------------------------------------------------------------------

HELD = replace(UP, ref="b/TC@12", held=True, incoming=True)


def _seen_held(*live: LiveCall, slot: Slot = SLOT, asked: float = 1.0) -> tuple[Slot, SlotMemory]:
    looked = Looked(look=Look(live=live, past=(), boot="b"), why="link", asked=asked)
    decision = machine.observe(slot, SlotMemory(link=Link.ONLINE), looked, NOW)
    assert decision.memory is not None
    then = slot
    for event in decision.events:
        then = record.evolve(then, event) or then
    return then, decision.memory


def test_a_call_on_hold_that_blocks_the_slot_is_told() -> None:
    slot, live = _seen_held(HELD)
    assert slot.detail == live.trouble and "on hold (TC@12): end it" in slot.detail
    with pytest.raises(Refusal, match="on hold") as refused:
        machine.take(slot, live, Take(id="c_1", user="op12", any_slot=False))
    assert refused.value.code is ErrorCode.SLOT_BUSY
    over = CallSeen(ref=HELD.ref, phase=CallPhase.DISCONNECTED, incoming=True)
    decision = machine.observe(slot, live, over, NOW)
    assert [event.detail for event in decision.events if isinstance(event, SlotLinked)] == [""]
    assert decision.memory is not None and may_be_used(slot, decision.memory)


def test_a_call_on_hold_beside_one_that_talks_is_nothing_to_tell() -> None:
    assert _seen_held(HELD, UP)[0].detail == ""


@pytest.mark.parametrize("held", [True, False])
def test_a_call_that_is_put_on_hold_or_taken_back_is_looked_at_at_once(held: bool) -> None:
    seen = HoldSeen(ref=HELD.ref, held=held)
    effects = machine.observe(SLOT, SlotMemory(link=Link.ONLINE), seen, NOW).effects
    assert effects == (LookAtPhone(why="link"),)
    ours = machine.take(SLOT, SlotMemory(link=Link.ONLINE), Take(id="c_1", user="op12", any_slot=False)).memory
    assert ours is not None and machine.observe(SLOT, ours, seen, NOW).effects == ()


def test_somebody_elses_call_is_looked_at_again_as_long_as_it_is_up() -> None:
    seen = CallSeen(ref=HELD.ref, phase=CallPhase.ACTIVE, incoming=True)
    effects = machine.observe(SLOT, SlotMemory(link=Link.ONLINE), seen, NOW).effects
    assert SetTimer(name=machine.LOOK_AGAIN, seconds=machine.FOREIGN_AGAIN, keep=True) in effects


# --- a trouble goes with the phone that it was told of ---------------------------------------------------------------

TROUBLED = SlotMemory(
    link=Link.ONLINE, health=Health(sim="ABSENT"), up={"b/TC@7": False}, ref="b/TC@7", unsure=0.5,
    troubles={trouble: trouble.value for trouble in Trouble},
)  # fmt: skip
PLACES = [SlotConfig(id=1, hub="HUB1", port=3), SlotConfig(id=1, serial="t"), SlotConfig(id=1, serial="s", sim="1")]


@pytest.mark.parametrize("config", PLACES)
def test_another_phone_or_sim_begins_with_nothing_known(config: SlotConfig) -> None:
    assert machine.configure(SLOT, TROUBLED, config, "root", NOW).memory == SlotMemory(told=NOW.mono)


def test_what_is_known_of_a_phone_outlasts_another_owner() -> None:
    assert machine.configure(SLOT, TROUBLED, replace(SLOT.config, user="op12"), "root", NOW).memory is None


@pytest.mark.parametrize("link", Link)
def test_a_connection_begins_without_the_troubles_of_another(link: Link) -> None:
    """Also where the word that one is over is never told: its teller is gone."""
    decision = machine.observe(SLOT, TROUBLED, LinkChanged(link=link), NOW)
    assert decision.memory is not None and not decision.memory.troubles
