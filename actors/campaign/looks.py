"""Looks at all leads of a campaign. One takes up to some seconds, and whoever may see a campaign may ask for it, so a
host makes one at a time, in turn, and calls are made beside it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus_schemas.errors import ErrorCode, RefusalTemplate

EACH, ALL = 2, 16  # that wait or look: of one user, of all
PATIENCE = 10.0  # seconds

BUSY = RefusalTemplate(ErrorCode.RATE_LIMITED, "Campaigns are looked through for others. Try again.", retry_after=5)
YOURS = RefusalTemplate(ErrorCode.RATE_LIMITED, "Campaigns are looked through for you. Wait.", retry_after=5)


class Looks:
    """Whose turn it is on one host."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._asked: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, user: str) -> AsyncIterator[None]:
        """Look while the block lasts. Raises Refusal(RATE_LIMITED)."""
        if self._asked[user] >= EACH:
            raise YOURS()
        if self._asked.total() >= ALL:
            raise BUSY()
        self._asked[user] += 1
        try:
            await self._wait()
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._asked[user] -= 1
            if not self._asked[user]:
                del self._asked[user]

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turn.acquire()
        except TimeoutError:
            raise BUSY() from None
