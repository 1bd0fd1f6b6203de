"""What all campaigns of a site have tried: attempts count over all of them, and no two call one number at once.

Each host follows the attempts in the order of the journal. Two campaigns may claim one number in the same moment, on
two hosts: whoever has claimed hears its own claim before it dials, and gives it up where the rules forbid it by what
was claimed before. So of two one dials, and no cap is broken, whatever each knew when it claimed.
"""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from sys import intern
from typing import NamedTuple

import msgspec
import structlog

from actors.campaign.record import NOT_DIALED, milliseconds, moment_of
from actors.campaign.rules import MONTH, Attempt
from actors.runtime.bus import Bus, Recorded, Unsubscribe
from actors.runtime.clock import Clock
from bus_schemas.campaign import (
    CAMPAIGN_ATTEMPT_CLAIMED,
    CAMPAIGN_ATTEMPT_ENDED,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
)
from bus_schemas.contract import ROOT, UNDECODABLE, verb_of

log = structlog.get_logger()

SCOPE = f"{ROOT}.evt.campaign.*.*"
KEPT_MS = MONTH.total_seconds() * 1000

_claimed = msgspec.json.Decoder(CampaignAttemptClaimed).decode
_ended = msgspec.json.Decoder(CampaignAttemptEnded).decode


class Made(NamedTuple):
    """An attempt of some campaign. `began`, `ended`: milliseconds; `ended` 0 and no `outcome`: it is under way."""

    campaign: str
    place: int
    seq: int
    began: int
    ended: int = 0
    outcome: str = ""


class Elsewhere:
    """The attempts of the last 30 days, by number; one for a host."""

    def __init__(self, *, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._made: dict[str, tuple[Made, ...]] = {}
        self._numbers: dict[tuple[str, int], str] = {}  # of attempts under way, by campaign and place
        self._heard = 0
        self._before = 0  # the last entry that there was when it began
        self._waiting: list[tuple[int, int, asyncio.Event]] = []  # a heap, by what is waited for

    async def start(self) -> Unsubscribe:
        """Begin to read what is on record, and follow. Returns how to stop. Raises BusError."""
        last = await self._bus.last(SCOPE, certain=True)
        self._before = last.seq if last is not None else 0
        return await self._bus.follow(SCOPE, self._hear, after=0)

    async def caught_up(self) -> None:
        """Wait until what was on record at the start is read: before that nobody knows whom to call. A month of many
        campaigns takes seconds, in which the rest of the host works."""
        await self.heard(self._before)

    async def heard(self, seq: int) -> None:
        """Wait until an entry of a campaign has been heard."""
        if seq > self._heard:
            heard = asyncio.Event()
            heapq.heappush(self._waiting, (seq, id(heard), heard))
            await heard.wait()

    def than(self, campaign: str, before: int | None = None) -> Callable[[str], Sequence[Attempt]]:
        """What campaigns other than this one have tried on a number. `before`: and claimed before that entry."""

        def tried(number: str) -> Sequence[Attempt]:
            made = [one for one in self._made.get(number, ()) if before is None or one.seq < before]
            return [_attempt(number, one) for one in made if one.campaign != campaign and one.outcome != NOT_DIALED]

        return tried

    async def _hear(self, recorded: Recorded) -> None:
        try:
            verb = verb_of(recorded.subject)
            if verb == CAMPAIGN_ATTEMPT_CLAIMED.verb:
                self._begin(_claimed(recorded.data), recorded.seq)
            elif verb == CAMPAIGN_ATTEMPT_ENDED.verb:
                self._end(_ended(recorded.data))
        except (*UNDECODABLE, ValueError) as error:
            log.warning("attempt not understood", subject=recorded.subject, seq=recorded.seq, error=str(error))
        self._heard = recorded.seq
        while self._waiting and self._waiting[0][0] <= recorded.seq:
            heapq.heappop(self._waiting)[2].set()

    def _begin(self, event: CampaignAttemptClaimed, seq: int) -> None:
        campaign, number = intern(event.campaign), event.number
        kept = self._made.get(number, ())
        if kept:
            since = self._clock.now().timestamp() * 1000 - KEPT_MS
            kept = tuple(one for one in kept if one.began > since or not one.outcome)
        self._made[number] = (*kept, Made(campaign, event.place, seq, milliseconds(event.at)))
        self._numbers[campaign, event.place] = number

    def _end(self, event: CampaignAttemptEnded) -> None:
        number = self._numbers.pop((event.campaign, event.place), None)
        if number is None:
            return
        self._made[number] = tuple(
            one._replace(ended=milliseconds(event.at), outcome=intern(event.outcome))
            if (one.campaign, one.place, one.outcome) == (event.campaign, event.place, "")
            else one
            for one in self._made[number]
        )


def _attempt(number: str, made: Made) -> Attempt:
    ended = moment_of(made.ended) if made.ended else None
    return Attempt(number=number, at=moment_of(made.began), ended=ended, outcome=made.outcome or None)
