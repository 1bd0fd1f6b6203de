"""Which ports lose their power when one is switched off, and why one cannot be. Pure."""

from collections.abc import Callable

from actors.usb.port_map import HubNow, PortNow
from actors.usb.topology import above
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.usb import Switching

NO_PORT = RefusalTemplate(ErrorCode.NOT_FOUND, "The hub has no such port.")
NOT_PLUGGED = RefusalTemplate(ErrorCode.CONFLICT, "The hub is not plugged in here.")
NOT_TRIED = RefusalTemplate(
    ErrorCode.CONFLICT,
    "The settings do not say that this hub's ports can be switched: see `switching` in docs/hubs.md.",
)
NO_SWITCH = RefusalTemplate(ErrorCode.CONFLICT, "The port cannot be switched from here.")
CARRIES_CHIP = RefusalTemplate(
    ErrorCode.CONFLICT, "The port has its power together with another chip of the hub, which would go with it."
)


def cut_off(hub: HubNow, number: int, is_off: Callable[[PortNow], bool | None]) -> tuple[PortNow, ...]:
    """The ports that are switched with a printed port. `is_off` None: a port cannot be switched. Raises Refusal."""
    wanted = next((port for port in hub.ports if port.port == number), None)
    if wanted is None:
        raise NO_PORT(hub=hub.name, port=number)
    if not hub.plugged:
        raise NOT_PLUGGED(hub=hub.name)
    if hub.switching is Switching.NONE:
        raise NOT_TRIED(hub=hub.name)
    chip = above(hub.place(wanted.way))
    ganged = hub.switching is Switching.GANGED
    if ganged and any(above(other) == chip for other in hub.chips if other != hub.path):
        raise CARRIES_CHIP(hub=hub.name, port=number)
    ports = tuple(one for one in hub.ports if above(hub.place(one.way)) == chip) if ganged else (wanted,)
    if any(is_off(one) is None for one in ports):
        raise NO_SWITCH(hub=hub.name, port=number)
    return ports
