"""How much of what is random is tried: OTTB_TEST_DEPTH times the number beside a test. CI tries twice as much, the
mutants 4 times, everyday runs a quarter of it: they are to be over in minutes, and nothing is merged without CI."""

import os

DEPTH = float(os.environ.get("OTTB_TEST_DEPTH", "0.25"))


def examples(number: int) -> int:
    """So many at depth 1."""
    return max(round(number * DEPTH), 1)
