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
class Trip:
    """How one order goes: seconds there and back. `deaf`: no answer comes; whoever waits knows after `deaf` seconds."""

    there: float
    back: float
    deaf: float | None = None


@dataclass
class Impairments:
    """`slow`, `deaf`, `late`: the chances that an order takes long, that its answer is lost, and that what a phone says
    by itself waits somewhere."""

    random: random.Random
    slow: float = 0.0
    deaf: float = 0.0
    late: float = 0.0

    def lateness(self) -> float:
        return self.random.choice((0.2, 1.0, 5.0)) if self.late and self.random.random() < self.late else 0.0

    def reopening(self) -> float:
        return self.random.choice((0.01, 0.3, 2.0))

    def trip(self) -> Trip:
        trip = Trip(self.random.expovariate(500.0), self.random.expovariate(500.0))
        if self.random.random() < self.slow:
            long = self.random.choice((0.5, 2.0, 6.0, LATEST))
            trip = Trip(long, trip.back) if self.random.random() < 0.7 else Trip(trip.there, long)
        if self.random.random() < self.deaf:
            trip.deaf = self.random.choice((0.05, DEADLINE))
        return trip


class Wire:
    """The way to one device. What was sent arrives, whatever became of the sender; a cut fails what is under way."""

    def __init__(self, impairments: Impairments | None = None) -> None:
        self.impairments = impairments
        self._waiting: list[asyncio.Future[Any]] = []
        self.cuts = self._deaths = 0  # how often it was cut, and by the death of the device

    def lateness(self) -> float:
        """Seconds that what the device says by itself waits."""
        return self.impairments.lateness() if self.impairments is not None else 0.0

    def reopen(self, opened: Callable[[int], None], *, noted: Callable[[float], object]) -> None:
        """Connect whoever has just seen that the device is back, in its time and unless it is cut again meanwhile.
        `opened` hears how often it was cut before, `noted` for how many seconds this takes."""
        cuts = self.cuts

        def open_unless_cut() -> None:
            if self.cuts == cuts:
                opened(cuts)

        seconds = self.impairments.reopening() if self.impairments is not None else 0.0
        if not seconds:
            open_unless_cut()
            return
        noted(seconds)
        asyncio.get_running_loop().call_later(seconds, open_unless_cut)

    def cut(self, *, dead: bool = False) -> None:
        """The way breaks: who waits for an answer hears that none will come. `dead`: so does the device, and what was
        on its way to it is lost for certain."""
        self.cuts += 1
        self._deaths += dead
        for answer in list(self._waiting):
            _fail(answer, Unanswered())

    async def queue(self) -> float:
        """Wait for others who use the way. Returns the seconds that this took, which are part of the deadline."""
        waited = 0.0 if self.impairments is None else self.impairments.trip().there
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
        if self.impairments is None:
            return effect()
        trip = self.impairments.trip()
        trip.there = min(trip.there, LATEST - waited)
        if trip.there + trip.back > UNUSUAL:
            unusual("slow", trip.there + trip.back)
        if trip.deaf is not None:
            unusual("no answer", max(trip.deaf, trip.there))
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._set_out(trip, effect, answer, goes_on=survives and self.impairments.random.random() < 0.5)
        _give_up(trip, answer, DEADLINE - waited)
        self._waiting.append(answer)
        try:
            return await answer
        finally:
            self._waiting.remove(answer)

    def _set_out(
        self, trip: Trip, effect: Callable[[], Answer], answer: "asyncio.Future[Answer]", *, goes_on: bool
    ) -> None:
        """Send an order on its way. `goes_on`: it arrives in spite of a cut."""
        loop = asyncio.get_running_loop()
        cuts, deaths = self.cuts, self._deaths

        def arrive() -> None:
            if self._deaths != deaths or (self.cuts != cuts and not goes_on):
                return
            try:
                done = effect()
            except Exception as error:  # noqa: BLE001  the device's own refusal travels back
                if trip.deaf is None:
                    loop.call_later(trip.back, _fail, answer, error)
            else:
                if trip.deaf is None:
                    loop.call_later(trip.back, _set, answer, done)

        loop.call_later(trip.there, arrive, context=Context())


def _give_up(trip: Trip, answer: "asyncio.Future[Any]", deadline: float) -> None:
    """Whoever waits knows after a while that no answer comes."""
    seconds = deadline if trip.deaf is None else min(trip.deaf, deadline)
    asyncio.get_running_loop().call_later(seconds, _fail, answer, Unanswered(), context=Context())


def _set(answer: "asyncio.Future[Any]", value: Any) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: "asyncio.Future[Any]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # whoever waited may be gone, which is no error
