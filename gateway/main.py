"""The gateway: four listeners and the Socket.IO feed in one process.

`python -m gateway.main --config config/sandbox.toml`
"""

import argparse
import asyncio
import contextlib
import os
import signal
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from actors.adapters.nats_bus import NatsBus, connect
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.adapters.tls import KeyPair, ServerTls, on_hangup
from actors.adapters.tls import client as client_tls
from actors.point.keys import PublicKeys
from actors.runtime import memory, tracing
from actors.runtime.bus import BusUnavailable
from actors.runtime.logging import configure
from actors.runtime.open_files import allow_files
from actors.runtime.secret_files import UMASK
from actors.runtime.settings import SettingsError
from actors.runtime.stopping import Stopped, before
from actors.settings import Http, Settings, load
from gateway.auditor import Auditor
from gateway.auth import Authenticator
from gateway.brake import Brake
from gateway.bus_api import BusApi
from gateway.connections import ConnectionLimits, Connections
from gateway.health import Health
from gateway.http import HttpApi
from gateway.idempotency import Idempotency
from gateway.live.feed import LiveFeed
from gateway.log_feed import LogFeed
from gateway.metrics import Metrics
from gateway.pages import add_pages
from gateway.proxies import TrustedProxies
from gateway.recordings import Recordings
from gateway.routes import BODY_LIMIT, Part
from gateway.server import BACKLOG, Listener
from gateway.stored_files import StoredFiles
from gateway.surface import routes_of

log = structlog.get_logger()

OTHER_FILES = 256 + len(Part) * BACKLOG  # open beside its clients' connections, also those that are about to be refused
KEYS_PATIENCE = 30.0  # seconds; POINT makes the keys at its first start


def application(part: Part, *, http_api: HttpApi, health: Health, metrics: Metrics, sandbox: bool) -> web.Application:
    """What one port serves."""
    app = web.Application(middlewares=[http_api.envelope], client_max_size=BODY_LIMIT)
    app.on_response_prepare.append(http_api.keep_secret)
    # What begins alike is looked through in this order for each request: the short ones are asked for most.
    for route in sorted(routes_of(part), key=lambda route: (route.path.count("/"), route.path)):
        handler = http_api.handler(route)
        app.router.add_route(route.method, route.path, handler)
        if route.ranged:
            app.router.add_route("HEAD", route.path, handler)
    app.on_shutdown.append(http_api.log_feed.part)
    app.on_shutdown.append(http_api.phone_streams.part)
    add_pages(app, part=part, http_api=http_api, health=health, metrics=metrics, sandbox=sandbox)
    return app


