"""What becomes of calls, told to whoever waits for one: one follower of the journal for all campaigns of a host."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from actors.runtime.bus import Bus, Recorded, Unsubscribe
from bus_schemas.contract import Topic, id_of

Event = TypeVar("Event", bound=Struct)


class Ends(Generic[Event]):
    """Follows the answers or the ends of all calls, from its start on; what was before has to be looked up."""

    def __init__(self, topic: Topic[Event], *, bus: Bus) -> None:
        self._bus = bus
        self._topic = topic
        self._decode = msgspec.json.Decoder(topic.event).decode
        self._waiting: dict[str, Callable[[Event], None]] = {}  # by the call's id

    async def start(self) -> Unsubscribe:
        """Returns how to stop. Raises BusError."""
        return await self._bus.follow(self._topic.pattern, self._hear, after=await self._bus.last_seq())

    def expect(self, call_id: str, tell: Callable[[Event], None]) -> None:
        """Tell when that has become of the call, once."""
        self._waiting[call_id] = tell

    def forget(self, call_id: str, tell: Callable[[Event], None]) -> None:
        """Nobody waits for it, unless somebody else does meanwhile."""
        if self._waiting.get(call_id) == tell:
            del self._waiting[call_id]

    async def _hear(self, recorded: Recorded) -> None:
        tell = self._waiting.pop(id_of(recorded.subject), None)
        if tell is not None:
            tell(self._decode(recorded.data))
