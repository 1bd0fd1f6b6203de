"""Who is to talk in calls that wait, as they are dialled. Pure."""

from collections.abc import Callable, Iterable


class Seats:
    """Operators of dials that are begun in one turn. `free`: who is ready, the longest first, and in no attempt.
    `kept`: each dial is for one of them; else for whoever is ready when somebody answers, but where the lead is to be
    called back by one. `bears`: whether a number may be dialled for whoever is ready, as many as are in flight."""

    def __init__(
        self, free: Iterable[str], *, kept: bool, bears: Callable[[str], bool] = lambda number: True
    ) -> None:
        self._free = list(free)
        self._kept = kept
        self._bears = bears

    def bears(self, number: str) -> bool:
        """Whether a number may be dialled in this turn: where each dial is for one who is kept, any may."""
        return self._kept or self._bears(number)

    def may_have(self, wanted: str | None) -> bool:
        """Whether a lead that wants to talk to somebody, or to anybody, could be dialled."""
        return wanted in self._free if wanted is not None else not self._kept or bool(self._free)

    def take(self, wanted: str | None) -> str | None:
        """The operator who is kept for the dial. None: whoever is ready then."""
        if wanted is None and not self._kept:
            return None
        user = wanted if wanted is not None else self._free[0]
        self._free.remove(user)
        return user
