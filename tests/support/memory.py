"""How much memory processes take while something happens."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def grown_by(pids: list[int]) -> Iterator[dict[int, int]]:
    """By how many bytes each process was larger than at first, at most."""
    first = {pid: psutil.Process(pid).memory_info().rss for pid in pids}
    most = dict.fromkeys(pids, 0)

    async def watch() -> None:
        while True:
            for pid, before in first.items():
                most[pid] = max(most[pid], psutil.Process(pid).memory_info().rss - before)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(watch())
    try:
        yield most
    finally:
        task.cancel()
