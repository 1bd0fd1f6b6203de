"""How a long-lived process has Python collect its garbage."""

import gc

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
