"""How the things of a room are now, for who subscribes, and the place in the journal that this has.

They are asked of the records, page by page, with the rights of who asks. All pages have to be of one moment: what
happened before it is in them, and what happens behind it follows.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.wire import CURSOR_HEADER, SEQ_HEADER, ask_raw
from bus_schemas.errors import ErrorCode, RefusalTemplate
from gateway.auth import Caller
from gateway.live.history import Turn
from gateway.routes import Listing

MOST_PAGES = 10  # of one snapshot
TRIES = 5  # where things change between two pages

CHANGES = RefusalTemplate(ErrorCode.UNAVAILABLE, "It changes faster than it is read. Try again, or ask the list.")
TOO_MANY = RefusalTemplate(ErrorCode.UNAVAILABLE, "There is more than a snapshot holds. Ask the list.")

Thing = dict[str, Any]  # any: JSON, as the list answers it


class Snapshot(Struct, frozen=True):
    """`things`: of a room. `seq`: of the last entry of the journal that is in them."""

    things: list[Thing]
    seq: int


async def snapshot(
    bus: Bus, listing: Listing, caller: Caller, narrowed: Mapping[str, object], *, after: int, turn: Turn
) -> Snapshot:
    """What somebody sees of a room's things and wants to hear of, up to `after` or later in the journal. What was read
    is paid for with the `turn`. Raises Refusal, BusError."""
    for _ in range(TRIES):
        found = await _read(bus, listing, caller, after=after, turn=turn)
        if found is not None:
            things = [thing for thing in found.things if listing.fits(thing, narrowed)]
            return Snapshot(things, found.seq)
    raise CHANGES()


async def _read(bus: Bus, listing: Listing, caller: Caller, *, after: int, turn: Turn) -> Snapshot | None:
    """None: its pages are not of one moment."""
    context = Context(command_id="snapshot", user=caller.user, actions=caller.actions & listing.rpc.needed, after=after)
    things: list[Thing] = []
    places: set[int] = set()
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        answered = await ask_raw(bus, listing.rpc, listing.page(cursor), context)
        piece = listing.things(msgspec.json.decode(answered.data))
        turn.pay(len(piece))
        things += piece
        places.add(int(answered.headers.get(SEQ_HEADER, "0")))
        if len(places) > 1:
            return None
        cursor = answered.headers.get(CURSOR_HEADER)
        if cursor is None:
            return Snapshot(things, places.pop())
    raise TOO_MANY()
