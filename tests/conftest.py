import gc
import logging
import os
from itertools import islice

import pytest
import structlog
from hypothesis import settings

from actors.runtime import memory
from tests.support.depth import examples

# What is read now stays until `memory.freeze` leaves it out: looking through it for garbage was a sixth of that.
gc.disable()

# Tests look at behaviour, not at logs; what a failing test needs is in its own message. (Pretty tracebacks of the
# crashes that are made on purpose would cost more than everything else.)
structlog.configure(
    processors=[structlog.processors.KeyValueRenderer()],
    wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
)

GIVENS = min(examples(100), 100)  # of a test that says no number: everyday runs try fewer, nobody more
settings.register_profile("no times", deadline=None, max_examples=GIVENS)  # times are the bench's
settings.load_profile("no times")


SITES = 1  # workers that start a site of their own for the stories, which costs some seconds of a core each


@pytest.hookimpl(trylast=True)  # when it is known which tests are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest is begun first: begun last, it would run alone in the end. At the start each worker gets an
    equal part of the list, and others take from a part's end: so the long ones are dealt to the beginnings, and after
    them, to some workers only, what needs a site."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("first")]
    stories = [item for item in items if item not in long and needs_a_site(item)]
    others = iter([item for item in items if item not in long and item not in stories])
    files = list(dict.fromkeys(item.path for item in long))
    hosts = min(SITES, workers)
    dealt = [(files.index(item.path) % (hosts if needs_a_site(item) else workers), item) for item in long]
    dealt += [(place % hosts, item) for place, item in enumerate(stories)]
    total = len(items)
    items.clear()
    for worker in range(workers):
        mine = [item for whose, item in dealt if whose == worker]
        share = (total - len(items)) // (workers - worker)
        items += [*mine, *islice(others, max(share - len(mine), 0))]
    items += others


def needs_a_site(item: pytest.Item) -> bool:
    """That of the stories, and not one in its own process, as other tests have it."""
    return "stage" in getattr(item, "fixturenames", ())


def pytest_collection_finish() -> None:
    """The tests stay, some 100,000 objects: the garbage of each is found without looking through them again."""
    memory.freeze(memory.RARELY)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure() -> None:
    """What is left at the end is looked through five times, for errors that nobody has seen: only what is garbage."""
    memory.freeze(memory.RARELY)
