"""How much operators talk, and how many callers nobody takes, by dialer and team: simulated, 20 seeds each.

Every seed is 200 operator-hours, so each team has about as many answers (5,000 to 6,000): 40 hours of 5 operators,
5 of 40. The share that is abandoned is counted over all of them, as over 30 days. All of it takes ten core minutes.

`python -m bench.pacing 1 2 3` prints what looking ahead would give teams of these sizes, for the smallest that gains.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from bench.call_centre import CallCentre, Dialer, Erlang, World
from bench.dialers import LookAhead, LookAheadOnKnown, Ratio, Vicidial
from bench.table import Row

SEEDS = 20
SEEDS_OF_SMALL_TEAMS = 5
OPERATOR_HOURS = 200
TEAMS = (5, 10, 20, 40)
TEAMS_OF_A_CHANGING_DAY = (10, 40)
CAP = 0.03
STUDENT = {SEEDS: 2.093, SEEDS_OF_SMALL_TEAMS: 2.776}  # 97.5 % quantiles of Student's t, one degree of freedom less
TURN = 4 * 3600  # seconds in which rates rise and fall


def _turning(middle: float, swing: float, turned: float) -> Callable[[float], float]:
    return lambda now: middle + swing * math.sin(2 * math.pi * (now / TURN + turned))


_answers = _turning(0.25, 0.10, 0.0)
_talks = _turning(90.0, 20.0, 0.25)

STEADY = World("steady", lambda now: 0.25, lambda now: Erlang(1, 90.0))
CHANGING = World("changing", _answers, lambda now: Erlang(1, _talks(now)))

DIALERS: dict[str, Callable[[World], Dialer]] = {
    "progressive": lambda world: Ratio(1),
    "ratio 2": lambda world: Ratio(2),
    "VICIdial, all": lambda world: Vicidial(only_ready=False),
    "VICIdial, ready": lambda world: Vicidial(only_ready=True),
    "ahead, known": LookAheadOnKnown,
    "ahead, learnt": lambda world: LookAhead(),
}


@dataclass(frozen=True)
class Outcome:
    """Of one dialer and team, by seed. `talk`: minutes per operator-hour. `abandoned`: share of the answers."""

    talk: Sequence[float]
    abandoned: Sequence[float]

    def __str__(self) -> str:
        shares = [100 * each for each in self.abandoned]
        return f"{_interval(self.talk)} min/h  {_interval(shares)} %, worst {max(shares):.2f} %"


def _interval(values: Sequence[float]) -> str:
    """Mean, and half the width of its 95 % confidence interval."""
    return f"{fmean(values):5.2f} ± {STUDENT[len(values)] * stdev(values) / math.sqrt(len(values)):.2f}"


def simulate(world: World, dialer: Dialer, *, operators: int, seed: int, operator_hours: float) -> CallCentre:
    """The centre in the end."""
    centre = CallCentre(world, dialer, operators=operators, seed=seed)
    centre.run(3600 * operator_hours / operators)
    return centre


def outcome(world: World, dialer: Callable[[World], Dialer], operators: int, seeds: int = SEEDS) -> Outcome:
    ended = [
        simulate(world, dialer(world), operators=operators, seed=seed, operator_hours=OPERATOR_HOURS)
        for seed in range(seeds)
    ]
    return Outcome(
        [centre.talked / 60 / OPERATOR_HOURS for centre in ended],
        [centre.abandoned / centre.answered for centre in ended],
    )


async def measure(folder: Path) -> list[Row]:
    rows: list[Row] = []
    for world, teams in ((STEADY, TEAMS), (CHANGING, TEAMS_OF_A_CHANGING_DAY)):
        for operators in teams:
            outcomes = {}
            for name, dialer in DIALERS.items():
                outcomes[name] = outcome(world, dialer, operators)
                print(f"  {world.name:9} {operators:3} operators  {name:16} {outcomes[name]}", flush=True)
            rows += _rows(f"{world.name}, {operators} operators", outcomes)
    return rows


def _rows(where: str, outcomes: dict[str, Outcome]) -> list[Row]:
    ours = outcomes["ahead, learnt"]
    better = max("VICIdial, all", "VICIdial, ready", key=lambda name: fmean(outcomes[name].talk))
    peers = (("ahead, known", ">= 0.95"), (better, ">= 1.0"), ("progressive", ">= 1.0"))
    rows = [_talk_row(where, ours, name, outcomes[name], goal) for name, goal in peers]
    worst = max(ours.abandoned)
    return [
        *rows,
        Row(f"abandoned, {where}", f"worst seed {100 * worst:.2f} %", f"cap {100 * CAP:.0f} %", worst / CAP, "<= 1.0"),
    ]


def _talk_row(where: str, ours: Outcome, name: str, other: Outcome, goal: str) -> Row:
    ratio = fmean(ours.talk) / fmean(other.talk)
    return Row(f"talk min/h, {where}", _interval(ours.talk), f"{name} {_interval(other.talk)}", ratio, goal)


def main() -> None:
    for operators in map(int, sys.argv[1:]):
        for name, dialer in (("progressive", DIALERS["progressive"]), ("ahead", lambda _: LookAhead(smallest_team=1))):
            print(f"{operators} operators  {name:12} {outcome(STEADY, dialer, operators, SEEDS_OF_SMALL_TEAMS)}")


if __name__ == "__main__":
    main()
