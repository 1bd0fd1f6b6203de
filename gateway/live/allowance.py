"""So much at once, and so much more each second."""


class Allowance:
    """What somebody may yet spend. It never grows beyond `most`, which it begins with."""

    __slots__ = ("_at", "_each_second", "_most", "left")

    def __init__(self, *, most: float, each_second: float, now: float) -> None:
        self.left = self._most = most
        self._each_second = each_second
        self._at = now

    def take(self, count: float, *, now: float) -> bool:
        """Spend some. False: there is not so much, and nothing is spent."""
        self.give((now - self._at) * self._each_second)
        self._at = now
        if self.left < count:
            return False
        self.left -= count
        return True

    def give(self, count: float) -> None:
        self.left = min(self.left + count, self._most)
