"""How a long-lived process has Python collect its garbage."""

import gc

YOUNG, MIDDLE, OLD = 20_000, 20, 50  # objects, then collections, after which the next generation is looked through


def freeze() -> None:
    """Everything is there that stays: leave it out of every collection to come, and collect more rarely. Nearly all
    garbage goes by itself when the last reference does; a look through 100,000 actors holds every call up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
