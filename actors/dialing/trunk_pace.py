"""How fast calls begin on the trunks of one host, and in whose turn; and who has the next channel of a full one."""

from collections import Counter

from actors.dialing.limits import CallLimits
from actors.dialing.turns import Turns
from actors.runtime.clock import Clock, Moment, moment
from actors.trunk.actor import TrunkActor
from actors.trunk.machine import COME_BACK
from bus_schemas.errors import ErrorCode, RefusalTemplate, retry_after

GRACE = 1.0  # seconds more than they were told, in which whoever was refused is waited for
TOO_FAST = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "The trunk may not dial faster.", rule="trunk_calls_per_second"
)
OTHERS_TURN = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "The trunk may not dial faster, and it is the turn of others who wait.", rule="trunk_turn"
)
OTHERS_CHANNEL = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "The trunk was full, and its next channel is for others who wait.", rule="trunk_turn"
)


class TrunkPace:
    """`limits` count the starts of the host's lines. Who found a trunk full, and holds fewer of its channels, has the
    next ones, as who found it too slow has the next starts."""

    def __init__(self, *, limits: CallLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._turns = Turns()
        self._channels = Turns()

    def left(self, trunk: TrunkActor) -> int:
        """How many calls may begin on it now."""
        return self._left(trunk, moment(self._clock))

    def count(self, trunk: TrunkActor, call_id: str, user: str, *, offered: bool) -> None:
        """Count a start. `offered`: of a campaign, whose turn it was when the line was offered. Raises
        Refusal(RATE_LIMITED), and nothing is counted then."""
        now = moment(self._clock)
        left = self._left(trunk, now)
        if left <= 0:
            wait = self._limits.first_in(trunk.line, window_of(trunk), now)
            self._turns.refused(trunk.line, user, now.mono + wait + GRACE, now.mono)
            raise TOO_FAST(trunk=trunk.id, retry_after=wait)
        if not offered and left <= self._others(trunk, user, now, campaign=False):
            wait = retry_after(window_of(trunk))
            self._turns.refused(trunk.line, user, now.mono + wait + GRACE, now.mono)
            raise OTHERS_TURN(trunk=trunk.id, retry_after=wait)
        if not offered and free_channels(trunk) < self._others_channels(trunk, user, now, campaign=False):
            self.full(trunk, user)
            raise OTHERS_CHANNEL(trunk=trunk.id, retry_after=COME_BACK)
        self._limits.count(trunk.line, call_id, user, now)
        self._turns.had(trunk.line, user, now.mono)
        self._channels.had(trunk.line, user, now.mono)

    def full(self, trunk: TrunkActor, user: str) -> None:
        """Somebody found no channel, and comes back in `COME_BACK`."""
        now = self._clock.monotonic()
        self._channels.refused(trunk.line, user, now + COME_BACK + GRACE, now)

    def others(self, trunk: TrunkActor, user: str) -> int:
        """How many of them are left to others, who dial by hand, by the campaigns of a user."""
        now = moment(self._clock)
        channels = self._others_channels(trunk, user, now, campaign=True)
        return max(channels, self._others(trunk, user, now, campaign=True))

    def wanted(self, trunk: TrunkActor, user: str, starts: int) -> None:
        """A user's campaign would begin so many calls on a trunk that is full or may not dial faster, and looks again
        soon."""
        now = self._clock.monotonic()
        turns = self._turns if self.left(trunk) <= 0 else self._channels
        turns.refused(trunk.line, user, now + GRACE, now, starts=starts, campaign=True)

    def _left(self, trunk: TrunkActor, now: Moment) -> int:
        window = window_of(trunk)
        return max(1, int(trunk.config.calls_per_second * window)) - self._limits.starts(trunk.line, window, now)

    def _others(self, trunk: TrunkActor, user: str, now: Moment, *, campaign: bool) -> int:
        def begun() -> Counter[str]:
            return self._limits.starts_by_user(trunk.line, window_of(trunk), now)

        return self._turns.others(trunk.line, user, now.mono, begun, campaign=campaign)

    def _others_channels(self, trunk: TrunkActor, user: str, now: Moment, *, campaign: bool) -> int:
        def held() -> Counter[str]:
            taken = Counter({user: 0 if campaign else 1})  # just now
            return trunk.calls_by_user - taken

        return self._channels.others(trunk.line, user, now.mono, held, campaign=campaign)


def free_channels(trunk: TrunkActor) -> int:
    """How many of them nobody holds."""
    view = trunk.view
    return view.channels - view.calls


def window_of(trunk: TrunkActor) -> float:
    """Seconds in which its starts are counted: one call at least may begin in them."""
    return max(1.0, 1.0 / trunk.config.calls_per_second)
