"""Reservations of who has no account any more are ended: nobody else would get those slots until they run out."""

import structlog

from actors.runtime.accounts import is_gone
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.slot.actor import SlotActor
from actors.slot.reservation import GiveBack
from bus_schemas.errors import Refusal

log = structlog.get_logger()

LOOK = 10.0  # seconds between two looks


async def look_after(host: Host, ids: Ids) -> None:
    """Look, for as long as this host is there, whether those who have reserved its slots are."""
    while True:
        await host.pause(LOOK)
        for user in sorted({user for _, user in _reserved(host)}):
            if await is_gone(host.bus, user, ids):
                for slot in [slot for slot, its in _reserved(host) if its == user]:
                    await _give_back(host, slot, user, ids)


def _reserved(host: Host) -> list[tuple[str, str]]:
    """The slots that are reserved here now, and for whom."""
    states = ((actor.id, actor.state) for actor in host.all(SlotActor))
    return [(id, slot.reservation.user) for id, slot in states if slot is not None and slot.reservation is not None]


async def _give_back(host: Host, slot: str, user: str, ids: Ids) -> None:
    try:
        await host.order(SlotActor, slot, GiveBack(user=user), Context(command_id=ids.new()))
        log.warning("reservation ended: whoever reserved the slot has no account any more", slot=slot)
    except Refusal as refusal:  # it is over, or is not here any more
        log.info("reservation not ended", slot=slot, why=refusal.message)
