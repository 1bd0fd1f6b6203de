"""How monitoring starts on a host."""

from contextlib import AsyncExitStack

from actors.monitor.desk import Desk
from actors.monitor.reader import HostReader
from actors.monitor.settings import Monitor
from actors.monitor.watcher import Records, Watcher
from actors.runtime.parts import HostParts
from actors.runtime.service import serve
from bus_schemas.monitor import (
    GET_HOST,
    GET_NETWORK,
    GET_SYSTEM,
    HOST_HISTORY,
    LIST_HOSTS,
    ON_HOST,
    SLOT_HISTORY,
)


async def start(
    parts: HostParts, stack: AsyncExitStack, *, settings: Monitor, reader: HostReader | None, records: Records
) -> Watcher:
    """This host tells how it is, and any host how all are. Without a `reader` nothing of it is known, and nothing is
    kept."""
    watcher = Watcher(host=parts.host, ids=parts.ids, reader=reader, settings=settings, records=records)
    desk = Desk(
        name=parts.host.name, bus=parts.bus, clock=parts.clock, peers=parts.peers, hosts=parts.hosts, own=watcher.now
    )
    parts.this_host.append((serve(ON_HOST, desk.on_host),))
    parts.any_host.append(
        (
            serve(GET_SYSTEM, desk.system),
            serve(GET_NETWORK, desk.network),
            serve(LIST_HOSTS, desk.hosts),
            serve(GET_HOST, desk.host),
            serve(SLOT_HISTORY, desk.slot_history),
            serve(HOST_HISTORY, desk.host_history),
        )
    )
    if reader is not None:
        stack.callback(reader.stop)
        parts.background.extend((watcher.run, watcher.probe, watcher.download))
    return watcher
