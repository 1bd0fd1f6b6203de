"""Lines that are kept for whoever asked for one, in turn: a campaign says which lead is called before it dials, so it
must have a line first.

Who asks waits here until there is one. Each goes to whose turn it is (`sharing.py`) as soon as it is there. An offer
that is not used is over after a few seconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from actors.dialing.rules import DialRules, countries_of
from actors.dialing.sharing import Shares
from actors.runtime.clock import Timer
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.slot.pool import SHARED, IdleSlot, Pool
from bus_schemas.carriers import SlotCarrier, SlotsOf
from bus_schemas.host import OFFER_LINES, Line, OfferedLines, OfferLines

PATIENCE = OFFER_LINES.timeout - 5.0  # seconds that somebody waits; then they ask again
KEPT = 5.0  # seconds
LOOK = 1.0  # seconds until slots that have had their calls are asked again


class Source(Protocol):
    """Where lines are from. `again`: seconds after which it may have some of which nobody has told; None: it tells."""

    again: float | None

    def take(self, request: OfferLines) -> Line | None:
        """A line that somebody may have, which is nobody else's from now on."""

    def give_back(self, line: Line) -> None:
        """It is kept no longer."""

    async def hold(self, line: Line, request: OfferLines) -> bool:
        """Whether nobody else has a part in it either that is not here, before it is offered to somebody."""

    async def let_go(self, line: Line) -> None:
        """It is not wanted."""


@dataclass(eq=False)
class Asked:
    """Somebody who waits. `found`: for them so far."""

    request: OfferLines
    answer: "asyncio.Future[None]"
    found: list[Line] = field(default_factory=list)

    @property
    def wanted(self) -> OfferLines:
        """What is still to be found: of each operator one line."""
        if (operators := self.request.operators) is None:
            return self.request
        has = {line.user for line in self.found}
        return replace(self.request, operators=tuple(user for user in operators if user not in has))

    @property
    def name(self) -> str:
        return self.request.asker

    @property
    def weight(self) -> int:
        return self.request.weight

    @property
    def priority(self) -> int:
        return self.request.priority


@dataclass(frozen=True)
class Kept:
    """A line that is kept for `asker`, until the timer fires."""

    asker: str
    timer: Timer


