"""What it takes to say how many dials are worth while: for one campaign that looks ahead, and for a hundred with the
same operators when one of these becomes ready.

The other is the plain way, one operator and one call after the other, in the same run. Seconds are of the processor.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from statistics import median

from actors.campaign.learning import Learnt
from actors.campaign.lookahead import outlook
from bench.table import Row
from bus_schemas.operator import OperatorStatus
from tests.campaign.large_team import Ahead, LargeTeam
from tests.campaign.plain import expectations
from tests.campaign.played import NOON

TEAMS, CAMPAIGNS = (10, 100, 300, 1000), 100
ROUNDS = 15
AHEAD = outlook(Learnt())


async def measure(folder: Path) -> list[Row]:
    return [*map(_pace, TEAMS), _all_campaigns(300)]


def _pace(operators: int) -> Row:
    campaign, now = Ahead(LargeTeam(operators)), _moments()
    dials = campaign.dials(next(now))
    ours = median(_seconds(lambda: campaign.dials(next(now))) for _ in range(ROUNDS))
    other = median(_seconds(lambda: _plainly(operators, dials)) for _ in range(3))
    what = f"pace of {operators} operators, {dials} dials"
    return Row(what, f"{1000 * ours:.2f} ms", f"plainly {1000 * other:.2f} ms", ours / other, _goal(operators))


def _goal(operators: int) -> str:
    return "<= 0.1" if operators >= 300 else "<= 0.5" if operators >= 100 else "<= 10"


def _all_campaigns(operators: int) -> Row:
    team, now = LargeTeam(operators), _moments()
    campaigns = [Ahead(team) for _ in range(CAMPAIGNS)]
    dials = max(campaign.dials(NOON) for campaign in campaigns)

    def somebody_is_ready() -> None:
        at = next(now)
        team.be("op1", OperatorStatus.READY, at)
        for campaign in campaigns:
            campaign.dials(at)

    ours = median(_seconds(somebody_is_ready) for _ in range(ROUNDS))
    other = CAMPAIGNS * median(_seconds(lambda: _plainly(operators, dials)) for _ in range(3))
    what = f"pace of {CAMPAIGNS} campaigns as one of {operators} is ready"
    return Row(what, f"{1000 * ours:.1f} ms", f"plainly {1000 * other:.0f} ms", ours / other, "<= 0.1")


def _plainly(operators: int, dials: int) -> None:
    """Up to so many dials for as many operators, doing alike."""
    frees = chain(repeat(AHEAD.talking[20], 2 * operators // 3), repeat(AHEAD.wrapping[10], operators // 6))
    shares = expectations(operators // 6, frees, (), 0.3)
    for _ in range(dials + 2):
        next(shares)


def _moments() -> Iterator[datetime]:
    """Two seconds from each other, so that no pace stands."""
    now = NOON
    while True:
        yield (now := now + timedelta(seconds=2))


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
