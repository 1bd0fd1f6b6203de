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
from asyncio import Event
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from actors.adapters.adb import AdbClient
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_tracker import DeviceTracker, label
from actors.adapters.archive_place import place_of
from actors.adapters.asterisk import Asterisk
from actors.adapters.host_figures import PsutilReader
from actors.adapters.host_lock import HostLock
from actors.adapters.http_sender import HttpSender
from actors.adapters.ledger.schemas import figures_schema_of, log_schema_of, schema_of
from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.list_reader import Apart
from actors.adapters.nats_bus import NatsBus, connect
from actors.adapters.part_versions import Versions
from actors.adapters.passwords import Passwords
from actors.adapters.phone_files import AdbTools
from actors.adapters.pictures import as_jpeg, as_png
from actors.adapters.random_ids import RandomIds
from actors.adapters.received_bytes import ReceivedBytes
from actors.adapters.runner.executor import LocalExecutor
from actors.adapters.smtp_mailer import SmtpMailer
from actors.adapters.system_clock import SystemClock
from actors.adapters.tls import ClientTls, on_hangup
from actors.adapters.tls import client as client_tls
from actors.adapters.usb_devices import UsbDevices
from actors.archive.archive import Archive
from actors.archive.whole import Whole
from actors.assembly import running
from actors.audit.start import start as start_audit
from actors.by_hand.start import Tools
from actors.ledger.kinds import FIGURES_PROJECTIONS, LOG_PROJECTIONS, PROJECTIONS
from actors.ledger.model import Projection
from actors.ledger.start import start as start_ledger
from actors.ledger.start import start_of_figures, start_of_log
from actors.ledger.store import Store
from actors.log.start import start_noting
from actors.pipeline.files import SHIPPED
from actors.point.start import start as start_point
from actors.point.start import start_bus_login
from actors.runner.port import MIB, RunnerError
from actors.runtime import memory, tracing
from actors.runtime.bus import Bus, BusError
from actors.runtime.earlier import EarlierJournal, refuse_earlier
from actors.runtime.host import Host
from actors.runtime.logging import configure
from actors.runtime.open_files import allow_files
from actors.runtime.parts import Parts
from actors.runtime.plain_files import NO_LINK, opened
from actors.runtime.problems import Problem, but_for
from actors.runtime.secret_files import UMASK, own_folder, refuse_others_above
from actors.runtime.settings import SettingsError
from actors.runtime.spread import Spread
from actors.runtime.stopping import Stopped, before
from actors.settings import Settings, load
from actors.slot.actor import SlotActor
from actors.slot.registry import adb_name, adb_place
from actors.telephony.zones import zone
from actors.trunk.actor import TrunkActor
from actors.trunk.start import joining
from bus_schemas.monitor import Following
from bus_schemas.slot import SlotConfig

log = structlog.get_logger()

Problems = Callable[[], Iterable[Problem]]


@dataclass(frozen=True)
class SiteParts:
    """What tells how the parts of a site in this process are: what is wrong, and how far its records are."""

    problems: Problems
    records: Callable[[], Iterable[Following]]


THREAD_TURN = 0.0001  # seconds that a thread keeps the interpreter: the ledger's shall not hold a call up for 5 ms
OPEN_FILES = 16384  # a phone takes a dozen: its log, its shell, what it is asked, and users' commands
ADB_ROUND_TRIP, GC_PAUSE = "ottb_adb_round_trip_seconds", "ottb_host_gc_pause_seconds"
LARGEST_SECRET = 16 * 1024  # bytes
NAMED = 20  # entries of another host that the log names


def store_of(settings: Settings) -> Store:
    """Where the records of this host are kept."""
    return _store(settings, settings.ledger_file, schema_of, PROJECTIONS)


def log_store_of(settings: Settings) -> Store:
    """Where the records of the platform's log are kept."""
    return _store(settings, settings.log_file, log_schema_of, LOG_PROJECTIONS)


def figures_store_of(settings: Settings) -> Store:
    """Where the records of what was measured are kept."""
    return _store(settings, settings.figures_file, figures_schema_of, FIGURES_PROJECTIONS)


def _store(
    settings: Settings, file: Path, schema: Callable[[str], str], projections: Sequence[Projection[Any]]
) -> Store:
    if url := settings.ledger.url:
        from actors.adapters.ledger.postgresql import PostgresLedger  # psycopg takes a twentieth of a start

        return PostgresLedger(url, schema(settings.host), projections=projections)
    return SqliteLedger(file, projections=projections)


