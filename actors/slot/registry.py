"""Which slots this host owns: those of its settings file and those made over the API, each with one actor."""

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Struct

from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.slot.actor import SlotActor
from actors.slot.machine import Configure, Remove, Slot
from bus_schemas.contract import id_of
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import (
    SLOT_CONFIGURED,
    ConfigureSlot,
    ListUnassigned,
    RemoveSlot,
    SlotConfig,
    SlotConfigured,
    SlotDetails,
    SlotRemovedReply,
    UnassignedPhone,
)

FROM_FILE = "config"  # who configured a slot that stands in the settings file


class Device(Struct, frozen=True, kw_only=True):
    """A phone that adb lists. `usb` is its place in the USB tree, for example `1-2.3`."""

    serial: str
    state: str
    model: str | None = None
    usb: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which adb finds it: its serial, and its place."""
        return (self.serial, f"usb:{self.usb}") if self.usb else (self.serial,)


def adb_name(config: SlotConfig, hubs: Mapping[str, str]) -> str:
    """The name by which adb finds a slot's phone. Raises Refusal(INVALID_PARAMS) when the place says nothing."""
    if config.serial is not None:
        return config.serial
    if config.hub is None or config.port is None:
        raise Refusal(ErrorCode.INVALID_PARAMS, "Name the phone by its serial, or its place by hub and port.")
    if config.hub not in hubs:
        raise Refusal(ErrorCode.INVALID_PARAMS, "The settings have no such hub.", hub=config.hub, known=sorted(hubs))
    return f"usb:{hubs[config.hub]}.{config.port}"


class SlotRegistry:
    """The slots of one host. `devices` lists every phone that can be seen from here."""

    def __init__(
        self,
        *,
        host: Host,
        from_file: Iterable[SlotConfig],
        devices: Callable[[], Iterable[Device]],
        hubs: Mapping[str, str],
    ) -> None:
        self._host = host
        self._from_file = tuple(config for config in from_file if config.host == host.name)
        self._devices = devices
        self._hubs = hubs
        self._regions: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Own every slot of this host, then bring those of the settings file up to date.

        An entry of the file counts when it has changed since it last did, so that what was changed over the API
        stays as it is over a restart.
        """
        ids = {str(config.id) for config in self._from_file} | await self._on_record()
        await self._host.activate_all("slot", sorted(ids))
        for config in self._from_file:
            actor = self._host.get("slot", str(config.id))
            if actor is None or actor.state is None or actor.state.from_file != config:
                await self._configure(config, Context(command_id=self._host.ids.new(), user=FROM_FILE))
        self._note_regions()

    @property
    def regions(self) -> frozenset[str]:
        """The countries of the SIMs here, ISO 3166."""
        return self._regions

    # --- contract lines

    async def configure(self, request: ConfigureSlot, context: Context) -> SlotDetails:
        config = SlotConfig(
            id=request.slot,
            serial=request.serial,
            hub=request.hub,
            port=request.port,
            user=request.user,
            trunk=request.trunk,
            region=request.region,
            host=self._host.name,
        )
        adb_name(config, self._hubs)
        self._check_claims(config)
        await self._host.activate("slot", str(config.id))
        details = await self._configure(config, context)
        self._note_regions()
        return details

    async def remove(self, request: RemoveSlot, context: Context) -> SlotRemovedReply:
        if self._slot(request.slot) is None:
            raise Refusal(ErrorCode.NOT_FOUND, "No such slot.")
        await self._host.order("slot", str(request.slot), Remove(), context)
        await self._host.release("slot", str(request.slot))
        self._note_regions()
        return SlotRemovedReply(status="removed", slot=request.slot)

    async def unassigned(self, request: ListUnassigned, context: Context) -> list[UnassignedPhone]:
        claimed = {adb_name(slot.config, self._hubs) for slot in self._slots()}
        return [
            UnassignedPhone(
                serial=device.serial, state=device.state, model=device.model, usb=device.usb, host=self._host.name
            )
            for device in self._devices()
            if not claimed.intersection(device.names)
        ]

    # --- inside

    async def _on_record(self) -> set[str]:
        ids: set[str] = set()
        for subject in await self._host.bus.ids(SLOT_CONFIGURED.pattern):
            newest = await self._host.bus.last(subject)
            if newest is None:
                continue
            if msgspec.json.decode(newest.data, type=SlotConfigured).config.host == self._host.name:
                ids.add(id_of(subject))
        return ids

    async def _configure(self, config: SlotConfig, context: Context) -> SlotDetails:
        details: SlotDetails = await self._host.order("slot", str(config.id), Configure(config=config), context)
        return details

    def _slots(self) -> list[Slot]:
        actors = (actor for actor in self._host.all("slot") if isinstance(actor, SlotActor))
        return [actor.state for actor in actors if actor.state is not None and not actor.state.removed]

    def _slot(self, id: int) -> Slot | None:
        actor = self._host.get("slot", str(id))
        state = actor.state if isinstance(actor, SlotActor) else None
        return state if state is not None and not state.removed else None

    def _check_claims(self, config: SlotConfig) -> None:
        for slot in self._slots():
            other = slot.config
            same = config.serial is not None and other.serial == config.serial
            same_place = config.hub is not None and (other.hub, other.port) == (config.hub, config.port)
            if other.id != config.id and (same or same_place):
                raise Refusal(ErrorCode.CONFLICT, "Another slot has this phone or place.", slot=other.id)

    def _note_regions(self) -> None:
        self._regions = frozenset(slot.config.region for slot in self._slots() if slot.config.region)
