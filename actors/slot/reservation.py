"""Somebody keeps a slot for work by hand, for a while: others' calls, scripts and taps find it busy. Pure.

It is a lease: it runs out by itself, by the journal's clock, and nothing needs to be told for that. Who holds it renews
it by asking again.
"""

from datetime import timedelta

from actors.runtime.clock import Moment, parse_utc, utc
from actors.runtime.commands import Order
from actors.runtime.decision import CancelTimer, Effect, SetTimer
from actors.slot.hindrance import busy
from actors.slot.machine import SlotDecision
from actors.slot.record import RESERVED, Slot, SlotMemory, holders_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.names import SYSTEM
from bus_schemas.slot import SlotReservationEnded, SlotReserved

NOT_RESERVED = RefusalTemplate(ErrorCode.NOT_FOUND, "The slot is not reserved.")


class GiveBack(Order[None], frozen=True, kw_only=True):
    """End it, if it is this user's, who has no account any more."""

    user: str


def reserve(
    slot: Slot, live: SlotMemory, user: str, *, minutes: int, most: int, any_slot: bool, now: Moment
) -> SlotDecision:
    """Keep it from now on for so many minutes, `most` at most. Raises Refusal."""
    if minutes > most:
        raise misfit("minutes", f"a slot is reserved for {most} minutes at most here.", most=most)
    if slot.config.user not in (None, user) and not any_slot:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "The slot belongs to somebody else.", slot=slot.config.id)
    for held in holders_of(slot, live).values():
        if held.user != user:
            raise busy(slot, held)
    until = utc(parse_utc(now.at) + timedelta(minutes=minutes))
    event = SlotReserved(slot=slot.config.id, at=now.at, user=user, until=until)
    return SlotDecision(events=(event,), effects=(SetTimer(name=RESERVED, seconds=60.0 * minutes),))


def end(slot: Slot, user: str, *, anybodys: bool, now: Moment) -> SlotDecision:
    """It is over. `anybodys`: this user may end others', too. Raises Refusal."""
    reserved = slot.reservation
    if reserved is None:
        raise NOT_RESERVED()
    if reserved.user != user and not anybodys:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "Somebody else has reserved the slot.", slot=slot.config.id)
    event = SlotReservationEnded(slot=slot.config.id, at=now.at, user=reserved.user, by=user)
    return SlotDecision(events=(event,), effects=(CancelTimer(name=RESERVED),))


def given_back(slot: Slot, user: str, now: Moment) -> SlotDecision:
    """Whoever has it is no longer there."""
    reserved = slot.reservation
    if reserved is None or reserved.user != user:
        return SlotDecision()
    event = SlotReservationEnded(slot=slot.config.id, at=now.at, user=user, by=SYSTEM)
    return SlotDecision(events=(event,), effects=(CancelTimer(name=RESERVED),))


def run_out(slot: Slot, now: Moment) -> SlotDecision:
    """Its time may be over."""
    reserved = slot.reservation
    if reserved is None:
        return SlotDecision()
    left = _left(reserved.until, now)
    if left > 0:  # it was renewed, or the clock was set back
        return SlotDecision(effects=(SetTimer(name=RESERVED, seconds=left),))
    event = SlotReservationEnded(slot=slot.config.id, at=now.at, user=reserved.user, by=None)
    return SlotDecision(events=(event,))


def resumed(slot: Slot, now: Moment) -> tuple[Effect, ...]:
    """What a new owner does for it."""
    reserved = slot.reservation
    return (SetTimer(name=RESERVED, seconds=max(_left(reserved.until, now), 0.0)),) if reserved is not None else ()


def _left(until: str, now: Moment) -> float:
    """Seconds."""
    return (parse_utc(until) - parse_utc(now.at)).total_seconds()
