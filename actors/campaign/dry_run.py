"""What a campaign would do in the next minutes, by the machine that does it, with lines and called people as assumed.
Pure: nothing goes on record."""

from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappop, heappush

from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.carriage import NOBODY_KNOWS, Reachable, There
from actors.campaign.claims import BeginCall, CallOver, Claim, claims_of
from actors.campaign.machine import claim, ended
from actors.campaign.places import at
from actors.campaign.record import Campaign, evolve, moment_of, tries_of
from actors.campaign.rulebook import RuleBook
from actors.campaign.selection import Selection
from actors.runtime.clock import Moment, utc
from actors.runtime.decision import SetTimer
from bus_schemas.call import EndReason
from bus_schemas.campaign import CampaignEvent, CampaignStatus


class Assumed(Struct, frozen=True):
    """How a call goes: it is over after so many seconds, of which `talked` were talk."""

    reason: EndReason
    seconds: float
    answered: bool = False
    talked: int = 0


Carrier = Callable[[Claim], Assumed]
MOST_LOOKS = 100_000  # at leads: ten seconds. At one that no line calls there is one each half a minute


class TooManyLooks(Exception):
    """What is asked takes long, whether or not anybody is called in it."""


class Counting(Selection):
    """Whose looks at leads are counted."""

    looks = 0

    def take(self, campaign: Campaign, now: float) -> int | None:
        self.looks += 1
        if self.looks > MOST_LOOKS:
            raise TooManyLooks
        return super().take(campaign, now)


class Forecast(Struct, frozen=True, kw_only=True):
    """`events`: what would go on record; `campaign`: what it would be then. `idle`: seconds of all lines in which they
    had nothing to do."""

    campaign: Campaign
    events: tuple[CampaignEvent, ...]
    idle: float


class DryRun:
    """One dry run. `lines`: calls that are possible at once, each with an operator."""

    def __init__(
        self, campaign: Campaign, book: RuleBook, *, lines: int, carrier: Carrier, now: datetime, there: There
    ) -> None:
        self._campaign = campaign
        self._selection = Counting(campaign)
        self._book = book
        self._lines = lines
        self._reachable = Reachable(there)
        self._carrier = carrier
        self._now = now
        self._events: list[CampaignEvent] = []
        self._ends: list[tuple[datetime, int, CallOver]] = []  # a heap, in the order in which they began
        self._begun = 0
        for claimed in claims_of(campaign):  # they go as others do
            self._begin(claimed, moment_of(tries_of(at(campaign.leads, claimed.place))[-1].began))

    def until(self, end: datetime) -> Forecast:
        """What would be until then."""
        idle, moment = 0.0, self._turn()
        while moment is not None and moment < end:
            idle += (moment - self._now).total_seconds() * self._free()
            self._now = moment
            while self._ends and self._ends[0][0] <= moment:
                self._record(ended(self._campaign, heappop(self._ends)[2], self._book, self._moment()).events)
            moment = self._turn()
        idle += (end - self._now).total_seconds() * self._free()
        return Forecast(campaign=self._campaign, events=tuple(self._events), idle=idle)

    def _turn(self) -> datetime | None:
        """Claim what can be now. When the next thing happens; None: nothing more does."""
        while self._campaign.status is CampaignStatus.RUNNING:
            decision = claim(
                self._campaign, self._selection, self._book, self._free(), self._moment(), lines=self._reachable
            )
            self._record(decision.events)
            later = None
            for effect in decision.effects:
                if isinstance(effect, BeginCall):
                    self._begin(effect.claim, self._now)
                elif isinstance(effect, SetTimer):
                    later = effect.seconds
            if later != 0.0:
                ends = [self._ends[0][0]] if self._ends else []
                return min([*ends, *([] if later is None else [self._now + timedelta(seconds=later)])], default=None)
        return self._ends[0][0] if self._ends else None

    def _begin(self, claimed: Claim, began: datetime) -> None:
        call = self._carrier(claimed)
        over = CallOver(
            place=claimed.place, attempt=claimed.attempt, call_id=claimed.command_id, reason=call.reason,
            answered=call.answered, talk_seconds=call.talked,
        )  # fmt: skip
        self._begun += 1
        ends = max(began + timedelta(seconds=call.seconds), self._now)
        heappush(self._ends, (ends, self._begun, over))

    def _record(self, events: tuple[CampaignEvent, ...]) -> None:
        for event in events:
            campaign = evolve(self._campaign, event)
            assert campaign is not None  # it was there before
            self._campaign = campaign
            self._selection.follow(campaign, event)
            self._events.append(event)

    def _free(self) -> int:
        return max(self._lines - self._campaign.open, 0)

    def _moment(self) -> Moment:
        return Moment(at=utc(self._now), mono=0.0, boot="dry")


def started(campaign: Campaign) -> Campaign:
    """It, or, if it is a draft, as it would be once it was started."""
    return replace(campaign, status=CampaignStatus.RUNNING) if campaign.status is CampaignStatus.DRAFT else campaign


def dry_run(
    campaign: Campaign, book: RuleBook, *, minutes: float, lines: int, carrier: Carrier, now: datetime,
    there: There = NOBODY_KNOWS,
) -> Forecast:  # fmt: skip
    """What it would do in so many minutes from now, one that was not started yet if it were. `there`: what lines there
    are: whom none of them may call, nobody does. Raises TooManyLooks."""
    run = DryRun(started(campaign), book, lines=lines, carrier=carrier, now=now, there=there)
    return run.until(now + timedelta(minutes=minutes))
