"""Whoever reads much waits for their turn: nobody takes the others' time by reading lists, tables and figures on many
connections. One thing is light, and is read as often as somebody likes. That one read of the records may take long is
seen to where they are read (`actors/ledger/ledger.py`)."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actors.runtime.patience import enter
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import Share

AT_ONCE = 4  # of one share
REST = 0.1  # seconds at least that a place rests after a read, and three times as long as that took: so many readers
# take no more than one who reads without a pause, and of what is soon read a part of that: forty a second
PATIENCE = 5.0  # seconds that one waits at most

TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many lists of yours are read at once.", rule="reads_per_user", retry_after=1
)


class Places:
    """So many of each share; more wait for one. `patience`: seconds that they do, before they hear the `refusal`.
    `queue`: how many of a share may wait."""

    def __init__(self, *, at_once: int, patience: float, refusal: RefusalTemplate, queue: float = math.inf) -> None:
        self._at_once = at_once
        self._patience = patience
        self._refusal = refusal
        self._most = at_once + queue
        self._places: dict[Share, asyncio.Semaphore] = {}
        self._held: Counter[Share] = Counter()  # places that are taken or waited for

    async def enter(self, share: Share) -> None:
        """Take a place. Raises Refusal."""
        if self._held[share] >= self._most:
            raise self._refusal()
        places = self._places.setdefault(share, asyncio.Semaphore(self._at_once))
        self._held[share] += 1
        try:
            await enter(places, self._patience, self._refusal)
        except BaseException:
            self._forget(share)
            raise

    def leave(self, share: Share) -> None:
        """Give a place back."""
        self._places[share].release()
        self._forget(share)

    def _forget(self, share: Share) -> None:
        self._held[share] -= 1
        if not self._held[share]:
            del self._held[share], self._places[share]


class Reads(Places):
    """The places of all shares. `rest`: seconds at least after each read."""

    def __init__(self, *, rest: float | None = None) -> None:
        super().__init__(at_once=AT_ONCE, patience=PATIENCE, refusal=TOO_MANY)
        self._rest = REST if rest is None else rest

    @asynccontextmanager
    async def turn(self, share: Share) -> AsyncIterator[None]:
        """Read something while the block lasts. Raises Refusal(RATE_LIMITED) where too many wait."""
        await self.enter(share)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            took = loop.time() - began
            loop.call_later(max((AT_ONCE - 1) * took, self._rest), self.leave, share)
