"""A journal that an earlier version wrote is refused by name: read as it is, calls in it would seem never to have been.

Subjects that this version never writes tell it: a call's without its line, and bookings, which follow from calls now.
"""

from actors.runtime.bus import Bus
from bus_schemas.contract import ROOT

FOREIGN = (f"{ROOT}.evt.call.*.*", f"{ROOT}.evt.slot.*.booked", f"{ROOT}.evt.trunk.*.booked")


class EarlierJournal(Exception):
    """The journal is of an earlier version. The message says what to do."""


async def refuse_earlier(bus: Bus) -> None:
    """Raises EarlierJournal, BusError."""
    for scope in FOREIGN:
        found = await bus.last(scope, certain=True)
        if found is not None:
            raise EarlierJournal(
                f"the journal is of an earlier version: its entry {found.seq} is {found.subject}. This version cannot"
                " go on from it, and changes nothing in it. Start with a new state: stop everything, put the state"
                " folder (`state_dir`, var/ in a checkout) aside, and start again; on a NATS server of your own, remove"
                " the streams OTTB_EVT and KV_OTTB_SNAP. Users, records and slots of the API are in it too."
            )
