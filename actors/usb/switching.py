"""Switches ports of hubs off and on. No call is cut off: each slot on them is held meanwhile, as a call holds it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from actors.runtime.clock import moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.slot.actor import SlotActor
from actors.slot.machine import Take
from actors.telephony.orders import Drop
from actors.usb.actor import HubsActor, Record
from actors.usb.hubs import Hubs
from actors.usb.machine import SwitchOn
from actors.usb.port import UsbError
from actors.usb.port_map import HubNow, PortNow
from actors.usb.power import cut_off
from actors.usb.topology import Switch
from actors.usb.views import phone
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.slot import SlotStatus
from bus_schemas.usb import PortPowered, PortSwitched, PowerPort

log = structlog.get_logger()

KIND = "hub_power"  # of who holds a slot meanwhile, as its refusals say
BEING_SWITCHED = RefusalTemplate(ErrorCode.CONFLICT, "Ports of this host are being switched now. Try again.")
NOT_KNOWN = RefusalTemplate(ErrorCode.SLOT_BUSY, "Whether the slot's phone is in a call is not known now.")
NOT_SWITCHED = RefusalTemplate(ErrorCode.CONFLICT, "The port was not switched.")


class Switches:
    """Of one host; one thing at a time."""

    def __init__(self, *, host: Host, hubs: Hubs) -> None:
        self._host = host
        self._hubs = hubs
        self._busy = asyncio.Lock()

    def is_off(self, port: PortNow) -> bool | None:
        """Whether a port is switched off, on any of its buses. None: it cannot be switched."""
        usb = self._hubs.usb
        states = [usb.is_off(*switch) for switch in port.switches] if usb is not None else []
        return None if not states or None in states else any(states)

    async def power(self, hub: HubNow, wanted: PowerPort, context: Context) -> PortPowered:
        """Do what is wanted, or say what that would be. Raises Refusal."""
        ports = cut_off(hub, wanted.port, self.is_off)
        if not wanted.dry:
            if self._busy.locked():
                raise BEING_SWITCHED()
            async with self._busy, self._held(ports, context):
                await self._switch(hub, wanted, ports, context)
        return PortPowered(
            hub=hub.name, host=self._host.name, port=wanted.port, action=wanted.action, dry=wanted.dry,
            ways=tuple(port.way for port in ports),
            phones=tuple(phone(port) for port in ports if port.slot is not None or port.device is not None),
        )  # fmt: skip

    async def switch_on(self, left: SwitchOn) -> None:
        """Switch on again what was left off by somebody who is gone."""
        hub = next((one for one in self._hubs.now() if one.name == left.hub), None)
        ports = [port for port in hub.ports if port.way in left.ways] if hub is not None else []
        try:
            self._write([switch for port in ports for switch in port.switches], off=False)
        except UsbError as error:
            log.error("ports of a hub stay off", hub=left.hub, ways=left.ways, error=str(error))
            return
        log.warning("ports of a hub that were left off are on again", hub=left.hub, ways=left.ways)
        context = Context(command_id=self._host.ids.new())
        try:
            await self._record(left.hub, left.port, left.ways, "on", context)
        except Refusal as refusal:  # they are on, and a next owner switches them on once more
            log.warning("that ports of a hub are on is not on record", hub=left.hub, why=refusal.message)

    # --- inside

    @asynccontextmanager
    async def _held(self, ports: Sequence[PortNow], context: Context) -> AsyncIterator[None]:
        """Hold the slots of these ports, or none of them. Raises Refusal."""
        id, held = derived("power", context.command_id), list[str]()
        try:
            for slot in sorted({str(slot.id) for port in ports for slot in (port.slot, *port.may_be) if slot}):
                take = Take(id=id, user=context.user, any_slot=True, kind=KIND)
                try:
                    await self._host.order(SlotActor, slot, take, context)
                except Refusal as refusal:
                    _must_be_out_of_reach(refusal)
                    continue
                held.append(slot)
            yield
        finally:
            for slot in held:
                self._host.tell(SlotActor, slot, Drop(id=id))

    async def _switch(self, hub: HubNow, wanted: PowerPort, ports: Sequence[PortNow], context: Context) -> None:
        ways, switches = tuple(port.way for port in ports), [switch for port in ports for switch in port.switches]
        cycle = wanted.action == "cycle"
        if wanted.action != "on":
            await self._record(hub.name, wanted.port, ways, "off", context, cycle=cycle)
            try:
                self._write(switches, off=True)
            except UsbError as error:
                self._restore(switches)
                await self._record(hub.name, wanted.port, ways, "on", context)
                raise NOT_SWITCHED(reason=str(error)) from None
        try:
            if cycle:
                await self._host.pause(wanted.seconds)
        finally:  # also where whoever asked for it is stopped in between
            if wanted.action != "off":
                self._restore(switches)
        if wanted.action != "off":
            if any(self.is_off(port) for port in ports):
                raise NOT_SWITCHED(reason="a port stays off: see the log")
            await self._record(hub.name, wanted.port, ways, "on", context)

    def _write(self, switches: Sequence[Switch], *, off: bool) -> None:
        """Raises UsbError."""
        if self._hubs.usb is not None:
            for chip, port in switches:
                self._hubs.usb.switch(chip, port, off=off)

    def _restore(self, switches: Sequence[Switch]) -> None:
        """Switch each on, whatever becomes of the others."""
        for switch in switches:
            try:
                self._write([switch], off=False)
            except UsbError as error:
                log.error("a port of a hub stays off", chip=switch[0], port=switch[1], error=str(error))

    async def _record(
        self, hub: str, port: int, ways: tuple[str, ...], action: str, context: Context, *, cycle: bool = False
    ) -> None:
        switched = PortSwitched(
            host=self._host.name, at=moment(self._host.clock).at, hub=hub, port=port,
            action="off" if action == "off" else "on", ways=ways, by=context.user, cycle=cycle,
        )  # fmt: skip
        await self._host.order(HubsActor, self._host.name, Record(switched=switched), context)


def _must_be_out_of_reach(refusal: Refusal) -> None:
    """A slot that nobody can begin anything on, and that nobody holds, need not be held. Raises Refusal for others."""
    if refusal.code is not ErrorCode.SLOT_OFFLINE:
        raise refusal
    if (refusal.details or {}).get("status") == SlotStatus.UNKNOWN:
        raise NOT_KNOWN(**(refusal.details or {}))
