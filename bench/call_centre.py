"""A call centre in simulated time: operators, dials that ring, are answered or not, and callers who wait two seconds.

A person answers a quarter of the dials, after 12 s on average; talks last 90 s, wrap-ups 15 s. Dials that nobody
answers last 16.3 s: 70 % ring out after 22 s, 30 % are busy or nothing after 3 s. With one dial for each ready operator
that makes 32.5 minutes of talk an hour.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

from actors.campaign.lookahead import PATIENCE


@dataclass(frozen=True)
class Erlang:
    """Seconds; with shape 1 exponential, with a greater one less spread (mean / sqrt(shape))."""

    shape: int
    mean: float

    def draw(self, chance: random.Random) -> float:
        return chance.gammavariate(self.shape, self.mean / self.shape)

    def beyond(self, seconds: float) -> float:
        """P(T > seconds)."""
        x = seconds * self.shape / self.mean
        return math.exp(-x) * sum(x**n / math.factorial(n) for n in range(self.shape))


@dataclass(frozen=True)
class NotAnswered:
    """Seconds until a dial that nobody answers is over."""

    rings_out: float = 22.0
    nothing: float = 3.0
    share: float = 0.7  # of those that ring out

    def draw(self, chance: random.Random) -> float:
        return self.rings_out if chance.random() < self.share else self.nothing

    def beyond(self, seconds: float) -> float:
        """P(T > seconds)."""
        return 1.0 if seconds < self.nothing else self.share if seconds < self.rings_out else 0.0


RING = Erlang(4, 12.0)
WRAP = Erlang(4, 15.0)
NOT_ANSWERED = NotAnswered()


@dataclass(frozen=True)
class World:
    """`live`: the probability that a person answers a dial begun at this second. `talk`: how long talks last that begin
    at this second."""

    name: str
    live: Callable[[float], float]
    talk: Callable[[float], Erlang]


class Dialer(Protocol):
    """Who says how many dials to start, and hears what becomes of them. It is asked each `every` seconds, and after
    whatever happens, but not within `pause` seconds (None: only each `every` seconds)."""

    every: float
    pause: float | None

    def dials(self, centre: "CallCentre") -> int: ...

    def dial_over(self, now: float, ring: float, answered: bool) -> None: ...

    def call_abandoned(self, now: float) -> None: ...

    def talk_ended(self, now: float, seconds: float) -> None: ...

    def wrap_ended(self, now: float, seconds: float) -> None: ...


class CallCentre:
    """All seconds are simulated. What is under way is kept by its number, with the second it began."""

    def __init__(self, world: World, dialer: Dialer, *, operators: int, seed: int) -> None:
        self._world = world
        self._dialer = dialer
        self._chance = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[int], None]]] = []
        self._numbers = 0
        self._asked = -math.inf
        self.operators = self.idle = operators
        self.now = 0.0
        self.ringing: dict[int, float] = {}
        self.waiting: dict[int, float] = {}
        self.talking: dict[int, float] = {}
        self.wrapping: dict[int, float] = {}
        self.answered = 0
        self.abandoned = 0
        self.talked = 0.0  # seconds, of all operators

    def run(self, seconds: float) -> None:
        self._after(0.0, self._tick)
        while self._events[0][0] < seconds:
            self.now, number, happens = heappop(self._events)
            happens(number)
            pause = self._dialer.pause
            if pause is not None and self.now - self._asked >= pause:
                self._ask()
        self.now = seconds
        self.talked += sum(seconds - began for began in self.talking.values())

    def _after(self, seconds: float, happens: Callable[[int], None]) -> int:
        self._numbers += 1
        heappush(self._events, (self.now + seconds, self._numbers, happens))
        return self._numbers

    def _tick(self, _: int) -> None:
        self._after(self._dialer.every, self._tick)
        self._ask()

    def _ask(self) -> None:
        self._asked = self.now
        for _ in range(self._dialer.dials(self)):
            self._dial()

    def _dial(self) -> None:
        if self._chance.random() < self._world.live(self.now):
            number = self._after(RING.draw(self._chance), self._answer)
        else:
            number = self._after(NOT_ANSWERED.draw(self._chance), self._fail)
        self.ringing[number] = self.now

    def _fail(self, number: int) -> None:
        self._dialer.dial_over(self.now, self.now - self.ringing.pop(number), False)

    def _answer(self, number: int) -> None:
        self.answered += 1
        self._dialer.dial_over(self.now, self.now - self.ringing.pop(number), True)
        if self.idle:
            self.idle -= 1
            self._talk()
        else:
            self.waiting[self._after(PATIENCE, self._give_up)] = self.now

    def _give_up(self, number: int) -> None:
        if self.waiting.pop(number, None) is not None:
            self.abandoned += 1
            self._dialer.call_abandoned(self.now)

    def _talk(self) -> None:
        self.talking[self._after(self._world.talk(self.now).draw(self._chance), self._hang_up)] = self.now

    def _hang_up(self, number: int) -> None:
        seconds = self.now - self.talking.pop(number)
        self.talked += seconds
        self._dialer.talk_ended(self.now, seconds)
        self.wrapping[self._after(WRAP.draw(self._chance), self._ready)] = self.now

    def _ready(self, number: int) -> None:
        self._dialer.wrap_ended(self.now, self.now - self.wrapping.pop(number))
        if self.waiting:
            del self.waiting[next(iter(self.waiting))]  # who has waited longest
            self._talk()
        else:
            self.idle += 1