async def wait_for_keys(state: Path) -> None:
    give_up = asyncio.get_running_loop().time() + KEYS_PATIENCE
    while not PublicKeys(state):
        if asyncio.get_running_loop().time() >= give_up:
            raise SettingsError(f"no signing keys in {state / 'keys'}: is the actor host running with this state?")
        await asyncio.sleep(0.1)


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the ports serve, and who may hold how many connections to them."""

    http_api: HttpApi
    live: LiveFeed
    health: Health
    metrics: Metrics
    connections: Connections


async def start(settings: Settings, bus: NatsBus, door: NatsBus, stack: AsyncExitStack) -> Services:
    """Everything but the ports."""
    clock, ids, metrics = SystemClock(), RandomIds(), Metrics()
    authenticator = Authenticator(
        bus=bus, clock=clock, ids=ids, keys=PublicKeys(settings.state), metrics=metrics,
        token_seconds=settings.auth.token_seconds,
    )  # fmt: skip
    idempotency = Idempotency(bus=bus, ids=ids, now=lambda: clock.now().timestamp())
    health = Health(bus=bus, clock=clock, metrics=metrics, connected=lambda: bus.connected)
    auditor = Auditor(bus=bus, clock=clock, ids=ids, nearly_full=lambda: health.journal_nearly_full)
    brake = Brake(
        clock=clock, per_second=settings.http.changes_per_second, lasting=settings.http.lasting_changes_per_second,
        looks=settings.http.looks_per_second, nearly_full=lambda: health.journal_nearly_full,
    )
    log_feed = LogFeed(bus=bus, authenticator=authenticator)
    stack.push_async_callback(log_feed.stop)
    http_api = HttpApi(
        bus=bus, ids=ids, authenticator=authenticator, idempotency=idempotency, metrics=metrics, auditor=auditor,
        recordings=Recordings({name: Path(ami.recordings) for name, ami in settings.ami.items() if ami.recordings}),
        stored=StoredFiles(bus=bus, ids=ids), brake=brake, log_feed=log_feed,
    )  # fmt: skip
    connections = connections_of(settings.http)
    bus_api = BusApi(
        door=door, bus=bus, clock=clock, ids=ids, authenticator=authenticator, idempotency=idempotency, auditor=auditor,
        brake=brake, reads=http_api.reads, connections=connections,
    )  # fmt: skip
    live = LiveFeed(
        bus=bus, clock=clock, authenticator=authenticator, metrics=metrics, origins=settings.http.cors_origins,
        watermark=http_api.raise_watermark, log_feed=log_feed, reads=http_api.reads,
    )  # fmt: skip
    stack.push_async_callback(auditor.stop)
    for service in (authenticator, idempotency, bus_api, live, health):
        await service.start()
        stack.push_async_callback(service.stop)
    stack.callback(memory.measure(metrics.pauses))
    return Services(http_api=http_api, live=live, health=health, metrics=metrics, connections=connections)


def connections_of(http: Http) -> Connections:
    """As the settings say, and as far as this process may open files."""
    most = allow_files(http.connections + OTHER_FILES) - OTHER_FILES
    if most < http.connections:
        log.warning("fewer connections than set, since few files may be open", connections=most, set=http.connections)
    limits = ConnectionLimits(
        most=most,
        reserved=min(http.connections_reserved, most // 2),
        per_address=http.connections_per_address,
        per_user=http.connections_per_user,
        refusals_per_second=http.refusals_per_second,
    )
    return Connections(limits=limits, proxies=TrustedProxies(http.trusted_proxies))


async def listen(
    settings: Settings, services: Services, stack: AsyncExitStack, tls: Callable[[], ssl.SSLContext] | None
) -> Mapping[Part, int]:
    """Open the four ports, which close at once together. Raises OSError."""
    given = settings.http
    ports = {
        Part.POINT: given.point_port, Part.DCI: given.dci_port, Part.OTTB: given.ottb_port,
        Part.WORKSPACE: given.workspace_port,
    }  # fmt: skip
    listeners: list[Listener] = []

    async def stop_listening() -> None:
        await asyncio.gather(*(listener.stop() for listener in listeners))

    stack.push_async_callback(stop_listening)
    for part, port in ports.items():
        app = application(
            part, http_api=services.http_api, health=services.health, metrics=services.metrics,
            sandbox=settings.sandbox.enabled,
        )  # fmt: skip
        if part is Part.WORKSPACE:
            services.live.attach(app)
        listeners.append(Listener(app=app, host=given.host, port=port, connections=services.connections, tls=tls))
        await listeners[-1].start()
    return ports


async def serve(settings: Settings) -> int:
    """Run until SIGTERM. Returns the exit code: 1 asks the supervisor for a fresh process. Raises Stopped."""
    stopped, closed = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    http = settings.http
    shown = ServerTls(KeyPair(http.certificate, http.key)) if http.certificate else None
    tls, seen = client_tls(settings.nats), (lambda: shown.context) if shown is not None else None
    on_hangup(tls.reload, *([shown.reload] if shown is not None else []))
    bus = await before(stopped, connect(settings.nats, name="gateway", tls=tls, on_closed=closed.set))
    door = await before(stopped, connect(settings.nats, name="gateway door", tls=tls, on_closed=closed.set))
    await before(stopped, wait_for_keys(settings.state))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        stack.push_async_callback(door.close)
        if settings.traces.endpoint:
            from actors.adapters.otlp import Otlp  # the SDK takes half a second and 15 MB

            otlp = Otlp(settings.traces, service="ottb-gateway", host=settings.host)
            stack.push_async_callback(otlp.close)
            stack.callback(tracing.send_to(otlp.take, share=settings.traces.share))
        ports = await listen(settings, await start(settings, bus, door, stack), stack, seen)
        memory.freeze(memory.OFTEN)
        log.info("gateway is up", host=settings.http.host, ports=dict(ports))
        waiting = [asyncio.ensure_future(event.wait()) for event in (stopped, closed)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if closed.is_set():
            os._exit(1)
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description="The OTTB gateway.")
    parser.add_argument("--config", type=Path)
    arguments = parser.parse_args()
    os.umask(UMASK)
    try:
        settings = load(config=arguments.config, environment=os.environ)
        configure(level=settings.log.level, service="gateway")
        with contextlib.suppress(KeyboardInterrupt, Stopped):
            sys.exit(asyncio.run(serve(settings)))
    except (SettingsError, BusUnavailable) as error:
        sys.exit(f"ottb: {error}")
    except OSError as error:
        sys.exit(f"ottb: cannot listen: {error}. `ottb doctor` names what holds the port.")


if __name__ == "__main__":
    main()
