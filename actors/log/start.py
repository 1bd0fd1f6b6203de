"""How the platform's log starts."""

from contextlib import AsyncExitStack

from actors.log.noting import Noting
from actors.log.share import LogShare
from actors.log.writer import LogWriter
from actors.runtime.parts import HostParts, Parts
from actors.runtime.service import serve
from bus_schemas.log import WRITE_LOG


async def start(parts: HostParts, stack: AsyncExitStack) -> None:
    """Events can be written here."""
    writer = LogWriter(bus=parts.bus, ids=parts.ids, host=parts.host.name, share=LogShare(parts.clock.monotonic))
    parts.any_host.append((serve(WRITE_LOG, writer.write),))


async def start_noting(parts: Parts, stack: AsyncExitStack, *, host: str) -> Noting:
    """What is notable of the platform itself is written from now on."""
    writer = LogWriter(bus=parts.bus, ids=parts.ids, host=host, share=LogShare(parts.clock.monotonic))
    noting = Noting(bus=parts.bus, clock=parts.clock, writer=writer)
    await noting.start()
    stack.push_async_callback(noting.stop)
    return noting
