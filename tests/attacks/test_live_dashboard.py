"""The figures of the dashboard are sums of much. Who subscribes to its room again and again, on however many clients,
has them asked for no more often than over HTTP."""

import asyncio
from contextlib import AsyncExitStack

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from bus_schemas.dashboard import GET_DASHBOARD, Dashboard, GetDashboard
from bus_schemas.permissions import Action
from gateway.reads import AT_ONCE, REST
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import gateway_on, serving

CLIENTS, TIMES, SECONDS = 4, 25, 0.5


async def test_who_subscribes_again_and_again_has_no_more_asked_than_over_http() -> None:
    broker, asked = MemoryBroker(clock=SystemClock()), 0

    async def figures(request: GetDashboard, context: Context) -> Dashboard:
        nonlocal asked
        asked += 1
        return Dashboard(active_calls=0, active_slots=0, today_calls=0, failed_calls=0, timestamp="")

    users = {"op12": frozenset({Action.DASHBOARD_VIEW})}
    async with (
        serving(broker, {GET_DASHBOARD: figures}, users), gateway_on(MemoryBus(broker), rest=REST) as gateway,
        AsyncExitStack() as stack,
    ):  # fmt: skip
        clients = [await stack.enter_async_context(gateway.live("op12")) for _ in range(CLIENTS)]
        for client in clients * TIMES:
            await client.socket.emit("subscribe:dashboard", {})
        await asyncio.sleep(SECONDS)
    most = AT_ONCE * (1 + SECONDS / REST) + AT_ONCE
    print(f"{CLIENTS * TIMES} subscriptions of one user in {SECONDS} s: the host was asked {asked} times")
    assert 0 < asked <= most
