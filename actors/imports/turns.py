"""How many lists a host reads at once, and who is next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Turns of one host, in the order in which they were asked for."""

    def __init__(self, at_once: int) -> None:
        self._gate = asyncio.Semaphore(at_once)
        self._waiting: dict[str, None] = {}  # by import

    @asynccontextmanager
    async def turn(self, id: str) -> AsyncIterator[None]:
        """Wait for it, and have it while the block lasts."""
        self._waiting[id] = None
        try:
            await self._gate.acquire()
        finally:
            del self._waiting[id]
        try:
            yield
        finally:
            self._gate.release()

    def ahead(self, id: str) -> int | None:
        """How many wait before it; None: it does not wait."""
        return list(self._waiting).index(id) if id in self._waiting else None
