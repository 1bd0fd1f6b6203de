"""How much users' shell commands write into the journal: what was run and what was printed stays there for good."""

import math
from collections.abc import Callable

import msgspec

from actors.runtime.pace import Pace
from bus_schemas.errors import ErrorCode, Refusal, retry_after
from bus_schemas.names import Share

PER_SECOND = 12_000  # bytes of a share, on the long run, through one host: as many as the doors' changes write
AT_ONCE = 1000 * PER_SECOND


class ShellBytes:
    """Who has written how much. `now`: monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._pace = Pace(per_second=PER_SECOND, at_once=AT_ONCE, now=now)

    def check(self, share: Share) -> None:
        """Raises Refusal(RATE_LIMITED) for who has written more than that."""
        if wait := self._pace.wait(share):
            raise Refusal(
                ErrorCode.RATE_LIMITED, "Your shell commands have written too much in a short time. Wait.",
                rule="shell_bytes", retry_after=retry_after(wait),
            )  # fmt: skip

    def charge(self, share: Share, size: int) -> None:
        """So many bytes were written, or may be; fewer than none: were not, after all."""
        self._pace.turn(share, patience=math.inf, weight=size)


def on_record(text: str) -> int:
    """The bytes of a text in the journal, where one letter may be six."""
    return len(msgspec.json.encode(text))
