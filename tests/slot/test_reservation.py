"""A slot that somebody keeps for work by hand."""

import pytest
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.decision import SetTimer
from actors.slot import machine, record, reservation
from actors.slot.hindrance import may_be_used
from actors.slot.machine import Take
from actors.slot.record import Slot, SlotMemory, holder
from actors.slot.views import details
from actors.telephony.line import Began, Holder
from actors.telephony.reports import Link
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import AdbCommand, SlotConfig, SlotReservationEnded, SlotReserved, SlotStatus

SLOT = Slot(config=SlotConfig(id=1, serial="s"), status=SlotStatus.ONLINE, last_activity="", last_event="")
LIVE = SlotMemory(link=Link.ONLINE)


def at(seconds: float) -> Moment:
    return Moment(at=f"2026-01-01T{int(seconds // 3600):02}:{int(seconds // 60 % 60):02}:{seconds % 60:06.3f}Z",
                  mono=seconds, boot="h")  # fmt: skip


def reserved(slot: Slot = SLOT, user: str = "op12", minutes: int = 10, now: float = 0.0, **more: bool) -> Slot:
    decision = reservation.reserve(
        slot, LIVE, user, minutes=minutes, most=60, any_slot=more.get("any_slot", False), now=at(now)
    )
    [event] = decision.events
    assert isinstance(event, SlotReserved)
    assert decision.effects == (SetTimer(name=record.RESERVED, seconds=60.0 * minutes),)
    after = record.evolve(slot, event)
    assert after is not None
    return after


def refused(code: ErrorCode, **more: object) -> "pytest.RaisesExc[Refusal]":
    return pytest.raises(Refusal, check=lambda one: one.code is code)


def take(slot: Slot, user: str, kind: str = "call") -> None:
    machine.take(slot, LIVE, Take(id="x_1", user=user, any_slot=True, kind=kind))


@pytest.mark.parametrize("kind", ["call", "script"])
def test_others_find_it_busy_and_whoever_reserved_it_goes_on(kind: str) -> None:
    slot = reserved()
    take(slot, "op12", kind)
    with refused(ErrorCode.SLOT_BUSY):
        take(slot, "op34", kind)
    assert not may_be_used(slot, LIVE)  # it is in no pool
    command = AdbCommand(slot=1, command="echo x")
    assert machine.run_command(slot, command, "k", "op12", ("user", "op12"), at(1)).events
    with refused(ErrorCode.SLOT_BUSY):
        machine.run_command(slot, command, "k", "op34", ("user", "op34"), at(1))


def test_it_is_shown_and_not_as_a_call() -> None:
    shown = details(reserved(), LIVE)
    assert (shown.reserved_by, shown.reserved_until, shown.call_id) == ("op12", "2026-01-01T00:10:00.000Z", None)
    assert shown.last_event == "slot.reserve"


def test_nobody_restarts_or_changes_what_another_keeps() -> None:
    slot = reserved()
    for act in (machine.restart, machine.reboot, machine.remove):
        assert act(slot, LIVE, "op12", at(1)).events
        with refused(ErrorCode.SLOT_BUSY):
            act(slot, LIVE, "op34", at(1))


def test_who_holds_it_renews_it_and_nobody_takes_it_over() -> None:
    slot = reserved(reserved(), minutes=20, now=300)
    assert slot.reservation == record.Reservation(user="op12", until="2026-01-01T00:25:00.000Z")
    with refused(ErrorCode.SLOT_BUSY):
        reserved(slot, "op34")


def test_it_is_not_reserved_in_anothers_call_but_in_ones_own() -> None:
    held = Holder(id="c_1", user="op12", slot=1)
    slot = replace(SLOT, calls=SLOT.calls.after(Began(holder=held, at=at(0), seq=1)))
    with refused(ErrorCode.SLOT_BUSY):
        reserved(slot, "op34")
    slot = reserved(slot)
    assert holder(slot, LIVE) == held and details(slot, LIVE).call_id == "c_1"


def test_it_is_not_for_longer_than_may_be_nor_of_others_slots() -> None:
    with refused(ErrorCode.INVALID_PARAMS):
        reserved(minutes=61)
    with refused(ErrorCode.PERMISSION_DENIED):
        reserved(replace(SLOT, config=replace(SLOT.config, user="op34")))
    assert reserved(replace(SLOT, config=replace(SLOT.config, user="op34")), any_slot=True).reservation


def test_it_runs_out_by_itself_and_not_before() -> None:
    slot = reserved(reserved(), now=300)
    early = reservation.run_out(slot, at(600))
    assert (early.events, early.effects) == ((), (SetTimer(name=record.RESERVED, seconds=300.0),))
    [over] = reservation.run_out(slot, at(900)).events
    assert over == SlotReservationEnded(slot=1, at=at(900).at, user="op12", by=None)
    after = record.evolve(slot, over)
    assert after is not None and after.reservation is None and may_be_used(after, LIVE)
    assert reservation.run_out(after, at(901)) == machine.SlotDecision()


def test_a_new_owner_of_the_slot_lets_it_run_out() -> None:
    slot = reserved()
    assert reservation.resumed(slot, at(400)) == (SetTimer(name=record.RESERVED, seconds=200.0),)
    assert reservation.resumed(slot, at(4000)) == (SetTimer(name=record.RESERVED, seconds=0.0),)
    assert reservation.resumed(SLOT, at(0)) == ()


def test_it_is_ended_by_its_user_and_by_who_may() -> None:
    slot = reserved()
    with refused(ErrorCode.PERMISSION_DENIED):
        reservation.end(slot, "op34", anybodys=False, now=at(5))
    for user, anybodys in (("op12", False), ("boss", True)):
        [event] = reservation.end(slot, user, anybodys=anybodys, now=at(5)).events
        assert event == SlotReservationEnded(slot=1, at=at(5).at, user="op12", by=user)
    with refused(ErrorCode.NOT_FOUND):
        reservation.end(SLOT, "op12", anybodys=True, now=at(5))
