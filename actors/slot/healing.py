"""What is done about a slot's phone that is not well, on the slot's record: it passes the slot's own inbox, so that
nothing of it comes between a call that has just been given the slot and its order to dial. Pure.

Which of it is due `actors/healing/` says.
"""

from msgspec import Struct

from actors.runtime.clock import Moment
from actors.runtime.commands import Order
from actors.runtime.decision import Effect, SetTimer
from actors.slot.hindrance import busy
from actors.slot.machine import (
    REBOOT_LIMIT,
    REBOOTED,
    RESTART_LIMIT,
    RESTARTED,
    RebootPhone,
    Reconnect,
    SlotDecision,
)
from actors.slot.phone import NO_ANSWER, Trouble
from actors.slot.record import Slot, SlotMemory, holder
from actors.telephony.reports import Link
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.names import SYSTEM
from bus_schemas.slot import SlotEvent, SlotRestarting, SlotStatus
from bus_schemas.slot_health import (
    ENDS_CALLS,
    Condition,
    Rung,
    SlotConditionsChanged,
    SlotHealed,
    SlotQuarantined,
    SlotReleased,
    Symptom,
)

OF_TROUBLE = {
    Trouble.HANG_UP: Symptom.CANNOT_HANG_UP,
    Trouble.SIM: Symptom.ASKS_SIM,
    Trouble.APP: Symptom.ASKS_APP,
}
CHARGE_HELD = "charge_held"  # a condition that no figure makes
AWAY = (Symptom.ABSENT, Symptom.OFFLINE)
SMALLEST_HUB = 3  # phones: one with fewer that are all away may have lost each by itself
OF_LINK = {Link.UNAUTHORIZED: Symptom.UNAUTHORIZED, Link.ABSENT: Symptom.ABSENT}


class Reopen(Effect, frozen=True, kw_only=True):
    """Open anew whatever this host has open to the phone."""


class Heal(Order[None], frozen=True, kw_only=True):
    """Do this about the phone, unless somebody holds the slot."""

    symptom: Symptom
    rung: Rung
    dry_run: bool = False


class GiveUpOn(Order[None], frozen=True, kw_only=True):
    """Nothing more is done about it, and nothing with it."""

    symptom: Symptom
    reason: str
    to_do: str
    dry_run: bool = False


class UseAgain(Order[None], frozen=True, kw_only=True):
    """It is well: its quarantine is over."""


class NoteConditions(Order[None], frozen=True, kw_only=True):
    """How the phone is, whole."""

    conditions: tuple[Condition, ...]


class HoldCharge(Order[None], frozen=True, kw_only=True):
    """Its port is off so that its battery is not kept full: `words` say it; empty: no longer."""

    words: str


class Vitals(Struct, frozen=True, kw_only=True):
    """What is wrong with a phone now. `pending`: it is being restarted, or nobody knows. `in_call`: it is in a call, or
    was when it was last heard of."""

    symptom: Symptom | None
    pending: bool
    held: bool
    in_call: bool


def vitals(slot: Slot, live: SlotMemory) -> Vitals:
    """How the phone is, by what its slot knows."""
    restarting = slot.status in (SlotStatus.RESTARTING, SlotStatus.REBOOTING)
    return Vitals(
        symptom=_symptom(slot, live),
        pending=restarting or live.link is Link.UNKNOWN,
        held=holder(slot, live) is not None,
        in_call=bool(live.up) or live.unsure is not None,
    )


def _symptom(slot: Slot, live: SlotMemory) -> Symptom | None:
    if live.link is Link.OFFLINE:
        return Symptom.SILENT if live.detail == NO_ANSWER else Symptom.OFFLINE
    if live.link in OF_LINK:
        return OF_LINK[live.link]
    if slot.status is not SlotStatus.ONLINE:
        return Symptom.MUTE
    return next((OF_TROUBLE[trouble] for trouble in live.troubles if trouble in OF_TROUBLE), None)


