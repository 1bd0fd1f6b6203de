"""How the ledger starts."""

from contextlib import AsyncExitStack

from actors.ledger.ledger import Ledger
from actors.ledger.repository import Repository
from actors.runtime.parts import Parts


async def start(parts: Parts, stack: AsyncExitStack, *, repository: Repository) -> Ledger:
    """The records of this process, kept in `repository`."""
    ledger = Ledger(bus=parts.bus, repository=repository)
    await ledger.start()
    stack.push_async_callback(ledger.stop)
    return ledger
