"""Waiting for one's turn, for so long and no longer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bus_schemas.errors import Refusal


async def until_sent() -> None:
    """So many turns that a question which was just begun leaves: who is asked works on it meanwhile."""
    for _ in "ask", "send":
        await asyncio.sleep(0)


async def enter(gate: asyncio.Lock | asyncio.Semaphore, seconds: float, refusal: Callable[[], Refusal]) -> None:
    """Have a turn at a gate, which is to be released. Raises the refusal where it does not come in time."""
    try:
        async with asyncio.timeout(seconds):
            await gate.acquire()
    except TimeoutError:
        raise refusal() from None


@asynccontextmanager
async def turn(
    gate: asyncio.Lock | asyncio.Semaphore, seconds: float, refusal: Callable[[], Refusal]
) -> AsyncIterator[None]:
    """Have one while the block lasts. Raises as `enter` does."""
    await enter(gate, seconds, refusal)
    try:
        yield
    finally:
        gate.release()
