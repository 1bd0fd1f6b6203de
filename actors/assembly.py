"""The slots, trunks and calls of one host, put together from given parts. Names no adapter: `main.py` does that."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from actors.call.actor import CallActor
from actors.call.machine import CallTimeouts
from actors.call.strays import Strays
from actors.dialing.attempts import Attempts
from actors.dialing.extensions import Extensions
from actors.dialing.limits import CallLimits
from actors.dialing.slot_dialer import SlotDialer
from actors.dialing.start import rules_of
from actors.dialing.trunk_dialer import TrunkDialer
from actors.runtime.bus import Bus
from actors.runtime.clock import Clock
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.ownership import Lease, LeaseKeeper
from actors.runtime.peers import Peers
from actors.runtime.problems import Problem
from actors.runtime.service import Service
from actors.settings import Settings
from actors.slot.actor import MakePhone, SlotActor
from actors.slot.pool import Pool
from actors.slot.registry import Device, SlotRegistry
from actors.trunk.actor import TrunkActor
from actors.trunk.pbx import Pbx
from actors.trunk.registry import TrunkRegistry
from bus_schemas.call import START_CALL, START_ON_SLOT
from bus_schemas.host import CONFIGURE_ON_HOST, DIAL_ON_HOST, REMOVE_ON_HOST, START_ON_HOST, UNASSIGNED_ON_HOST
from bus_schemas.slot import CONFIGURE_SLOT, LIST_UNASSIGNED, REMOVE_SLOT
from bus_schemas.trunk import DIAL_ON_TRUNK, DIAL_PBX, HOLD_EXTENSION

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
) -> AsyncIterator[Host]:
    """The host with everything that runs in it, started in order and stopped in reverse. `problems`: what is wrong in
    the same process beside its actors."""
    pool = Pool()
    limits = CallLimits(per_minute=settings.dial.user_calls_per_minute, at_once=settings.dial.user_concurrent_calls)
    calls = settings.calls
    timeouts = CallTimeouts(created=calls.created_timeout, hangup=calls.hangup_timeout, lost=calls.lost_timeout)
    async with AsyncExitStack() as stack:
        lease = Lease(bus=bus, clock=clock, key=f"host.{settings.host}", holder=ids.new())
        keeper = LeaseKeeper(lease=lease, on_lost=lost.set, on_regained=lambda: host.verify())
        host = Host(
            name=settings.host,
            bus=bus,
            clock=clock,
            ids=ids,
            ownership=keeper,
            make={
                "slot": lambda id, host: SlotActor(
                    id=id, host=host, counts=limits, make_phone=make_phone, pool=pool
                ),
                "trunk": lambda id, host: TrunkActor(
                    id=id, host=host, counts=limits, pbxs=pbxs, over=lambda *call: extensions.release(*call)
                ),
                "call": lambda id, host: CallActor(id=id, host=host, timeouts=timeouts),
            },
        )
        await keeper.start()
        stack.push_async_callback(keeper.stop)
        stack.push_async_callback(host.drain)
        peers = Peers(host=host, problems=problems)
        await peers.start()
        stack.push_async_callback(peers.stop)
        registry = SlotRegistry(
            host=host, from_file=settings.slots, devices=devices, hubs=settings.hubs, peers=peers
        )
        rules = rules_of(settings.dial)
        attempts = Attempts(host=host, limits=limits, calls=calls)
        slot_dialer = SlotDialer(
            host=host, pool=pool, rules=rules, attempts=attempts, regions=lambda: registry.regions, peers=peers,
            calls_per_hour=settings.dial.slot_calls_per_hour,
        )  # fmt: skip
        extensions = Extensions(host=host, calls_at_once=settings.dial.extension_calls)
        recording = frozenset(name for name, ami in settings.ami.items() if ami.recordings)
        trunks = TrunkRegistry(host=host, from_file=settings.trunks, recording=recording)
        trunk_dialer = TrunkDialer(
            host=host,
            trunks=trunks,
            rules=rules,
            attempts=attempts,
            extensions=extensions,
            peers=peers,
        )
        host.serve_beside(START_ON_SLOT, slot_dialer.start_here)
        host.serve_beside(DIAL_ON_TRUNK, trunk_dialer.dial_here)
        host.serve_beside(HOLD_EXTENSION, extensions.hold)
        stack.push_async_callback(registry.stop)
        await registry.start()
        await trunks.start()
        host.serving = True
        service = Service(
            bus=bus,
            queue="host",
            handlers={
                START_CALL: slot_dialer.start_call,
                DIAL_PBX: trunk_dialer.dial,
                CONFIGURE_SLOT: registry.configure,
                REMOVE_SLOT: registry.remove,
                LIST_UNASSIGNED: registry.unassigned,
            },
        )
        own = Service(
            bus=bus,
            queue="",
            handlers={
                START_ON_HOST: slot_dialer.start_on_host,
                DIAL_ON_HOST: trunk_dialer.dial_on_host,
                CONFIGURE_ON_HOST: registry.configure_on_host,
                REMOVE_ON_HOST: registry.remove_on_host,
                UNASSIGNED_ON_HOST: registry.unassigned_on_host,
            },
            fields={"host": host.name},
        )
        for each in (own, service):
            await each.start()
            stack.push_async_callback(each.stop)
        Strays(host=host).start()
        host.spawn(_bring_up_to_date(host, registry, trunks))
        yield host


async def _bring_up_to_date(host: Host, registry: SlotRegistry, trunks: TrunkRegistry) -> None:
    """Apply changed settings that had to wait for a call to end."""
    while True:
        await host.pause(SETTINGS_EVERY)
        await registry.bring_up_to_date()
        await trunks.bring_up_to_date()
