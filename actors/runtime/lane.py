"""A thread that reads, and whose turn it is there."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TypeVar
from weakref import WeakValueDictionary

from bus_schemas.names import Share

Answer = TypeVar("Answer")


class Lane:
    """One thread. One read of a user at a time waits for it, their own and those of their service tokens in turn: so
    whoever asks for many waits for one of every other user between two of theirs. One thread, since Python reads no
    more at a time anyway, and the loop waits longer for each that does. `thread=False`: it is read on the loop."""

    def __init__(self, name: str, *, thread: bool = True) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name) if thread else None
        self.places: WeakValueDictionary[Share | str, asyncio.Lock] = WeakValueDictionary()

    async def read(self, share: Share, work: Callable[[], Answer], *, until: float | None = None) -> Answer:
        """Read when it is this one's turn. Raises TimeoutError: by then, in the loop's time, it was not."""
        _, user = share
        async with AsyncExitStack() as turn:
            async with asyncio.timeout_at(until):
                await turn.enter_async_context(self._place(share))
                await turn.enter_async_context(self._place(user))
            if self._pool is None:
                return work()
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _place(self, whose: Share | str) -> asyncio.Lock:
        return self.places.setdefault(whose, asyncio.Lock())
