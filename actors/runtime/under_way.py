"""How much of something each user may have under way at once, on one host."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from bus_schemas.errors import RefusalTemplate
from bus_schemas.names import Share


class UnderWay:
    """So many, `each`, of one share; `full` is what one more is refused with."""

    def __init__(self, each: int, full: RefusalTemplate) -> None:
        self._each = each
        self._full = full
        self._held: Counter[Share] = Counter()

    @contextmanager
    def one(self, share: Share) -> Iterator[None]:
        """One more, for as long as it lasts. Raises Refusal."""
        if self._held[share] >= self._each:
            raise self._full()
        self._held[share] += 1
        try:
            yield
        finally:
            self._held -= Counter((share,))
