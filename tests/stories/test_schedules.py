"""Random schedules of slots, trunks and calls on two hosts, with everything that can go wrong, in simulated time.

Each seed is one small world (`simulators/world/`), whose troubles are drawn (`troubles.py`) and whose callers repeat
what they ask at any time (`callers.py`). Whatever happens, the judge (`judge.py`) finds every promise kept: what is on
record is what phones and PBX saw, no number was dialled twice, and in the end nothing is held.
"""

import os
from collections import Counter

import pytest

from simulators.world.schedule import play

SEEDS = int(os.environ.get("OTTB_TEST_SEEDS", "300"))
FIRST = int(os.environ.get("OTTB_TEST_FIRST_SEED", "0"))


@pytest.mark.timeout(3600)
def test_every_schedule_keeps_every_promise() -> None:
    reasons: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + SEEDS):
        verdict = play(seed)
        assert not verdict.violations, verdict.text()
        reasons += verdict.reasons
        counts += verdict.counts
    print(f"\n{SEEDS} schedules, {sum(reasons.values())} calls: {dict(reasons)}; {dict(counts)}")
    if SEEDS >= 100:  # the schedules did come to what they are for
        assert min(counts[kind] for kind in ("crash", "pause", "outage", "repeat", "foreign")) > SEEDS / 10
        assert all(reasons[reason] for reason in ("hangup_remote", "busy", "hangup_local", "trunk_lost", "phone_lost"))


@pytest.mark.parametrize("seed", [3, 7, 45])
def test_a_seed_replays_the_same_run(seed: int) -> None:
    first, second = play(seed), play(seed)
    assert first.timeline.trace == second.timeline.trace
    assert first.violations == second.violations
