"""Extensions of slots, wherever those are, as whoever dials through the trunks of this host holds them."""

import contextlib

from actors.dialing.extensions import Extensions
from actors.dialing.slot_dialer import out_of_service
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.peers import Peers
from actors.runtime.wire import ask, forward
from actors.slot.actor import SlotActor
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.trunk import HOLD_EXTENSION, ExtensionHeld, HoldExtension


class HeldExtensions:
    """`extensions`: those of this host."""

    def __init__(self, *, host: Host, extensions: Extensions, peers: Peers) -> None:
        self._host = host
        self._extensions = extensions
        self._peers = peers
        self._name = host.ids.new()

    def is_here(self, slot: int) -> bool:
        """Whether this host has the slot."""
        return self._host.get(SlotActor, str(slot)) is not None

    async def hold(
        self, slot: int, name: str, context: Context, *, instead: str | None = None, limited: bool = False
    ) -> ExtensionHeld:
        """Have one kept for a call, or for what will be one, in the place of what it was kept for. `limited`: by the
        user's share of the pool. Raises Refusal."""
        request = HoldExtension(slot=slot, call_id=name, by=self._name, instead=instead, limited=limited)
        if self.is_here(slot):
            return await self._extensions.hold(request, context)
        try:
            return await ask(self._host.bus, HOLD_EXTENSION, request, context)
        except Refusal as refusal:
            host = (refusal.details or {}).get("host")
            if refusal.code is not ErrorCode.UNAVAILABLE or host is None:
                raise
        raise out_of_service(slot, host, self._peers.why_unowned("slot", str(slot), host))

    async def release(self, slot: int, name: str, context: Context) -> None:
        """It came to nothing."""
        request = HoldExtension(slot=slot, call_id=name, by=self._name, release=True)
        if self.is_here(slot):
            await self._extensions.give_back(request)
            return
        with contextlib.suppress(Refusal):  # the promise runs out by itself
            await forward(self._host.bus, HOLD_EXTENSION, request, context, retry=False)
