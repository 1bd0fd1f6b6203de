"""Who may be listening on the feeds of owners: so that nothing is said there that nobody can hear.

A server does not tell who publishes whether anybody has subscribed, but who may do so POINT knows: whoever it lets in
to the bus. It says so before it answers a login. What is stored after somebody could first subscribe is therefore
acknowledged here behind that word, on the same connection.
"""

import msgspec
import structlog

from actors.runtime.bus import Bus, Message, Unsubscribe
from actors.runtime.clock import Clock
from bus_schemas.contract import UNDECODABLE
from bus_schemas.host import BUS_AUDIENCE, BusAudience

log = structlog.get_logger()

LASTS = 1.6  # seconds for which a word is believed; it is said again each half second


class Audience:
    """What the POINTs of the site have said lately. Where none has, as on a site whose bus lets nobody in, and in the
    first moments of a start, anybody may be listening."""

    def __init__(self, *, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._said: dict[str, tuple[float, frozenset[str] | None]] = {}  # None: more than are named
        self._stop: Unsubscribe | None = None

    async def start(self) -> None:
        self._stop = await self._bus.subscribe(BUS_AUDIENCE.pattern, self._hear)

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    def may_hear(self, owner: str | None) -> bool:
        """Whether somebody may be listening on the feed of an owner; None: on one of everybody."""
        since = self._clock.monotonic() - LASTS
        lately = [users for heard, users in self._said.values() if heard > since]
        if not lately:
            return True
        return any(users is None or (owner in users if owner is not None else bool(users)) for users in lately)

    async def _hear(self, message: Message) -> None:
        try:
            said = msgspec.json.decode(message.data, type=BusAudience)
        except UNDECODABLE as error:
            log.warning("an audience not understood", subject=message.subject, error=str(error))
            return
        now = self._clock.monotonic()
        self._said = {sender: word for sender, word in self._said.items() if word[0] > now - LASTS}
        self._said[said.sender] = now, None if said.users is None else frozenset(said.users)
