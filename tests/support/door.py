"""A gateway's HTTP door in this process, on a bus in memory, with actors that answer as a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point.tokens import make_service_token
from actors.runtime.context import Context
from actors.runtime.service import Service
from bus_schemas.contract import Rpc
from bus_schemas.permissions import Action
from bus_schemas.user import IDENTIFY, TOKEN_USED, Identify, Identity, Kind, TokenUsed
from gateway.auditor import Auditor
from gateway.auth import Doorkeeper
from gateway.health import Health
from gateway.http import Door
from gateway.idempotency import Idempotency
from gateway.main import application
from gateway.metrics import Metrics
from gateway.recordings import Recordings
from gateway.routes import Part
from gateway.server import Connections, Listener
from simulators.memory_bus import MemoryBroker, MemoryBus

USER = "op12"


class InProcess:
    """One gateway. `bus` is its own: killing that is the gateway's death."""

    def __init__(self, bus: MemoryBus, session: aiohttp.ClientSession, port: int, token: str) -> None:
        self.bus = bus
        self._session = session
        self._port = port
        self.token = token
        self._begun: list[asyncio.Task[tuple[int, Any]]] = []

    def begin(self, path: str, body: Any = None, **headers: str) -> None:
        """Post something whose answer nobody waits for."""
        self._begun.append(asyncio.get_running_loop().create_task(self.post(path, body, **headers)))

    async def end(self) -> None:
        for task in self._begun:
            task.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)

    async def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        async with self._session.post(self._url(path), json=body, headers=self._headers | headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._session.get(self._url(path), headers=self._headers) as answer:
            return answer.status, await answer.json()

    async def text(self, path: str) -> str:
        async with self._session.get(self._url(path)) as answer:
            return await answer.text()

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@asynccontextmanager
async def serving(
    broker: MemoryBroker, handlers: dict[Rpc[Any, Any], Callable[[Any, Context], Awaitable[Any]]]
) -> AsyncIterator[None]:
    """Actors that answer these lines, and a POINT that lets everybody do everything."""

    async def identify(request: Identify, context: Context) -> Identity:
        return Identity(
            kind=Kind.TOKEN, id=request.id, user=USER, role="admin", actions=list(Action), expires_at=None
        )

    async def used(request: TokenUsed, context: Context) -> TokenUsed:
        return request

    service = Service(
        bus=MemoryBus(broker), queue="test", handlers={IDENTIFY: identify, TOKEN_USED: used, **handlers}
    )
    await service.start()
    yield
    await service.stop()


@asynccontextmanager
async def gateway_on(bus: MemoryBus) -> AsyncIterator[InProcess]:
    """A gateway's WORKSPACE port."""
    clock, ids, metrics = SystemClock(), RandomIds(), Metrics()
    async with AsyncExitStack() as stack:
        doorkeeper = Doorkeeper(bus=bus, clock=clock, ids=ids, keys={})
        await doorkeeper.start()
        stack.push_async_callback(doorkeeper.stop)
        idempotency = Idempotency(bus=bus, ids=ids, now=lambda: clock.now().timestamp())
        await idempotency.start()
        auditor = Auditor(bus=bus, clock=clock, ids=ids)
        stack.push_async_callback(auditor.stop)
        door = Door(
            bus=bus,
            ids=ids,
            doorkeeper=doorkeeper,
            idempotency=idempotency,
            metrics=metrics,
            auditor=auditor,
            recordings=Recordings({}),
        )
        health = Health(bus=bus, clock=clock, metrics=metrics, connected=lambda: bus.alive)
        await health.start()
        app = application(Part.WORKSPACE, door=door, health=health, metrics=metrics, sandbox=True)
        listener = Listener(app=app, host="127.0.0.1", port=0, connections=Connections())
        await listener.start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        running = InProcess(bus, session, listener.port, make_service_token()[1])
        yield running
        await running.end()
        bus.bury()  # what a killed gateway waits for ends
        await asyncio.sleep(0)
        await session.close()
        await listener.stop()
