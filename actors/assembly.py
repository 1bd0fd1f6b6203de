"""The slots, trunks and calls of one host, put together from given parts. Names no adapter: `main.py` does that."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from actors.call import gate
from actors.call.actor import CallActor
from actors.call.attempts import Attempts
from actors.call.caps import Caps
from actors.call.gate import Rules
from actors.call.machine import Patience
from actors.call.strays import Strays
from actors.call.switchboard import Limits, Switchboard
from actors.runtime.bus import Bus
from actors.runtime.clock import Clock
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.ownership import Lease, LeaseKeeper
from actors.runtime.peers import Peers
from actors.runtime.problems import Problem
from actors.runtime.service import Service, serve
from actors.settings import Dial, Settings, SettingsError
from actors.slot.actor import MakePhone, SlotActor
from actors.slot.pool import Pool
from actors.slot.registry import Device, SlotRegistry
from actors.trunk.actor import TrunkActor
from actors.trunk.exchange import Exchange
from actors.trunk.extensions import Extensions
from actors.trunk.pbx import Pbx
from bus_schemas.call import START_CALL, START_ON_SLOT
from bus_schemas.host import CONFIGURE_ON_HOST, DIAL_ON_HOST, REMOVE_ON_HOST, START_ON_HOST, UNASSIGNED_ON_HOST
from bus_schemas.slot import CONFIGURE_SLOT, LIST_UNASSIGNED, REMOVE_SLOT
from bus_schemas.trunk import DIAL_ON_TRUNK, DIAL_PBX, HOLD_EXTENSION

SETTINGS_EVERY = 5.0  # seconds


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
    caps = Caps(per_minute=settings.dial.user_calls_per_minute, at_once=settings.dial.user_concurrent_calls)
    calls = settings.calls
    patience = Patience(created=calls.created_timeout, hangup=calls.hangup_timeout, lost=calls.lost_timeout)
    async with AsyncExitStack() as stack:
        lease = Lease(bus=bus, clock=clock, key=f"host.{settings.host}", holder=ids.new())
        keeper = LeaseKeeper(lease=lease, on_lost=lost.set, on_regained=lambda: host.verify())
        host = Host(
            name=settings.host,
            bus=bus,
            clock=clock,
            ids=ids,
            ownership=keeper,
            makers=(
                SlotActor.made_by(
                    lambda id, host: SlotActor(id=id, host=host, caps=caps, make_phone=make_phone, pool=pool)
                ),
                TrunkActor.made_by(
                    lambda id, host: TrunkActor(
                        id=id, host=host, caps=caps, pbxs=pbxs, over=lambda *call: extensions.release(*call)
                    )
                ),
                CallActor.made_by(lambda id, host: CallActor(id=id, host=host, patience=patience)),
            ),
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
        attempts = Attempts(host=host, caps=caps)
        limits = Limits(
            ring_timeout=calls.ring_timeout,
            max_duration=calls.max_duration,
            slot_calls_per_hour=settings.dial.slot_calls_per_hour,
        )
        switchboard = Switchboard(
            host=host, pool=pool, rules=rules, attempts=attempts, limits=limits, regions=lambda: registry.regions,
            peers=peers,
        )  # fmt: skip
        extensions = Extensions(host=host, calls_at_once=settings.dial.extension_calls)
        exchange = Exchange(
            host=host,
            from_file=settings.trunks,
            rules=rules,
            attempts=attempts,
            limits=limits,
            extensions=extensions,
            recording=frozenset(name for name, ami in settings.ami.items() if ami.recordings),
            peers=peers,
        )
        host.serve_beside(START_ON_SLOT, switchboard.start_here)
        host.serve_beside(DIAL_ON_TRUNK, exchange.dial_here)
        host.serve_beside(HOLD_EXTENSION, extensions.hold)
        stack.push_async_callback(registry.stop)
        await registry.start()
        await exchange.start()
        host.serving = True
        service = Service(
            bus=bus,
            queue="host",
            handlers=(
                serve(START_CALL, switchboard.start_call),
                serve(DIAL_PBX, exchange.dial),
                serve(CONFIGURE_SLOT, registry.configure),
                serve(REMOVE_SLOT, registry.remove),
                serve(LIST_UNASSIGNED, registry.unassigned),
            ),
        )
        own = Service(
            bus=bus,
            queue="",
            handlers=(
                serve(START_ON_HOST, switchboard.start_on_host),
                serve(DIAL_ON_HOST, exchange.dial_on_host),
                serve(CONFIGURE_ON_HOST, registry.configure_on_host),
                serve(REMOVE_ON_HOST, registry.remove_on_host),
                serve(UNASSIGNED_ON_HOST, registry.unassigned_on_host),
            ),
            fields={"host": host.name},
        )
        for each in (own, service):
            await each.start()
            stack.push_async_callback(each.stop)
        Strays(host=host).start()
        host.spawn(_bring_up_to_date(host, registry, exchange))
        yield host


async def _bring_up_to_date(host: Host, registry: SlotRegistry, exchange: Exchange) -> None:
    """Apply changed settings that had to wait for a call to end."""
    while True:
        await host.pause(SETTINGS_EVERY)
        await registry.bring_up_to_date()
        await exchange.bring_up_to_date()
