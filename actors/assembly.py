"""The features of one host, put together from given parts. Names no adapter: `main.py` does that."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from actors.alert.mailer import Mailer
from actors.alert.start import start as start_alerts
from actors.archive.archive import Archive
from actors.archive.start import start as start_archive
from actors.by_hand.start import Tools
from actors.by_hand.start import start as start_by_hand
from actors.call.start import start as start_calls
from actors.campaign.start import start as start_campaigns
from actors.dialing.rules import may_be_listed
from actors.dialing.site_rules import rules_of
from actors.dialing.start import limits_of
from actors.dialing.start import start as start_dialing
from actors.do_not_call.start import start as start_do_not_call
from actors.erasure.start import start as start_erasures
from actors.healing.start import start as start_healing
from actors.imports.reading import Reader
from actors.imports.start import start as start_imports
from actors.log.start import start as start_log
from actors.monitor.reader import HostReader
from actors.monitor.start import start as start_monitor
from actors.note.start import start as start_notes
from actors.operator.start import start as start_operators
from actors.pipeline.start import start as start_pipelines
from actors.run.start import start as start_runs
from actors.runner.port import Executor
from actors.runner.start import start as start_runner
from actors.runtime.bus import Bus
from actors.runtime.clock import Clock
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.ownership import LEASES, Lease, LeaseKeeper
from actors.runtime.parts import HostParts, Parts, Series
from actors.runtime.peers import Peers
from actors.runtime.problems import Problem
from actors.runtime.service import Served, Service
from actors.runtime.shards import Shards
from actors.runtime.storage import Storage
from actors.settings import Settings
from actors.slot.actor import MakePhone
from actors.slot.registry import Device
from actors.slot.start import start as start_slots
from actors.trunk.pbx import Pbx
from actors.trunk.start import joining
from actors.trunk.start import start as start_trunks
from actors.usb.port import Usb
from actors.usb.start import start as start_usb
from actors.webhook.sender import Sender
from actors.webhook.start import start as start_webhooks
from bus_schemas.host import PartVersions
from bus_schemas.monitor import Following
from bus_schemas.series import Sample

SETTINGS_EVERY = 5.0  # seconds


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    bus: Bus,
    clock: Clock,
    ids: Ids,
    make_phone: MakePhone,
    devices: Callable[[], Iterable[Device]],
    pbxs: Mapping[str, Pbx],
    lost: asyncio.Event,
    problems: Callable[[], Iterable[Problem]] = list,
    reader: Reader | None = None,
    sender: Sender | None = None,
    mailer: Mailer | None = None,
    tools: Tools | None = None,
    machine: HostReader | None = None,
    records: Callable[[], Iterable[Following]] = tuple,
    usb: Usb | None = None,
    listed: Callable[[], Sequence[Device] | None] | None = None,
    series: Iterable[Series] = (),
    executor: Executor | None = None,
    no_executor: str | None = None,
    secret: Callable[[str], str | None] = lambda name: None,
    definitions: Path | None = None,
    archive: Archive | None = None,
    versions: Callable[[], PartVersions | None] = lambda: None,
) -> AsyncIterator[Host]:
    """The host with everything that runs in it, started in order and stopped in reverse. `problems`: what is wrong in
    the same process beside its actors. `reader`: of lists; None: this process. `sender`: to receivers of
    webhooks; None: this site has none. `mailer`: of e-mails; None: there is no server for them. `tools`: of work by
    hand on phones; None: there is none. `machine`: whose figures are watched; None: none are. `records`: how far those
    of the process are. `usb`: this machine's, where phones hang on it; `listed`: as `devices`, None while that is not
    known. `series`: what else of the process is counted. `executor`: what carries out the steps of pipelines here;
    None: they are not; `no_executor`: though they should be, and why. `secret`: one of theirs, by its name;
    `definitions`: the folder of pipelines that come with the platform. `versions`: of what the host works with.
    `archive`: of the site; None: it has none."""
    async with AsyncExitStack() as stack:
        process = Parts(bus=bus, clock=clock, ids=ids)
        parts = await start_host(process, stack, settings=settings, on_lost=lost.set, problems=problems)
        parts.series.extend(series)
        parts.peers.versions = versions
        limits, rules = limits_of(settings.dial), rules_of(settings.dial)
        lists = await start_do_not_call(
            parts, stack, region=rules.site_region, accepts=may_be_listed(rules.premium_allowed),
            in_settings=rules.do_not_call,
        )  # fmt: skip
        await start_calls(parts, stack, settings=settings.calls)
        slots = await start_slots(
            parts, stack, configs=settings.slots, hubs=settings.hub_map, counts=limits, make_phone=make_phone,
            devices=devices, longest_reservation=settings.by_hand.longest_reservation,
        )  # fmt: skip
        await start_healing(parts, settings=settings.healing, hubs=settings.hub_map)
        hubs = await start_usb(
            parts, stack, settings=settings.hub_map, usb=usb, listed=listed or (lambda: tuple(devices()))
        )
        if tools is not None:
            await start_by_hand(parts, stack, settings=settings.by_hand, tools=tools)
        trunks = await start_trunks(
            parts, stack, configs=settings.trunks, ami=settings.ami, counts=limits, pbxs=pbxs
        )
        dialling = await start_dialing(
            parts, stack, settings=settings.dial, calls=settings.calls, limits=limits, slots=slots, trunks=trunks,
            rules=rules, lists=lists,
        )  # fmt: skip
        await start_runs(
            parts, stack, settings=settings.scripts, slots=slots, rules=rules, dialer=dialling.on_slots,
            share=dialling.share,
        )
        await start_operators(parts, stack, settings=settings.operators, timezone=settings.dial.timezone)
        await start_campaigns(
            parts, stack, settings=settings.campaigns, gate=dialling.gate, ring=settings.calls.ring_timeout,
            joining=joining(settings.trunks, settings.ami),
        )  # fmt: skip
        await start_notes(parts, stack)
        folders = {name: Path(ami.recordings) for name, ami in settings.ami.items() if ami.recordings}
        await start_erasures(parts, stack, region=rules.site_region, folders=folders, archive=archive)
        await start_imports(parts, stack, settings=settings.imports, rules=rules, reader=reader)
        await start_log(parts, stack)
        if sender is not None:
            await start_webhooks(parts, stack, settings=settings.webhooks, sender=sender)
        await start_pipelines(parts, stack, settings=settings.pipelines, shipped=definitions, secret=secret)
        runner = None
        if executor is not None:
            runner = await start_runner(
                parts, stack, settings=settings.runner, executor=executor, state=settings.state, secret=secret,
                lost_after=settings.pipelines.lost_after,
            )  # fmt: skip

        def no_runner() -> str | None:
            return no_executor if runner is None else runner.away()

        if runner is not None or no_executor is not None:
            parts.series.append(lambda: (Sample("ottb_runner_up", float(no_runner() is None)),))
        watcher = await start_monitor(
            parts, stack, settings=settings.monitor, reader=machine, records=records, hubs=hubs
        )
        if archive is not None:
            start_archive(parts, settings=settings.archive, archive=archive)
        await start_alerts(
            parts, settings=settings.alerts, watcher=watcher, hubs=hubs, mailer=mailer, no_runner=no_runner
        )
        await serve(parts, stack)
        yield parts.host


async def start_host(
    parts: Parts,
    stack: AsyncExitStack,
    *,
    settings: Settings,
    on_lost: Callable[[], None],
    problems: Callable[[], Iterable[Problem]],
) -> HostParts:
    """A host under its lease, with nothing in it yet."""
    lease = Lease(bus=parts.bus, clock=parts.clock, key=f"{LEASES}{settings.host}", holder=parts.ids.new())
    keeper = LeaseKeeper(lease=lease, on_lost=on_lost, on_regained=lambda: host.verify())
    host = Host(
        name=settings.host, bus=parts.bus, clock=parts.clock, ids=parts.ids, ownership=keeper,
        step_over=settings.journal.step_over,
    )  # fmt: skip
    await keeper.start()
    stack.push_async_callback(keeper.stop)
    stack.push_async_callback(host.drain)
    await host.feeds.audience.start()
    stack.push_async_callback(host.feeds.audience.stop)
    storage = Storage(host=host)
    await storage.start()
    peers = Peers(host=host, problems=problems, storage=storage)
    await peers.start()
    stack.push_async_callback(peers.stop)
    shards = Shards(host=host, lease=lease, peers=peers)
    return HostParts(bus=parts.bus, clock=parts.clock, ids=parts.ids, host=host, peers=peers, shards=shards)


async def serve(parts: HostParts, stack: AsyncExitStack) -> None:
    """Own what the host is to own, then answer."""
    host = parts.host
    for registry in parts.registries:
        await registry.start()
    host.serving = True
    services = (
        Service(bus=parts.bus, queue="", handlers=_joined(parts.this_host), fields={"host": host.name}),
        Service(bus=parts.bus, queue="host", handlers=_joined(parts.any_host)),
    )
    for service in services:
        await service.start()
        stack.push_async_callback(service.stop)
    await parts.shards.start()
    stack.push_async_callback(parts.shards.stop)
    for work in parts.background:
        host.spawn(work())
    host.spawn(_bring_up_to_date(parts))


def _joined(tables: Sequence[Iterable[Served]]) -> list[Served]:
    """What uses other features before what it uses."""
    return [served for table in reversed(tables) for served in table]


async def _bring_up_to_date(parts: HostParts) -> None:
    """Apply changed settings that had to wait for a call to end."""
    while True:
        await parts.host.pause(SETTINGS_EVERY)
        for registry in parts.registries:
            await registry.bring_up_to_date()
