"""Why a campaign does not dial, or not more: each lead counts once, for the reason that a claim would have. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.carriage import Carriage
from actors.campaign.pacing import Limit, Pace
from actors.campaign.record import Campaign, Skipped, moment_of, size
from actors.campaign.rules import Attempt, Reason
from actors.campaign.standing import AGAIN, Stand, Standing
from actors.runtime.clock import utc
from bus_schemas.campaign import CampaignStatus
from bus_schemas.campaign_outlook import CampaignExplained, LeadsByReason
from bus_schemas.lead import LeadStatus

NEXT, LOOKED_AT_AGAIN, SKIPPED = "next", "looked_at_again", "skipped"
DIALS = frozenset({CampaignStatus.RUNNING, CampaignStatus.FINISHED})  # or has, until nobody could be called
CALLS_NOBODY = frozenset({
    CampaignStatus.DRAINING, CampaignStatus.STOPPED, CampaignStatus.FINISHED, CampaignStatus.ARCHIVED
})  # fmt: skip
SETTLED = frozenset({LeadStatus.DONE, LeadStatus.DO_NOT_CALL, LeadStatus.INVALID, Stand.EARLIER_RUN, Reason.UNDER_WAY})
ANOTHER = "another campaign with its leads"  # the only one that calls those who are left
_NOT_RUNNING = {
    CampaignStatus.DRAFT: ("the campaign was not started", "to run it"),
    CampaignStatus.PAUSED: ("the campaign is paused", "to resume it"),
    CampaignStatus.DRAINING: ("the campaign is being stopped", ANOTHER),
    CampaignStatus.STOPPED: ("the campaign was stopped", ANOTHER),
    CampaignStatus.FINISHED: ("the campaign has finished", ANOTHER),
    CampaignStatus.ARCHIVED: ("the campaign is archived", ANOTHER),
}
LIMITED = {
    Limit.OPERATORS_DECIDE: ("each dial is begun by an operator", "another mode"),
    Limit.NO_OPERATORS: ("no operator is there", "an operator who is ready"),
    Limit.NO_OPERATOR_READY: ("no operator is ready", "an operator who is ready"),
    Limit.READY_ARE_DIALLED_FOR: ("calls for all who are ready are in progress", "more operators, or another mode"),
    Limit.ABANDONED_SHARE: ("with more calls too many would be abandoned", "more operators, or a higher cap"),
    Limit.RESTS: ("calls were refused on end, so it rests for a while", "lines that take calls"),
    Limit.CARRIERS_FULL: ("all lines that it may use are busy or down", "more slots or trunks"),
}


class _Group(Struct):
    """Leads with one reason. `until`: the first moment at which it is over for one of them."""

    leads: int = 0
    until: datetime | None = None
    change: str = ""


def explain(
    campaign: Campaign, standings: Iterable[Standing], pace: Pace, now: datetime, carriage: Carriage | None = None
) -> CampaignExplained:
    """The leads by reason, most of them first. `standings`: of all leads of this state, in whatever order. `pace`: how
    many dials would be started now, and why not more. `carriage`: None: nobody asks which lines there are."""
    explained = Explaining(campaign, pace, carriage)
    for found in standings:
        explained.count(found)
    return explained.said(now)


class Explaining:
    """The leads by reason so far."""

    def __init__(self, campaign: Campaign, pace: Pace, carriage: Carriage | None = None) -> None:
        self._campaign = campaign
        self._pace = pace
        self._carriage = carriage
        self._free = pace.dials
        self._groups: dict[tuple[str, str], _Group] = {}

    def count(self, found: Standing) -> None:
        """One lead more."""
        status, limit, carriage = self._campaign.status, self._pace.limit, self._carriage
        if found.number is not None:
            is_next = self._free > 0 and (carriage is None or carriage.takes(found.number))
            found = _of_the_campaign(status, limit, found.number, carriage, is_next=is_next)
            self._free -= is_next
        found = _kept_by(status, found)
        group = self._groups.setdefault((found.reason, found.words), _Group(change=found.change))
        group.leads += 1
        group.until = min(filter(None, (group.until, found.until)), default=None)

    def said(self, now: datetime) -> CampaignExplained:
        """All of them."""
        groups = sorted(self._groups.items(), key=lambda item: (-item[1].leads, item[0]))
        return CampaignExplained(
            campaign_id=self._campaign.campaign, status=self._campaign.status, at=utc(now), leads=size(self._campaign),
            mode=self._pace.mode, fallback=self._pace.fallback, no_extension=self._pace.no_extension,
            reasons=tuple(
                LeadsByReason(
                    reason=reason, words=words, leads=group.leads, change=group.change,
                    until=utc(group.until) if group.until is not None else None,
                )
                for (reason, words), group in groups
            ),
        )  # fmt: skip


def of_campaign(campaign: Campaign, found: Standing, pace: Pace, carriage: Carriage | None = None) -> Standing:
    """How it is with one lead, as `explain` counts it; which of those that may be called is next, nobody says."""
    if found.number is not None:
        is_next = pace.dials > 0 and (carriage is None or carriage.takes(found.number))
        found = _of_the_campaign(campaign.status, pace.limit, found.number, carriage, is_next=is_next)
    return _kept_by(campaign.status, found)


def _kept_by(status: CampaignStatus, found: Standing) -> Standing:
    """What is left of it in a campaign that calls nobody any more: it promises no time. One that has finished has for
    the reasons for which nobody could be called."""
    if status not in CALLS_NOBODY or (found.until is None and found.reason in SETTLED):
        return found
    if found.reason == LeadStatus.DO_NOT_CALL:
        return replace(found, until=None)
    if status is CampaignStatus.FINISHED and found.until is None:
        return found
    words, change = _NOT_RUNNING[status]
    return Standing(reason=status, words=words, change=change)


def left_alone(skipped: Skipped) -> Standing:
    """How it is with a lead that an operator has skipped."""
    words = f"{skipped.by} has skipped it, and after a quarter of an hour it comes again"
    until = moment_of(skipped.until)
    return Standing(reason=SKIPPED, words=words, until=until, change="another mode, or a time to call back")


def begun(user: str, until: float, *, ready: bool, lack: Standing | None) -> Standing:
    """How it is with a lead that an operator has begun, until then (seconds since 1970), and that is not dialled yet.
    `lack`: why none of their lines takes it."""
    if lack is None:
        lack = Standing(reason=NEXT, words="it is called next")
    words, end = f"{user} has begun it: {lack.words}", datetime.fromtimestamp(until, UTC)
    if not ready:
        words = f"{user} has begun it, and is not ready"
        return Standing(reason=Stand.OPERATOR, words=words, until=end, change="that operator")
    return replace(lack, words=words, until=end)


def put_off(found: Standing, until: float | None, tried: Sequence[Attempt], now: datetime) -> Standing:
    """How it is with a lead that may be called, and that is looked at again only then: when it was looked at last
    something was in the way. `until`: seconds since 1970; `tried`: what other campaigns did on its numbers."""
    if found.number is None or until is None or until <= now.timestamp():
        return found
    words = "when it was looked at no line could call any of its numbers"
    if any((attempt.ended or now) > now - AGAIN for attempt in tried):
        words = "another campaign has just called it"
    return Standing(reason=LOOKED_AT_AGAIN, words=words, until=datetime.fromtimestamp(until, UTC))


def _of_the_campaign(
    status: CampaignStatus, limit: Limit, number: str, carriage: Carriage | None, *, is_next: bool
) -> Standing:
    """Why a lead is not called that may be."""
    if carriage is not None and status in DIALS and not carriage.reaches(number):
        return carriage.lack(number)
    if status is not CampaignStatus.RUNNING:
        words, change = _NOT_RUNNING[status]
        return Standing(reason=status, words=words, change=change)
    if is_next:
        return Standing(reason=NEXT, words="it is called next")
    if carriage is not None and limit is Limit.CARRIERS_FULL:
        return carriage.lack(number)
    if carriage is not None and limit is Limit.OPERATORS_DECIDE and (lack := carriage.hindrance(number)) is not None:
        return lack
    words, change = LIMITED[limit]
    return Standing(reason=limit, words=words, change=change)
