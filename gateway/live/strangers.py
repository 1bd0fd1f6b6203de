"""How much those may ask who have not logged in, by the address that they come from."""

from collections import OrderedDict
from collections.abc import Callable

from actors.runtime.addresses import neighbourhood
from gateway.live.allowance import Allowance

BURST = 100.0  # handshakes that an address has open or has not used to log in
EACH_SECOND = 10.0  # of them that it gets back
ADDRESSES = 10_000  # that are remembered


class Strangers:
    """Handshakes by address. One whose client logs in is given back, so it is those who do not that run out."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._known: OrderedDict[str, Allowance] = OrderedDict()

    def admit(self, address: str) -> bool:
        """Count one. False: the address has had enough for now."""
        return self._allowance(address).take(1, now=self._now())

    def forgive(self, address: str) -> None:
        """Give one back."""
        self._allowance(address).give(1)

    def _allowance(self, address: str) -> Allowance:
        key = neighbourhood(address)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Allowance(most=BURST, each_second=EACH_SECOND, now=self._now())
            if len(self._known) > ADDRESSES:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return found
