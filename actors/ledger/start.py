"""How the ledger starts."""

from contextlib import AsyncExitStack
from datetime import UTC, tzinfo

from actors.ledger import log
from actors.ledger.ledger import Ledger
from actors.ledger.log_source import source
from actors.ledger.store import Store
from actors.runtime.parts import Parts


async def start(
    parts: Parts, stack: AsyncExitStack, *, store: Store, region: str, joins: bool = False, zone: tzinfo = UTC,
    threads: bool = True, log_ledger: Ledger | None = None,
) -> Ledger:  # fmt: skip
    """The records of this process, kept in `store`. `region`, `joins`, `zone`, `threads`: see `Ledger`; `log_ledger`:
    the records of the log."""
    ledger = Ledger(
        bus=parts.bus, store=store, region=region, joins=joins, zone=zone, wall=parts.clock.now, threads=threads,
        renewing=log_ledger,
    )  # fmt: skip
    await ledger.start()
    stack.push_async_callback(ledger.stop)
    return ledger


async def start_of_log(parts: Parts, stack: AsyncExitStack, *, store: Store, threads: bool = True) -> Ledger:
    """The records of the platform's log, kept in `store`, whose tables are `LOG_PROJECTIONS`."""
    followed = source(parts.bus.log)
    ledger = Ledger(bus=parts.bus, store=store, threads=threads, source=followed, models=(log.READ_MODEL,))
    await ledger.start()
    stack.push_async_callback(ledger.stop)
    return ledger
