"""A gateway's HTTP door in this process, on a bus in memory, with actors that answer as a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import socketio
from nacl.signing import VerifyKey

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from actors.settings import Http
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.user import IDENTIFY, TOKEN_USED, Identify, Identity, TokenUsed
from gateway.auditor import Auditor
from gateway.auth import Authenticator
from gateway.brake import FREE, Brake
from gateway.bus_api import BusApi
from gateway.connections import ConnectionLimits, Connections
from gateway.health import Health
from gateway.http import HttpApi
from gateway.idempotency import Idempotency
from gateway.live.feed import LiveFeed
from gateway.log_feed import LogFeed
from gateway.main import application
from gateway.metrics import Metrics
from gateway.reads import Reads
from gateway.recordings import Recordings
from gateway.routes import Part
from gateway.server import Listener
from gateway.stored_files import StoredFiles
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

USER = "op12"
EVERYTHING = frozenset(Action)
SHARES = Http()
NO_KEYS: Mapping[str, VerifyKey] = {}
UNHURRIED = ConnectionLimits(refusals_per_second=1e6)  # what tests send they send at once


def token_of(user: str) -> str:
    """A service token of a user's, which the POINT of these tests takes."""
    return f"ottb_st_{user}_{'0' * 40}"


class LiveClient:
    """A Socket.IO client. `heard`: the payloads of what it was told, in order."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.socket = socketio.AsyncClient(reconnection=False)
        self.socket.on("*", self._hear)

    async def _hear(self, event: str, payload: dict[str, Any]) -> None:
        self.heard.append(payload)


class InProcess:
    """One gateway. `bus` is its own: killing that is the gateway's death."""

    def __init__(
        self,
        bus: MemoryBus,
        session: aiohttp.ClientSession,
        listener: Listener,
        feed: LiveFeed,
        auditor: Auditor,
        metrics: Metrics,
        brake: Brake,
    ) -> None:
        self.brake = brake
        self.bus = bus
        self.auditor = auditor
        self.metrics = metrics
        self._session = session
        self.listener = listener
        self.feed = feed
        self.token = token_of(USER)
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

    async def ask(self, method: str, path: str, body: Any = None, **more: str) -> tuple[int, Any]:
        """One request; a body of bytes is sent as it is. `more`: headers."""
        data = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        headers = self._headers if self.token else {}
        headers = headers | ({"Content-Type": "application/json"} if data is not None else {}) | more
        async with self._session.request(method, self._url(path), data=data, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._session.get(self._url(path), headers=self._headers) as answer:
            return answer.status, await answer.json()

    async def text(self, path: str) -> str:
        """What is not JSON."""
        async with self._session.get(self._url(path), headers=self._headers) as answer:
            assert answer.status == 200, answer.status
            return await answer.text()

    async def figure(self, name: str) -> float | None:
        """A figure of this moment, named with its labels."""
        lines = self.metrics.exposition().decode().splitlines()
        return next((float(line.rsplit(maxsplit=1)[1]) for line in lines if line.startswith(f"{name} ")), None)

    @asynccontextmanager
    async def live(self, user: str, *rooms: str, since: int | None = None) -> AsyncIterator[LiveClient]:
        """A user's Socket.IO client in these rooms."""
        client = LiveClient()
        await client.socket.connect(self._url(""), auth={"token": token_of(user)}, transports=["websocket"])
        for room in rooms:
            ack = await client.socket.call(f"subscribe:{room}", None if since is None else {"since": since})
            assert ack["error"] is False, ack
        yield client
        await client.socket.disconnect()

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.listener.port}{path}"

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Point:
    """A POINT that knows these users. `owners`: of service tokens. `asked`: how often it said who somebody is."""

    def __init__(self, users: Mapping[str, frozenset[Action]], owners: Mapping[str, str]) -> None:
        self.users = users
        self.owners = owners
        self.asked = 0

    async def identify(self, request: Identify, context: Context) -> Identity:
        self.asked += 1
        if request.id not in self.users:
            raise Refusal(ErrorCode.AUTH_FAIL, "Nobody knows you.")
        actions, user = sorted(self.users[request.id]), self.owners.get(request.id, request.id)
        return Identity(kind=request.kind, id=request.id, user=user, role="r", actions=actions, expires_at=None)

    async def used(self, request: TokenUsed, context: Context) -> TokenUsed:
        return request


