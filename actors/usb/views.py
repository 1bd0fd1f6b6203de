"""How hubs are shown, and to whom. Pure."""

from collections.abc import Callable, Collection

from actors.usb.port_map import HubNow, PortNow
from bus_schemas.permissions import Action
from bus_schemas.slot import SLOT, SlotConfig
from bus_schemas.usb import HubDetails, PhoneOnPort, PortDetails

IsOff = Callable[[PortNow], bool | None]  # whether its power is off; None: it cannot be switched


def details(hub: HubNow, host: str, is_off: IsOff, user: str, actions: Collection[str]) -> HubDetails:
    """A hub with its ports; what a slot's phone is only for those who see that slot."""
    return HubDetails(
        hub=hub.name, host=host, online=hub.online, total=len(hub.ports), plugged=hub.plugged, paths=hub.paths,
        chips=len(hub.chips), mapped=hub.mapped, switching=hub.switching,
        ports=tuple(_port(port, is_off(port), user, actions) for port in hub.ports),
    )  # fmt: skip


def phone(port: PortNow) -> PhoneOnPort:
    """What is on a port, for who may cut it off."""
    slot = port.slot.id if port.slot is not None else None
    return PhoneOnPort(port=port.port, way=port.way, state=port.state, serial=port.serial, slot=slot)


def _port(port: PortNow, off: bool | None, user: str, actions: Collection[str]) -> PortDetails:
    seen, device = _sees(port.slot, user, actions), port.device
    return PortDetails(
        port=port.port, way=port.way, state=port.state, switchable=off is not None, off=bool(off),
        place=device.path if device is not None else None,
        speed=device.speed if device is not None else None,
        power=device.power if device is not None else None,
        adb=device.adb if device is not None else None,
        serial=port.serial if seen else None,
        product=device.product if device is not None and seen else None,
        slot=port.slot.id if port.slot is not None and seen else None,
    )  # fmt: skip


def _sees(slot: SlotConfig | None, user: str, actions: Collection[str]) -> bool:
    """A phone without a slot is for who sees all of them."""
    if slot is None:
        return Action.SLOT_VIEW_ANY in actions
    return Action.SLOT_VIEW in actions and SLOT.visible(slot.user, user=user, actions=actions)
