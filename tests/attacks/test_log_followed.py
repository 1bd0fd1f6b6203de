"""Who follows the platform's log from long ago and soon leaves has the gateway read for nobody: not faster than for
one who stays, however many connections that takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import ID, Recorded
from bus_schemas.log import LogWritten, log_subject
from bus_schemas.permissions import Action
from gateway import log_feed
from gateway.live.history import BURST_SECONDS, EACH_SECOND
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import gateway_on, serving, token_of

FOLLOW = "/api/dci/logs/follow"
EVENTS, SECONDS, STAY = 3_000, 0.4, 0.05
NOBODY, MINE = LogWritten(module="OTTB", severity="info", message="m"), "mine, and the last"


@pytest.mark.parametrize("query", ["?text=mine", "?since=2100-01-01"])
async def test_who_leaves_has_no_more_read_than_who_stays(query: str) -> None:
    broker, read = MemoryBroker(clock=SystemClock()), 0
    filling = MemoryBus(broker)
    for number in range(EVENTS):
        written = msgspec.structs.replace(NOBODY, message=MINE) if number == EVENTS - 1 else NOBODY
        await filling.log.write(log_subject(written), msgspec.json.encode(written), {ID: str(number)})
    users = {"op12": frozenset({Action.LOG_VIEW, Action.LOG_VIEW_ANY})}
    async with serving(broker, {}, users), gateway_on(MemoryBus(broker)) as gateway, aiohttp.ClientSession() as session:

        async def counted(scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
            nonlocal read
            async for one in replay(scope, after=after):
                read += 1
                if one.at >= since:
                    yield one

        replay, gateway.bus.log.replay = gateway.bus.log.replay, counted  # type: ignore[method-assign]
        url = f"http://127.0.0.1:{gateway.listener.port}{FOLLOW}{query}"
        headers = {"Authorization": f"Bearer {token_of('op12')}", "Last-Event-ID": "1"}

        async def come_and_leave() -> None:
            while True:
                async with session.get(url, headers=headers) as answer:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(STAY):
                            await answer.content.read(1)
                    answer.close()

        leaving = [asyncio.create_task(come_and_leave()) for _ in range(log_feed.FOLLOWERS)]
        await asyncio.sleep(SECONDS)
        for one in leaving:
            one.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
    most = EACH_SECOND * (SECONDS + BURST_SECONDS) + 2 * EVENTS  # one that was begun before, and one after, to its end
    print(f"{query}: {read} events read in {SECONDS} s for who leaves, of {log_feed.FOLLOWERS} x {EVENTS} at once")
    assert 0 < read <= most
