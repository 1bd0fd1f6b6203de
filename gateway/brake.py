"""Who asks for more changes than one user's share waits for their turn: nobody fills the journal, or takes the others'
time, by repeating what writes or is refused. And nothing new is begun in a journal that is nearly full.

There are two shares. One is of a moment, for whatever is asked, done or refused. The other is of the long run, for what
was done, since that stays in the journal for good.
"""

import asyncio
import math
from collections.abc import Callable

from actors.runtime.clock import Clock
from bus_schemas.contract import AnyRpc
from bus_schemas.errors import JOURNAL_FULL, ErrorCode, Refusal
from gateway.pace import Pace

PER_SECOND = 200.0  # changes of one user, done or refused, through one gateway
AT_ONCE = 1000  # so many may come without a wait after a quiet time
PATIENCE = 5.0  # seconds that a change waits at most, so that no more than a thousand of a user do
LONG_RUN = 20.0  # changes of one user a second that were done, on the long run; twice what 600 calls a minute take
LONG_RUN_AT_ONCE = 10_000


class Brake:
    """The turns of all users. `nearly_full`: whether the journal is."""

    def __init__(
        self,
        *,
        clock: Clock,
        per_second: float = PER_SECOND,
        long_run: float = LONG_RUN,
        nearly_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pace = Pace(per_second=per_second, at_once=AT_ONCE, now=clock.monotonic)
        self._done = Pace(per_second=long_run, at_once=LONG_RUN_AT_ONCE, now=clock.monotonic)
        self._nearly_full = nearly_full

    async def admit(self, rpc: AnyRpc, user: str) -> None:
        """Wait until a change of the user's may be carried out. Raises Refusal. What ends something waits for its turn
        only: who has had their share can still end what they began."""
        if not rpc.when_full:
            if self._nearly_full():
                raise JOURNAL_FULL()
            await self.share(user)
        await self.turn(user)

    async def turn(self, user: str, patience: float = PATIENCE) -> None:
        """Wait for the user's next turn; mostly that is now. Raises Refusal(UNAVAILABLE) where too many wait."""
        wait = self._pace.turn(("user", user), patience=patience)
        if wait is None:
            raise Refusal(ErrorCode.UNAVAILABLE, "Too many changes of yours wait already. Ask for less at once.")
        if wait > 0:
            await asyncio.sleep(wait)

    async def share(self, user: str) -> None:
        """Wait until the user has something left of the share of the long run. Raises Refusal(RATE_LIMITED)."""
        wait = self._done.wait(("user", user))
        if wait > PATIENCE:
            raise Refusal(
                ErrorCode.RATE_LIMITED, "You have made too many changes in a short time. Wait.",
                rule="changes_per_second", retry_after=round(wait, 1),
            )  # fmt: skip
        if wait > 0:
            await asyncio.sleep(wait)

    def done(self, user: str) -> None:
        """A change of the user's was carried out."""
        self._done.turn(("user", user), patience=math.inf)
