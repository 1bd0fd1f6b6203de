"""Calls of a campaign that were answered and wait for an operator, and who gets which. Pure.

The one who has waited longest gets the operator who has been ready longest. Whose a call is goes on record before they
are asked, so whoever takes over asks the same operator, and nobody else as long as that one has not surely refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from actors.campaign.claims import Claim, claim_at
from actors.campaign.lookahead import PATIENCE
from actors.campaign.machine import CampaignDecision
from actors.campaign.places import at
from actors.campaign.record import Campaign, tried, under_way
from actors.runtime.clock import Moment, parse_utc
from actors.runtime.decision import NOTHING, Decision, Effect, SetTimer
from bus_schemas.call import CallConnected
from bus_schemas.campaign import CampaignAttemptOffered

LATE = "late"  # the timer after which who has waited too long is let go
SOON = 0.05  # seconds: a moment is told in whole milliseconds, and may not be over when its timer fires


class TakeCall(Effect, frozen=True, kw_only=True):
    """Have the operator of the claim take a call, who was chosen on record."""

    claim: Claim
    call: CallConnected


class GiveUp(Effect, frozen=True, kw_only=True):
    """End a call that nobody takes in time, unless somebody has."""

    claim: Claim
    call: CallConnected


@dataclass(eq=False)
class Waiting:
    """One that waits. `refused`: those who were not free; `asked`: somebody is being asked, or it is given up."""

    claim: Claim
    call: CallConnected
    refused: set[str] = field(default_factory=set)
    asked: bool = False

    @property
    def until(self) -> float:
        return waits_until(self.call)


class Answered:
    """All of them, by the place of the lead."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiting] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def places(self) -> frozenset[int]:
        return frozenset(self._waiting)

    def add(self, claim: Claim, call: CallConnected) -> None:
        """Somebody has answered; it may be told more than once."""
        known = self._waiting.get(claim.place)
        if known is None or known.call.call_id != call.call_id:
            self._waiting[claim.place] = Waiting(claim, call)

    def refused(self, claim: Claim) -> None:
        """The operator who was chosen is surely not free."""
        if (waiting := self._waiting.get(claim.place)) is not None and claim.operator is not None:
            waiting.refused.add(claim.operator)
            waiting.asked = False

    def drop(self, place: int) -> None:
        """It does not wait any more."""
        self._waiting.pop(place, None)

    def next(self, campaign: Campaign, free: Sequence[str], now: Moment) -> CampaignDecision:
        """Choose operators for those who wait. `free`: who is ready, the longest first, and in no attempt."""
        left, events, effects = list(free), list[CampaignAttemptOffered](), list[Effect]()
        for waiting in list(self._in_turn(campaign)):
            claim = claim_at(campaign, waiting.claim.place)
            if now.seconds >= waiting.until:
                waiting.asked = True
                effects.append(GiveUp(claim=claim, call=waiting.call))
                continue
            user = _chosen(claim, waiting, left)
            if user is None:
                continue
            waiting.asked = True
            if user != claim.operator:
                left.remove(user)
                events.append(_offered(campaign, claim, user, waiting, now))
            effects.append(TakeCall(claim=claim.to(user), call=waiting.call))
        late = [max(one.until - now.seconds, SOON) for one in self._in_turn(campaign)]
        if late:
            effects.append(SetTimer(name=LATE, seconds=min(late)))
        return Decision(events=tuple(events), effects=tuple(effects)) if events or effects else NOTHING

    def _in_turn(self, campaign: Campaign) -> Iterator[Waiting]:
        """Those for whom nobody is being asked, and whose attempt is not over or taken."""
        for waiting in sorted(self._waiting.values(), key=lambda one: one.call.at):
            entry, seat = at(campaign.leads, waiting.claim.place), campaign.crew.get(waiting.claim.place)
            goes_on = under_way(entry) and tried(entry) == waiting.claim.attempt
            if goes_on and seat is not None and not seat.joined and not waiting.asked:
                yield waiting


def waits_until(call: CallConnected) -> float:
    """Until when whoever has answered waits for an operator, in seconds since 1970."""
    return parse_utc(call.at).timestamp() + PATIENCE


def _chosen(claim: Claim, waiting: Waiting, free: Sequence[str]) -> str | None:
    """The operator on record, as long as they have not refused; else who has been ready longest."""
    if claim.operator is not None and claim.operator not in waiting.refused:
        return claim.operator
    return next((user for user in free if user not in waiting.refused), None)


def _offered(campaign: Campaign, claim: Claim, user: str, waiting: Waiting, now: Moment) -> CampaignAttemptOffered:
    return CampaignAttemptOffered(
        campaign=campaign.campaign, at=now.at, lead=claim.lead, place=claim.place, attempt=claim.attempt,
        operator=user, call_id=waiting.call.call_id,
    )  # fmt: skip
