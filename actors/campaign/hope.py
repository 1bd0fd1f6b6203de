"""Whether there is a line for leads that lack one: once there was none for long, none of them is called. Pure."""

from actors.campaign.carriage import There
from actors.campaign.selection import Selection

GIVE_UP = 300.0  # seconds without a line that may call those who are left, busy or not, until it finishes
NEW = 60.0  # seconds for which what hosts have said holds: of operators somebody else may be there by then


class Hope:
    """What was found out of lines."""

    def __init__(self) -> None:
        self._lost_since: float | None = None  # on the monotonic clock
        self._seen = 0.0

    def follow(self, there: There, selection: Selection, now: float) -> None:
        """So it is now."""
        self._seen = now
        if not selection.lacking or any(there.reaches(home) for home in selection.homes()):
            self._lost_since = None
        elif self._lost_since is None:
            self._lost_since = now

    def begin_anew(self) -> None:
        """Other lines are wanted, or other leads are left."""
        self._lost_since = None

    def is_lost(self, now: float) -> bool:
        """Whether it is."""
        return self._lost_since is not None and now - self._lost_since >= GIVE_UP and now - self._seen <= NEW
