"""How long a login must wait after wrong passwords. Pure, bounded, and no lock that a stranger could use.

What grows fast is counted for an account *from one address*, so the owner at another address hardly waits.
"""

from collections import OrderedDict

from msgspec import Struct

FREE_TRIES = 5  # wrong passwords for one account from one address before it begins to wait
FREE_TRIES_OF_ADDRESS = 30
LONGEST = 60.0  # seconds
FORGET = 900.0
REMEMBERED = 10_000


class _Failures(Struct):
    count: int
    last: float


class Throttle:
    """Counts of wrong passwords. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def wait(self, account: str, address: str, now: float) -> float:
        """Seconds until the next try is heard; 0: now."""
        pair = self._wait((account, address), FREE_TRIES, now)
        return max(pair, self._wait(("", address), FREE_TRIES_OF_ADDRESS, now))

    def failed(self, account: str, address: str, now: float) -> None:
        for key in ((account, address), ("", address)):
            failures = self._failures.pop(key, None)
            if failures is None or now - failures.last > FORGET:
                failures = _Failures(count=0, last=now)
            failures.count += 1
            failures.last = now
            self._failures[key] = failures
            if len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        self._failures.pop((account, address), None)

    def _wait(self, key: tuple[str, str], free: int, now: float) -> float:
        failures = self._failures.get(key)
        if failures is None or failures.count < free:
            return 0.0
        pause = min(2.0 ** (failures.count - free), LONGEST)
        return max(failures.last + pause - now, 0.0)
