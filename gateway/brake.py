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
from gateway.pace import Holder, Pace

WORTH = 5.0  # seconds' worth of changes that come without a wait after a quiet time
PATIENCE = 5.0  # seconds that a change waits at most, so that few of a user do
LASTING_AT_ONCE = 10_000  # of those of the long run


class Brake:
    """The turns of all shares. `per_second`: changes of one of them, done or refused, through one gateway; `lasting`:
    those that were done, on the long run; `nearly_full`: whether the journal is."""

    def __init__(
        self, *, clock: Clock, per_second: float, lasting: float, nearly_full: Callable[[], bool] = lambda: False
    ) -> None:
        self._pace = Pace(per_second=per_second, at_once=WORTH * per_second, now=clock.monotonic)
        self._done = Pace(per_second=lasting, at_once=LASTING_AT_ONCE, now=clock.monotonic)
        self._nearly_full = nearly_full

    async def admit(self, rpc: AnyRpc, holder: Holder) -> None:
        """Wait until a change may be carried out. Raises Refusal. What ends something waits for its turn only: who has
        had their share can still end what they began."""
        if not rpc.when_full:
            if self._nearly_full():
                raise JOURNAL_FULL()
            await self.share(holder)
        await self.turn(holder)

    async def turn(self, holder: Holder, patience: float = PATIENCE) -> None:
        """Wait for a share's next turn; mostly that is now. Raises Refusal(UNAVAILABLE) where too many wait."""
        wait = self._pace.turn(holder, patience=patience)
        if wait is None:
            raise Refusal(ErrorCode.UNAVAILABLE, "Too many changes of yours wait already. Ask for less at once.")
        if wait > 0:
            await asyncio.sleep(wait)

    async def share(self, holder: Holder) -> None:
        """Wait until something is left of the share of the long run. Raises Refusal(RATE_LIMITED)."""
        wait = self._done.wait(holder)
        if wait > PATIENCE:
            raise Refusal(
                ErrorCode.RATE_LIMITED, "You have made too many changes in a short time. Wait.",
                rule="lasting_changes_per_second", retry_after=round(wait, 1),
            )  # fmt: skip
        if wait > 0:
            await asyncio.sleep(wait)

    def done(self, holder: Holder) -> None:
        """A change was carried out."""
        self._done.turn(holder, patience=math.inf)
