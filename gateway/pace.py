"""That nobody waits long for what others send: how much is read of a connection before it is others' turn, and how many
strangers of one address, and refusals to one user, are answered at once in a second."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

Holder = tuple[str, str]

LATER = 1.0  # seconds
AT_ONCE = 5.0  # seconds' worth that may come at once, and that is owed at most
REMEMBERED = 10_000
TURN_BYTES = 2048  # in chunks of one byte these cost a millisecond


def take_turns(transport: asyncio.BaseTransport) -> None:
    """Read little of a connection at once. asyncio reads 256 KiB, of which none is left for later."""
    if hasattr(transport, "max_size"):  # not where TLS reads for it
        transport.max_size = TURN_BYTES


class Pace:
    """When each has paid for what was asked, at `per_second`. `now`: monotonic seconds."""

    def __init__(self, *, per_second: float, now: Callable[[], float]) -> None:
        self._price = 1.0 / per_second
        self._now = now
        self._paid: OrderedDict[Holder, float] = OrderedDict()

    def wait(self, holder: Holder) -> float:
        """One more: the seconds that its answer waits for."""
        now = self._now()
        paid = max(self._paid.get(holder, now), now) + self._price
        self._paid[holder] = min(paid, now + 2 * AT_ONCE)
        self._paid.move_to_end(holder)
        if len(self._paid) > REMEMBERED:
            self._paid.popitem(last=False)
        return LATER if paid > now + AT_ONCE else 0.0
