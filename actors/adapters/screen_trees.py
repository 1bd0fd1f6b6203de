"""Screens out of dumps, beside the loop where they are large: an app can show what takes half a second to read."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

LARGE = 25_000  # bytes of a dump; one of that size may take 10 ms
T = TypeVar("T")


async def beside(size: int, work: Callable[[], T]) -> T:
    """What comes of reading that many bytes. Where it is given up, the thread ends with what it has: half a second."""
    return await asyncio.to_thread(work) if size > LARGE else work()
