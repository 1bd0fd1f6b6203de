"""The dialers that bench/pacing.py compares, each with what it learns by itself."""

import math
from collections import deque
from itertools import pairwise
from statistics import fmean

from msgspec.structs import replace

from actors.campaign import learning
from actors.campaign.durations import EDGES, Durations, binned
from actors.campaign.learning import Learnt, Rate
from actors.campaign.lookahead import KEPT, outlook
from actors.campaign.pacing import SMALLEST_TEAM, Plan, Snapshot, pace
from actors.campaign.tally import counted
from bench.call_centre import NOT_ANSWERED, RING, WRAP, CallCentre, Erlang, NotAnswered, World
from bus_schemas.campaign import Mode

DAY = 8 * 3600  # seconds that a centre works, from 9 in the morning
CERTAIN = 1e6  # observations that known rates are worth


class Ratio:
    """So many dials for each ready operator, at once when one is ready."""

    every = math.inf
    pause: float | None = 0.0

    def __init__(self, ratio: int) -> None:
        self._ratio = ratio

    def dials(self, centre: CallCentre) -> int:
        return max(self._ratio * centre.idle - len(centre.ringing) - len(centre.waiting), 0)

    def dial_over(self, now: float, ring: float, answered: bool) -> None:
        pass

    def call_abandoned(self, now: float) -> None:
        pass

    def talk_ended(self, now: float, seconds: float) -> None:
        pass

    def wrap_ended(self, now: float, seconds: float) -> None:
        pass


class Vicidial(Ratio):
    """The formula of VICIdial's ADAPT_HARD_LIMIT, by its documentation and schema: a level of dials per operator that
    follows how many are ready too many or too few, and falls to 1 when today's share is over the limit. Not its code.

    `only_ready`: its setting available_only_ratio_tally, by which the level counts for ready operators only.
    """

    every = 0.5  # seconds: what its four loops (1 s, 2.5 s, 15 s, 60 s) have in common
    pause: float | None = None
    HIGHEST = 3.0
    LIMIT = 0.03

    def __init__(self, *, only_ready: bool) -> None:
        super().__init__(1)
        self._only_ready = only_ready
        self._level = 1.0
        self._looks: deque[tuple[int, int]] = deque(maxlen=15)  # each second: ready operators, waiting calls
        self._asked = 0
        self._day = 0
        self._calls: deque[float] = deque()  # the seconds of the last minute's
        self._drops: deque[float] = deque()
        self._today = self._answers_today = self._drops_today = 0

    def dial_over(self, now: float, ring: float, answered: bool) -> None:
        self._calls.append(now)
        self._today += 1
        self._answers_today += answered

    def call_abandoned(self, now: float) -> None:
        self._drops.append(now)
        self._drops_today += 1

    def dials(self, centre: CallCentre) -> int:
        self._asked += 1
        if self._asked % 2 == 0:
            self._looks.append((centre.idle, len(centre.waiting)))
        if self._asked % 30 == 0:
            self._adapt(centre.operators)
        if self._asked % 120 == 0:
            self._brake(centre.now)
        if self._asked % 5:
            return 0
        in_flight = len(centre.ringing) + len(centre.waiting)
        if self._only_ready:
            return max(round(self._level * centre.idle) - in_flight, 0)
        return max(round(self._level * centre.operators) - in_flight - len(centre.talking), 0)

    def _adapt(self, operators: int) -> None:
        too_many = fmean(ready - waiting for ready, waiting in self._looks) / operators
        self._level = min(max(self._level * (1 + too_many), 1.0), self.HIGHEST)
        if self._today > 50 and self._drops_today > self.LIMIT * self._answers_today:
            self._level = 1.0

    def _brake(self, now: float) -> None:
        for recent in (self._calls, self._drops):
            while recent and recent[0] < now - 60:
                recent.popleft()
        if len(self._calls) > 20 and len(self._drops) > len(self._calls) / 2:
            self._level = max(self._level / 2, 1.0)
        if now // DAY > self._day:
            self._day = int(now // DAY)
            self._today = self._answers_today = self._drops_today = 0


class LookAhead(Ratio):
    """Ours, on rates learnt from the calls."""

    every = 3.0
    pause: float | None = 1.0

    def __init__(self, *, smallest_team: int = SMALLEST_TEAM) -> None:
        super().__init__(1)
        self._plan = Plan(mode=Mode.PREDICTIVE, smallest_team=smallest_team)
        self.learnt = Learnt()
        self._outlook = outlook(self.learnt)
        self._looked = 0.0

    def dials(self, centre: CallCentre) -> int:
        now = centre.now
        if now - self._looked >= KEPT:
            self.look(now)
        snapshot = Snapshot(
            idle=centre.idle,
            talking=binned(now - began for began in centre.talking.values()),
            wrapping=binned(now - began for began in centre.wrapping.values()),
            ringing={"list": binned(now - began for began in centre.ringing.values())},
            waiting=len(centre.waiting),
            capacity=6 * centre.operators,
            next_list="list",
            hour=_hour(now),
            day=_day(now),
        )
        return pace(self._plan, snapshot, self.learnt, self._outlook).dials

    def look(self, now: float) -> None:
        self._looked = now
        self._outlook = outlook(self.learnt)

    def dial_over(self, now: float, ring: float, answered: bool) -> None:
        if answered:
            self.learnt = learning.dial_answered(
                self.learnt, of_list="list", hour=_hour(now), day=_day(now), ring=ring
            )
        else:
            self.learnt = learning.dial_unanswered(self.learnt, of_list="list", hour=_hour(now), ring=ring)

    def call_abandoned(self, now: float) -> None:
        self.learnt = learning.call_abandoned(self.learnt, day=_day(now))

    def talk_ended(self, now: float, seconds: float) -> None:
        self.learnt = learning.talk_ended(self.learnt, seconds)

    def wrap_ended(self, now: float, seconds: float) -> None:
        self.learnt = learning.wrap_ended(self.learnt, seconds)


class LookAheadOnKnown(LookAhead):
    """The same on the rates that the world has; only what was answered and abandoned is counted."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.look(0.0)

    def look(self, now: float) -> None:
        self.learnt = Learnt(
            overall=Rate(CERTAIN, CERTAIN * self._world.live(now)),
            answered_ring=_known(RING),
            unanswered_ring=_known(NOT_ANSWERED),
            talk=_known(self._world.talk(now)),
            wrap=_known(WRAP),
            tally=self.learnt.tally,
        )
        super().look(now)

    def dial_over(self, now: float, ring: float, answered: bool) -> None:
        if answered:
            tally = counted(self.learnt.tally, _day(now), answered=1)
            self.learnt = replace(self.learnt, tally=tally)

    def talk_ended(self, now: float, seconds: float) -> None:
        pass

    def wrap_ended(self, now: float, seconds: float) -> None:
        pass


def _known(duration: Erlang | NotAnswered) -> Durations:
    beyond = [*map(duration.beyond, EDGES), 0.0]
    return Durations(tuple(low - high for low, high in pairwise(beyond)))


def _day(now: float) -> int:
    return int(now // DAY)


def _hour(now: float) -> int:
    return 9 + int(now % DAY // 3600)
