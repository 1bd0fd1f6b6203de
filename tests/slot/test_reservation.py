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


def reserved(
    slot: Slot = SLOT, user: str = "op12", minutes: int = 10, now: float = 0.0, lease: str = "", any_slot: bool = False
) -> Slot:
    decision = reservation.reserve(
        slot, LIVE, user, minutes=minutes, most=60, any_slot=any_slot, now=at(now), lease=lease
    )
    [event] = decision.events
    assert isinstance(event, SlotReserved)
    left = reservation._left(event.until, at(now))
    assert decision.effects == (SetTimer(name=record.RESERVED, seconds=left),) and left >= 60.0 * minutes
    after = record.evolve(slot, event)
    assert after is not None
    return after


def leases(slot: Slot | None) -> dict[str, str]:
    """Seconds after midnight, of what it is kept for."""
    assert slot is not None and slot.reservation is not None
    assert slot.reservation.until == max((slot.reservation.leases or {"": slot.reservation.until}).values())
    return {lease: until[11:19] for lease, until in slot.reservation.leases.items()}


def test_it_lasts_until_the_last_thing_that_its_user_does_there_is_over() -> None:
    slot = after = reserved(lease="one", minutes=5)
    for lease, minutes in (("two", 30), ("", 10), ("two", 20)):
        after = reserved(after, lease=lease, minutes=minutes, now=60.0)
    assert leases(slot) == {"one": "00:05:00"}
    assert leases(after) == {"one": "00:05:00", "two": "00:21:00", "": "00:11:00"}
    for lease, left in (("two", {"one", ""}), ("one", {""})):
        [event] = (decision := reservation.end(after, "op12", anybodys=False, now=at(120), lease=lease)).events
        next = record.evolve(after, event)
        assert next is not None and isinstance(event, SlotReserved) and event.user == "op12"
        assert {*(event.leases or {""})} == left
        assert decision.effects == (SetTimer(name=record.RESERVED, seconds=540.0),)
        after = next
        with refused(ErrorCode.NOT_FOUND):
            reservation.end(after, "op12", anybodys=False, now=at(120), lease=lease)
    [over] = reservation.end(after, "op12", anybodys=False, now=at(120), lease="").events
    assert isinstance(over, SlotReservationEnded)


def test_all_of_it_is_over_where_no_lease_is_named_or_others_have_run_out() -> None:
    slot = reserved(reserved(lease="one", minutes=5), lease="two", minutes=30)
    for now, lease in ((60, None), (400, "two")):
        [over] = reservation.end(slot, "op12", anybodys=False, now=at(now), lease=lease).events
        assert isinstance(over, SlotReservationEnded)
    with refused(ErrorCode.PERMISSION_DENIED):
        reservation.end(slot, "op34", anybodys=False, now=at(60), lease="two")
    with refused(ErrorCode.SLOT_BUSY):
        reserved(slot, "op34", lease="two")


def test_leases_are_bounded() -> None:
    slot = reserved(lease="0")
    for number in range(1, reservation.MOST_LEASES):
        slot = reserved(slot, lease=str(number))
    with refused(ErrorCode.RATE_LIMITED):
        reserved(slot, lease="x")
    assert leases(reserved(slot, lease="7", now=60.0))["7"] == "00:11:00"
    assert leases(reserved(slot, lease="x", now=3600.0)) == {"x": "01:10:00"}  # the others have run out


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
