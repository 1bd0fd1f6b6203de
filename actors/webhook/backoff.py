"""When a delivery that has failed is tried again. Pure.

Each wait is twice as long as the one before, up to an hour, and a part of it is left to chance, so that what has failed
together does not come back together. The chance follows from the delivery: who takes over waits for the same moment.
"""

from hashlib import blake2b

from msgspec import Struct

LONGEST = 3600.0  # seconds between two tries
LEAST_PART = 0.5  # of a wait; the rest is chance's
MOST_DOUBLINGS = 30
LONGEST_REST = 300.0  # seconds in which nothing at all is sent to a receiver that takes nothing


class Backoff(Struct, frozen=True):
    """`first`: seconds until the second try; `gives_up`: seconds after the first one from which on there is none."""

    first: float
    gives_up: float

    def wait(self, attempts: int, chance: float) -> float:
        """Seconds until the next try after so many that failed. `chance`: from 0 up to 1."""
        full = min(self.first * 2.0 ** min(max(attempts, 1) - 1, MOST_DOUBLINGS), LONGEST)
        return full * (LEAST_PART + (1 - LEAST_PART) * chance)

    def due(self, began: float, attempts: int, now: float, chance: float) -> float | None:
        """When it is tried next, on the clock of `began` (the first try) and `now`. None: it is given up."""
        at = now + self.wait(attempts, chance)
        return at if at <= began + self.gives_up else None


def chance_of(*parts: object) -> float:
    """From 0 up to 1, the same for the same parts and as good as drawn."""
    digest = blake2b("\0".join(map(str, parts)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
