"""Who asks for more changes than one user's share waits for their turn: nobody fills the journal, or takes the others'
time, by repeating what writes or is refused. And nothing new is begun in a journal that is nearly full.

A share is of a moment, for whatever is asked, done or refused, or of the long run, for what was done, since that stays
in the journal for good. Of the latter there are three: what ends something goes on where too much was begun, and a
login where too much was done in the user's name.
"""

import asyncio
import math
from collections.abc import Callable
from functools import partial

from actors.runtime.addresses import neighbourhood
from actors.runtime.clock import Clock
from actors.runtime.pace import Pace
from bus_schemas.contract import AnyRpc
from bus_schemas.errors import JOURNAL_FULL, ErrorCode, Refusal, retry_after
from bus_schemas.names import Share

WORTH = 5.0  # seconds' worth of changes that come without a wait after a quiet time
LOOKS_WORTH = 1.0  # the same of looks, so that the first of them are felt by nobody either
PATIENCE = 5.0  # seconds that a change waits at most, so that few of a user do
ONE_LOOK = 8 * 1024  # bytes of an answer that count as one look
LASTING_AT_ONCE = 10_000  # of those of the long run
STRANGERS, STRANGERS_AT_ONCE = 2.0, 60.0  # a second, and after a quiet time, that an address posts without a login
FREE = 1e6  # a second: more than anybody asks

GiveBack = partial[None]


class Brake:
    """The turns of all shares. `per_second`: changes of one of them, done or refused, through one gateway; `lasting`:
    those that were done, on the long run, and as many that end something, and logins; `nearly_full`: whether the
    journal is; `looks`: looks at one thing, a second."""

    def __init__(
        self, *, clock: Clock, per_second: float, lasting: float, looks: float = FREE,
        nearly_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pace = Pace(per_second=per_second, at_once=WORTH * per_second, now=clock.monotonic)
        self._changes, self._ends, self._logins = (
            Pace(per_second=lasting, at_once=LASTING_AT_ONCE, now=clock.monotonic) for _ in range(3)
        )
        self._looks = Pace(per_second=looks, at_once=LOOKS_WORTH * looks, now=clock.monotonic)
        self._strangers = Pace(per_second=STRANGERS, at_once=STRANGERS_AT_ONCE, now=clock.monotonic)
        self._nearly_full = nearly_full

    async def admit(self, rpc: AnyRpc, share: Share) -> GiveBack:
        """Wait until a change may be carried out, and take it of its share of the long run; what is returned gives it
        back, for where nothing was changed. Raises Refusal, and has taken nothing then."""
        if self._nearly_full() and not rpc.when_full:
            raise JOURNAL_FULL()
        lasting = self._ends if rpc.when_full else self._changes
        wait = lasting.turn(share, patience=PATIENCE)
        if wait is None:
            raise _too_many(lasting.wait(share))
        give_back = partial(lasting.give_back, share)
        try:
            await _sleep(wait)
            await self.turn(share)
        except BaseException:
            give_back()
            raise
        return give_back

    def stranger(self, rpc: AnyRpc, address: str) -> None:
        """Let an address in that says by a signature alone who it is, if it has not asked for too much, whoever that
        was. Raises Refusal."""
        if self._nearly_full() and not rpc.when_full:
            raise JOURNAL_FULL()
        share = ("address", neighbourhood(address))
        if self._strangers.turn(share, patience=0.0) is None:
            raise Refusal(
                ErrorCode.RATE_LIMITED, "Too much was posted from your address. Wait.", rule="webhooks_per_address",
                retry_after=retry_after(self._strangers.wait(share)),
            )  # fmt: skip

    async def turn(self, share: Share, patience: float = PATIENCE) -> None:
        """Wait for a share's next turn; mostly that is now. Raises Refusal(UNAVAILABLE) where too many wait."""
        wait = self._pace.turn(share, patience=patience)
        if wait is None:
            raise Refusal(ErrorCode.UNAVAILABLE, "Too many changes of yours wait already. Ask for less at once.")
        await _sleep(wait)

    async def look(self, share: Share) -> None:
        """Wait for a share's next look at something; mostly that is now. Raises Refusal(RATE_LIMITED) where too many
        wait."""
        wait = self._looks.turn(share, patience=PATIENCE)
        if wait is None:
            raise Refusal(
                ErrorCode.RATE_LIMITED, "You look at too many things at once. Wait.", rule="looks_per_second",
                retry_after=retry_after(PATIENCE),
            )  # fmt: skip
        await _sleep(wait)

    def looked(self, share: Share, size: int) -> None:
        """What was looked at had so many bytes: of much, a look counts as several, for which the next ones wait."""
        if (more := size / ONE_LOOK - 1) > 0:
            self._looks.turn(share, patience=math.inf, weight=more)

    async def before_login(self, share: Share) -> None:
        """Wait until something is left of the logins of somebody who is only said to be this one, and takes none of
        theirs. Raises Refusal(RATE_LIMITED)."""
        wait = self._logins.wait(share)
        if wait > PATIENCE:
            raise _too_many(wait)
        await _sleep(wait)

    async def logged_in(self, share: Share) -> None:
        """It was this one. It wrote, and the answer is what waits."""
        self._logins.turn(share, patience=math.inf)
        await self.turn(share, patience=math.inf)


def _too_many(wait: float) -> Refusal:
    return Refusal(
        ErrorCode.RATE_LIMITED, "You have made too many changes in a short time. Wait.",
        rule="lasting_changes_per_second", retry_after=retry_after(wait),
    )  # fmt: skip


async def _sleep(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
