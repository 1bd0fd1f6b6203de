"""How monitoring starts on a host."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from actors.monitor.desk import Desk
from actors.monitor.reader import HostReader
from actors.monitor.samples import of_hub
from actors.monitor.series import of_inboxes
from actors.monitor.settings import Monitor
from actors.monitor.watcher import Records, Watcher
from actors.runtime.actor import Actor
from actors.runtime.host import Host
from actors.runtime.parts import HostParts
from actors.runtime.service import serve
from actors.usb.hubs import Hubs
from bus_schemas.monitor import (
    GET_HOST,
    GET_NETWORK,
    GET_SYSTEM,
    HOST_HISTORY,
    HUB_HISTORY,
    LIST_HOSTS,
    ON_HOST,
    SLOT_HISTORY,
)
from bus_schemas.series import SERIES_ON_HOST, Sample


async def start(
    parts: HostParts, stack: AsyncExitStack, *, settings: Monitor, reader: HostReader | None, records: Records,
    hubs: Hubs,
) -> Watcher:
    """This host tells how it is, and any host how all are. Without a `reader` nothing of it is known, and nothing is
    kept."""
    watcher = Watcher(host=parts.host, ids=parts.ids, reader=reader, settings=settings, records=records)
    watcher.sources.append(lambda: ((("hub", hub.name), of_hub(hub)) for hub in hubs.now() if hubs.are_here(hub)))
    desk = Desk(
        name=parts.host.name, bus=parts.bus, clock=parts.clock, peers=parts.peers, hosts=parts.hosts, own=watcher.now,
        series=parts.series,
    )  # fmt: skip
    parts.series.append(lambda: of_inboxes(_inboxes(parts.host)))
    parts.series.append(lambda: (Sample("ottb_host_tasks", len(asyncio.all_tasks())),))
    parts.this_host.append((serve(ON_HOST, desk.on_host), serve(SERIES_ON_HOST, desk.series_on_host)))
    parts.any_host.append(
        (
            serve(GET_SYSTEM, desk.system),
            serve(GET_NETWORK, desk.network),
            serve(LIST_HOSTS, desk.hosts),
            serve(GET_HOST, desk.host),
            serve(SLOT_HISTORY, desk.slot_history),
            serve(HOST_HISTORY, desk.host_history),
            serve(HUB_HISTORY, desk.hub_history),
        )
    )
    if reader is not None:
        stack.callback(reader.stop)
        parts.background.extend((watcher.run, watcher.probe, watcher.download))
    return watcher


def _inboxes(host: Host) -> Mapping[str, Sequence[int]]:
    """How much waits for each actor here and in the shards that are held, by kind."""
    found = defaultdict[str, list[int]](list)
    for one in (host, *host.shards.values()):
        for actor in one.all(Actor):
            found[actor.kind].append(actor.waiting)
    return found
