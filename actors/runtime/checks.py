"""Checks of what somebody has sent, one after another beside the loop: a large one takes half a second."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from actors.runtime.under_way import UnderWay
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import Share

WAITING = 16  # checks on a host, with the one that is under way: a line of some seconds
EACH = 4  # of one share

Said = TypeVar("Said")


class Checks:
    """The checks of one kind of thing (`what`: `scripts`) on one host."""

    def __init__(self, what: str) -> None:
        self._full = RefusalTemplate(ErrorCode.UNAVAILABLE, f"Too many {what} are being checked. Try again.")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"{what}-check")
        self._waiting = 0
        self._under_way = UnderWay(EACH, RefusalTemplate(
            ErrorCode.RATE_LIMITED, f"Too many {what} of yours are being checked. Wait.", rule="checks", retry_after=2
        ))  # fmt: skip

    async def one(self, share: Share, check: Callable[[], Said]) -> Said:
        """What a check says. One that is given up before its turn is not done. Raises Refusal(RATE_LIMITED,
        UNAVAILABLE)."""
        with self._under_way.one(share):
            if self._waiting >= WAITING:
                raise self._full()
            self._waiting += 1
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, check)
            finally:
                self._waiting -= 1

    def stop(self) -> None:
        """None is done any more but the one that is under way, which ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)
