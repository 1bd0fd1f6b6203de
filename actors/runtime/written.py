"""How much users' changes write into the journal. One change may be of many bytes, and what is written stays for good:
beyond what an ordinary one writes, bytes count for whoever asked, and of many more than that nobody writes on."""

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from actors.runtime.pace import Pace
from bus_schemas.errors import JOURNAL_FULL, ErrorCode, RefusalTemplate, retry_after
from bus_schemas.names import SYSTEM, Share

ORDINARY = 1_000  # bytes of a change that counts as one alone (`gateway/brake.py`)
PER_SECOND = 12_000  # bytes of a share, on the long run, through one host: as many as ordinary changes write
AT_ONCE = 64_000_000  # some long lists of leads

TOO_MUCH = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "What you have changed has written too much in a short time. Wait.", rule="journal_bytes"
)


class Written:
    """Who has written how much. `now`: monotonic seconds; `nearly_full`: whether the journal is."""

    def __init__(self, now: Callable[[], float], *, nearly_full: Callable[[], bool]) -> None:
        self._pace = Pace(per_second=PER_SECOND, at_once=AT_ONCE, now=now)
        self._nearly_full = nearly_full

    def wait(self, share: Share) -> float:
        """Seconds until somebody may write more."""
        return self._pace.wait(share)

    def check(self, share: Share) -> None:
        """Raises Refusal(RATE_LIMITED) where somebody has written too much, or the journal is nearly full."""
        if self._nearly_full():
            raise JOURNAL_FULL()
        if wait := self.wait(share):
            raise TOO_MUCH(retry_after=retry_after(wait))

    def has_room(self, share: Share) -> bool:
        """Whether `take` lets it pass, however much it is."""
        return share[1] == SYSTEM or not (self._nearly_full() or self._pace.wait(share))

    def take(self, share: Share, events: Iterable[Struct], *, beside: int = 0) -> None:
        """These are about to be written. Raises Refusal, as `check`, where they are more than an ordinary change, or
        cost something `beside` (bytes): of such ones a single request writes many."""
        size = size_of(events) + beside
        if (size > ORDINARY or beside) and share[1] != SYSTEM:
            self.check(share)
            self._charge(share, size)

    def charge(self, share: Share, events: Iterable[Struct], *, beside: int = 0) -> None:
        """These are written in any case, and cost something `beside`."""
        self._charge(share, size_of(events) + beside)

    def _charge(self, share: Share, size: int) -> None:
        self._pace.turn(share, patience=float("inf"), weight=size)


def size_of(events: Iterable[Struct]) -> int:
    """Their bytes in the journal."""
    return sum(len(msgspec.json.encode(event)) for event in events)
