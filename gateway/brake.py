"""Who asks for more changes than one user's share waits for their turn: nobody fills the journal, or takes the others'
time, by repeating what writes or is refused."""

import asyncio

from actors.runtime.clock import Clock
from bus_schemas.errors import ErrorCode, Refusal

PER_SECOND = 200.0  # changes of one user, done or refused, through one gateway
AT_ONCE = 1000  # so many may come without a wait after a quiet time
PATIENCE = 5.0  # seconds that a change waits at most, so that no more than a thousand of a user do
KNOWN = 10_000  # users who are remembered; beyond, those who had a quiet time are forgotten


class Brake:
    """The turns of all users."""

    def __init__(self, *, clock: Clock, per_second: float = PER_SECOND, at_once: int = AT_ONCE) -> None:
        self._clock = clock
        self._between = 1 / per_second
        self._credit = at_once / per_second
        self._next: dict[str, float] = {}  # by user: when the next turn is

    async def turn(self, user: str, patience: float = PATIENCE) -> None:
        """Wait for the user's next turn; mostly that is now. Raises Refusal(UNAVAILABLE) where too many wait."""
        now = self._clock.monotonic()
        if len(self._next) >= KNOWN and user not in self._next:
            self._next = {user: at for user, at in self._next.items() if at > now - self._credit}
        mine = max(self._next.get(user, float("-inf")), now - self._credit)
        if mine > now + patience:
            raise Refusal(ErrorCode.UNAVAILABLE, "Too many changes of yours wait already. Ask for less at once.")
        self._next[user] = mine + self._between
        if mine > now:
            await asyncio.sleep(mine - now)
