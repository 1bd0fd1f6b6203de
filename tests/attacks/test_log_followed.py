"""Who follows the platform's log from long ago and soon leaves has the gateway read for nobody: not faster than for
one who stays, however many connections that takes. Large events are read some at a time, and count for more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import ID, Recorded
from bus_schemas.log import CONTEXT_BYTES, LogWritten, log_subject
from bus_schemas.permissions import Action
from gateway import log_feed
from gateway.live.history import BURST_SECONDS, BYTES_OF_ENTRY, EACH_SECOND, PIECE_BYTES
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import gateway_on, serving, token_of

FOLLOW = "/api/dci/logs/follow"
EVENTS, LARGE, SECONDS, STAY = 3_000, 800, 0.3, 0.05
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


async def test_large_events_are_told_some_at_a_time_and_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, read = MemoryBroker(clock=SystemClock()), 0
    filling, large = MemoryBus(broker), msgspec.structs.replace(NOBODY, context={"a": "x" * CONTEXT_BYTES})
    for number in range(LARGE):
        await filling.log.write(log_subject(large), msgspec.json.encode(large), {ID: str(number)})
    users = {"op12": frozenset({Action.LOG_VIEW, Action.LOG_VIEW_ANY})}
    async with serving(broker, {}, users), gateway_on(MemoryBus(broker)) as gateway, gateway.live("op12") as client:

        async def counted(scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
            nonlocal read
            async for one in replay(scope, after=after):
                read += 1
                yield one

        replay, gateway.bus.log.replay = gateway.bus.log.replay, counted  # type: ignore[method-assign]
        told, tell = list[int](), gateway.feed._log._tell

        def noted(*given: Any) -> None:
            told.append(len(given[-1]))
            tell(*given)

        monkeypatch.setattr(gateway.feed._log, "_tell", noted)
        await client.socket.emit("subscribe:log", {"since": 0, "text": "another"})
        await asyncio.sleep(SECONDS)
    most = EACH_SECOND * (SECONDS + BURST_SECONDS) * BYTES_OF_ENTRY / CONTEXT_BYTES + 2 * max(told)
    print(f"{LARGE} events of {CONTEXT_BYTES} bytes: {read} read in {SECONDS} s, {max(told)} at a time at most")
    assert 0 < read <= most and max(told) <= PIECE_BYTES // CONTEXT_BYTES + 1
