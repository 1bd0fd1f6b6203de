"""How well orders travel between a simulated host and its phone or PBX: at once, late, or without an answer."""

import asyncio
import random
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar

Answer = TypeVar("Answer")

LATEST = 9.0  # seconds after which an order is carried out at the latest, if it is
DEADLINE = 10.0  # seconds that whoever gave it waits for the answer
UNUSUAL = 0.1  # seconds on the way that are worth a note


class Unanswered(Exception):
    """The order was sent, and no answer came."""


@dataclass
class Way:
    """How one order goes: seconds there and back. `deaf`: no answer comes; whoever waits knows after `deaf` seconds."""

    there: float
    back: float
    deaf: float | None = None


@dataclass
class Weather:
    """`slow`, `deaf`, `late`: the chances that an order takes long, that its answer is lost, and that what a phone says
    by itself waits somewhere."""

    random: random.Random
    slow: float = 0.0
    deaf: float = 0.0
    late: float = 0.0

    def lateness(self) -> float:
        return self.random.choice((0.2, 1.0, 5.0)) if self.late and self.random.random() < self.late else 0.0

    def way(self) -> Way:
        way = Way(self.random.expovariate(500.0), self.random.expovariate(500.0))
        if self.random.random() < self.slow:
            long = self.random.choice((0.5, 2.0, 6.0, LATEST))
            way = Way(long, way.back) if self.random.random() < 0.7 else Way(way.there, long)
        if self.random.random() < self.deaf:
            way.deaf = self.random.choice((0.05, DEADLINE))
        return way


class Wire:
    """The way to one device. What was sent arrives, whatever became of the sender; a cut fails what is under way."""

    def __init__(self, weather: Weather | None = None) -> None:
        self.weather = weather
        self._waiting: list[asyncio.Future[Any]] = []
        self._cuts = self._deaths = 0

    def lateness(self) -> float:
        """Seconds that what the device says by itself waits."""
        return self.weather.lateness() if self.weather is not None else 0.0

    def cut(self, *, dead: bool = False) -> None:
        """The way breaks: who waits for an answer hears that none will come. `dead`: so does the device, and what was
        on its way to it is lost for certain."""
        self._cuts += 1
        self._deaths += dead
        for answer in list(self._waiting):
            _fail(answer, Unanswered())

    async def queue(self) -> float:
        """Wait for others who use the way. Returns the seconds that this took, which are part of the deadline."""
        waited = 0.0 if self.weather is None else self.weather.way().there
        await asyncio.sleep(waited)
        return waited

    async def send(
        self,
        effect: Callable[[], Answer],
        *,
        unusual: Callable[[str, float], None],
        survives: bool = False,
        waited: float = 0.0,
    ) -> Answer:
        """Have the device carry out an order. `survives`: what was sent may be carried out in spite of a cut. `waited`:
        seconds of the deadline that are over.

        `unusual` hears what was unusual about the way, and for how many seconds. Raises Unanswered, and what the
        effect raises.
        """
        if self.weather is None:
            return effect()
        loop = asyncio.get_running_loop()
        way = self.weather.way()
        way.there = min(way.there, LATEST - waited)
        if way.there + way.back > UNUSUAL:
            unusual("slow", way.there + way.back)
        if way.deaf is not None:
            unusual("no answer", max(way.deaf, way.there))
        answer: asyncio.Future[Answer] = loop.create_future()
        cuts, deaths, goes_on = self._cuts, self._deaths, survives and self.weather.random.random() < 0.5

        def arrive() -> None:
            if self._deaths != deaths or (self._cuts != cuts and not goes_on):
                return
            try:
                done = effect()
            except Exception as error:  # noqa: BLE001  the device's own refusal travels back
                if way.deaf is None:
                    loop.call_later(way.back, _fail, answer, error)
            else:
                if way.deaf is None:
                    loop.call_later(way.back, _set, answer, done)

        loop.call_later(way.there, arrive, context=Context())
        deadline = DEADLINE - waited
        loop.call_later(
            deadline if way.deaf is None else min(way.deaf, deadline), _fail, answer, Unanswered(), context=Context()
        )
        self._waiting.append(answer)
        try:
            return await answer
        finally:
            self._waiting.remove(answer)


def _set(answer: "asyncio.Future[Any]", value: Any) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: "asyncio.Future[Any]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # whoever waited may be gone, which is no error
