"""What stands in the way of a call on a slot, and the troubles that a phone can be in. Pure."""

from msgspec.structs import replace

from actors.slot.phone import Trouble
from actors.slot.record import Slot, SlotMemory, holder
from actors.telephony.reports import WORDS, Look
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import SlotStatus


def may_be_used(slot: Slot | None, live: SlotMemory) -> bool:
    """Whether a call could start here now."""
    return slot is not None and hindrance_of(slot, live) is None


def can_call(sim: str) -> bool:
    """Whether one of a phone's SIMs can be used, by their states as Android names them."""
    return not {"READY", "LOADED"}.isdisjoint(state.strip(" []") for state in sim.split(","))


def hindrance_of(slot: Slot, live: SlotMemory) -> Refusal | None:
    """Why no call can start here now."""
    if slot.removed:
        return Refusal(ErrorCode.NOT_FOUND, "No such slot.")
    if holder(slot, live) is not None:
        return Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.", slot=slot.config.id)
    if slot.status is not SlotStatus.ONLINE:
        return Refusal(
            ErrorCode.SLOT_OFFLINE, "The slot's phone cannot be reached.", slot=slot.config.id, status=slot.status
        )
    if live.unsure is not None:
        return Refusal(ErrorCode.SLOT_BUSY, "The phone is being asked about its last call.", slot=slot.config.id)
    if live.up:
        held = live.troubles.get(Trouble.HELD)
        message = f"The phone is in a call of its own{f': {held}' if held else ''}."
        return Refusal(ErrorCode.SLOT_BUSY, message, slot=slot.config.id)
    if live.trouble:
        message = f"The phone must not be dialled with: {live.trouble}."
        return Refusal(ErrorCode.CALL_FAILED, message, slot=slot.config.id)
    if live.health.sim is not None and not can_call(live.health.sim):
        return Refusal(ErrorCode.CALL_FAILED, "The phone has no usable SIM.", slot=slot.config.id, sim=live.health.sim)
    if live.health.in_service is False:
        return Refusal(ErrorCode.CALL_FAILED, "The phone has no voice network.", slot=slot.config.id)
    return None


def in_trouble(live: SlotMemory, trouble: Trouble, words: str) -> SlotMemory:
    """It is in this trouble, or (no words) no longer."""
    others = {one: said for one, said in live.troubles.items() if one is not trouble}
    return replace(live, troubles={**others, trouble: words[:WORDS]} if words else others)


def held_for_nobody(slot: Slot, live: SlotMemory, look: Look) -> str:
    """Words about calls that nobody here holds the slot for, and that are all on hold: they may stay for ever."""
    if holder(slot, live) is not None or not look.live or not all(seen.held for seen in look.live):
        return ""
    names = ", ".join(seen.ref.rpartition("/")[2] for seen in look.live)
    return f"{Trouble.HELD.value} ({names}): end it on the phone's screen, or restart the phone"
