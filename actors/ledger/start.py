"""How the ledger starts."""

from contextlib import AsyncExitStack
from datetime import UTC, tzinfo

from actors.ledger import figures_source, log, log_source, monitor
from actors.ledger.answers import ReadModel
from actors.ledger.follow import Source
from actors.ledger.ledger import Ledger
from actors.ledger.store import Store
from actors.runtime.bus import Stream
from actors.runtime.parts import Parts


async def start(
    parts: Parts, stack: AsyncExitStack, *, store: Store, region: str, joins: bool = False, zone: tzinfo = UTC,
    threads: bool = True, log_ledger: Ledger | None = None, stream: Stream | None = None,
) -> Ledger:  # fmt: skip
    """The records of this process, kept in `store`. `region`, `joins`, `zone`, `threads`, `stream`: see `Ledger`;
    `log_ledger`: the records of the log."""
    ledger = Ledger(
        bus=parts.bus, store=store, region=region, joins=joins, zone=zone, wall=parts.clock.now, threads=threads,
        renewing=log_ledger, stream=stream,
    )  # fmt: skip
    await ledger.start()
    stack.push_async_callback(ledger.stop)
    return ledger


async def start_of_log(parts: Parts, stack: AsyncExitStack, *, store: Store, threads: bool = True) -> Ledger:
    """The records of the platform's log, kept in `store`, whose tables are `LOG_PROJECTIONS`."""
    return await _beside(parts, stack, store, log_source.source(parts.bus.log), log.READ_MODEL, threads)


async def start_of_figures(parts: Parts, stack: AsyncExitStack, *, store: Store, threads: bool = True) -> Ledger:
    """The records of what was measured, kept in `store`, whose tables are `FIGURES_PROJECTIONS`."""
    return await _beside(parts, stack, store, figures_source.source(parts.bus.figures), monitor.READ_MODEL, threads)


async def _beside(
    parts: Parts, stack: AsyncExitStack, store: Store, followed: Source, model: ReadModel, threads: bool
) -> Ledger:
    """The records of another stream than the journal."""
    ledger = Ledger(bus=parts.bus, store=store, threads=threads, source=followed, models=(model,))
    await ledger.start()
    stack.push_async_callback(ledger.stop)
    return ledger
