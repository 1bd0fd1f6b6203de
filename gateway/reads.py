"""Whoever reads much waits for their turn: nobody takes the others' time by reading lists, tables and figures on many
connections. One thing is light, and is read as often as somebody likes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus_schemas.errors import ErrorCode, RefusalTemplate
from gateway.pace import Holder

AT_ONCE = 4  # of one share
REST = 0.02  # seconds, and as long as was read, until a place is anybody's again: a share has half of the time at most
LONGEST_REST = 0.5
PATIENCE = 5.0  # seconds that one waits at most

TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many lists of yours are read at once.", rule="reads_per_user", retry_after=1
)


class Reads:
    """The places of all shares."""

    def __init__(self) -> None:
        self._places: dict[Holder, asyncio.Semaphore] = {}
        self._held: Counter[Holder] = Counter()  # places that are taken or waited for

    @asynccontextmanager
    async def turn(self, holder: Holder) -> AsyncIterator[None]:
        """Read something while the block lasts. Raises Refusal(RATE_LIMITED) where too many wait."""
        await self._enter(holder)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            loop.call_later(min(max(loop.time() - began, REST), LONGEST_REST), self._free, holder)

    async def _enter(self, holder: Holder) -> None:
        places = self._places.setdefault(holder, asyncio.Semaphore(AT_ONCE))
        self._held[holder] += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await places.acquire()
        except TimeoutError:
            self._forget(holder)
            raise TOO_MANY() from None
        except BaseException:
            self._forget(holder)
            raise

    def _free(self, holder: Holder) -> None:
        self._places[holder].release()
        self._forget(holder)

    def _forget(self, holder: Holder) -> None:
        self._held[holder] -= 1
        if not self._held[holder]:
            del self._held[holder], self._places[holder]
