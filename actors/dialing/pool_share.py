"""What one user may hold of the pool's slots on this host: their phones, in calls and in runs of scripts, and their
extensions together, so that others find some. A slot counts once, whatever of it is in use."""

from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager

from actors.dialing.limits import CallLimits
from actors.runtime.host import Host
from actors.slot.actor import SlotActor
from actors.slot.pool import Pool
from actors.slot.record import holders_of
from actors.telephony.line import SCRIPT
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
        self._beginning: dict[str, tuple[int, str]] = {}  # runs that no slot knows of yet: slot and user of each

    def is_pooled(self, slot: int) -> bool:
        actor = self._host.get(SlotActor, str(slot))
        return actor is not None and actor.pooled

    def pooled(self) -> list[SlotActor]:
        """The pool's slots here."""
        return [slot for slot in self._host.all(SlotActor) if slot.pooled]

    # --- phones: of those that are idle, in calls or in runs

    def phone_left(self, user: str, slot: int | None = None) -> bool:
        """Whether a user may hold one more, this one or any; where none is idle there is nothing to share."""
        if not self._idle.shared or self._limits.all_are_shared:
            return True
        return self._left(user, slot, self._of_phones())

    def phones_held(self) -> Refusal:
        return SHARE_HELD(slots=self._of_phones())

    def _of_phones(self) -> int:
        return self._limits.share(self._idle.shared + len(self._in_runs()))

    @contextmanager
    def run_begins(self, id: str, user: str, slot: int) -> Iterator[None]:
        """A run counts from here on; once this is over, its slot says whether it holds it. Raises Refusal."""
        if self.is_pooled(slot):
            if not self.phone_left(user, slot):
                raise self.phones_held()
            self._beginning[id] = (slot, user)
        try:
            yield
        finally:
            self._beginning.pop(id, None)

    def _in_runs(self) -> dict[int, str]:
        """The pool's slots on which scripts run, with the calls that those place, and whose runs they are."""
        return {
            int(slot.id): holder.user
            for slot in self._host.all(SlotActor)
            if slot.pooled and slot.state is not None and (slot.live.held or slot.state.calls.open)
            for holder in holders_of(slot.state, slot.live).values()
            if holder.kind == SCRIPT or holder.inside is not None
        }

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
        mine |= {one for one, whose in (*self._in_runs().items(), *self._beginning.values()) if whose == user}
        return slot in mine or len(mine) < share
