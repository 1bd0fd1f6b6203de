"""Lines that are kept for whoever asked for one, in turn: a campaign says which lead is called before it dials, so it
must have a line first.

Who asks waits here until there is one. Each goes to whose turn it is (`sharing.py`) as soon as it is there. An offer
that is not used is over after a few seconds. Thousands may wait, so those who want the same are looked at as one, and
only those for whom there is something are put in turn.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from actors.dialing.rules import DialRules, countries_of
from actors.dialing.sharing import Shares
from actors.runtime.clock import Timer
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.slot.pool import SHARED, Fits, IdleSlot, Pool
from bus_schemas.carriers import SlotCarrier, SlotsOf
from bus_schemas.host import OFFER_LINES, Line, OfferedLines, OfferLines

PATIENCE = OFFER_LINES.timeout - 5.0  # seconds that somebody waits; then they ask again
KEPT = 5.0  # seconds
REST_FOR_ONE, REST_FOR_ALIKE = 1e-5, 1e-4  # seconds after a look, for all who wait: some five times as long as it takes
LOOK = 1.0  # seconds until slots that have had their calls are asked again


class Free(Protocol):
    """The free lines of a source at one moment: nothing becomes free meanwhile."""

    def has(self, request: OfferLines) -> bool:
        """Whether there may be one that somebody may have."""

    def take(self, request: OfferLines) -> Line | None:
        """One, which is nobody else's from now on."""


class Source(Protocol):
    """Where lines are from. `again`: seconds after which it may have some of which nobody has told; None: it tells."""

    again: float | None

    def free(self) -> Free:
        """The lines that are free now."""

    def give_back(self, line: Line) -> None:
        """It is kept no longer."""

    async def hold(self, line: Line, request: OfferLines) -> bool:
        """Whether nobody else has a part in it either that is not here, before it is offered to somebody."""

    async def decline(self, line: Line) -> None:
        """It is not wanted."""


Key = tuple[str | None, int | None, str | None]  # of a line
Kind = tuple[object, ...]  # of what somebody may have


@dataclass(eq=False)
class Alike:
    """Those who wait for the same: where there is no line for one of them, there is none for the others."""

    kind: Kind
    request: OfferLines  # of any of them
    waiting: "dict[Waiter, None]" = field(default_factory=dict)


@dataclass(eq=False)
class Waiter:
    """Somebody who waits, as the `number`th who has asked. `found`: for them so far."""

    request: OfferLines
    number: int
    alike: Alike
    answer: "asyncio.Future[None]"
    found: list[Line] = field(default_factory=list)

    @property
    def wanted(self) -> OfferLines:
        """What is still to be found: of each operator one line."""
        if (operators := self.request.operators) is None:
            return self.request
        has = {line.user for line in self.found}
        if not has:
            return self.request
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
class KeptLine:
    """A line that is kept for `asker`, until the timer fires."""

    asker: str
    timer: Timer


class Offers:
    """What one host offers of one source."""

    def __init__(self, *, host: Host, source: Source) -> None:
        self._host = host
        self._source = source
        self._alike: dict[Kind, Alike] = {}  # who waits
        self._new: set[Alike] = set()  # of whom somebody has begun to wait since they were looked at
        self._asked = 0
        self._rests_until = 0.0  # on the monotonic clock
        self._may_be_lines = False
        self._kept: dict[Key, KeptLine] = {}
        self._shares = Shares[Waiter]()
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
        alike = self._alike.setdefault(kind := kind_of(request), Alike(kind, request))
        self._asked += 1
        waiter = Waiter(request, self._asked, alike, asyncio.get_running_loop().create_future())
        alike.waiting[waiter] = None
        self._new.add(alike)
        self._look_soon()
        over = self._host.clock.call_later(max(seconds, 0.0), lambda: self._answer(waiter))
        try:
            await waiter.answer
        finally:
            over.cancel()
            self._forget(waiter)  # whoever serves ends
        return waiter.found

    async def _held(self, line: Line, request: OfferLines) -> bool:
        if await self._source.hold(line, request):
            return True
        self.used(line, request.asker)
        return False

    async def take_back(self, line: Line, asker: str) -> None:
        """It is for others."""
        kept = self._kept.get(key_of(line))
        if kept is not None and kept.asker == asker:
            await self._source.decline(line)
            self.used(line, asker)

    def used(self, line: Line, asker: str) -> None:
        """An offer is over: it was taken, or is not wanted."""
        kept = self._kept.get(key_of(line))
        if kept is not None and kept.asker == asker:
            kept.timer.cancel()
            del self._kept[key_of(line)]
            self._source.give_back(line)

    # --- whose turn it is

    def serve_soon(self) -> None:
        """There may be lines."""
        self._may_be_lines = True
        self._look_soon()

    def _look_soon(self) -> None:
        """All who ask in one moment are looked at together, and where many wait, all of a while: lines that are refused
        are free again at once, and would be looked for on end."""
        if self._alike and not self._due:
            self._due = True
            rest = self._rests_until - self._host.clock.monotonic()
            self._host.clock.call_later(max(rest, 0.0), self._serve)

    def _serve(self) -> None:
        self._due = False
        if self._again is not None:
            self._again.cancel()
        if not self._host.nearly_full:  # else nothing new is begun
            self._give_out(self._source.free())
        if self._alike and self._source.again is not None:
            self._again = self._host.clock.call_later(self._source.again, self.serve_soon)

    def _give_out(self, free: Free) -> None:
        new, self._new = self._new, set()
        if not self._may_be_lines and not any(alike.waiting and free.has(alike.request) for alike in new):
            return  # those before them were looked at, and have got what there was
        self._may_be_lines = False
        now = self._host.clock.monotonic()
        with_lines = (alike for alike in self._alike.values() if free.has(alike.request))
        waiting = sorted((waiter for alike in with_lines for waiter in alike.waiting), key=lambda waiter: waiter.number)
        self._rests_until = now + REST_FOR_ONE * len(waiting) + REST_FOR_ALIKE * len(self._alike)
        turns = self._shares.among(waiting, now)
        while (turn := turns.next()) is not None:
            waiter = turn.who
            wanted = waiter.wanted
            line = free.take(wanted)
            if line is not None:
                turns.gave(turn)
                self._keep(line, waiter)
            if line is None and wanted is waiter.request:
                for each in waiter.alike.waiting:
                    turns.drop(each)
            elif line is None or len(waiter.found) >= waiter.request.most:
                turns.drop(waiter)
        for waiter in waiting:
            if waiter.found:
                self._answer(waiter)

    def _keep(self, line: Line, waiter: Waiter) -> None:
        asker = waiter.request.asker
        self._kept[key_of(line)] = KeptLine(asker, self._host.clock.call_later(KEPT, lambda: self.used(line, asker)))
        waiter.found.append(line)

    def _answer(self, waiter: Waiter) -> None:
        self._forget(waiter)
        if not waiter.answer.done():
            waiter.answer.set_result(None)

    def _forget(self, waiter: Waiter) -> None:
        alike = waiter.alike
        alike.waiting.pop(waiter, None)
        if not alike.waiting and self._alike.get(alike.kind) is alike:
            del self._alike[alike.kind]


