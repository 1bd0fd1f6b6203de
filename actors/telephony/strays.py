"""What is on record for this host's lines and has no owner here: its line adopts it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import structlog

from actors.runtime.actor import AnyActor
from actors.runtime.bus import BusError
from actors.runtime.host import Host
from actors.telephony.orders import Settle
from bus_schemas.errors import Refusal

log = structlog.get_logger()

LOOK_EVERY = 15.0  # seconds; whoever wrote a first event since the last look may still be about to take care of it


class Strays(ABC):
    """Looks for what has no owner now and then. `kind`: of the actors that are looked for."""

    kind: str

    def __init__(self, *, host: Host) -> None:
        self._host = host
        self._missed: set[str] = set()  # ids of those that had no owner at the last look

    async def run(self) -> None:
        """Look until somebody cancels."""
        while True:
            await self._host.pause(LOOK_EVERY)
            try:
                await self._look()
            except (Refusal, BusError) as error:
                log.info("what has no owner could not be looked for", kind=self.kind, error=str(error))
            except Exception:  # one bad record; the next look may find the others
                log.exception("what has no owner could not be looked for", kind=self.kind)

    @abstractmethod
    async def ownerless(self) -> Iterable[tuple[AnyActor, str]]:
        """Those that have none now: the line, which is here, and the id. Raises Refusal, BusError."""

    async def _look(self) -> None:
        missed: set[str] = set()
        for line, id in await self.ownerless():
            missed.add(id)
            if id in self._missed and self._host.may_act:
                log.warning("nobody has it", kind=self.kind, id=id, line=f"{line.kind}-{line.id}")
                line.tell(Settle(id=id, kind=self.kind))
        self._missed = missed
