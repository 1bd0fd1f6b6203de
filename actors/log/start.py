"""How the platform's log starts."""

from contextlib import AsyncExitStack

from actors.log.writer import LogWriter
from actors.runtime.parts import HostParts
from actors.runtime.service import serve
from bus_schemas.log import WRITE_LOG


async def start(parts: HostParts, stack: AsyncExitStack) -> None:
    """Events can be written here."""
    writer = LogWriter(bus=parts.bus, ids=parts.ids, host=parts.host.name)
    parts.any_host.append((serve(WRITE_LOG, writer.write),))
