"""Idle slots that are kept for whoever asked for one, in turn: a campaign says which lead is called before it dials, so
it must have a line first.

Who asks waits here until there is a slot. Each that becomes idle goes to whoever has waited for longest, one each time
round: nobody who asks again and again takes all of them. An offer that is not used is over after a few seconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from actors.runtime.clock import Timer
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.slot.pool import IdleSlot, Pool
from bus_schemas.host import OFFER_LINES, OfferedLines, OfferLines, ReturnLines

PATIENCE = OFFER_LINES.timeout - 5.0  # seconds that somebody waits; then they ask again
KEPT = 5.0  # seconds
LOOK = 1.0  # seconds until slots that have had their calls are asked again


@dataclass(eq=False)
class Asked:
    """Somebody who waits. `found`: for them so far."""

    request: OfferLines
    answer: "asyncio.Future[None]"
    found: list[IdleSlot] = field(default_factory=list)


@dataclass(frozen=True)
class Kept:
    """A slot that is kept for `asker`, until the timer fires."""

    asker: str
    timer: Timer


class Offers:
    """The offers of one host. `has_had_its_calls`: whether a slot may make no more calls for now."""

    def __init__(self, *, host: Host, pool: Pool, has_had_its_calls: Callable[[int], bool]) -> None:
        self._host = host
        self._pool = pool
        self._has_had_its_calls = has_had_its_calls
        self._waiting: list[Asked] = []
        self._kept: dict[int, Kept] = {}
        self._due = False
        pool.on_idle = self._serve_soon

    # --- contract lines

    async def offer(self, request: OfferLines, context: Context) -> OfferedLines:
        """Keep slots for somebody, once there are any."""
        asked = Asked(request, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._serve_soon()
        over = self._host.clock.call_later(PATIENCE, lambda: self._answer(asked))
        try:
            await asked.answer
        finally:
            over.cancel()
            if asked in self._waiting:  # whoever serves ends
                self._waiting.remove(asked)
        return OfferedLines(slots=[place.slot for place in asked.found], seconds=KEPT)

    async def take_back(self, request: ReturnLines, context: Context) -> OfferedLines:
        """They are for others."""
        for slot in request.slots:
            self.used(slot, request.asker)
        return OfferedLines(slots=[], seconds=0.0)

    def used(self, slot: int, asker: str) -> None:
        """An offer is over: it was taken, or is not wanted."""
        kept = self._kept.get(slot)
        if kept is not None and kept.asker == asker:
            kept.timer.cancel()
            del self._kept[slot]
            self._pool.give_back(slot)

    # --- whose turn it is

    def _serve_soon(self) -> None:
        """All who ask in one moment are looked at together."""
        if self._waiting and not self._due:
            self._due = True
            self._host.clock.call_later(0.0, self._serve)

    def _serve(self) -> None:
        self._due = False
        if self._host.nearly_full:  # nothing new is begun
            return
        while sum(self._give(asked) for asked in self._waiting if len(asked.found) < asked.request.most):
            pass
        for asked in [asked for asked in self._waiting if asked.found]:
            self._answer(asked)

    def _give(self, asked: Asked) -> bool:
        """Keep one more slot for somebody, if there is one that they may have."""
        spent: list[IdleSlot] = []
        while (place := self._pool.take(asked.request.user, None)) is not None:
            if not self._has_had_its_calls(place.slot):
                break
            spent.append(place)
        for each in spent:  # others may come back to them when the hour is over
            self._pool.keep(each)
            self._host.clock.call_later(LOOK, partial(self._pool.give_back, each.slot))
        if place is None:
            return False
        asker, slot = asked.request.asker, place.slot
        self._pool.keep(place)
        self._kept[slot] = Kept(asker, self._host.clock.call_later(KEPT, lambda: self.used(slot, asker)))
        asked.found.append(place)
        return True

    def _answer(self, asked: Asked) -> None:
        if asked in self._waiting:
            self._waiting.remove(asked)
        if not asked.answer.done():
            asked.answer.set_result(None)
