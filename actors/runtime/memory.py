"""How a long-lived process has Python collect its garbage."""

import gc
from collections.abc import Callable, Mapping
from time import perf_counter

from actors.runtime.spread import Spread

RARELY = (20_000, 20, 50)  # objects, then collections, after which the next generation is looked through
OFTEN = (1_000, 5, 5)


def freeze(thresholds: tuple[int, int, int]) -> None:
    """Everything is there that stays: leave it out of every collection to come, and collect as is said from now on.
    Nearly all garbage goes by itself when the last reference does.

    `RARELY`: for an actor host, where a look through 100,000 actors holds every call up. `OFTEN`: for a gateway, which
    has little to look through, while each connection that is cut off leaves a circle of what strangers sent."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)


def measure(pauses: Spread) -> Callable[[], None]:
    """From now on, count for how long each collection holds everything up. Returns the end of it."""
    begun = 0.0

    def collecting(phase: str, info: Mapping[str, int]) -> None:
        nonlocal begun
        if phase == "start":
            begun = perf_counter()
        else:
            pauses.observe(perf_counter() - begun)

    gc.callbacks.append(collecting)
    return lambda: gc.callbacks.remove(collecting)
