"""A slot as its events and those of its calls tell it, and what its owner knows beside its record. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import parse_utc
from actors.slot.phone import Health, Trouble
from actors.telephony.line import CALL, Began, Held, Holder, LineState, OnRecord, Over, holders
from actors.telephony.reports import Link
from bus_schemas.names import SYSTEM
from bus_schemas.slot import (
    SlotActivated,
    SlotCommandDone,
    SlotCommandStarted,
    SlotConfig,
    SlotConfigured,
    SlotEvent,
    SlotLinked,
    SlotRemoved,
    SlotReservationEnded,
    SlotReserved,
    SlotRestarting,
    SlotStatus,
)
from bus_schemas.slot_health import (
    Condition,
    Quarantine,
    Rung,
    SlotConditionsChanged,
    SlotHealed,
    SlotQuarantined,
    SlotReleased,
)

RESERVED = "reservation"  # the kind of holder that it is, and its timer
FROM_FILE = "config"  # who configured a slot that stands in the settings file

EVENT_NAMES: Mapping[type, str] = {
    Began: "call.start",
    Over: "call.end",
    SlotConfigured: "slot.configured",
    SlotRestarting: "slot.restart",
    SlotCommandStarted: "adb.command",
    SlotCommandDone: "adb.done",
    SlotReserved: "slot.reserve",
    SlotReservationEnded: "slot.reservation_end",
    SlotHealed: "slot.heal",
    SlotQuarantined: "slot.quarantine",
    SlotReleased: "slot.use_again",
}


class Reservation(Struct, frozen=True, kw_only=True):
    """Who keeps the slot for work by hand, and until when. `leases`: for what, if not for work by hand alone."""

    user: str
    until: str
    leases: Mapping[str, str] = {}


class Healed(Struct, frozen=True, kw_only=True):
    """Something that was done about the phone, and when."""

    rung: Rung
    at: str


class Slot(LineState, frozen=True, kw_only=True):
    """One slot as its events, and those of its calls, tell it."""

    config: SlotConfig
    from_file: SlotConfig | None = None
    removed: bool = False
    status: SlotStatus = SlotStatus.UNKNOWN
    detail: str = ""
    last_event: str | None = None
    last_activity: str | None = None
    last_used: str = ""
    commands: tuple[str, ...] = ()
    reservation: Reservation | None = None
    healed: tuple[Healed, ...] = ()  # of the last day
    quarantine: Quarantine | None = None
    conditions: tuple[Condition, ...] = ()


class SlotMemory(Struct, frozen=True, kw_only=True):
    """What this owner knows. `held`: starts under way. `up`: every call on the phone, by its name there, and `ours`:
    the name of the one that is ours; `ref`: the newest call it knows. `told`: when it last told of a call. `unsure`:
    since when our call is over on record, while the phone may still be in it; it is being asked. Seconds, monotonic.
    `health_at`: when the phone's figures were read. `troubles`: why the phone must not be dialled with, in words, as
    was told of this connection to it. `hold_seen`: when it was looked at last since a call went on or off hold."""

    link: Link = Link.UNKNOWN
    health: Health = Health()
    health_at: str | None = None
    held: Held = {}
    up: Mapping[str, bool] = {}  # incoming?
    ours: str | None = None
    ref: str | None = None
    told: float = 0.0
    unsure: float | None = None
    troubles: Mapping[Trouble, str] = {}
    detail: str = ""  # of the link, in words
    hold_seen: float = -inf

    @property
    def trouble(self) -> str:
        """Why the phone must not be dialled with, for people; empty: it may."""
        return "; ".join(self.troubles.values())


def holders_of(slot: Slot, live: SlotMemory) -> Mapping[str, Holder]:
    """All who hold the slot's phone now, by id; who reserved it last."""
    held, kept = holders(slot.calls, live.held), kept_by(slot)
    return held if kept is None else {**held, kept.id: kept}


def _reserved(event: SlotReserved | SlotReservationEnded) -> Reservation | None:
    if isinstance(event, SlotReservationEnded):
        return None
    return Reservation(user=event.user, until=event.until, leases=event.leases)


def kept_by(slot: Slot) -> Holder | None:
    """Who keeps the slot for work by hand."""
    kept = slot.reservation
    return Holder(id=RESERVED, user=kept.user, slot=slot.config.id, kind=RESERVED) if kept is not None else None


def holder(slot: Slot, live: SlotMemory) -> Holder | None:
    """Who holds the slot's phone now; of several, whoever works inside another is the other's affair."""
    return next((one for one in holders_of(slot, live).values() if one.inside is None), None)


