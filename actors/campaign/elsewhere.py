"""What all campaigns of a site have tried: attempts count over all of them, and no two call one number at once.

Each host follows the attempts in the order of the journal. Two campaigns may claim one number in the same moment, on
two hosts: whoever has claimed hears its own claim before it dials, and gives it up where the rules forbid it by what
was claimed before. So of two one dials, and no cap is broken, whatever each knew when it claimed.

What was before the host's start is read campaign by campaign, as somebody waits for it: a campaign needs only what the
others did, and has read its own record by itself.
"""

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from sys import intern
from typing import NamedTuple

import msgspec
import structlog

from actors.campaign.record import NOT_DIALED, Claimed, Over, milliseconds, moment_of
from actors.campaign.rules import MONTH, Attempt
from actors.runtime.bus import BusError, Recorded, Unsubscribe
from actors.runtime.host import Host
from bus_schemas.campaign import CAMPAIGN_ATTEMPT_CLAIMED, CAMPAIGN_ATTEMPT_ENDED
from bus_schemas.contract import ROOT, UNDECODABLE, id_of, verb_of

log = structlog.get_logger()

SCOPE = f"{ROOT}.evt.campaign.*.*"
KEPT = MONTH.total_seconds()
SPARE = 24 * 3600.0  # seconds by which a server's clock may differ from a host's
LATER, AGAIN = 10.0, 0.05  # seconds until what nobody has waited for is read; until a server that is behind is asked

_claimed = msgspec.json.Decoder(Claimed).decode
_over = msgspec.json.Decoder(Over).decode


class Made(NamedTuple):
    """An attempt of some campaign. `began`, `ended`: milliseconds; `ended` 0 and no `outcome`: it is under way."""

    campaign: str
    seq: int
    began: int
    ended: int = 0
    outcome: str = ""


class Elsewhere:
    """The attempts of the last 30 days, by number; one for a host."""

    def __init__(self, *, host: Host) -> None:
        self._host = host
        self._made: dict[str, tuple[Made, ...]] = {}
        self._open: dict[tuple[str, int, int], tuple[str, int]] = {}  # number and claim of each attempt under way
        self._heard = 0
        self._waiting: list[tuple[int, int, asyncio.Event]] = []  # a heap, by what is waited for
        self._unread: set[str] | None = None  # campaigns of which nothing from before the start is known yet
        self._early: defaultdict[str, list[Over]] = defaultdict(list)  # ends of what they had begun
        self._reading = asyncio.Lock()

    async def start(self) -> Unsubscribe:
        """Follow from now on. Returns how to stop. Raises BusError."""
        last = await self._host.bus.last(SCOPE, certain=True)
        self._heard = last.seq if last is not None else 0
        return await self._host.bus.follow(SCOPE, self._hear, after=self._heard)

    # --- what was before

    async def others_are_known(self, campaign: str) -> None:
        """Wait until all that campaigns other than this one have done is read: before that nobody knows whom to call.
        A month of many campaigns takes seconds, in which the rest of the host works. Raises BusError."""
        await self._read_all_but({campaign})

    async def read_rest(self) -> None:
        """Read, by and by, what no campaign of this host needs: one that is new will, and is not to wait for it."""
        while self._unread is None or self._unread:
            await self._host.pause(LATER)
            try:
                await self._read_all_but(())
            except BusError as error:
                log.info("attempts of campaigns cannot be read yet", error=repr(error))

    async def _read_all_but(self, known: Collection[str]) -> None:
        async with self._reading:
            if self._unread is None:
                claimed = await self._host.bus.ids(CAMPAIGN_ATTEMPT_CLAIMED.pattern)
                self._unread = {id_of(subject) for subject in claimed}
            for campaign in sorted(self._unread.difference(known)):
                await self._read_before(campaign)
                self._unread.remove(campaign)
                for event in self._early.pop(campaign, ()):
                    self._end(event)

    async def _read_before(self, campaign: str) -> None:
        """Read what one campaign has tried so far. What is heard meanwhile may be read, too: it counts once."""
        scope, since = f"{ROOT}.evt.campaign.{campaign}.*", self._host.clock.now().timestamp() - KEPT - SPARE
        last, read = await self._host.bus.last(scope, certain=True), 0
        while last is not None and last.at >= since and read < last.seq:
            async for recorded in self._host.bus.replay(scope, after=read, since=since):
                self._take(recorded)
                read = recorded.seq
            if read < last.seq:
                await self._host.pause(AGAIN)

    # --- what is known

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
        if (event := self._take(recorded)) is not None and (self._unread is None or event.campaign in self._unread):
            self._early[event.campaign].append(event)
        self._heard = recorded.seq
        while self._waiting and self._waiting[0][0] <= recorded.seq:
            heapq.heappop(self._waiting)[2].set()

    def _take(self, recorded: Recorded) -> Over | None:
        """Take an entry in. Gives the end of an attempt of which nothing is known."""
        verb = verb_of(recorded.subject)
        try:
            if verb == CAMPAIGN_ATTEMPT_CLAIMED.verb:
                self._begin(_claimed(recorded.data), recorded.seq)
            elif verb == CAMPAIGN_ATTEMPT_ENDED.verb:
                event = _over(recorded.data)
                return None if self._end(event) else event
        except (*UNDECODABLE, ValueError) as error:
            log.warning("attempt not understood", subject=recorded.subject, seq=recorded.seq, error=str(error))
        return None

    def _begin(self, event: Claimed, seq: int) -> None:
        campaign, number = intern(event.campaign), event.number
        kept = self._made.get(number, ())
        if kept:
            if any(one.seq == seq for one in kept):
                return
            since = (self._host.clock.now().timestamp() - KEPT) * 1000
            kept = tuple(one for one in kept if one.began > since or not one.outcome)
        self._made[number] = (*kept, Made(campaign, seq, milliseconds(event.at)))
        self._open[campaign, event.place, event.attempt] = number, seq

    def _end(self, event: Over) -> bool:
        """False: of its beginning nothing is known."""
        known = self._open.pop((event.campaign, event.place, event.attempt), None)
        if known is None:
            return False
        number, seq = known
        outcome = intern(event.outcome if event.call_id is not None else NOT_DIALED)  # no call says nothing to others
        self._made[number] = tuple(
            one._replace(ended=milliseconds(event.at), outcome=outcome) if one.seq == seq else one
            for one in self._made[number]
        )
        return True


def _attempt(number: str, made: Made) -> Attempt:
    ended = moment_of(made.ended) if made.ended else None
    return Attempt(number=number, at=moment_of(made.began), ended=ended, outcome=made.outcome or None)
