"""How the slots of a host start."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from actors.runtime.host import Host
from actors.runtime.parts import HostParts
from actors.runtime.service import serve
from actors.slot.actor import MakePhone, SlotActor
from actors.slot.left_behind import look_after
from actors.slot.registry import Device, SlotRegistry
from actors.slot.series import of_slots
from actors.slot.settings import Hub
from actors.slot.shell_bytes import ShellBytes
from actors.telephony.line import CallCounts
from bus_schemas.host import CONFIGURE_ON_HOST, REMOVE_ON_HOST, UNASSIGNED_ON_HOST
from bus_schemas.slot import CONFIGURE_SLOT, LIST_UNASSIGNED, REMOVE_SLOT, SlotConfig


async def start(
    parts: HostParts,
    stack: AsyncExitStack,
    *,
    configs: Iterable[SlotConfig],
    hubs: Mapping[str, Hub],
    counts: CallCounts,
    make_phone: MakePhone,
    devices: Callable[[], Iterable[Device]],
    longest_reservation: int,
) -> SlotRegistry:
    """The slots that the host is to own. `configs`: of the settings, `devices`: every phone that is seen from here.
    `longest_reservation`: minutes."""
    shell_bytes = ShellBytes(parts.host.clock.monotonic)
    registry = SlotRegistry(host=parts.host, from_file=configs, devices=devices, hubs=hubs, peers=parts.peers)

    def make(id: str, host: Host) -> SlotActor:
        return SlotActor(
            id=id, host=host, counts=counts, make_phone=make_phone, pool=registry.idle, shell_bytes=shell_bytes,
            longest_reservation=longest_reservation,
        )  # fmt: skip

    parts.host.add_maker(SlotActor.made_by(make))
    parts.any_host.append(
        (
            serve(CONFIGURE_SLOT, registry.configure),
            serve(REMOVE_SLOT, registry.remove),
            serve(LIST_UNASSIGNED, registry.unassigned),
        )
    )
    parts.this_host.append(
        (
            serve(CONFIGURE_ON_HOST, registry.configure_on_host),
            serve(REMOVE_ON_HOST, registry.remove_on_host),
            serve(UNASSIGNED_ON_HOST, registry.unassigned_on_host),
        )
    )
    parts.registries.append(registry)
    parts.background.append(partial(look_after, parts.host, parts.ids))
    parts.series.append(lambda: of_slots(parts.host.all(SlotActor)))
    stack.push_async_callback(registry.stop)
    return registry