def kind_of(request: OfferLines) -> Kind:
    """Who asks for the same kind may have the same lines."""
    return request.user, request.slots, request.trunks, request.countries, request.operators, request.joins


def key_of(line: Line) -> Key:
    """What tells a line from the others of its host."""
    return line.trunk, line.slot, line.offer


class IdleSlots:
    """The slots of one host, as a source of lines. `has_had_its_calls`: whether one may make no more for now;
    `has_had_share`: whether a user may make no more on it."""

    again: float | None = None

    def __init__(
        self,
        *,
        host: Host,
        pool: Pool,
        rules: DialRules,
        has_had_its_calls: Callable[[int, str], bool],
        has_had_share: Callable[[int, str], bool],
    ) -> None:
        self._host = host
        self._pool = pool
        self._rules = rules
        self._has_had_its_calls = has_had_its_calls
        self._has_had_share = has_had_share

    def free(self) -> "IdleSlots":
        return self

    def has(self, request: OfferLines) -> bool:
        return self._pool.has(
            self._users(request), shared=self._may_be_shared(request), fits=self._fits(request)
        )

    def take(self, request: OfferLines) -> Line | None:
        spent: list[IdleSlot] = []
        while (place := self._take(request)) is not None:
            if not self._has_had_its_calls(place.slot, request.user):
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
        assert line.slot is not None  # a line of a phone
        self._pool.give_back(line.slot)

    async def hold(self, line: Line, request: OfferLines) -> bool:
        return True

    async def decline(self, line: Line) -> None:
        pass

    def _take(self, request: OfferLines) -> IdleSlot | None:
        fits, shared = self._fits(request), self._may_be_shared(request)
        found = (self._pool.take(user, None, shared=shared, fits=fits) for user in self._users(request))
        return next((place for place in found if place is not None), None)

    def _users(self, request: OfferLines) -> Sequence[str | None]:
        """Whose slots are wanted."""
        if request.operators is not None:
            return request.operators
        return (SHARED if request.slots.of is SlotsOf.POOL else request.user,)

    def _may_be_shared(self, request: OfferLines) -> bool:
        return request.operators is None and request.slots.of is not SlotsOf.OWN

    def _fits(self, request: OfferLines) -> Fits:
        has, countries = is_of(request.slots), request.countries
        may = None if countries is None else frozenset(countries)

        def fits(place: IdleSlot) -> bool:
            if not has(place.slot, place.region) or self._has_had_share(place.slot, request.user):
                return False
            return may is None or not may.isdisjoint(self._countries(place))

        return fits

    def _countries(self, place: IdleSlot) -> frozenset[str]:
        return countries_of(place.region, self._rules)


def is_of(carrier: SlotCarrier) -> Callable[[int, str | None], bool]:
    """Whether a carrier has a slot, of a region, whoever's it is. For many of them: it may name a thousand."""
    slots, regions = frozenset(carrier.slots), frozenset(carrier.regions)
    return lambda slot, region: (not slots or slot in slots) and (not regions or region in regions)
