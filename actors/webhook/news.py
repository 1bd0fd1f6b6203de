"""What the webhooks of one host are told of: that the journal has something new, and what users may do.

The journal is followed once for all webhooks. Those that are up to date take what has come from memory; who is further
behind reads the journal: how far each is differs.
"""

import asyncio
import math
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import merge
from itertools import takewhile

from msgspec import Struct

from actors.runtime.bus import Bus, Recorded, Unsubscribe
from actors.runtime.clock import Clock, parse_utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from actors.webhook.seeing import Seeing
from bus_schemas.catalogue import SUBSCRIBABLE, topic_of
from bus_schemas.contract import kind_of
from bus_schemas.erasure import ERASURE_CLEARED
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import IDENTIFY, Identify, LoginKind

SCOPE = "ottb.v1.evt.>"
POINT = "point"
RECENT, RECENT_BYTES = 4_000, 8 * 1024 * 1024  # entries in memory, and their bytes
NOTHING_CHANGED = (".session_opened", ".session_refreshed", ".session_closed", ".activated")  # for what users may do


class NotLetIn(Exception):
    """Whoever has lent a webhook their rights is not let in any more."""


class Recent:
    """The newest entries that anybody may want. `behind`: the last place in the journal that is no longer here."""

    def __init__(self, behind: int = 0) -> None:
        self.behind = behind
        self._entries: deque[Recorded] = deque()
        self._of: defaultdict[str, deque[Recorded]] = defaultdict(deque)  # by kind: hundreds may want a rare one
        self._bytes = 0

    def add(self, recorded: Recorded) -> None:
        self._entries.append(recorded)
        self._of[kind_of(recorded.subject)].append(recorded)
        self._bytes += len(recorded.data)
        while len(self._entries) > RECENT or self._bytes > RECENT_BYTES:
            gone = self._entries.popleft()
            self._of[kind_of(gone.subject)].popleft()
            self._bytes -= len(gone.data)
            self.behind = gone.seq

    def after(self, position: int, kinds: Collection[str]) -> Sequence[Recorded] | None:
        """What has come of these kinds after an entry, oldest first. None: not all of it is here."""
        if position < self.behind:
            return None
        return [*merge(*(self._newer(kind, position) for kind in kinds if kind in self._of), key=_seq)]

    def _newer(self, kind: str, position: int) -> Iterator[Recorded]:
        """Costs no more than there is of it."""
        return reversed([*takewhile(lambda one: one.seq > position, reversed(self._of[kind]))])

    def at(self, seq: int) -> Recorded | None:
        """One of them, by its place."""
        found = bisect_left(self._entries, seq, key=_seq)
        return one if found < len(self._entries) and (one := self._entries[found]).seq == seq else None


class Waiting(Struct, frozen=True, eq=False):
    """Somebody who waits for something of these kinds."""

    kinds: frozenset[str]
    woken: asyncio.Event


class News:
    """Of one host. It follows the journal from when it is first asked on."""

    def __init__(self, *, bus: Bus, clock: Clock, ids: Ids) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._begun = 0  # nothing is known of what was before
        self._newest: dict[str, int] = {}  # by kind
        self._seeing: dict[tuple[str, int], tuple[Seeing, float]] = {}  # with the end of it, seconds since 1970
        self._changes = 0
        self._changed_at = 0
        self._waiting: set[Waiting] = set()
        self.recent = Recent()
        self._starting = asyncio.Lock()
        self._stop: Unsubscribe | None = None

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    async def _start(self) -> None:
        """Raises BusError."""
        async with self._starting:
            if self._stop is None:
                self._begun = await self._bus.last_seq()
                self.recent = Recent(self._begun)
                self._stop = await self._bus.follow(SCOPE, self._hear, after=self._begun)

    async def _hear(self, recorded: Recorded) -> None:
        kind = kind_of(recorded.subject)
        if topic_of(recorded.subject) is ERASURE_CLEARED:  # what is in memory may say the person, the journal does not
            self.recent = Recent(recorded.seq)
        if kind in SUBSCRIBABLE:
            self._newest[kind] = recorded.seq
            self.recent.add(recorded)
            for one in self._waiting:
                if kind in one.kinds:
                    one.woken.set()
        elif kind == POINT and not recorded.subject.endswith(NOTHING_CHANGED):
            self._changes += 1
            self._changed_at = recorded.seq
            self._seeing.clear()

    def look(self) -> None:
        """Have all who wait look again: what one of them wants has changed."""
        for one in self._waiting:
            one.woken.set()

    async def beyond(self, kinds: Callable[[], frozenset[str]], position: int) -> int:
        """Wait until the journal has something of these kinds after an entry. Gives how far there is to read. Raises
        BusError."""
        await self._start()
        while True:
            waiting = Waiting(kinds(), asyncio.Event())
            newest = max([self._begun, *(self._newest.get(kind, 0) for kind in waiting.kinds)])
            if newest > position:
                return newest
            self._waiting.add(waiting)
            try:
                await waiting.woken.wait()
            finally:
                self._waiting.discard(waiting)

    async def seeing(self, lent: str, predecessors: int) -> Seeing:
        """What whoever has lent their rights sees now. Raises NotLetIn, Refusal (nobody can say it now), BusError."""
        await self._start()
        known, ends = self._seeing.get((lent, predecessors), (None, 0.0))
        if known is not None and self._clock.now().timestamp() < ends:
            return known
        kind, _, id = lent.partition(":")
        changes = self._changes
        context = Context(command_id=self._ids.new(), after=self._changed_at)
        try:
            found = await ask(self._bus, IDENTIFY, Identify(kind=LoginKind(kind), id=id), context)
        except Refusal as refusal:
            if refusal.code is ErrorCode.AUTH_FAIL:
                raise NotLetIn from None
            raise
        if found.predecessors != predecessors:
            raise NotLetIn
        seeing = Seeing(found.user, frozenset(found.actions))
        if changes == self._changes:
            ends = parse_utc(found.expires_at).timestamp() if found.expires_at else math.inf
            self._seeing[lent, predecessors] = seeing, ends
        return seeing


def _seq(recorded: Recorded) -> int:
    return recorded.seq
