"""Who may hold a slot beside whom: calls, runs of scripts, a person who has reserved it."""

import pytest
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.slot import machine
from actors.slot.hindrance import hindrance_of, may_be_used
from actors.slot.machine import Take
from actors.slot.phone import Health
from actors.slot.record import Slot, SlotMemory
from actors.slot.views import details
from actors.telephony.line import Adopt, Began, Holder, OnRecord
from actors.telephony.reports import Link, LinkChanged
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import SlotConfig, SlotStatus

SLOT = Slot(config=SlotConfig(id=1, serial="s"), status=SlotStatus.ONLINE, last_activity="", last_event="")
LIVE = SlotMemory(link=Link.ONLINE)
NOW = Moment(at="2026-01-01T00:00:01.000Z", mono=1.0, boot="h")


def _take(id: str, kind: str = "call", user: str = "op12", inside: str | None = None) -> Take:
    return Take(id=id, user=user, any_slot=False, kind=kind, inside=inside)


def _on_record(*holders: Holder) -> Slot:
    calls = OnRecord()
    for seq, holder in enumerate(holders, 1):
        calls = calls.after(Began(holder=holder, at=NOW, seq=seq))
    return replace(SLOT, calls=calls)


RUN = Holder(id="gacs_1", user="op12", slot=1, kind="script")
CALL = Holder(id="c_1", user="op12", slot=1)


@pytest.mark.parametrize("held", [RUN, CALL])
@pytest.mark.parametrize("kind", ["call", "script"])
def test_a_slot_is_held_by_one_call_or_one_run(held: Holder, kind: str) -> None:
    for slot, live in (
        (_on_record(held), LIVE), (SLOT, SlotMemory(link=Link.ONLINE, held={held.id: held})),
    ):  # fmt: skip
        assert not may_be_used(slot, live)
        with pytest.raises(Refusal) as refused:
            machine.take(slot, live, _take("x_2", kind))
        assert refused.value.code is ErrorCode.SLOT_BUSY
        assert (refused.value.details or {}).get("held_by") == (None if held is CALL else "script")
        with pytest.raises(Refusal):
            machine.restart(slot, live, "op12", NOW)


def test_a_call_in_an_app_begins_inside_its_own_run_alone() -> None:
    slot = _on_record(RUN)
    live = machine.take(slot, LIVE, _take("c_2", inside="gacs_1")).memory
    assert live is not None and live.held["c_2"].inside == "gacs_1"
    with pytest.raises(Refusal):
        machine.take(slot, LIVE, _take("c_2", inside="gacs_2"))
    with pytest.raises(Refusal):
        machine.take(slot, live, _take("c_3", inside="gacs_1"))


def test_a_call_inside_a_run_is_shown_and_the_phone_is_not_asked_about_it() -> None:
    slot = _on_record(RUN, Holder(id="c_2", user="op12", slot=1, inside="gacs_1"))
    assert details(slot, LIVE).call_id == "c_2"
    assert details(_on_record(RUN), LIVE).call_id is None
    decision = machine.observe(slot, LIVE, LinkChanged(link=Link.OFFLINE), NOW)
    assert not [effect for effect in decision.effects if getattr(effect, "kind", None) == "call"]


def test_a_script_needs_no_sim_and_a_call_does() -> None:
    live = SlotMemory(link=Link.ONLINE, health=Health(sim="ABSENT"))
    assert machine.take(SLOT, live, _take("gacs_1", "script")).memory is not None
    with pytest.raises(Refusal):
        machine.take(SLOT, live, _take("c_1"))


def test_neither_begins_while_the_phone_is_in_a_call_of_its_own() -> None:
    live = SlotMemory(link=Link.ONLINE, up={"b/TC@1": True})
    for kind in ("call", "script"):
        with pytest.raises(Refusal):
            machine.take(SLOT, live, _take("x_1", kind))


def test_a_reserved_slot_is_for_its_user_and_in_no_pool() -> None:
    slot = _on_record(Holder(id="rsv_1", user="op12", slot=1, kind="reservation"))
    assert not may_be_used(slot, LIVE)
    for kind in ("call", "script"):
        assert machine.take(slot, LIVE, _take("x_1", kind)).memory is not None
        with pytest.raises(Refusal) as refused:
            machine.take(slot, LIVE, _take("x_1", kind, user="op13"))
        assert (refused.value.details or {})["held_by"] == "reservation"
    assert hindrance_of(slot, LIVE) is not None


def test_a_new_owner_takes_over_what_holds_the_slot_each_by_its_kind() -> None:
    effects = machine.resume(_on_record(RUN, CALL), NOW).effects
    assert [one for one in effects if isinstance(one, Adopt)] == [
        Adopt(kind="script", id="gacs_1"), Adopt(kind="call", id="c_1"),
    ]  # fmt: skip
