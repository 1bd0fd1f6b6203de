"""How the hubs of a host start."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from actors.runtime.host import Host
from actors.runtime.parts import HostParts
from actors.runtime.service import serve
from actors.slot.settings import Hub
from actors.usb.actor import HubsActor
from actors.usb.desk import Desk
from actors.usb.hubs import Hubs, Listed
from actors.usb.port import Usb
from actors.usb.series import of_hubs
from actors.usb.switching import Switches
from bus_schemas.usb import GET_HUB, HUBS_ON_HOST, LIST_HUBS, POWER_ON_HOST, POWER_PORT


async def start(
    parts: HostParts, stack: AsyncExitStack, *, settings: Mapping[str, Hub], usb: Usb | None, listed: Listed
) -> Hubs:
    """The hubs that the host is to know. `usb` None: its phones hang on no USB of its own. `listed`: what adb lists;
    None: it is away."""
    hubs = Hubs(host=parts.host, settings=settings, usb=usb, listed=listed)
    switches = Switches(host=parts.host, hubs=hubs)
    desk = Desk(parts=parts, hubs=hubs, switches=switches)

    def make(id: str, host: Host) -> HubsActor:
        return HubsActor(id=id, host=host, switch_on=switches.switch_on)

    parts.host.add_maker(HubsActor.made_by(make))
    parts.any_host.append(
        (serve(LIST_HUBS, desk.list_hubs), serve(GET_HUB, desk.get_hub), serve(POWER_PORT, desk.power_port))
    )
    parts.this_host.append(
        (serve(HUBS_ON_HOST, desk.hubs_on_host), serve(POWER_ON_HOST, desk.power_on_host))
    )
    parts.registries.append(hubs)
    parts.background.append(hubs.watch)
    parts.series.append(lambda: of_hubs(hub for hub in hubs.now() if hubs.are_here(hub)))
    return hubs
