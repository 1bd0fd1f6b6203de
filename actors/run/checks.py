"""Checks of scripts that somebody has sent, one after another beside the loop: a large one takes half a second."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from actors.runtime.under_way import UnderWay
from actors.script.checking import Checked, check
from actors.script.language import Script
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import Share

WAITING = 16  # checks on a host, with the one that is under way: a line of some seconds
EACH = 4  # of one share

FULL = RefusalTemplate(ErrorCode.UNAVAILABLE, "Too many scripts are being checked. Try again.")

TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many scripts of yours are being checked. Wait.", rule="checks", retry_after=2
)


class Checks:
    """The checks of one host."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="script-check")
        self._waiting = 0
        self._under_way = UnderWay(EACH, TOO_MANY)

    async def check(self, text: str, library: Mapping[str, Script], file: str | None, share: Share) -> Checked:
        """What `check` says. One that is given up before its turn is not done. Raises Refusal(RATE_LIMITED,
        UNAVAILABLE)."""
        with self._under_way.one(share):
            if self._waiting >= WAITING:
                raise FULL()
            self._waiting += 1
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, check, text, library, file)
            finally:
                self._waiting -= 1

    def stop(self) -> None:
        """None is done any more but the one that is under way, which ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)
