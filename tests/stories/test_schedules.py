"""Random schedules of slots, trunks and calls on two hosts, with everything that can go wrong, in simulated time.

Each seed is one small world (`simulators/world/`), whose troubles are drawn (`troubles.py`) and whose callers repeat
what they ask at any time (`callers.py`). Whatever happens, the judge (`judge.py`) finds every promise kept: what is on
record is what phones and PBX saw, no number was dialled twice, and in the end nothing is held.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from simulators.world.schedule import play
from tests.support.depth import plays

SEEDS = int(os.environ.get("OTTB_TEST_SEEDS", plays(48)))
FIRST = int(os.environ.get("OTTB_TEST_FIRST_SEED", "0"))
BLOCK = 10  # seeds, about two seconds of work: small enough to be shared by several workers
BLOCKS = [range(first, min(first + BLOCK, FIRST + SEEDS)) for first in range(FIRST, FIRST + SEEDS, BLOCK)]


@pytest.fixture(scope="session")
def tally(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all workers of this run leave what their blocks came to."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "schedules"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seeds", BLOCKS, ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}")
def test_every_schedule_keeps_every_promise(seeds: range, tally: Path) -> None:
    reasons: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for seed in seeds:
        verdict = play(seed)
        assert not verdict.violations, verdict.text()
        reasons += verdict.reasons
        counts += verdict.counts
    # The block that is over last finds what all have come to, whichever worker played them.
    unfinished = tally / f"{seeds.start}.new"
    unfinished.write_text(json.dumps([reasons, counts]))
    unfinished.rename(unfinished.with_suffix(".json"))
    blocks = [json.loads(path.read_text()) for path in tally.glob("*.json")]
    if SEEDS >= 200 and len(blocks) == len(BLOCKS):
        check_the_sum(*(sum(map(Counter, part), Counter()) for part in zip(*blocks, strict=True)))


def check_the_sum(reasons: Counter[str], counts: Counter[str]) -> None:
    """Over all blocks, every kind of trouble and every reason for which a call ends came up."""
    print(f"\n{SEEDS} schedules, {sum(reasons.values())} calls: {dict(reasons)}; {dict(counts)}")
    assert counts["run"] > SEEDS  # of pipelines, which every third world has
    assert min(counts[kind] for kind in ("crash", "pause", "outage", "repeat", "foreign")) > SEEDS / 10
    assert all(reasons[reason] for reason in ("hangup_remote", "busy", "hangup_local", "trunk_lost", "phone_lost"))


@pytest.mark.parametrize("seed", [3, 7, 45][: plays(20)])
def test_a_seed_replays_the_same_run(seed: int) -> None:
    first, second = play(seed), play(seed)
    assert first.timeline.trace == second.timeline.trace
    assert first.violations == second.violations
