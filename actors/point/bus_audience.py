"""Says who is on the bus, so that hosts say nothing on feeds that nobody can hear (`actors/runtime/audience.py`)."""

import asyncio
import itertools
from collections.abc import Iterable

import msgspec
import structlog

from actors.runtime.bus import Bus, BusError, Message, Unsubscribe
from actors.runtime.clock import Clock
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.host import BUS_AUDIENCE, BusAudience

log = structlog.get_logger()

AGAIN = 0.5  # seconds after which it is said once more
LISTED_AFTER = 10.0  # seconds after a login in which the server lists its connection, if that comes at all
HEARD_WITHIN = 1.0  # seconds
MOST_NAMED = 2000  # users; of more it is said that anybody may be there


class BusAudienceTeller:
    """Of one process. `sender`: its name, which no other has."""

    def __init__(self, *, bus: Bus, clock: Clock, sender: str) -> None:
        self._bus = bus
        self._clock = clock
        self._sender = sender
        self._entered: dict[str, float] = {}
        self._listed: frozenset[str] | None = None  # None: the server has not been asked yet
        self._numbers = itertools.count(1)
        self._last = 0.0
        self._waiting: dict[int, asyncio.Event] = {}
        self._stop: Unsubscribe | None = None

    async def start(self) -> None:
        subject = BUS_AUDIENCE.subject_for(BusAudience(sender=self._sender, number=0, users=()))
        self._stop = await self._bus.subscribe(subject, self._hear)

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    async def enter(self, user: str) -> None:
        """Somebody is being let in: returns when the server has told that to everybody who listens. Raises
        Refusal(UNAVAILABLE)."""
        self._entered[user] = self._clock.monotonic()
        if self._listed is None:  # nothing was said yet, so everything is said on all feeds
            return
        number = next(self._numbers)
        heard = self._waiting[number] = asyncio.Event()
        try:
            async with asyncio.timeout(HEARD_WITHIN):
                await self._say(number)
                await heard.wait()
        except (BusError, TimeoutError):
            raise Refusal(ErrorCode.UNAVAILABLE, "Hosts could not be told of the login.") from None
        finally:
            del self._waiting[number]

    async def listed(self, users: Iterable[str]) -> None:
        """These have connections now. Said at once where it is news, and else from time to time."""
        now = self._clock.monotonic()
        self._entered = {user: at for user, at in self._entered.items() if at > now - LISTED_AFTER}
        before, self._listed = self._listed, frozenset(users)
        if self._listed == before and now - self._last < AGAIN:
            return
        try:
            await self._say(next(self._numbers))
        except BusError as error:  # hosts will soon believe nothing any more
            log.debug("audience not said", error=repr(error))

    async def _say(self, number: int) -> None:
        self._last = self._clock.monotonic()
        users = (self._listed or frozenset()) | self._entered.keys()
        named = tuple(sorted(users)) if len(users) <= MOST_NAMED else None
        word = BusAudience(sender=self._sender, number=number, users=named)
        await self._bus.publish(BUS_AUDIENCE.subject_for(word), msgspec.json.encode(word), {})

    async def _hear(self, message: Message) -> None:
        try:
            word = msgspec.json.decode(message.data, type=BusAudience)
        except UNDECODABLE:
            return
        if (waiting := self._waiting.get(word.number)) is not None:
            waiting.set()
