"""Who hears of operators, and may be one, is there."""

import contextlib
from collections.abc import Mapping

import msgspec

from actors.runtime.bus import Bus, BusError
from actors.runtime.context import Context
from bus_schemas.operator import OPERATOR, PRESENT, RENEW_PRESENCE, RenewPresence
from gateway.live.client import LiveClient

PRESENCE_PAUSE = 5.0  # seconds; a third of what `operators.presence_seconds` is at least


async def say_who_is_there(bus: Bus, clients: Mapping[str, LiveClient]) -> None:
    """Nobody answers for those who are none."""
    there = {
        client.caller.user
        for client in clients.values()
        if OPERATOR.room in client.rooms and client.caller.actions >= PRESENT
    }
    headers = Context(command_id="presence").headers()
    for user in sorted(there):
        renew = RenewPresence(user=user)
        with contextlib.suppress(BusError):
            await bus.publish(RENEW_PRESENCE.subject_for(renew), msgspec.json.encode(renew), headers)
