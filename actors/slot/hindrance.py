"""What stands in the way of a call on a slot, and the troubles that a phone can be in. Pure."""

from msgspec.structs import replace

from actors.slot.phone import Trouble
from actors.slot.record import RESERVED, Slot, SlotMemory, dialler, holders_of
from actors.telephony.line import CALL, Holder
from actors.telephony.reports import WORDS, Look
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import SlotStatus

# Kinds of holders that no work goes on in: they keep the slot for one user, whose calls and runs begin there.
KEEPS_OTHERS_OUT = frozenset({RESERVED})


def may_be_used(slot: Slot | None, live: SlotMemory) -> bool:
    """Whether a call could start here now."""
    return slot is not None and hindrance_of(slot, live) is None


def can_call(sim: str) -> bool:
    """Whether one of a phone's SIMs can be used, by their states as Android names them."""
    return not {"READY", "LOADED"}.isdisjoint(state.strip(" []") for state in sim.split(","))


def in_the_way(slot: Slot, live: SlotMemory, wanted: Holder | None = None) -> Holder | None:
    """Who holds the slot so that one more cannot: everybody but what that one works inside of, and what lets its own
    user in. None of `wanted`: for anything at all."""
    for held in holders_of(slot, live).values():
        if wanted is None or not (held.id == wanted.inside or lets_in(held, wanted)):
            return held
    return None


def lets_in(held: Holder, wanted: Holder) -> bool:
    """Whether a slot that is held so is free for this one all the same: the user who keeps others out."""
    return held.kind in KEEPS_OTHERS_OUT and held.user == wanted.user


def busy(slot: Slot, held: Holder, **details: object) -> Refusal:
    """The slot is held. A call needs no word, what else holds it has one: `held_by`, its kind."""
    if held.kind != CALL:
        details = {"held_by": held.kind, **details}
    return Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.", slot=slot.config.id, **details)


def hindrance_of(slot: Slot, live: SlotMemory, wanted: Holder | None = None) -> Refusal | None:
    """Why this cannot begin here now; `wanted` None: a call of just anybody's."""
    if slot.removed:
        return Refusal(ErrorCode.NOT_FOUND, "No such slot.")
    if (held := in_the_way(slot, live, wanted)) is not None:
        return busy(slot, held)
    if slot.status is not SlotStatus.ONLINE:
        return _out_of_reach(slot)
    if live.unsure is not None:
        return Refusal(ErrorCode.SLOT_BUSY, "The phone is being asked about its last call.", slot=slot.config.id)
    if live.up:
        words = live.troubles.get(Trouble.HELD)
        message = f"The phone is in a call of its own{f': {words}' if words else ''}."
        return Refusal(ErrorCode.SLOT_BUSY, message, slot=slot.config.id)
    if slot.quarantine is not None:
        return _out_of_reach(slot)
    return _cannot_call(slot, live) if wanted is None or wanted.dials else None


def _out_of_reach(slot: Slot) -> Refusal:
    message = "The slot's phone cannot be reached."
    if slot.quarantine is not None:
        message = f"The phone is in quarantine: {slot.quarantine.reason}. {slot.quarantine.to_do}"
    return Refusal(ErrorCode.SLOT_OFFLINE, message, slot=slot.config.id, status=slot.status)


def _cannot_call(slot: Slot, live: SlotMemory) -> Refusal | None:
    """Why the phone itself can make no call, whatever else it can."""
    if live.trouble:
        message = f"The phone must not be dialled with: {live.trouble}."
        return Refusal(ErrorCode.CALL_FAILED, message, slot=slot.config.id)
    if live.health.sim is not None and not can_call(live.health.sim):
        return Refusal(ErrorCode.CALL_FAILED, "The phone has no usable SIM.", slot=slot.config.id, sim=live.health.sim)
    if live.health.in_service is False:
        return Refusal(ErrorCode.CALL_FAILED, "The phone has no voice network.", slot=slot.config.id)
    for condition in slot.conditions:
        if condition.refuses_calls:
            message = f"The phone must not be dialled with: {condition.name}: {condition.words}."
            return Refusal(ErrorCode.CALL_FAILED, message, slot=slot.config.id)
    return None


def in_trouble(live: SlotMemory, trouble: Trouble, words: str) -> SlotMemory:
    """It is in this trouble, or (no words) no longer."""
    others = {one: said for one, said in live.troubles.items() if one is not trouble}
    return replace(live, troubles={**others, trouble: words[:WORDS]} if words else others)


def held_for_nobody(slot: Slot, live: SlotMemory, look: Look) -> str:
    """Words about calls that nobody here holds the slot for, and that are all on hold: they may stay for ever."""
    if dialler(slot, live) is not None or not look.live or not all(seen.held for seen in look.live):
        return ""
    names = ", ".join(seen.ref.rpartition("/")[2] for seen in look.live)
    return f"{Trouble.HELD.value} ({names}): end it on the phone's screen, or restart the phone"