class Offers:
    """What one host offers of one source."""

    def __init__(self, *, host: Host, source: Source) -> None:
        self._host = host
        self._source = source
        self._waiting: list[Asked] = []
        self._kept: dict[tuple[str | None, int], Kept] = {}
        self._shares = Shares[Asked]()
        self._due = False
        self._again: Timer | None = None

    # --- contract lines

    async def offer(self, request: OfferLines, context: Context) -> OfferedLines:
        """Keep lines for somebody, once there are any."""
        give_up = self._host.clock.monotonic() + PATIENCE
        while True:
            found = await self._wait(request, give_up - self._host.clock.monotonic())
            free = await asyncio.gather(*(self._held(line, request) for line in found))
            held = [line for line, is_free in zip(found, free, strict=True) if is_free]
            if held or not found:
                return OfferedLines(lines=tuple(held), seconds=KEPT)

    async def _wait(self, request: OfferLines, seconds: float) -> list[Line]:
        asked = Asked(request, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self.serve_soon()
        over = self._host.clock.call_later(max(seconds, 0.0), lambda: self._answer(asked))
        try:
            await asked.answer
        finally:
            over.cancel()
            if asked in self._waiting:  # whoever serves ends
                self._waiting.remove(asked)
        return asked.found

    async def _held(self, line: Line, request: OfferLines) -> bool:
        if await self._source.hold(line, request):
            return True
        self.used(line, request.asker)
        return False

    async def take_back(self, line: Line, asker: str) -> None:
        """It is for others."""
        kept = self._kept.get(_key(line))
        if kept is not None and kept.asker == asker:
            await self._source.let_go(line)
            self.used(line, asker)

    def used(self, line: Line, asker: str) -> None:
        """An offer is over: it was taken, or is not wanted."""
        kept = self._kept.get(_key(line))
        if kept is not None and kept.asker == asker:
            kept.timer.cancel()
            del self._kept[_key(line)]
            self._source.give_back(line)

    # --- whose turn it is

    def serve_soon(self) -> None:
        """There may be lines. All who ask in one moment are looked at together."""
        if self._waiting and not self._due:
            self._due = True
            self._host.clock.call_later(0.0, self._serve)

    def _serve(self) -> None:
        self._due = False
        if self._again is not None:
            self._again.cancel()
        if not self._host.nearly_full:  # else nothing new is begun
            self._give_out()
        for asked in [asked for asked in self._waiting if asked.found]:
            self._answer(asked)
        if self._waiting and self._source.again is not None:
            self._again = self._host.clock.call_later(self._source.again, self.serve_soon)

    def _give_out(self) -> None:
        now = self._host.clock.monotonic()
        want = list(self._waiting)
        while want:
            turn = self._shares.next(want, now)
            asked = turn.who
            line = self._source.take(asked.wanted)
            if line is not None:
                self._shares.gave(turn)
                self._keep(line, asked)
            if line is None or len(asked.found) >= asked.request.most:
                want.remove(asked)

    def _keep(self, line: Line, asked: Asked) -> None:
        asker = asked.request.asker
        self._kept[_key(line)] = Kept(asker, self._host.clock.call_later(KEPT, lambda: self.used(line, asker)))
        asked.found.append(line)

    def _answer(self, asked: Asked) -> None:
        if asked in self._waiting:
            self._waiting.remove(asked)
        if not asked.answer.done():
            asked.answer.set_result(None)


def _key(line: Line) -> tuple[str | None, int]:
    return line.trunk, line.slot


class IdleSlots:
    """The slots of one host, as a source of lines. `has_had_its_calls`: whether one may make no more for now."""

    again: float | None = None

    def __init__(
        self, *, host: Host, pool: Pool, rules: DialRules, has_had_its_calls: Callable[[int], bool]
    ) -> None:
        self._host = host
        self._pool = pool
        self._rules = rules
        self._has_had_its_calls = has_had_its_calls

    def take(self, request: OfferLines) -> Line | None:
        spent: list[IdleSlot] = []
        while (place := self._take(request)) is not None:
            if not self._has_had_its_calls(place.slot):
                break
            spent.append(place)
        for each in spent:  # others may come back to them when the hour is over
            self._pool.keep(each)
            self._host.clock.call_later(LOOK, partial(self._pool.give_back, each.slot))
        if place is None:
            return None
        self._pool.keep(place)
        return Line(
            slot=place.slot, region=place.region, countries=tuple(sorted(self._countries(place))), user=place.user
        )

    def give_back(self, line: Line) -> None:
        self._pool.give_back(line.slot)

    async def hold(self, line: Line, request: OfferLines) -> bool:
        return True

    async def let_go(self, line: Line) -> None:
        pass

    def _take(self, request: OfferLines) -> IdleSlot | None:
        wanted, countries = request.slots, request.countries
        user = SHARED if wanted.of is SlotsOf.POOL else request.user
        may = None if countries is None else frozenset(countries)

        def fits(place: IdleSlot) -> bool:
            if not is_of(wanted, place.slot, place.region):
                return False
            return may is None or not may.isdisjoint(self._countries(place))

        if request.operators is None:
            return self._pool.take(user, None, shared=wanted.of is not SlotsOf.OWN, fits=fits)
        found = (self._pool.take(operator, None, shared=False, fits=fits) for operator in request.operators)
        return next((place for place in found if place is not None), None)

    def _countries(self, place: IdleSlot) -> frozenset[str]:
        return countries_of(place.region, self._rules)


def is_of(carrier: SlotCarrier, slot: int, region: str | None) -> bool:
    """Whether a carrier has a slot, whoever's it is."""
    return (not carrier.slots or slot in carrier.slots) and (not carrier.regions or region in carrier.regions)
