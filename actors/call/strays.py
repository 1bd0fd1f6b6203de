"""Calls on record for this host's lines that have no owner here. There should be none: but a process that lost its
line can write an attempt, find the barrier, and die before it says that it did not dial. Such a call is adopted, and
ends.
"""

import structlog

from actors.call.line import Settle
from actors.call.line_actor import LineActor
from actors.runtime.bus import BusError
from actors.runtime.clock import moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from bus_schemas.call import OPEN_CALLS, OpenCalls
from bus_schemas.errors import Refusal

log = structlog.get_logger()

LOOK_EVERY = 30.0  # seconds
OLD_ENOUGH = 20.0  # seconds; whoever wrote a younger attempt may still be about to take care of it


class Strays:
    """Looks for calls without an owner now and then."""

    def __init__(self, *, host: Host) -> None:
        self._host = host

    def start(self) -> None:
        self._host.spawn(self._run())

    async def _run(self) -> None:
        while True:
            await self._host.pause(LOOK_EVERY)
            try:
                await self._look()
            except (Refusal, BusError) as error:
                log.info("calls without an owner could not be looked for", error=str(error))

    async def _look(self) -> None:
        before = moment(self._host.clock).earlier(OLD_ENOUGH).at
        found = await ask(
            self._host.bus, OPEN_CALLS, OpenCalls(before=before), Context(command_id=self._host.ids.new())
        )
        for call in found:
            kind, id = call.line.split("-", 1)
            line = self._host.get(kind, id)
            if isinstance(line, LineActor) and self._host.get("call", call.call_id) is None and self._host.may_act:
                log.warning("a call has no owner", call_id=call.call_id, line=call.line)
                line.tell(Settle(call_id=call.call_id))
