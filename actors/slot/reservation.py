"""Somebody keeps a slot for work by hand, for a while: others' calls, scripts and taps find it busy. Pure.

It runs out by itself, by the journal's clock, and nothing needs to be told for that. Who holds it renews it by asking
again. One user may do several things there at once, steps of pipelines beside work by hand: each has a lease of its
own, and the slot is kept until the last one is over.
"""

from collections.abc import Mapping
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

MOST_LEASES = 10  # each stands in every event of the reservation
BY_HAND = ""  # the lease of who names none
NOT_RESERVED = RefusalTemplate(ErrorCode.NOT_FOUND, "The slot is not reserved.")


class GiveBack(Order[None], frozen=True, kw_only=True):
    """End it, if it is this user's, who has no account any more."""

    user: str


def reserve(
    slot: Slot, live: SlotMemory, user: str, *, minutes: int, most: int, any_slot: bool, now: Moment,
    lease: str = BY_HAND,
) -> SlotDecision:  # fmt: skip
    """Keep it from now on for so many minutes, `most` at most. Raises Refusal."""
    if minutes > most:
        raise misfit("minutes", f"a slot is reserved for {most} minutes at most here.", most=most)
    if slot.config.user not in (None, user) and not any_slot:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "The slot belongs to somebody else.", slot=slot.config.id)
    for held in holders_of(slot, live).values():
        if held.user != user:
            raise busy(slot, held)
    leases = {**_leases(slot, now), lease: utc(parse_utc(now.at) + timedelta(minutes=minutes))}
    if len(leases) > MOST_LEASES:
        message = f"The slot is kept for {MOST_LEASES} things at once already."
        raise Refusal(ErrorCode.RATE_LIMITED, message, slot=slot.config.id)
    return _kept(slot, user, leases, now)


def _leases(slot: Slot, now: Moment) -> dict[str, str]:
    """For what it is kept now, and until when."""
    kept = slot.reservation
    if kept is None:
        return {}
    return {lease: until for lease, until in (kept.leases or {BY_HAND: kept.until}).items() if _left(until, now) > 0}


def _kept(slot: Slot, user: str, leases: Mapping[str, str], now: Moment) -> SlotDecision:
    until = max(leases.values(), key=parse_utc)
    said = {} if leases.keys() == {BY_HAND} else dict(leases)
    event = SlotReserved(slot=slot.config.id, at=now.at, user=user, until=until, leases=said)
    return SlotDecision(events=(event,), effects=(SetTimer(name=RESERVED, seconds=_left(until, now)),))


def end(slot: Slot, user: str, *, anybodys: bool, now: Moment, lease: str | None = None) -> SlotDecision:
    """It is over, or one lease of it is. `anybodys`: this user may end others', too. Raises Refusal."""
    reserved = slot.reservation
    if reserved is None:
        raise NOT_RESERVED()
    if reserved.user != user and not anybodys:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "Somebody else has reserved the slot.", slot=slot.config.id)
    if lease is not None:
        leases = _leases(slot, now)
        if leases.pop(lease, None) is None:
            raise NOT_RESERVED()
        if leases:
            return _kept(slot, reserved.user, leases, now)
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
