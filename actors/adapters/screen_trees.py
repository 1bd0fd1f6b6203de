"""Screens out of dumps, beside the loop where they are large: an app can show what takes half a second to read. Few at
once, of however many phones: Python reads one at a time anyway, and the loop waits longer for each thread that does."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

LARGE = 25_000  # bytes of a dump; one of that size may take 10 ms
HUGE = 500_000  # of one for which none below it waits; a long chat has 300,000
T = TypeVar("T")

_large = ThreadPoolExecutor(1, thread_name_prefix="large screens")
_huge = ThreadPoolExecutor(1, thread_name_prefix="huge screens")


async def beside(size: int, work: Callable[[], T]) -> T:
    """What comes of reading that many bytes. Where it is given up, the thread ends with what it has: half a second."""
    if size <= LARGE:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_large if size <= HUGE else _huge, work)
