"""Runs on record for this host's slots that have no owner here: those that wait for their slot after their host has
ended, and one whose host wrote its first event, found that the slot was another's, and died. Each is adopted.
"""

from collections.abc import Callable

from actors.run.actor import RunActor
from actors.runtime.actor import AnyActor
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from actors.telephony import strays
from actors.telephony.line import SCRIPT
from bus_schemas.script import OPEN_RUNS, OpenRuns, RunState


class Strays(strays.Strays):
    """Of runs. `waits`: told of those that are here and wait for their slot."""

    kind = SCRIPT

    def __init__(self, *, host: Host, waits: Callable[[RunActor], None]) -> None:
        super().__init__(host=host)
        self._waits = waits

    async def ownerless(self) -> list[tuple[AnyActor, str]]:
        found = await ask(self._host.bus, OPEN_RUNS, OpenRuns(), Context(command_id=self._host.ids.new()))
        missing: list[tuple[AnyActor, str]] = []
        for run in found:
            slot = self._host.get(SlotActor, run.line.partition("-")[2])
            here = self._host.get(RunActor, run.script_id)
            if slot is None:
                continue
            if here is None:
                missing.append((slot, run.script_id))
            elif run.state is RunState.QUEUED and here.state is not None and here.state.started is None:
                self._waits(here)  # it may have come here since
        return missing
