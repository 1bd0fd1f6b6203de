"""The actor host: which actors and services run in this process, with which adapters. Only this file names them.

`python -m actors.main --config config/sandbox.toml`
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import structlog

from actors.adapters.adb import AdbClient
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_tracker import DeviceTracker
from actors.adapters.asterisk import Asterisk
from actors.adapters.host_lock import HostLock
from actors.adapters.ledger.postgresql import PostgresLedger, schema_of
from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.nats_bus import connect
from actors.adapters.passwords import Passwords
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.assembly import running
from actors.audit.audit import Audit
from actors.ledger.ledger import Ledger
from actors.point import keys
from actors.point.bus_login import BusLogin
from actors.point.keys import ensure_keys, write_secret
from actors.point.point import Point
from actors.runtime import memory
from actors.runtime.bus import Bus, BusError
from actors.runtime.earlier import EarlierJournal, refuse_earlier
from actors.runtime.logging import configure
from actors.settings import Settings, SettingsError, load
from actors.slot.registry import adb_name
from bus_schemas.slot import SlotConfig

log = structlog.get_logger()

THREAD_TURN = 0.0005  # seconds that a thread keeps the interpreter: the ledger's shall not hold a call up for 5 ms
KEY_LOOK, KEY_SLACK = 3600.0, 24 * 3600.0  # seconds
NAMED = 20  # entries of another host that the log names
SANDBOX_OPERATOR = ("op12", "1234", "operator")


async def start_ledger(settings: Settings, bus: Bus, stack: AsyncExitStack) -> Ledger:
    url = settings.ledger.url
    store = PostgresLedger(url, schema_of(settings.host)) if url else SqliteLedger(settings.ledger_file)
    ledger = Ledger(bus=bus, store=store)
    await ledger.start()
    stack.push_async_callback(ledger.stop)
    return ledger


async def start_audit(bus: Bus, stack: AsyncExitStack) -> Audit:
    audit = Audit(bus=bus, clock=SystemClock(), ids=RandomIds())
    await audit.start()
    stack.push_async_callback(audit.stop)
    return audit


async def start_point(settings: Settings, bus: Bus, stack: AsyncExitStack) -> Point:
    passwords = Passwords()
    stack.callback(passwords.close)
    point = Point(
        bus=bus,
        clock=SystemClock(),
        ids=RandomIds(),
        passwords=passwords,
        keys=ensure_keys(settings.state),
        auth=settings.auth,
    )
    await point.start()
    stack.push_async_callback(point.stop)
    await seed(point, settings)
    renewing = asyncio.get_running_loop().create_task(renew_keys(settings))
    stack.callback(renewing.cancel)
    return point


async def start_bus_login(
    settings: Settings, point: Point, stack: AsyncExitStack, on_closed: Callable[[], None]
) -> None:
    """Let other systems in with their POINT identity, where the server asks for it."""
    given = settings.bus_login
    if given.user is None or given.issuer_seed is None:
        return
    connections = []
    for user, password in ((given.user, given.password), (given.sys_user, given.sys_password)):
        nats = msgspec.structs.replace(settings.nats, user=user, password=password)
        bus = await connect(nats, name="bus login", on_closed=on_closed)
        stack.push_async_callback(bus.close)
        connections.append(bus)
    auth, sys_bus = connections
    login = BusLogin(auth=auth, sys=sys_bus, admit=point.admit_on_bus, seed=given.issuer_seed, clock=SystemClock())
    await login.start()
    stack.push_async_callback(login.stop)
    point.journal.on_void = login.void


async def renew_keys(settings: Settings) -> None:
    """Replace the signing key in time; what the old one signed stays good until it ends by itself."""
    while True:
        keys.renew(
            settings.state,
            after=settings.auth.key_seconds,
            keep=settings.auth.session_seconds + KEY_SLACK,
            now=SystemClock().now().timestamp(),
        )
        await asyncio.sleep(KEY_LOOK)


async def seed(point: Point, settings: Settings) -> None:
    """The first users: `admin` with a password of its own, and in the sandbox the documented operator."""
    password = secrets.token_urlsafe(12)
    must_change = settings.auth.change_at_first_login and not settings.sandbox.enabled
    if await point.seed("admin", password, "admin", must_change=must_change):
        write_secret(settings.state / "admin-password", f"{password}\n".encode())
        log.info("user admin created; the password is in the state folder", file="admin-password")
    if settings.sandbox.enabled:
        await point.seed(*SANDBOX_OPERATOR)


async def before(stopped: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work was done before somebody stopped us."""
    tasks = [asyncio.ensure_future(each) for each in (work, stopped.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            tasks[0].result()
        return not stopped.is_set()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def serve(settings: Settings) -> int:
    """Run until SIGTERM. Returns the exit code: 1 asks the supervisor for a fresh process."""
    stopped, closed, lost = asyncio.Event(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    settings.state.mkdir(parents=True, exist_ok=True)
    lock = HostLock(settings.state, settings.host)  # before anything of this host is reached; its end is the process's
    if not await before(stopped, lock.acquire()):
        return 0
    bus = await connect(settings.nats, name="actors", on_closed=closed.set)
    await bus.ensure_streams()
    await refuse_earlier(bus)
    tracker = DeviceTracker(client=AdbClient(host=settings.adb.host, port=settings.adb.port))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        tracker.start()
        stack.push_async_callback(tracker.stop)
        audit = await start_audit(bus, stack)
        point = await start_point(settings, bus, stack)
        await start_bus_login(settings, point, stack, closed.set)
        ledger = await start_ledger(settings, bus, stack)

        def make_phone(config: SlotConfig) -> AdbPhone:
            return AdbPhone(serial=adb_name(config, settings.hubs), tracker=tracker)

        pbxs = {}
        for name, ami in settings.ami.items():
            pbxs[name] = Asterisk(name, ami, prefix=f"ottb-{settings.host}-{secrets.token_hex(4)}")
            pbxs[name].start()
            stack.push_async_callback(pbxs[name].stop)
        host = running(
            settings,
            bus=bus,
            clock=SystemClock(),
            ids=RandomIds(),
            make_phone=make_phone,
            devices=tracker.devices,
            pbxs=pbxs,
            lost=lost,
            problems=lambda: [*audit.problems(), *point.problems(), *ledger.problems()],
        )
        ours = await stack.enter_async_context(host)
        for other, names in settings.whose().items():
            if other != settings.host:
                what = "entries of the settings are left to another host"
                log.info(what, host=other, count=len(names), entries=names[:NAMED])
        memory.settle()
        log.info("actor host is up", host=settings.host, slots=len(ours.all("slot")), trunks=len(ours.all("trunk")))
        waiting = [asyncio.ensure_future(event.wait()) for event in (stopped, closed, lost)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if closed.is_set():  # nothing can be finished without the bus
            os._exit(1)
    return 0 if stopped.is_set() else 1


def main() -> None:
    parser = argparse.ArgumentParser(description="The OTTB actor host.")
    parser.add_argument("--config", type=Path)
    arguments = parser.parse_args()
    try:
        settings = load(config=arguments.config, environment=os.environ)
        configure(level=settings.log.level, service="actors")
        sys.setswitchinterval(THREAD_TURN)
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(asyncio.run(serve(settings)))
    except (SettingsError, BusError, EarlierJournal) as error:
        sys.exit(f"ottb: {error}")


if __name__ == "__main__":
    main()