@asynccontextmanager
async def serving(
    broker: MemoryBroker,
    handlers: Mapping[Rpc[Any, Any], Callable[[Any, Context], Awaitable[Any]]],
    users: Mapping[str, frozenset[Action]] | None = None,
    owners: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
) -> AsyncIterator[Point]:
    """Actors that answer these lines, and a POINT. `fields`: of their subjects, whose things those actors have."""
    point = Point(users or {USER: EVERYTHING}, owners or {})
    served = {IDENTIFY: point.identify, TOKEN_USED: point.used, **handlers}
    lines = [serve(rpc, handler) for rpc, handler in served.items()]
    service = Service(bus=MemoryBus(broker), queue="test", handlers=lines, fields=fields or {})
    await service.start()
    yield point
    await service.stop()


def bus_door_on(
    bus: MemoryBus, connections: Connections | None = None, per_second: float = SHARES.changes_per_second,
    looks: float = FREE,
) -> BusApi:
    """A gateway's door on the bus. It hears nothing by itself. `per_second`: changes of one user, `looks`: theirs at
    one thing."""
    clock, ids = SystemClock(), RandomIds()
    return BusApi(
        door=bus,
        bus=bus,
        clock=clock,
        ids=ids,
        authenticator=Authenticator(bus=bus, clock=clock, ids=ids, keys={}, metrics=Metrics(), token_seconds=3600),
        idempotency=Idempotency(bus=bus, ids=ids, now=lambda: clock.now().timestamp()),
        auditor=Auditor(bus=bus, clock=clock, ids=ids),
        brake=Brake(clock=clock, per_second=per_second, lasting=SHARES.lasting_changes_per_second, looks=looks),
        reads=Reads(),
        connections=connections or Connections(limits=UNHURRIED),
    )


@asynccontextmanager
async def gateway_on(
    bus: MemoryBus, connections: Connections | None = None, keys: Mapping[str, VerifyKey] = NO_KEYS,
    per_second: float = SHARES.changes_per_second, rest: float | None = None, looks: float = FREE,
) -> AsyncIterator[InProcess]:
    """A gateway's WORKSPACE port. `keys`: with which it checks access tokens; `per_second`: changes of one user,
    `looks`: theirs at one thing; `rest`: seconds after each read of a list."""
    clock, ids, metrics = SystemClock(), RandomIds(), Metrics()
    async with AsyncExitStack() as stack:
        authenticator = Authenticator(bus=bus, clock=clock, ids=ids, keys=keys, metrics=metrics, token_seconds=3600)
        await authenticator.start()
        stack.push_async_callback(authenticator.stop)
        idempotency = Idempotency(bus=bus, ids=ids, now=lambda: clock.now().timestamp())
        await idempotency.start()
        health = Health(bus=bus, clock=clock, metrics=metrics, connected=lambda: bus.alive)
        auditor = Auditor(bus=bus, clock=clock, ids=ids, nearly_full=lambda: health.journal_nearly_full)
        stack.push_async_callback(auditor.stop)
        log_feed = LogFeed(bus=bus, authenticator=authenticator)
        stack.push_async_callback(log_feed.stop)
        http_api = HttpApi(
            bus=bus,
            log_feed=log_feed,
            ids=ids,
            authenticator=authenticator,
            idempotency=idempotency,
            metrics=metrics,
            auditor=auditor,
            recordings=Recordings({}),
            stored=StoredFiles(bus=bus, ids=ids),
            brake=Brake(
                clock=clock,
                per_second=per_second,
                lasting=SHARES.lasting_changes_per_second,
                looks=looks,
                nearly_full=lambda: health.journal_nearly_full,
            ),
        )
        http_api.reads = Reads(rest=rest)
        await health.start()
        live = LiveFeed(
            bus=bus, clock=clock, authenticator=authenticator, metrics=metrics, origins=(),
            watermark=http_api.raise_watermark, log_feed=log_feed, reads=http_api.reads,
        )  # fmt: skip
        await live.start()
        app = application(Part.WORKSPACE, http_api=http_api, health=health, metrics=metrics, sandbox=True)
        live.attach(app)
        listener = Listener(
            app=app,
            host="127.0.0.1",
            port=0,
            connections=connections or Connections(limits=UNHURRIED),
        )
        await listener.start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        running = InProcess(bus, session, listener, live, auditor, metrics, http_api.brake)
        yield running
        await running.end()
        bus.bury()  # what a killed gateway waits for ends
        await asyncio.sleep(0)
        await session.close()
        await live.stop()
        await listener.stop()
