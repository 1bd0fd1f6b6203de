"""Calls on record for this host's lines that have no owner here. There should be none: but a process that lost its
line can write an attempt, find the barrier, and die before it says that it did not dial. Such a call is adopted, and
ends.
"""

from actors.call.actor import CallActor
from actors.runtime.actor import AnyActor
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.telephony import strays
from actors.telephony.line import CALL
from actors.telephony.line_actor import LineActor
from bus_schemas.call import OPEN_CALLS, OpenCalls


class Strays(strays.Strays):
    """Of calls."""

    kind = CALL

    async def ownerless(self) -> list[tuple[AnyActor, str]]:
        found = await ask(self._host.bus, OPEN_CALLS, OpenCalls(), Context(command_id=self._host.ids.new()))
        missing: list[tuple[AnyActor, str]] = []
        for call in found:
            kind, _, id = call.line.partition("-")
            line = self._host.find(kind, id)
            if isinstance(line, LineActor) and self._host.get(CallActor, call.call_id) is None:
                missing.append((line, call.call_id))
        return missing
