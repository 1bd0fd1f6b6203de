"""How the calls of a host start."""

from contextlib import AsyncExitStack

from actors.call.actor import CallActor
from actors.call.machine import CallTimeouts
from actors.call.settings import Calls
from actors.call.strays import Strays
from actors.runtime.parts import HostParts


async def start(parts: HostParts, stack: AsyncExitStack, *, settings: Calls) -> None:
    """Calls can be made, and those without an owner are looked for."""
    timeouts = CallTimeouts(
        created=settings.created_timeout, hangup=settings.hangup_timeout, lost=settings.lost_timeout
    )
    parts.host.makes(CallActor.made_by(lambda id, host: CallActor(id=id, host=host, timeouts=timeouts)))
    parts.background.append(Strays(host=parts.host).run)
