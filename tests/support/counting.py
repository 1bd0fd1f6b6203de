"""A bus that knows how much of the journal was looked through."""

from collections.abc import AsyncIterator
from typing import Any

from actors.runtime.bus import Recorded
from simulators.bus.memory_bus import MemoryBus


class Counting(MemoryBus):
    """Counts what is replayed."""

    replayed = 0

    async def replay(self, scope: str, *args: Any, **more: Any) -> AsyncIterator[Recorded]:
        async for recorded in super().replay(scope, *args, **more):
            self.replayed += 1
            yield recorded
