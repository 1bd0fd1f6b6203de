"""Checks of scripts that somebody has sent, one after another beside the loop: a large one takes half a second."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from actors.script.checking import Checked, check
from actors.script.language import Script
from bus_schemas.errors import ErrorCode, RefusalTemplate

WAITING, EACH = 16, 4  # checks on a host, and of a user, with the one that is under way: a line of some seconds

FULL = RefusalTemplate(ErrorCode.UNAVAILABLE, "Too many scripts are being checked. Try again.")


class Checks:
    """The checks of one host."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="script-check")
        self._waiting: Counter[str] = Counter()  # by user

    async def check(self, user: str, text: str, library: Mapping[str, Script], file: str | None) -> Checked:
        """What `check` says. One that is given up before its turn is not done. Raises Refusal(UNAVAILABLE)."""
        if self._waiting.total() >= WAITING or self._waiting[user] >= EACH:
            raise FULL()
        self._waiting[user] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, check, text, library, file)
        finally:
            self._waiting -= Counter((user,))

    def stop(self) -> None:
        """None is done any more but the one that is under way, which ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)
