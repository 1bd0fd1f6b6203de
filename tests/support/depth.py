"""How much of what is random is tried: OTTB_TEST_DEPTH times as much as by itself (CI: 4)."""

import os

DEPTH = float(os.environ.get("OTTB_TEST_DEPTH", "1"))


def examples(number: int) -> int:
    """So many by itself."""
    return max(round(number * DEPTH), 1)
