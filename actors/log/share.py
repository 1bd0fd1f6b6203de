"""How much of the platform's log one sender writes, so that nobody pushes out what others have written: an eighth of it
in a day. An event counts for as many as it takes the place of, by number or by size."""

from collections.abc import Callable

from actors.runtime.pace import Pace
from bus_schemas.errors import ErrorCode, RefusalTemplate, retry_after
from bus_schemas.log import MOST_BYTES, MOST_EVENTS
from bus_schemas.names import SYSTEM, Share

DAY = 24 * 3600.0  # seconds
IN_A_DAY, AT_ONCE = MOST_EVENTS // 10, MOST_EVENTS // 40  # events of a share through one host; and after a quiet time
ORDINARY = MOST_BYTES / MOST_EVENTS  # bytes of an event that counts as one

TOO_MUCH = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "You have written more than your share of the log. Write less, or shorter events.",
    rule="log_share",
)  # fmt: skip


class LogShare:
    """Who has written how much. `now`: monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._pace = Pace(per_second=IN_A_DAY / DAY, at_once=AT_ONCE, now=now)

    def take(self, share: Share, size: int) -> None:
        """An event of so many bytes is about to be written. Raises Refusal(RATE_LIMITED)."""
        if share[1] != SYSTEM and self._pace.turn(share, patience=0.0, weight=max(size / ORDINARY, 1.0)) is None:
            raise TOO_MUCH(retry_after=retry_after(self._pace.wait(share)))
