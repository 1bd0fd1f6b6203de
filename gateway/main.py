"""The gateway: four listeners and the Socket.IO feed in one process.

`python -m gateway.main --config config/sandbox.toml`
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
from aiohttp import web

from actors.adapters.nats_bus import connect
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point.keys import KeyRing
from actors.runtime import memory
from actors.runtime.bus import BusUnavailable
from actors.runtime.logging import configure
from actors.runtime.settings import SettingsError
from actors.settings import Settings, load
from gateway.auditor import Auditor
from gateway.auth import Doorkeeper
from gateway.bus_door import BusDoor
from gateway.health import Health
from gateway.http import BODY_LIMIT, Door
from gateway.idempotency import Idempotency
from gateway.live import LiveFeed
from gateway.metrics import Metrics
from gateway.openapi import routes_of
from gateway.pages import add_pages
from gateway.recordings import Recordings
from gateway.routes import Part
from gateway.server import Connections, Listener, expect

log = structlog.get_logger()

KEYS_PATIENCE = 30.0  # seconds; POINT makes the keys at its first start


def application(part: Part, *, door: Door, health: Health, metrics: Metrics, sandbox: bool) -> web.Application:
    """What one port serves."""
    app = web.Application(middlewares=[door.envelope], client_max_size=BODY_LIMIT)
    for route in routes_of(part):
        app.router.add_route(route.method, route.path, door.handler(route), expect_handler=expect)
    add_pages(app, part=part, health=health, metrics=metrics, sandbox=sandbox)
    return app


async def wait_for_keys(state: Path) -> None:
    give_up = asyncio.get_running_loop().time() + KEYS_PATIENCE
    while not KeyRing(state):
        if asyncio.get_running_loop().time() >= give_up:
            raise SettingsError(f"no signing keys in {state / 'keys'}: is the actor host running with this state?")
        await asyncio.sleep(0.1)


async def serve(settings: Settings) -> int:
    """Run until SIGTERM. Returns the exit code: 1 asks the supervisor for a fresh process."""
    stopped, closed = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    bus = await connect(settings.nats, name="gateway", on_closed=closed.set)
    await wait_for_keys(settings.state)
    clock, ids, metrics = SystemClock(), RandomIds(), Metrics()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        doorkeeper = Doorkeeper(bus=bus, clock=clock, ids=ids, keys=KeyRing(settings.state), metrics=metrics)
        await doorkeeper.start()
        stack.push_async_callback(doorkeeper.stop)
        idempotency = Idempotency(bus=bus, ids=ids, now=lambda: clock.now().timestamp())
        await idempotency.start()
        stack.push_async_callback(idempotency.stop)
        auditor = Auditor(bus=bus, clock=clock, ids=ids)
        stack.push_async_callback(auditor.stop)
        door = Door(
            bus=bus,
            ids=ids,
            doorkeeper=doorkeeper,
            idempotency=idempotency,
            metrics=metrics,
            auditor=auditor,
            recordings=Recordings({name: Path(ami.recordings) for name, ami in settings.ami.items() if ami.recordings}),
        )
        bus_door = BusDoor(
            bus=bus, clock=clock, ids=ids, doorkeeper=doorkeeper, idempotency=idempotency, auditor=auditor
        )
        await bus_door.start()
        stack.push_async_callback(bus_door.stop)
        live = LiveFeed(
            bus=bus,
            clock=clock,
            doorkeeper=doorkeeper,
            metrics=metrics,
            origins=settings.http.cors_origins,
            saw=door.saw,
        )
        await live.start()
        stack.push_async_callback(live.stop)
        health = Health(bus=bus, clock=clock, metrics=metrics, connected=lambda: bus.connected)
        await health.start()
        stack.push_async_callback(health.stop)
        ports = {
            Part.POINT: settings.http.point_port,
            Part.DCI: settings.http.dci_port,
            Part.OTTB: settings.http.ottb_port,
            Part.WORKSPACE: settings.http.workspace_port,
        }
        connections = Connections()
        listeners: list[Listener] = []

        async def stop_listening() -> None:
            await asyncio.gather(*(listener.stop() for listener in listeners))

        stack.push_async_callback(stop_listening)
        for part, port in ports.items():
            app = application(
                part, door=door, health=health, metrics=metrics, sandbox=settings.sandbox.enabled
            )
            if part is Part.WORKSPACE:
                live.attach(app)
            listener = Listener(app=app, host=settings.http.host, port=port, connections=connections)
            listeners.append(listener)
            await listener.start()
        memory.freeze()
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
    try:
        settings = load(config=arguments.config, environment=os.environ)
        configure(level=settings.log.level, service="gateway")
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(asyncio.run(serve(settings)))
    except (SettingsError, BusUnavailable) as error:
        sys.exit(f"ottb: {error}")
    except OSError as error:
        sys.exit(f"ottb: cannot listen: {error}. `ottb doctor` names what holds the port.")


if __name__ == "__main__":
    main()
