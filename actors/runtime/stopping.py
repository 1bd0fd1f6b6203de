"""A process that is told to stop while it still starts."""

import asyncio
from typing import TypeVar

from actors.runtime.effects import Work

Result = TypeVar("Result")


class Stopped(Exception):
    """Somebody stopped us first."""


async def before(stopped: asyncio.Event, work: Work[Result]) -> Result:
    """What the work gives. Raises Stopped when somebody stops us before it is done."""
    doing = asyncio.ensure_future(work)
    tasks = [doing, asyncio.ensure_future(stopped.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Stopped
        return doing.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
