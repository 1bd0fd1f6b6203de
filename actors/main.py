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
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from actors.adapters.adb import AdbClient
from actors.adapters.adb_phone import AdbPhone, DeviceTracker
from actors.adapters.nats_bus import connect
from actors.adapters.passwords import Passwords
from actors.adapters.random_ids import RandomIds
from actors.adapters.sqlite_ledger import SqliteLedger
from actors.adapters.system_clock import SystemClock
from actors.call import gate
from actors.call.actor import CallActor
from actors.call.caps import Caps
from actors.call.gate import Rules
from actors.call.machine import Patience
from actors.call.switchboard import Limits, Switchboard
from actors.ledger.ledger import Ledger
from actors.point.keys import ensure_keys, write_secret
from actors.point.point import Point
from actors.runtime.bus import Bus, BusUnavailable
from actors.runtime.host import Host
from actors.runtime.logging import configure
from actors.runtime.ownership import Lease, LeaseKeeper
from actors.runtime.service import Service
from actors.settings import Dial, Settings, SettingsError, load
from actors.slot.actor import MakePhone, SlotActor
from actors.slot.pool import Pool
from actors.slot.registry import Device, SlotRegistry
from bus_schemas.call import START_CALL, START_ON_SLOT
from bus_schemas.slot import CONFIGURE_SLOT, LIST_UNASSIGNED, REMOVE_SLOT, SlotConfig

log = structlog.get_logger()

SANDBOX_OPERATOR = ("op12", "1234", "operator")


def rules_of(dial: Dial) -> Rules:
    """The dial gate's rules. Raises SettingsError."""
    numbers = set(dial.do_not_call)
    try:
        if dial.do_not_call_file:
            numbers |= {line.strip() for line in Path(dial.do_not_call_file).read_text().splitlines() if line.strip()}
        window = gate.parse_window(dial.hours)
    except (OSError, ValueError) as error:
        raise SettingsError(f"dial: {error}") from None
    return Rules(
        site_region=dial.site_region,
        countries=frozenset(dial.countries),
        do_not_call=frozenset(numbers),
        window=window,
        timezone=dial.timezone,
    )


@asynccontextmanager
async def running(
    settings: Settings, bus: Bus, make_phone: MakePhone, devices: Callable[[], Iterable[Device]], lost: asyncio.Event
) -> AsyncIterator[Host]:
    """The host with everything that runs in it, started in order and stopped in reverse."""
    clock, ids, pool = SystemClock(), RandomIds(), Pool()
    calls = settings.calls
    patience = Patience(created=calls.created_timeout, hangup=calls.hangup_timeout, lost=calls.lost_timeout)
    async with AsyncExitStack() as stack:
        lease = Lease(bus=bus, clock=clock, key=f"host.{settings.host}", holder=ids.new())
        keeper = LeaseKeeper(lease=lease, on_lost=lost.set)
        await keeper.start()
        stack.push_async_callback(keeper.stop)
        host = Host(
            name=settings.host,
            bus=bus,
            clock=clock,
            ids=ids,
            ownership=keeper,
            make={
                "slot": lambda id, host: SlotActor(id=id, host=host, make_phone=make_phone, pool=pool),
                "call": lambda id, host: CallActor(id=id, host=host, patience=patience),
            },
        )
        stack.push_async_callback(host.drain)
        registry = SlotRegistry(host=host, from_file=settings.slots, devices=devices)
        await registry.start()
        switchboard = Switchboard(
            host=host,
            pool=pool,
            rules=rules_of(settings.dial),
            caps=Caps(per_minute=settings.dial.user_calls_per_minute, at_once=settings.dial.user_concurrent_calls),
            limits=Limits(
                ring_timeout=calls.ring_timeout,
                max_duration=calls.max_duration,
                slot_calls_per_hour=settings.dial.slot_calls_per_hour,
            ),
            regions=lambda: registry.regions,
        )
        host.serve_beside(START_ON_SLOT, switchboard.start_here)
        service = Service(
            bus=bus,
            queue="host",
            handlers={
                START_CALL: switchboard.start_call,
                CONFIGURE_SLOT: registry.configure,
                REMOVE_SLOT: registry.remove,
                LIST_UNASSIGNED: registry.unassigned,
            },
        )
        await service.start()
        stack.push_async_callback(service.stop)
        yield host


async def start_ledger(settings: Settings, bus: Bus, stack: AsyncExitStack) -> None:
    ledger = Ledger(bus=bus, repository=SqliteLedger(settings.state / "ledger.sqlite3"))
    await ledger.start()
    stack.push_async_callback(ledger.stop)


async def start_point(settings: Settings, bus: Bus, stack: AsyncExitStack) -> None:
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


async def seed(point: Point, settings: Settings) -> None:
    """The first users: `admin` with a password of its own, and in the sandbox the documented operator."""
    password = secrets.token_urlsafe(12)
    if await point.seed("admin", password, "admin"):
        write_secret(settings.state / "admin-password", f"{password}\n".encode())
        log.info("user admin created; the password is in the state folder", file="admin-password")
    if settings.sandbox.enabled:
        await point.seed(*SANDBOX_OPERATOR)


async def serve(settings: Settings) -> int:
    """Run until SIGTERM. Returns the exit code: 1 asks the supervisor for a fresh process."""
    stopped, closed, lost = asyncio.Event(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    settings.state.mkdir(parents=True, exist_ok=True)
    bus = await connect(settings.nats, name="actors", on_closed=closed.set)
    await bus.ensure_streams()
    tracker = DeviceTracker(client=AdbClient(host=settings.adb.host, port=settings.adb.port))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        tracker.start()
        stack.push_async_callback(tracker.stop)
        await start_point(settings, bus, stack)
        await start_ledger(settings, bus, stack)

        def make_phone(config: SlotConfig) -> AdbPhone:
            return AdbPhone(serial=config.serial or "", tracker=tracker)

        await stack.enter_async_context(running(settings, bus, make_phone, tracker.devices, lost))
        log.info("actor host is up", host=settings.host, slots=len(settings.slots))
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
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(asyncio.run(serve(settings)))
    except (SettingsError, BusUnavailable) as error:
        sys.exit(f"ottb: {error}")


if __name__ == "__main__":
    main()
