"""Whether the line of a phone's log comes late, by the phone's own stamp on it. Pure.

Lines come at once, as a rule, and then the moment at which one is read is the moment of what it tells. Where the adb
server or we have stood still, many come together, long afterwards: then the phone must be asked how long ago it was.
"""

LATE = 0.3  # seconds; records are in whole ones, and rounding takes half of the second by which they may be off


class LogClock:
    """Where a phone's clock stands on ours: our moments less its stamps, as small as they were ever seen."""

    def __init__(self) -> None:
        self._behind: float | None = None
        self._asked = float("-inf")

    def looked(self, asked: float, answered: float, epoch: float | None) -> None:
        """The phone told its time in a look that was asked and answered at these moments of ours."""
        self._asked = max(self._asked, asked)
        if epoch is None:
            return
        if self._behind is None or asked - epoch > self._behind:  # never that little: the phone's clock was set back
            self._behind = answered - epoch
        else:
            self._behind = min(self._behind, answered - epoch)

    def is_late(self, stamp: float | None, now: float) -> bool:
        """Whether a line tells of something long past that no look can have told yet."""
        if stamp is None or self._behind is None:
            return False
        self._behind = min(self._behind, now - stamp)
        happened = stamp + self._behind
        return now - happened > LATE and happened > self._asked