def call_of(slot: Slot, live: SlotMemory) -> Holder | None:
    """The call that holds the slot now: of the phone, or in one of its apps."""
    return next((one for one in holders_of(slot, live).values() if one.kind == CALL), None)


def dialler(slot: Slot, live: SlotMemory) -> Holder | None:
    """The call of the phone itself that holds the slot now."""
    return next((one for one in holders_of(slot, live).values() if one.dials), None)


def external(slot: Slot, live: SlotMemory) -> bool:
    """Whether the phone is in a call that is not ours. While ours has no name there yet, one that goes out may be
    it."""
    others = {ref: incoming for ref, incoming in live.up.items() if ref != live.ours}
    if live.ours is None and dialler(slot, live) is not None:
        return any(others.values())
    return bool(others)


# --- evolve -----------------------------------------------------------------------------------------------------


def evolve(slot: Slot | None, event: SlotEvent | Began | Over) -> Slot | None:
    """The slot after an event of its own or of one of its calls."""
    if isinstance(event, SlotConfigured):
        return _configured(slot, event)
    if slot is None:
        return None
    changed = _changed(slot, event)
    if isinstance(event, SlotActivated | SlotLinked | SlotConditionsChanged):
        return changed
    at = event.at.at if isinstance(event, Began) else event.at
    return replace(changed, last_activity=at, last_event=_event_name(event) or slot.last_event)


def _event_name(event: SlotEvent | Began | Over) -> str | None:
    if isinstance(event, SlotRestarting) and event.status is SlotStatus.REBOOTING:
        return "slot.reboot"
    return EVENT_NAMES.get(type(event))


def _changed(slot: Slot, event: SlotEvent | Began | Over) -> Slot:
    match event:
        case Began():
            return replace(slot, calls=slot.calls.after(event), last_used=event.at.at)
        case Over():
            return replace(slot, calls=slot.calls.after(event))
        case SlotActivated():
            return replace(slot, status=SlotStatus.UNKNOWN, detail="")
        case SlotLinked():
            name = "slot.online" if event.status is SlotStatus.ONLINE else "slot.offline"
            return replace(slot, status=event.status, detail=event.detail, last_event=name, last_activity=event.at)
        case SlotRestarting():
            left_alone = slot.quarantine if event.by == SYSTEM else None  # whoever restarts it has been there
            return replace(slot, status=event.status, detail="", quarantine=left_alone)
        case SlotCommandStarted():
            return replace(slot, commands=(*slot.commands, event.command_id))
        case SlotCommandDone():
            return replace(slot, commands=tuple(id for id in slot.commands if id != event.command_id))
        case SlotRemoved():
            return replace(slot, removed=True, reservation=None)
        case SlotReserved() | SlotReservationEnded():
            return replace(slot, reservation=_reserved(event))
        case SlotHealed() | SlotQuarantined() | SlotReleased() | SlotConditionsChanged():
            return _looked_after(slot, event)
        case SlotConfigured():
            return slot  # handled by evolve


def _looked_after(
    slot: Slot, event: SlotHealed | SlotQuarantined | SlotReleased | SlotConditionsChanged
) -> Slot:
    match event:
        case SlotHealed(dry_run=False):
            day = parse_utc(event.at) - timedelta(days=1)
            lately = tuple(one for one in slot.healed if parse_utc(one.at) > day)
            return replace(slot, healed=(*lately, Healed(rung=event.rung, at=event.at)))
        case SlotQuarantined(dry_run=False):
            return replace(slot, quarantine=event.quarantine)
        case SlotReleased():
            return replace(slot, quarantine=None)
        case SlotConditionsChanged():
            return replace(slot, conditions=event.conditions)
    return slot


def _configured(slot: Slot | None, event: SlotConfigured) -> Slot:
    from_file = event.config if event.by == FROM_FILE else (slot.from_file if slot else None)
    if slot is None or slot.removed:
        kept = slot.calls if slot is not None else OnRecord()
        return Slot(
            config=event.config, from_file=from_file, last_activity=event.at, last_event="slot.configured", calls=kept
        )
    same_phone = slot.config.place == event.config.place
    return replace(
        slot,
        config=event.config,
        from_file=from_file,
        status=slot.status if same_phone else SlotStatus.UNKNOWN,
        quarantine=slot.quarantine if same_phone else None,
        conditions=slot.conditions if same_phone else (),
        healed=slot.healed if same_phone else (),
        last_activity=event.at,
        last_event="slot.configured",
    )
