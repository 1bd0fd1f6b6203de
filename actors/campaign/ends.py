"""How calls end, told to whoever waits for one: one follower of the journal for all campaigns of a host."""

from collections.abc import Callable

import msgspec

from actors.runtime.bus import Bus, Recorded, Unsubscribe
from bus_schemas.call import CALL_ENDED, CallEnded
from bus_schemas.contract import id_of

Tell = Callable[[CallEnded], None]

_decode = msgspec.json.Decoder(CallEnded).decode


class Ends:
    """Follows the ends of all calls, from its start on: what was before has to be looked up by who waits."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[str, Tell] = {}  # by the call's id

    async def start(self) -> Unsubscribe:
        """Returns how to stop. Raises BusError."""
        return await self._bus.follow(CALL_ENDED.pattern, self._hear, after=await self._bus.last_seq())

    def expect(self, call_id: str, tell: Tell) -> None:
        """Tell when the call has ended, once."""
        self._waiting[call_id] = tell

    def forget(self, call_id: str, tell: Tell) -> None:
        """Nobody waits for it, unless somebody else does meanwhile."""
        if self._waiting.get(call_id) == tell:
            del self._waiting[call_id]

    async def _hear(self, recorded: Recorded) -> None:
        tell = self._waiting.pop(id_of(recorded.subject), None)
        if tell is not None:
            tell(_decode(recorded.data))
