"""Whoever reads much waits for their turn: nobody takes the others' time by reading lists, tables and figures on many
connections. One thing is light, and is read as often as somebody likes. That one read of the records may take long is
seen to where they are read (`actors/ledger/ledger.py`)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import Share

AT_ONCE = 4  # of one share
REST = 0.1  # seconds at least that a place rests after a read, and three times as long as that took: so many readers
# take no more than one who reads without a pause, and of what is soon read a part of that: forty a second
PATIENCE = 5.0  # seconds that one waits at most

TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many lists of yours are read at once.", rule="reads_per_user", retry_after=1
)


class Reads:
    """The places of all shares. `rest`: seconds at least after each read."""

    def __init__(self, *, rest: float | None = None) -> None:
        self._rest = REST if rest is None else rest
        self._places: dict[Share, asyncio.Semaphore] = {}
        self._held: Counter[Share] = Counter()  # places that are taken or waited for

    @asynccontextmanager
    async def turn(self, share: Share) -> AsyncIterator[None]:
        """Read something while the block lasts. Raises Refusal(RATE_LIMITED) where too many wait."""
        await self._enter(share)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            took = loop.time() - began
            loop.call_later(max((AT_ONCE - 1) * took, self._rest), self._free, share)

    async def _enter(self, share: Share) -> None:
        places = self._places.setdefault(share, asyncio.Semaphore(AT_ONCE))
        self._held[share] += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await places.acquire()
        except TimeoutError:
            self._forget(share)
            raise TOO_MANY() from None
        except BaseException:
            self._forget(share)
            raise

    def _free(self, share: Share) -> None:
        self._places[share].release()
        self._forget(share)

    def _forget(self, share: Share) -> None:
        self._held[share] -= 1
        if not self._held[share]:
            del self._held[share], self._places[share]
