"""What one user may hold of the pool's slots on this host: their phones and their extensions together, so that others
find some. A slot counts once, whichever of them is in a call."""

from collections.abc import Callable, Set

from actors.dialing.limits import CallLimits
from actors.runtime.host import Host
from actors.slot.actor import SlotActor
from actors.slot.pool import Pool
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate

SHARE = "user_pool_share"
SHARE_HELD = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "You hold your share of the pool's slots. Others may need the rest.", rule=SHARE
)


class PoolShare:
    """`limits` count the phones; `extensions_of`: the slots whose extension is in a call of somebody's."""

    def __init__(self, *, host: Host, idle: Pool, limits: CallLimits) -> None:
        self._host = host
        self._idle = idle
        self._limits = limits
        self.extensions_of: Callable[[str], Set[int]] = lambda user: frozenset()

    def is_pooled(self, slot: int) -> bool:
        actor = self._host.get(SlotActor, str(slot))
        return actor is not None and actor.pooled

    def pooled(self) -> list[SlotActor]:
        """The pool's slots here."""
        return [slot for slot in self._host.all(SlotActor) if slot.pooled]

    # --- phones: of those that are idle or in calls

    def phone_left(self, user: str, slot: int | None = None) -> bool:
        """Whether a user may hold one more, this one or any; where none is idle there is nothing to share."""
        return not self._idle.shared or self._left(user, slot, self._limits.share(self._idle.shared))

    def phones_held(self) -> Refusal:
        return SHARE_HELD(slots=self._limits.share(self._idle.shared))

    # --- extensions: of all, since each has one whatever its phone does

    def extension_left(self, user: str, slot: int) -> bool:
        """Whether a user may hold this one too."""
        return self._left(user, slot, self._limits.share_of(len(self.pooled())))

    def extensions_held(self) -> Refusal:
        return SHARE_HELD(slots=self._limits.share_of(len(self.pooled())))

    def _left(self, user: str, slot: int | None, share: int) -> bool:
        if self._limits.all_are_shared:
            return True
        mine = self._limits.pooled(user) | {one for one in self.extensions_of(user) if self.is_pooled(one)}
        return slot in mine or len(mine) < share
