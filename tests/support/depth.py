"""How much of what is random is tried: OTTB_TEST_DEPTH times the number beside a test. CI tries that number itself, the
mutants 4 times as much, everyday runs less: they are to be over in minutes, and nothing is merged without CI."""

import os

import pytest

GIVEN = os.environ.get("OTTB_TEST_DEPTH")
DEPTH = float(GIVEN or 0.25)
OF_WORLDS = float(GIVEN or 0.1)

# What takes seconds of a processor, and has a quicker test beside it that fails if the thing is broken in a usual way.
deep = pytest.mark.skipif(DEPTH < 1, reason="takes long: CI runs it (OTTB_TEST_DEPTH=1)")


def examples(number: int) -> int:
    """So many at depth 1."""
    return max(round(number * DEPTH), 1)


def plays(number: int) -> int:
    """The same of whole worlds in simulated time, of which each takes about a second of a processor."""
    return max(round(number * OF_WORLDS), 1)


def seeds(number: int) -> range:
    """That many of a world that is played for each of several ways: everyday runs try one."""
    return range(number if DEPTH >= 1 else 1)
