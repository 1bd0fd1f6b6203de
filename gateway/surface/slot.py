"""Slots over HTTP, and what Socket.IO clients hear of one.

A slot is in a call while the call on its phone is: that is derived from the call's events and tells who sees the slot
no more of the call than its id and whose it is.
"""


from msgspec import Struct

from bus_schemas.call import CALL_DIALING, CALL_ENDED, CallDialing, CallEnded
from bus_schemas.fields import SlotId
from bus_schemas.slot import (
    ADB_COMMAND,
    CONFIGURE_SLOT,
    END_RESERVATION,
    GET_ADB_COMMAND,
    GET_SLOT,
    LIST_SLOTS,
    LIST_UNASSIGNED,
    REBOOT_DEVICE,
    REMOVE_SLOT,
    RESERVE_SLOT,
    RESTART_SLOT,
    SLOT,
    SLOT_COMMAND_DONE,
    SLOT_COMMAND_STARTED,
    SLOT_CONDITIONS_CHANGED,
    SLOT_CONFIGURED,
    SLOT_HEALED,
    SLOT_LINKED,
    SLOT_QUARANTINED,
    SLOT_RELEASED,
    SLOT_REMOVED,
    SLOT_RESERVATION_ENDED,
    SLOT_RESERVED,
    SLOT_RESTARTING,
    SLOT_TELEMETRY,
    ListSlots,
    SlotChange,
    SlotCommandDone,
    SlotCommandStarted,
    SlotConfigured,
    SlotLinked,
    SlotRemoved,
    SlotReservationEnded,
    SlotReserved,
    SlotRestarting,
    SlotTelemetry,
    SlotUpdate,
)
from bus_schemas.slot_health import SlotConditionsChanged, SlotHealed, SlotQuarantined, SlotReleased
from gateway.routes import Listing, Part, Room, Route, shared_fields

P = Part

# fmt: off
ROUTES = (
    #     method    path                                          contract         status part
    Route("GET",    "/api/slots",                                 LIST_SLOTS,      200, P.OTTB),
    Route("POST",   "/api/slots",                                 CONFIGURE_SLOT,  200, P.OTTB, True),
    Route("GET",    "/api/slots/unassigned",                      LIST_UNASSIGNED, 200, P.OTTB),
    Route("GET",    "/api/slots/{slot}",                          GET_SLOT,        200, P.OTTB, light=True),
    Route("DELETE", "/api/slots/{slot}",                          REMOVE_SLOT,     200, P.OTTB),
    Route("POST",   "/api/slots/{slot}/restart",                  RESTART_SLOT,    202, P.OTTB, True),
    Route("POST",   "/api/slots/{slot}/reboot-device",            REBOOT_DEVICE,   202, P.OTTB, True),
    Route("POST",   "/api/slots/{slot}/adb-command",              ADB_COMMAND,     202, P.OTTB, True),
    Route("POST",   "/api/slots/{slot}/reservation",              RESERVE_SLOT,    200, P.OTTB, True),
    Route("DELETE", "/api/slots/{slot}/reservation",              END_RESERVATION, 200, P.OTTB),
    Route("GET",    "/api/slots/{slot}/adb-command/{command_id}", GET_ADB_COMMAND, 200, P.OTTB, light=True),
)
# fmt: on

CHANGE: dict[type[Struct], SlotChange] = {
    SlotRemoved: "removed",
    SlotLinked: "linked",
    SlotRestarting: "restarting",
    SlotCommandStarted: "command_started",
    SlotCommandDone: "command_done",
    SlotReserved: "reserved",
    SlotReservationEnded: "reservation_ended",
    SlotTelemetry: "telemetry",
    SlotHealed: "healed",
    SlotQuarantined: "quarantined",
    SlotReleased: "usable_again",
    SlotConditionsChanged: "conditions",
}


def present(event: Struct) -> SlotUpdate | None:
    """What an event says of a slot. None: nothing, as a call through a trunk."""
    match event:
        case CallDialing(trunk=None, slot=int() as slot):
            return SlotUpdate(slot=slot, at=event.at, change="booked", call_id=event.call_id, user=event.user)
        case CallEnded(trunk=None, slot=int() as slot):
            return SlotUpdate(slot=slot, at=event.at, change="released", call_id=None)
        case CallDialing() | CallEnded():
            return None
        case SlotConfigured():
            return SlotUpdate(**shared_fields(event, SlotUpdate), change="configured", call_id=None)
    fields = shared_fields(event, SlotUpdate)
    return SlotUpdate(**fields, id=fields["slot"], change=CHANGE[type(event)])


ROOM = Room(
    SLOT,
    SlotUpdate,
    (
        SLOT_CONFIGURED, SLOT_REMOVED, SLOT_LINKED, SLOT_RESTARTING, SLOT_COMMAND_STARTED, SLOT_COMMAND_DONE,
        SLOT_RESERVED, SLOT_RESERVATION_ENDED, SLOT_HEALED, SLOT_QUARANTINED, SLOT_RELEASED, SLOT_CONDITIONS_CHANGED,
        SLOT_TELEMETRY, CALL_DIALING, CALL_ENDED,
    ),
    present,
    narrows=(("slot", SlotId),),
    listing=Listing(
        rpc=LIST_SLOTS, page=lambda cursor: ListSlots(limit=1000, cursor=cursor), named={"slot": "id"}
    ),
)  # fmt: skip
