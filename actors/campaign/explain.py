"""Why a campaign does not dial, or not more: each lead counts once, for the reason that a claim would have. Pure."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from actors.campaign.carriage import Carriage
from actors.campaign.pacing import Limit, Pace
from actors.campaign.record import Campaign, size
from actors.campaign.standing import Standing
from actors.runtime.clock import utc
from bus_schemas.campaign import CampaignExplained, CampaignStatus, LeadsByReason

NEXT = "next"
DIALS = frozenset({CampaignStatus.RUNNING, CampaignStatus.FINISHED})  # or has, until nobody could be called
_NOT_RUNNING = {
    CampaignStatus.DRAFT: ("the campaign was not started", "to run it"),
    CampaignStatus.PAUSED: ("the campaign is paused", "to resume it"),
    CampaignStatus.DRAINING: ("the campaign is being stopped", "to run it again with new leads"),
    CampaignStatus.STOPPED: ("the campaign was stopped", "to run it again with new leads"),
    CampaignStatus.FINISHED: ("the campaign has finished", "to run it again with new leads"),
    CampaignStatus.ARCHIVED: ("the campaign is archived", "another campaign"),
}
_LIMITED = {
    Limit.OPERATORS_DECIDE: ("each dial is begun by an operator", "another mode"),
    Limit.NO_OPERATORS: ("no operator is there", "an operator who is ready"),
    Limit.NO_OPERATOR_READY: ("no operator is ready", "an operator who is ready"),
    Limit.READY_ARE_DIALLED_FOR: ("calls for all who are ready are in progress", "more operators, or another mode"),
    Limit.ABANDONED_SHARE: ("with more calls too many would be abandoned", "more operators, or a higher cap"),
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
    """The leads by reason, most of them first. `standings`: of all leads of this state, in whatever order; who makes
    them may pause in between. `pace`: how many dials would be started now, and why not more. `carriage`: None: nobody
    asks which lines there are."""
    groups: dict[tuple[str, str], _Group] = {}
    free = pace.dials
    for found in standings:
        if found.number is not None:
            is_next = free > 0 and (carriage is None or carriage.takes(found.number))
            found = _of_the_campaign(campaign.status, pace.limit, found.number, carriage, is_next=is_next)
            free -= is_next
        group = groups.setdefault((found.reason, found.words), _Group(change=found.change))
        group.leads += 1
        group.until = min(filter(None, (group.until, found.until)), default=None)
    return CampaignExplained(
        campaign_id=campaign.campaign, status=campaign.status, at=utc(now), leads=size(campaign),
        mode=pace.mode, fallback=pace.fallback,
        reasons=tuple(
            LeadsByReason(
                reason=reason, words=words, leads=group.leads, change=group.change,
                until=utc(group.until) if group.until is not None else None,
            )
            for (reason, words), group in sorted(groups.items(), key=lambda item: (-item[1].leads, item[0]))
        ),
    )  # fmt: skip


def of_campaign(campaign: Campaign, found: Standing, pace: Pace, carriage: Carriage | None = None) -> Standing:
    """How it is with one lead, as `explain` counts it; which of those that may be called is next, nobody says."""
    if found.number is None:
        return found
    is_next = pace.dials > 0 and (carriage is None or carriage.takes(found.number))
    return _of_the_campaign(campaign.status, pace.limit, found.number, carriage, is_next=is_next)


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
    words, change = _LIMITED[limit]
    return Standing(reason=limit, words=words, change=change)
