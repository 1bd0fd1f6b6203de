"""Where the PBX reaches operators, for calls that are taken to them: their extensions, as POINT has said them lately.
It is asked again when it has changed a user, and now and then: POINT alone knows what counts.

One for all campaigns of a host. Who has none can take no such call; of whom nothing is known yet, neither.
"""

import math
from collections.abc import Callable, Iterable

import msgspec
import structlog

from actors.dialing.trunk_lines import REST
from actors.runtime.bus import Bus, BusError, Recorded, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import FIND_EXTENSION, USER_CHANGED, FindExtension, UserChanged

log = structlog.get_logger()

LASTS = 10.0  # seconds after which it is asked again
AGAIN = 1.0  # seconds until it is tried again to follow, where that was not possible

CHANGED = msgspec.json.Decoder(UserChanged)


class Desks:
    """The extensions of operators. `changes`: of them; `tell`: whose is another now, or known at last."""

    changes = 0

    def __init__(self, *, bus: Bus, host: Host, tell: Callable[[str], None]) -> None:
        self._bus = bus
        self._host = host
        self._tell = tell
        self._known: dict[str, str | None] = {}
        self._asked: dict[str, float] = {}  # when, on the monotonic clock
        self._resting: dict[str, float] = {}  # until when
        self._stop: Unsubscribe | None = None

    async def listen(self) -> None:
        """Hear from now on of users who are changed."""
        while self._stop is None:
            try:
                after = await self._bus.last_seq()
                self._stop = await self._bus.follow(USER_CHANGED.subject, self._hear, after=after)
            except BusError as error:
                log.info("changes of users are not heard yet", error=str(error))
                await self._host.pause(AGAIN)

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    async def _hear(self, recorded: Recorded) -> None:
        try:
            user = CHANGED.decode(recorded.data).user
        except UNDECODABLE as error:
            log.warning("a user's event cannot be read", seq=recorded.seq, error=str(error))
            return
        if self._asked.pop(user, None) is not None:
            self.look_up((user,))

    def of(self, user: str) -> str | None:
        """Somebody's extension. None: there is none, nobody has said it yet, or it has just not taken a call."""
        return self._known.get(user) if user not in self._resting else None

    def without(self, users: Iterable[str]) -> tuple[str, ...]:
        """Those who surely have none that takes a call."""
        return tuple(sorted(user for user in users if user in self._known and self.of(user) is None))

    def failed(self, user: str) -> None:
        """Somebody's extension has not taken a call: each other one would be abandoned as well."""
        if user not in self._resting:
            self.changes += 1
        self._resting[user] = self._host.clock.monotonic() + REST

    def look_up(self, users: Iterable[str]) -> None:
        """Have those asked for again that were not lately."""
        now = self._host.clock.monotonic()
        for user in users:
            if now >= self._resting.get(user, math.inf):
                self._rested(user)
            if now - self._asked.get(user, -LASTS) >= LASTS:
                self._asked[user] = now
                self._host.spawn(self._ask(user))

    async def _ask(self, user: str) -> None:
        context = Context(command_id=self._host.ids.new())
        try:
            found = await ask(self._bus, FIND_EXTENSION, FindExtension(user=user), context, retry=False)
            self._know(user, found.extension)
        except Refusal as refusal:
            if refusal.code is ErrorCode.NOT_FOUND:
                self._know(user, None)
            else:  # what was known before stays
                log.info("an extension is not known", user=user, why=refusal.message)
                self._asked.pop(user, None)

    def _know(self, user: str, extension: str | None) -> None:
        if user not in self._known or self._known[user] != extension:
            self._known[user] = extension
            self._rested(user)

    def _rested(self, user: str) -> None:
        self._resting.pop(user, None)
        self.changes += 1
        self._tell(user)
