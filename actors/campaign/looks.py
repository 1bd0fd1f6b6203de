"""Looks at all leads of a campaign. One takes up to some seconds, and whoever may see a campaign may ask for it, so a
host makes one at a time, in turns of a millisecond, and rests after it; and who asks soon is told the same again.
Those at few leads, which take no time, are made beside: they do not wait for one that does."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from msgspec import Struct

from actors.campaign.record import Campaign
from actors.runtime.clock import Clock
from actors.runtime.patience import enter
from bus_schemas.campaign import CampaignSettings, CampaignStatus
from bus_schemas.campaign_outlook import CampaignExplained
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate

EACH, ALL = 2, 16  # that wait or look: of one user, of all
PATIENCE = 10.0  # seconds
FEW = 1_000  # leads: some 50 ms
TURN, MOST = 0.001, 50  # seconds, and leads, until it is others' turn
KEPT, TIMES = 10.0, 10  # seconds for which an answer is given again; less: as many times as long as it took

BUSY = RefusalTemplate(ErrorCode.RATE_LIMITED, "Campaigns are looked through for others. Try again.", retry_after=5)
YOURS = RefusalTemplate(ErrorCode.RATE_LIMITED, "Campaigns are looked through for you. Wait.", retry_after=5)


class _Lane:
    """Looks of which one is made at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._asked: Counter[str] = Counter()
        self._last = ""  # for whom somebody looks, or has looked last

    @asynccontextmanager
    async def turn(self, user: str) -> AsyncIterator[None]:
        """As `Looks.turn`."""
        if self._asked[user] >= EACH:
            raise YOURS()
        if self._asked.total() >= ALL:
            raise BUSY()
        self._asked[user] += 1
        try:
            await self._wait(user)
            loop, self._last = asyncio.get_running_loop(), user
            began = loop.time()
            try:
                yield
            finally:
                loop.call_later(loop.time() - began, self._turn.release)
        finally:
            self._asked[user] -= 1
            if not self._asked[user]:
                del self._asked[user]

    async def _wait(self, user: str) -> None:
        await enter(self._turn, PATIENCE, partial(self._refusal, user))

    def _refusal(self, user: str) -> Refusal:
        own = self._last == user and self._asked.total() == self._asked[user]
        return (YOURS if own else BUSY)()


class Looks:
    """Whose turn it is on one host."""

    def __init__(self) -> None:
        self._at_few, self._at_many = _Lane(), _Lane()

    def turn(self, user: str, leads: int | None = None) -> AbstractAsyncContextManager[None]:
        """Look at so many leads while the block lasts; the next one waits for as long again. None: nobody knows how
        many looks that takes. Raises Refusal(RATE_LIMITED)."""
        few = leads is not None and leads <= FEW
        return (self._at_few if few else self._at_many).turn(user)


async def in_turns(leads: int, look: Callable[[int], None], clock: Clock) -> None:
    """Look at so many leads, by their places."""
    until = clock.monotonic() + TURN
    for place in range(leads):
        look(place)
        if place % MOST == MOST - 1 or clock.monotonic() >= until:
            await asyncio.sleep(0)
            until = clock.monotonic() + TURN


class _Known(Struct, frozen=True):
    status: CampaignStatus
    settings: CampaignSettings
    said: CampaignExplained
    until: float  # on the monotonic clock


class Explanations:
    """The last answers. What took no time is not given again: so who asks of a small campaign, or after a change of its
    status or settings, is told how it is now. What took longer than anybody waits is there for who asks next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def of(self, campaign: Campaign) -> CampaignExplained | None:
        """The one for a campaign, if there is one that is new enough."""
        known = self._known.get(campaign.campaign)
        if known is None or known.until <= self._clock.monotonic():
            return None
        alike = known.status is campaign.status and known.settings == campaign.settings
        return known.said if alike else None

    def keep(self, campaign: Campaign, said: CampaignExplained, began: float) -> None:
        """An answer, for which somebody has looked since `began`, on the monotonic clock."""
        now = self._clock.monotonic()
        self._known = {id: known for id, known in self._known.items() if known.until > now}
        until = now + max(min(TIMES * (now - began), KEPT), now - began)
        self._known[campaign.campaign] = _Known(campaign.status, campaign.settings, said, until)
