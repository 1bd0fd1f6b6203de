"""USB hubs over HTTP, and what Socket.IO clients hear of one."""

from msgspec import Struct

from bus_schemas.slot import HubName
from bus_schemas.usb import (
    GET_HUB,
    HUB,
    HUB_FOUND,
    HUB_LOST,
    LIST_HUBS,
    PORT_CHANGED,
    PORT_SWITCHED,
    POWER_PORT,
    HubFound,
    HubLost,
    HubUpdate,
    PortChanged,
)
from gateway.routes import Part, Room, Route, shared_fields

P = Part

# fmt: off
ROUTES = (
    #     method   path                                       contract    status part
    Route("GET",  "/api/monitor/usb",                         LIST_HUBS,  200, P.OTTB, costly=True),
    Route("GET",  "/api/monitor/usb/{hub}",                   GET_HUB,    200, P.OTTB, costly=True),
    Route("POST", "/api/monitor/usb/{hub}/ports/{port}/power", POWER_PORT, 200, P.OTTB, True),
)
# fmt: on


def present(event: Struct) -> HubUpdate:
    """What an event says of a hub."""
    fields = shared_fields(event, HubUpdate)
    match event:
        case HubFound():
            return HubUpdate(**fields, change="found")
        case HubLost():
            return HubUpdate(**fields, change="lost")
        case PortChanged():
            return HubUpdate(**fields, change="port_changed")
    return HubUpdate(**fields, change="switched")


ROOM = Room(
    HUB, HubUpdate, (HUB_FOUND, HUB_LOST, PORT_CHANGED, PORT_SWITCHED), present, narrows=(("hub", HubName),)
)
