"""How long a login must wait after wrong passwords. Pure, bounded, and no lock that a stranger elsewhere could use.

Counted for an account from one address, for an address, and for an account from wherever. The last one slows down
guessing from many addresses and would let a stranger lock the owner out, and the second would let one in an office
lock out all the others, so neither concerns an address from which the account has logged in before. The first one does:
there a neighbour, who cannot be told from the owner, keeps the owner waiting.

What has reached a limit is kept apart from first tries, which anybody can make for any number of names: they make
nobody forget it.
"""

from collections import OrderedDict

from msgspec import Struct

from actors.runtime.addresses import neighbourhood

FREE_TRIES = 5  # wrong passwords for one account from one address before it begins to wait
FREE_TRIES_OF_ADDRESS = 30
FREE_TRIES_OF_ACCOUNT = 50
LONGEST = 60.0  # seconds
FORGET = 900.0
REMEMBERED = 10_000

Key = tuple[str, str]


class _Failures(Struct):
    count: int
    last: float


class Throttle:
    """Counts of wrong passwords. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._first_tries: OrderedDict[Key, _Failures] = OrderedDict()
        self._many_tries: OrderedDict[Key, _Failures] = OrderedDict()
        self._known: OrderedDict[Key, None] = OrderedDict()

    def wait(self, account: str, address: str, now: float) -> float:
        """Seconds until the next try is heard; 0: now."""
        place = neighbourhood(address)
        waits = [self._wait((account, place), FREE_TRIES, now)]
        if (account, place) not in self._known:
            waits.append(self._wait(("", place), FREE_TRIES_OF_ADDRESS, now))
            waits.append(self._wait((account, ""), FREE_TRIES_OF_ACCOUNT, now))
        return max(waits)

    def failed(self, account: str, address: str, now: float) -> None:
        place = neighbourhood(address)
        for key in ((account, place), ("", place), (account, "")):
            failures = self._forget(key)
            if failures is None or now - failures.last > FORGET:
                failures = _Failures(count=0, last=now)
            failures.count += 1
            failures.last = now
            kept = self._first_tries if failures.count < FREE_TRIES else self._many_tries
            kept[key] = failures
            if len(kept) > REMEMBERED:
                kept.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        key = (account, neighbourhood(address))
        self._forget(key)
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _forget(self, key: Key) -> _Failures | None:
        return self._many_tries.pop(key, None) or self._first_tries.pop(key, None)

    def _wait(self, key: Key, free: int, now: float) -> float:
        failures = self._many_tries.get(key) or self._first_tries.get(key)
        if failures is None or failures.count < free or now - failures.last > FORGET:
            return 0.0
        pause = min(2.0 ** min(failures.count - free, 10), LONGEST)
        return max(failures.last + pause - now, 0.0)
