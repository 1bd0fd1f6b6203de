"""`python -m tests.support.schedules FIRST LAST`: play these seeds and print what is broken."""

import sys
import time
from collections import Counter

from simulators.world.schedule import play


def main(first: int, last: int, only: str = "") -> None:
    kinds: Counter[str] = Counter()
    first_seed: dict[str, int] = {}
    reasons: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    began = time.monotonic()
    for seed in range(first, last):
        verdict = play(seed)
        reasons += verdict.reasons
        counts += verdict.counts
        for kind in {violation.kind for violation in verdict.violations}:
            kinds[kind] += 1
            first_seed.setdefault(kind, seed)
        if only and any(only == violation.kind for violation in verdict.violations):
            print(verdict.text())
            return
        if last - first == 1:
            print(verdict.text())
    took = time.monotonic() - began
    print(f"{last - first} schedules in {took:.1f} s, {sum(reasons.values())} calls {dict(reasons)}")
    print(dict(counts))
    for kind, seeds in kinds.most_common():
        print(f"  {kind}: {seeds} seeds, first {first_seed[kind]}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
