"""How the ledger starts."""

from contextlib import AsyncExitStack

from actors.ledger.ledger import Ledger
from actors.ledger.store import Store
from actors.runtime.parts import Parts


async def start(
    parts: Parts, stack: AsyncExitStack, *, store: Store, region: str, joins: bool = False, threads: bool = True
) -> Ledger:
    """The records of this process, kept in `store`. `region`, `joins`, `threads`: see `Ledger`."""
    ledger = Ledger(bus=parts.bus, store=store, region=region, joins=joins, threads=threads)
    await ledger.start()
    stack.push_async_callback(ledger.stop)
    return ledger
