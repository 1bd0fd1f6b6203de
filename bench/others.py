"""Users who go on with their work while somebody attacks."""

import asyncio
import random
import time

import aiohttp

USERS = 4
PAUSE = 0.01  # seconds between two requests of one of them
SECONDS = 4.0


async def p95(session: aiohttp.ClientSession, url: str, pause: float = PAUSE) -> float:
    """Of some seconds of users who ask for this, milliseconds."""
    times: list[float] = []
    over = time.perf_counter() + SECONDS

    async def user() -> None:
        while time.perf_counter() < over:
            began = time.perf_counter()
            async with session.get(url) as answer:
                await answer.read()
                assert answer.status == 200
            times.append(time.perf_counter() - began)
            await asyncio.sleep(pause * (0.5 + random.random()))

    await asyncio.gather(*(user() for _ in range(USERS)))
    return 1000 * sorted(times)[int(len(times) * 0.95)]
