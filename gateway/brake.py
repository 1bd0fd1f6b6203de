"""Who asks for more changes than one user's share waits for their turn: nobody fills the journal, or takes the others'
time, by repeating what writes or is refused."""

import asyncio

from actors.runtime.clock import Clock
from bus_schemas.errors import ErrorCode, Refusal
from gateway.pace import Holder, Pace

WORTH = 5.0  # seconds' worth of changes that come without a wait after a quiet time
PATIENCE = 5.0  # seconds that a change waits at most, so that few of a user do


class Brake:
    """The turns of all shares. `per_second`: changes of one of them, done or refused, through one gateway."""

    def __init__(self, *, clock: Clock, per_second: float) -> None:
        self._pace = Pace(per_second=per_second, at_once=WORTH * per_second, now=clock.monotonic)

    async def turn(self, holder: Holder, patience: float = PATIENCE) -> None:
        """Wait for a share's next turn; mostly that is now. Raises Refusal(UNAVAILABLE) where too many wait."""
        wait = self._pace.turn(holder, patience=patience)
        if wait is None:
            raise Refusal(ErrorCode.UNAVAILABLE, "Too many changes of yours wait already. Ask for less at once.")
        if wait > 0:
            await asyncio.sleep(wait)
