"""How much of what is asked may be asked a second time. Pure."""

SHARE = 0.05  # of the questions
AT_ONCE = 64.0  # as many as were on their way to a host that died


class Repeats:
    """Second times, of which each question earns a part of one: so where everything is slow, nothing gets much slower.
    What nobody needed is saved, up to `AT_ONCE`."""

    def __init__(self) -> None:
        self._saved = AT_ONCE

    def earn(self) -> None:
        """Something was asked that could be asked again."""
        if self._saved < AT_ONCE:
            self._saved += SHARE

    def spend(self) -> bool:
        """Whether one more may be asked again."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
