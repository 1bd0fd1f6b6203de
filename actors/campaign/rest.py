"""How a campaign rests where no line takes a call: claims and refusals without end would fill the journal. Pure."""

PATIENT, REST, LONGEST_REST = 5, 0.5, 60.0  # refused calls on end until it rests, and for how many seconds


class Rest:
    """Calls that were refused on end."""

    def __init__(self) -> None:
        self._refused = 0
        self._until = 0.0  # on the monotonic clock

    @property
    def comes(self) -> bool:
        """Whether so many were that the next one is tried alone."""
        return self._refused >= PATIENT

    def refused(self, now: float) -> None:
        """One more: it rests longer each time."""
        self._refused += 1
        times = min(self._refused - PATIENT, 10)
        self._until = now + min(REST * 2**times, LONGEST_REST) if times >= 0 else 0.0

    def over(self) -> None:
        """Lines take calls."""
        self._refused, self._until = 0, 0.0

    def left(self, now: float) -> float:
        """The seconds that it still rests; 0 or less: it does not."""
        return self._until - now