def check_state(state: Path) -> None:
    """Make the state folder, or see whose it is. Raises SettingsError where it is a stranger's, or cannot be used."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        with own_folder(state):
            pass
    except OSError as error:
        raise SettingsError(f"the state folder {state}: {error.strerror}") from None


async def reach_bus(settings: Settings, tls: ClientTls, on_closed: Callable[[], None]) -> NatsBus:
    """The bus, with its streams. Raises BusError, EarlierJournal."""
    bus = await connect(settings.nats, name="actors", tls=tls, on_closed=on_closed)
    await bus.ensure_streams(settings.journal.limit)
    await refuse_earlier(bus)
    return bus


async def start_actors(
    settings: Settings,
    parts: Parts,
    stack: AsyncExitStack,
    *,
    tracker: DeviceTracker,
    site: SiteParts,
    lost: Event,
    archive: Archive,
    nats_version: Callable[[], str | None],
) -> Host:
    """The slots, trunks and calls of this host. `lost` is set when somebody else owns them. `nats_version`: of the
    server that it is connected to."""

    hubs, round_trips, pauses = settings.hub_map, Spread(ADB_ROUND_TRIP), Spread(GC_PAUSE)
    stack.callback(memory.measure(pauses))

    def make_phone(config: SlotConfig) -> AdbPhone:
        name, place = adb_name(config, hubs), adb_place(config, hubs)
        return AdbPhone(serial=name, place=place, tracker=tracker, sim=config.sim, round_trips=round_trips)

    def make_tools(config: SlotConfig) -> AdbTools:
        return AdbTools(client=tracker.client, name=label(adb_name(config, hubs), adb_place(config, hubs)))

    usb = None
    if settings.on_usb:
        usb = UsbDevices()
        await usb.start()
        stack.push_async_callback(usb.stop)
    pbxs = {}
    for name, ami in settings.ami.items():
        pbxs[name] = Asterisk(name, ami, prefix=f"ottb-{settings.host}-{secrets.token_hex(4)}")
        pbxs[name].start()
        stack.push_async_callback(pbxs[name].stop)
    hooks = settings.webhooks
    sender = HttpSender(
        allowed=hooks.allowed, http=hooks.http, connect=hooks.connect_seconds, whole=hooks.seconds
    )
    stack.push_async_callback(sender.close)
    executor, no_executor = executor_of(settings)
    apart = executor.isolation() if executor is not None else None
    versions = Versions(
        nats=nats_version, adb=tracker.client, pbxs=pbxs, git=apart.git if apart else None,
        bubblewrap=apart.bubblewrap_version if apart else None,
    )  # fmt: skip
    versions.start()
    stack.push_async_callback(versions.stop)
    mailer = SmtpMailer(settings.alerts.smtp) if settings.alerts.smtp.host else None
    host = running(
        settings,
        bus=parts.bus,
        clock=parts.clock,
        ids=parts.ids,
        make_phone=make_phone,
        devices=tracker.devices,
        pbxs=pbxs,
        lost=lost,
        problems=site.problems,
        records=site.records,
        machine=PsutilReader(settings.state),
        reader=Apart(),
        sender=sender,
        mailer=mailer,
        tools=Tools(make_tools, as_jpeg, as_png),
        usb=usb,
        listed=tracker.listed,
        series=(lambda: (round_trips.now, pauses.now),),
        executor=executor,
        no_executor=no_executor,
        versions=versions.now,
        secret=partial(secret_of, settings.state),
        definitions=SHIPPED,
        archive=archive,
    )
    return await stack.enter_async_context(host)


async def start_site(
    settings: Settings, parts: Parts, stack: AsyncExitStack, *, tls: ClientTls, on_closed: Callable[[], None],
    archive: Archive,
) -> SiteParts:  # fmt: skip
    """What any host of a site may answer: the audit, POINT and the records."""
    passwords = Passwords()
    stack.callback(passwords.close)

    async def connect_as(user: str | None, password: str | None) -> Bus:
        nats = msgspec.structs.replace(settings.nats, user=user, password=password)
        bus = await connect(nats, name="bus login", tls=tls, on_closed=on_closed)
        stack.push_async_callback(bus.close)
        return bus

    audit = await start_audit(parts, stack)
    sandbox = settings.sandbox.enabled
    point = await start_point(
        parts, stack, settings=settings.auth, passwords=passwords, state=settings.state, sandbox=sandbox
    )
    received = ReceivedBytes(settings.nats.ports).read
    await start_bus_login(
        parts, stack, settings=settings.bus_login, point=point, connect=connect_as, received=received
    )
    log_ledger = await start_of_log(parts, stack, store=log_store_of(settings))
    figures = await start_of_figures(parts, stack, store=figures_store_of(settings))
    whole = Whole(bus=parts.bus, archive=archive)
    ledger = await start_ledger(
        parts, stack, store=store_of(settings), region=settings.dial.site_region,
        joins=bool(joining(settings.trunks, settings.ami)), zone=zone(settings.dial.timezone), log_ledger=log_ledger,
        stream=whole,
    )  # fmt: skip

    def problems() -> Iterable[Problem]:
        told = audit.problems(), point.problems(), ledger.problems(), whole.problems()
        return [*but_for(settings.journal.step_over, *told), *log_ledger.problems(), *figures.problems()]

    def records() -> Iterable[Following]:
        for name, one in (("ledger", ledger), ("log", log_ledger), ("figures", figures)):
            yield Following(name=name, behind=one.health.behind, error=one.health.error)

    return SiteParts(problems, records)


def send_traces(settings: Settings, stack: AsyncExitStack) -> None:
    """Have spans of this process sent, where somebody collects them."""
    if settings.traces.endpoint:
        from actors.adapters.otlp import Otlp  # the SDK takes half a second and 15 MB

        otlp = Otlp(settings.traces, service="ottb-actors", host=settings.host)
        stack.push_async_callback(otlp.close)
        stack.callback(tracing.send_to(otlp.take, share=settings.traces.share))


def archive_of(settings: Settings, parts: Parts) -> Archive:
    """Where days of the journal are sealed."""
    return Archive(bus=parts.bus, clock=parts.clock, ids=parts.ids, store=place_of(settings))


def executor_of(settings: Settings) -> tuple[LocalExecutor | None, str | None]:
    """What carries out the steps of pipelines on this host. None: nothing does; why, where something should."""
    runner = settings.runner
    if not runner.enabled:
        return None, None
    folder = (Path(runner.folder) if runner.folder else settings.state) / f"runner-{settings.host}"
    try:
        if runner.folder:  # what is above the state folder was looked at before
            refuse_others_above(folder)
        made = LocalExecutor(
            folder=folder,
            places=settings.repositories, user=runner.user or None,
            bubblewrap=runner.bubblewrap, visible=[Path(folder) for folder in runner.visible], private=settings.state,
            disk_free=runner.disk_free * MIB,
        )  # fmt: skip
    except (RunnerError, OSError) as error:
        log.error("this host carries no pipelines out", error=str(error))
        return None, str(error)
    return made, None


def secret_of(state: Path, name: str) -> str | None:
    """A secret of pipelines: OTTB_SECRET_<NAME> of the environment, else the file of that name in `secrets`."""
    if (given := os.environ.get(f"OTTB_SECRET_{name}")) is not None:
        return given
    try:
        with opened(state / "secrets" / name, NO_LINK) as file:
            return file.read(LARGEST_SECRET).decode().rstrip("\n")
    except (OSError, UnicodeDecodeError):
        return None


def say_up(settings: Settings, host: Host) -> None:
    """Log what runs here, and what is set but left to others."""
    for other, names in settings.whose().items():
        if other != settings.host:
            what = "entries of the settings are left to another host"
            log.info(what, host=other, count=len(names), entries=names[:NAMED])
    slots, trunks = len(host.all(SlotActor)), len(host.all(TrunkActor))
    log.info("actor host is up", host=settings.host, slots=slots, trunks=trunks)


async def serve(settings: Settings) -> int:
    """Run until SIGTERM. Returns the exit code: 1 asks the supervisor for a fresh process. Raises Stopped."""
    stopped, closed, lost = Event(), Event(), Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    check_state(settings.state)
    lock = HostLock(settings.state, settings.host)  # before anything of this host is reached; its end is the process's
    await before(stopped, lock.acquire())
    tls = client_tls(settings.nats)
    on_hangup(tls.reload)
    bus = await before(stopped, reach_bus(settings, tls, closed.set))
    client = AdbClient.of(settings.adb, settings.adb_servers, settings.state)
    also = {other: hub.path for hub in settings.hub_map.values() for other in hub.also}
    tracker = DeviceTracker(client=client, folder=settings.state, also=also)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        send_traces(settings, stack)
        tracker.start()
        stack.push_async_callback(tracker.stop)
        parts = Parts(bus=bus, clock=SystemClock(), ids=RandomIds())
        archive = archive_of(settings, parts)
        site = await start_site(settings, parts, stack, tls=tls, on_closed=closed.set, archive=archive)
        noting = await start_noting(parts, stack, host=settings.host)
        host = await start_actors(
            settings, parts, stack, tracker=tracker, site=site, lost=lost, archive=archive,
            nats_version=lambda: bus.server_version,
        )  # fmt: skip
        noting.watch(host.left_alone)
        memory.freeze(memory.RARELY)
        say_up(settings, host)
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
    os.umask(UMASK)
    try:
        settings = load(config=arguments.config, environment=os.environ)
        configure(level=settings.log.level, service="actors")
        sys.setswitchinterval(THREAD_TURN)
        allow_files(OPEN_FILES)
        with contextlib.suppress(KeyboardInterrupt, Stopped):
            sys.exit(asyncio.run(serve(settings)))
    except SettingsError as error:
        sys.stderr.write(f"ottb: {error}\n")
        sys.exit(os.EX_CONFIG)  # it would be the same at the next start
    except (BusError, EarlierJournal) as error:
        sys.exit(f"ottb: {error}")


if __name__ == "__main__":
    main()