def heal(slot: Slot, live: SlotMemory, order: Heal, now: Moment) -> SlotDecision:
    """Raises Refusal where somebody holds the slot, or it would end a call that nobody here knows."""
    if (held := holder(slot, live)) is not None:
        raise busy(slot, held)
    if order.rung in ENDS_CALLS and (live.up or live.unsure is not None):
        raise Refusal(ErrorCode.SLOT_BUSY, "The phone may be in a call.", slot=slot.config.id)
    healed = SlotHealed(
        slot=slot.config.id, at=now.at, symptom=order.symptom, rung=order.rung, dry_run=order.dry_run
    )
    if order.dry_run:
        return SlotDecision(events=(healed,))
    events, effects = _carried_out(slot, order.rung, now)
    return SlotDecision(events=(healed, *events), effects=effects)


def _carried_out(slot: Slot, rung: Rung, now: Moment) -> tuple[tuple[SlotEvent, ...], tuple[Effect, ...]]:
    def restarting(status: SlotStatus) -> tuple[SlotRestarting]:
        return (SlotRestarting(slot=slot.config.id, at=now.at, status=status, by=SYSTEM),)

    match rung:
        case Rung.RECONNECT:
            return (), (Reopen(),)
        case Rung.ADB_RECONNECT:
            timer = SetTimer(name=RESTARTED, seconds=RESTART_LIMIT)
            return restarting(SlotStatus.RESTARTING), (Reconnect(), timer)
        case Rung.PORT_POWER:  # its host has done it just now: it is a hub's, not a phone's
            timer = SetTimer(name=RESTARTED, seconds=RESTART_LIMIT)
            return restarting(SlotStatus.RESTARTING), (timer,)
        case Rung.REBOOT:
            timer = SetTimer(name=REBOOTED, seconds=REBOOT_LIMIT)
            return restarting(SlotStatus.REBOOTING), (RebootPhone(), timer)


def give_up_on(slot: Slot, live: SlotMemory, order: GiveUpOn, now: Moment) -> SlotDecision:
    """Raises Refusal where somebody holds the slot."""
    if (held := holder(slot, live)) is not None:
        raise busy(slot, held)
    if slot.quarantine is not None:
        return SlotDecision()
    event = SlotQuarantined(
        slot=slot.config.id, at=now.at, symptom=order.symptom, reason=order.reason, to_do=order.to_do,
        dry_run=order.dry_run,
    )  # fmt: skip
    return SlotDecision(events=(event,))


def use_again(slot: Slot, now: Moment) -> SlotDecision:
    """Its quarantine is over, if it is in one."""
    return SlotDecision(events=(SlotReleased(slot=slot.config.id, at=now.at),) if slot.quarantine is not None else ())


def note_conditions(slot: Slot, order: NoteConditions, now: Moment) -> SlotDecision:
    """On record, where they are others than before. Whether its charge is held is not theirs to say."""
    others = tuple(one for one in order.conditions if one.name != CHARGE_HELD)
    held = charge_held(slot)
    return _changed(slot, others if held is None else (*others, held), now)


def hold_charge(slot: Slot, live: SlotMemory, order: HoldCharge, now: Moment) -> SlotDecision:
    """Raises Refusal where somebody holds the slot, or its phone is in a call."""
    others = tuple(one for one in slot.conditions if one.name != CHARGE_HELD)
    if not order.words:
        return _changed(slot, others, now)
    if (held := holder(slot, live)) is not None:
        raise busy(slot, held)
    if live.up or live.unsure is not None:
        raise Refusal(ErrorCode.SLOT_BUSY, "The phone may be in a call.", slot=slot.config.id)
    return _changed(slot, (*others, Condition(name=CHARGE_HELD, words=order.words, since=now.at)), now)


def charge_held(slot: Slot) -> Condition | None:
    """Of a slot whose port is off for its phone's battery."""
    return next((one for one in slot.conditions if one.name == CHARGE_HELD), None)


def _changed(slot: Slot, conditions: tuple[Condition, ...], now: Moment) -> SlotDecision:
    if slot.conditions == conditions:
        return SlotDecision()
    return SlotDecision(events=(SlotConditionsChanged(slot=slot.config.id, at=now.at, conditions=conditions),))
