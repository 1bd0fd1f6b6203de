"""How the audit starts."""

from contextlib import AsyncExitStack

from actors.audit.audit import Audit
from actors.runtime.parts import Parts


async def start(parts: Parts, stack: AsyncExitStack) -> Audit:
    """The audit's writer of this process."""
    audit = Audit(bus=parts.bus, clock=parts.clock, ids=parts.ids)
    await audit.start()
    stack.push_async_callback(audit.stop)
    return audit
