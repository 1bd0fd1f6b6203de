"""How the things of a room are now, for who subscribes, and the place in the journal that this has.

They are asked of the records, page by page, with the rights of who asks. All pages have to be of one moment: what
happened before it is in them, and what happens behind it follows. Their rows are passed on as they came, and looked
into only where a client wants some of them alone.

A snapshot is one message, which stands in our memory until it is read: its size has a bound, and so have those of one
user that are not read yet, and all that are being made.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from actors.runtime.bus import Bus, Message
from actors.runtime.context import Context
from actors.runtime.wire import CURSOR_HEADER, SEQ_HEADER, ask_raw
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import Share
from gateway.auth import Caller
from gateway.live.history import BYTES_OF_ENTRY, Turn
from gateway.reads import Places, Reads
from gateway.routes import Listing

MOST_PAGES = 10  # of one snapshot
MOST_BYTES = 1024 * 1024
TRIES = 5  # where things change between two pages
AT_ONCE = 4  # that are made in one gateway
PATIENCE = 30.0  # seconds until one is made, with those before it
UNREAD = 4  # of one share that are made, or not yet read
QUEUE, QUEUE_SECONDS = 1_500, 10.0  # of one share that wait for that: a subscription of each board on each client

CHANGES = RefusalTemplate(ErrorCode.UNAVAILABLE, "It changes faster than it is read. Try again, or ask the list.")
TOO_LARGE = RefusalTemplate(
    ErrorCode.UNAVAILABLE,
    f"There is more than a snapshot holds ({MOST_PAGES} pages of the list, 1 MiB). Subscribe without one and ask the"
    " list page by page, or narrow the room to what you want to hear of.",
)
BUSY = RefusalTemplate(ErrorCode.UNAVAILABLE, "Too many snapshots are asked for at once. Try again.")
NOT_READ = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Snapshots of yours are not read yet. Read them, then try again.",
    rule="snapshots_per_user", retry_after=1,
)  # fmt: skip


class Snapshot(Struct, frozen=True):
    """`things`: of a room, a list in JSON. `seq`: of the last entry of the journal that is in them."""

    things: Raw
    seq: int


class Snapshots:
    """Of one gateway. `reads`: the turns of all lists."""

    def __init__(self, *, bus: Bus, reads: Reads) -> None:
        self._bus = bus
        self._reads = reads
        self._making = asyncio.Semaphore(AT_ONCE)
        self._unread = Places(at_once=UNREAD, patience=QUEUE_SECONDS, refusal=NOT_READ, queue=QUEUE)

    async def enter(self, share: Share) -> None:
        """Wait until few enough snapshots of a share are unread for one more. Raises Refusal."""
        await self._unread.enter(share)

    def leave(self, share: Share) -> None:
        """One of a share was read, or will not be."""
        self._unread.leave(share)

    async def read(
        self, listing: Listing, caller: Caller, narrowed: Mapping[str, object], *, after: Callable[[], int], turn: Turn
    ) -> Snapshot:
        """What somebody sees of a room's things and wants to hear of, up to `after` or later in the journal. What was
        read is paid for with the `turn`. Raises Refusal, BusError."""
        try:
            async with asyncio.timeout(PATIENCE), self._reads.turn(caller.share), self._making:
                return await self._of_one_moment(listing, caller, narrowed, after=after(), turn=turn)
        except TimeoutError:
            raise BUSY() from None

    async def _of_one_moment(
        self, listing: Listing, caller: Caller, narrowed: Mapping[str, object], *, after: int, turn: Turn
    ) -> Snapshot:
        for _ in range(TRIES):
            found = await self._pages(listing, caller, narrowed, after=after, turn=turn)
            if found is not None:
                return found
        raise CHANGES()

    async def _pages(
        self, listing: Listing, caller: Caller, narrowed: Mapping[str, object], *, after: int, turn: Turn
    ) -> Snapshot | None:
        """None: they are not of one moment."""
        actions = caller.actions & listing.rpc.needed
        context = Context(command_id="snapshot", user=caller.user, actions=actions, after=after)
        pieces: list[bytes] = []
        places: set[int] = set()
        size, cursor = 0, None
        for _ in range(MOST_PAGES):
            answered = await ask_raw(self._bus, listing.rpc, listing.page(cursor), context)
            rows = _rows(listing, answered)
            turn.pay(max(len(rows), len(answered.data) // BYTES_OF_ENTRY))
            piece = _wanted(rows, listing.in_things(narrowed))
            pieces += [piece] if piece else []
            size += len(piece)
            if size > MOST_BYTES:
                break
            places.add(int(answered.headers.get(SEQ_HEADER, "0")))
            if len(places) > 1:
                return None
            cursor = answered.headers.get(CURSOR_HEADER)
            if cursor is None:
                return Snapshot(Raw(b"[%b]" % b",".join(pieces)), places.pop())
        raise TOO_LARGE()


def _rows(listing: Listing, answered: Message) -> list[Raw]:
    """The things of an answer, as they stand in it."""
    data: bytes | Raw = answered.data
    if listing.under is not None:
        data = msgspec.json.decode(data, type=dict[str, Raw])[listing.under]
    return msgspec.json.decode(data, type=list[Raw])


def _wanted(rows: Sequence[Raw], wanted: Mapping[str, object]) -> bytes:
    """Those of which some fields are as is wanted."""
    if wanted:
        facts_of = _facts(tuple(wanted)).decode
        rows = [row for row in rows if msgspec.structs.asdict(facts_of(row)) == wanted]
    return b",".join(rows)


@cache
def _facts(names: tuple[str, ...]) -> msgspec.json.Decoder[Struct]:
    """What reads so many fields of a thing alone."""
    fields = [(name, Any, None) for name in names]  # any: JSON
    return msgspec.json.Decoder(msgspec.defstruct("Facts", fields))
