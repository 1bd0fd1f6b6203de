"""Calls on record for this host's lines that have no owner here. There should be none: but a process that lost its
line can write an attempt, find the barrier, and die before it says that it did not dial. Such a call is adopted, and
ends.
"""

import structlog

from actors.call.actor import CallActor
from actors.runtime.bus import BusError
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.telephony.line_actor import LineActor
from actors.telephony.orders import Settle
from bus_schemas.call import OPEN_CALLS, OpenCalls
from bus_schemas.errors import Refusal

log = structlog.get_logger()

LOOK_EVERY = 15.0  # seconds; whoever wrote an attempt since the last look may still be about to take care of it


class Strays:
    """Looks for calls without an owner now and then."""

    def __init__(self, *, host: Host) -> None:
        self._host = host
        self._missed: set[str] = set()  # calls that had no owner at the last look

    async def run(self) -> None:
        """Look until somebody cancels."""
        while True:
            await self._host.pause(LOOK_EVERY)
            try:
                await self._look()
            except (Refusal, BusError) as error:
                log.info("calls without an owner could not be looked for", error=str(error))
            except Exception:  # one bad record; the next look may find the others
                log.exception("calls without an owner could not be looked for")

    async def _look(self) -> None:
        found = await ask(self._host.bus, OPEN_CALLS, OpenCalls(), Context(command_id=self._host.ids.new()))
        missed: set[str] = set()
        for call in found:
            kind, _, id = call.line.partition("-")
            line = self._host.find(kind, id)
            if not isinstance(line, LineActor) or self._host.get(CallActor, call.call_id) is not None:
                continue
            missed.add(call.call_id)
            if call.call_id in self._missed and self._host.may_act:
                log.warning("a call has no owner", call_id=call.call_id, line=call.line)
                line.tell(Settle(id=call.call_id))
        self._missed = missed
