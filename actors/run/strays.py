"""Runs on record for this host's slots that have no owner here: those that wait for their slot after their host has
ended, and one whose host wrote its first event, found that the slot was another's, and died. Each is adopted.
"""

from collections.abc import Callable

import structlog

from actors.run.actor import RunActor
from actors.runtime.bus import BusError
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from actors.telephony.line import SCRIPT
from actors.telephony.orders import Settle
from bus_schemas.errors import Refusal
from bus_schemas.script import OPEN_RUNS, OpenRuns, RunState

log = structlog.get_logger()

LOOK_EVERY = 15.0  # seconds; whoever wrote one since the last look may still be about to take care of it


class StrayRuns:
    """Looks for runs without an owner now and then."""

    def __init__(self, *, host: Host, waits: Callable[[RunActor], None]) -> None:
        self._host = host
        self._waits = waits
        self._missed: set[str] = set()

    async def run(self) -> None:
        """Look until somebody cancels."""
        while True:
            await self._host.pause(LOOK_EVERY)
            try:
                await self._look()
            except (Refusal, BusError) as error:
                log.info("runs without an owner could not be looked for", error=str(error))
            except Exception:  # one bad record; the next look may find the others
                log.exception("runs without an owner could not be looked for")

    async def _look(self) -> None:
        found = await ask(self._host.bus, OPEN_RUNS, OpenRuns(), Context(command_id=self._host.ids.new()))
        missed: set[str] = set()
        for run in found:
            slot = self._host.get(SlotActor, run.line.partition("-")[2])
            if slot is None:
                continue
            here = self._host.get(RunActor, run.script_id)
            if here is not None:
                if run.state is RunState.QUEUED and here.state is not None and here.state.started is None:
                    self._waits(here)  # it may have come here since
                continue
            missed.add(run.script_id)
            if run.script_id in self._missed and self._host.may_act:
                log.warning("a run has no owner", script_id=run.script_id, line=run.line)
                slot.tell(Settle(id=run.script_id, kind=SCRIPT))
        self._missed = missed
