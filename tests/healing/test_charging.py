"""For how long a port is off so that a battery is not kept full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.healing.charging import FIRST, LEAST, Battery, Charging, Learned, begun, ended, may_rest
from actors.runtime.clock import Moment
from actors.slot import healing, record
from actors.slot.healing import HoldCharge, NoteConditions, charge_held
from actors.slot.record import Slot, SlotMemory
from actors.telephony.line import Holder
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import SlotConfig, SlotStatus
from bus_schemas.slot_health import Condition

RULE = Charging(hubs=("HUB1",), high=80.0, low=60.0, longest=3_600.0)
SLOT = Slot(config=SlotConfig(id=44, serial="p14", hub="HUB1", port=14), status=SlotStatus.ONLINE)
NOW = Moment(at="2026-01-01T00:00:00.000Z", mono=10.0, boot="b")


def test_nobody_is_held_until_somebody_is_named() -> None:
    assert RULE.is_for(SLOT.config) and not Charging().is_for(SLOT.config)
    assert Charging(slots=(44,)).is_for(SLOT.config) and not Charging(slots=(45,)).is_for(SLOT.config)
    assert not RULE.is_for(SlotConfig(id=1, serial="10.0.0.1:5555")), "it has no port"


def test_a_phone_rests_that_has_enough_and_tells_it() -> None:
    assert may_rest(Battery(percent=80.0), RULE) and not may_rest(Battery(percent=79.0), RULE)
    assert not may_rest(Battery(percent=None), RULE) and not may_rest(Battery(percent=100.0, frozen=True), RULE)


def test_the_first_rest_is_short_and_the_next_as_long_as_it_needs() -> None:
    first = begun(Learned(), 82.0, RULE)
    assert first.seconds == FIRST
    learned = ended(first, 80.0, 600.0)
    assert learned.lost == 12.0  # percent an hour
    assert begun(learned, 66.0, RULE).seconds == 1800.0
    assert begun(learned, 90.0, RULE).seconds == RULE.longest
    assert begun(ended(first, None, 600.0), 82.0, RULE).seconds == FIRST, "it has not told"


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 1e6), st.floats(0, 100))
def test_a_port_is_never_off_for_longer_than_is_set(before: float, after: float, seconds: float, again: float) -> None:
    learned = begun(ended(begun(Learned(), before, RULE), after, seconds), again, RULE)
    assert LEAST <= learned.seconds <= RULE.longest


def test_what_figures_say_leaves_it_held() -> None:
    held = healing.hold_charge(SLOT, SlotMemory(), HoldCharge(words="82 %"), NOW)
    slot = record.evolve(SLOT, held.events[0])
    assert slot is not None and charge_held(slot) is not None
    hot = Condition(name="hot", words="50 C", since=NOW.at)
    both = record.evolve(slot, healing.note_conditions(slot, NoteConditions(conditions=(hot,)), NOW).events[0])
    assert both is not None and {one.name for one in both.conditions} == {"hot", "charge_held"}
    assert healing.note_conditions(both, NoteConditions(conditions=both.conditions), NOW).events == ()
    over = record.evolve(both, healing.hold_charge(both, SlotMemory(), HoldCharge(words=""), NOW).events[0])
    assert over is not None and over.conditions == (hot,)


@pytest.mark.parametrize(
    "live",
    [
        SlotMemory(held={"c_1": Holder(id="c_1", user="op12", slot=None)}), SlotMemory(up={"b/TC@1": True}),
        SlotMemory(unsure=1.0),
    ],
)  # fmt: skip
def test_the_charge_of_a_phone_in_a_call_is_not_held(live: SlotMemory) -> None:
    with pytest.raises(Refusal) as refused:
        healing.hold_charge(SLOT, live, HoldCharge(words="82 %"), NOW)
    assert refused.value.code is ErrorCode.SLOT_BUSY
