"""How much one host does for campaigns: how many of one user's run at once, and how many leads one has.

All campaigns that run wait for lines, and each lead takes memory and the time of whoever looks through all of them.
"""

from collections.abc import Iterable

from actors.campaign.record import Campaign, size
from bus_schemas.campaign import (
    CampaignEvent,
    CampaignLeadsAdded,
    CampaignResumed,
    CampaignStarted,
    CampaignStatus,
)
from bus_schemas.errors import ErrorCode, Refusal


class Caps:
    """`running`: of one user's; `leads`: of one campaign."""

    def __init__(self, *, running: int, leads: int) -> None:
        self._most_running = running
        self._most_leads = leads
        self._running: dict[str, set[str]] = {}  # by user, who made them

    def follow(self, id: str, campaign: Campaign | None) -> None:
        """The campaign is this now; None: it is not of this host."""
        if campaign is not None and campaign.status is CampaignStatus.RUNNING:
            self._running.setdefault(campaign.by, set()).add(id)
        else:
            self.forget(id, campaign)

    def forget(self, id: str, campaign: Campaign | None) -> None:
        """It runs here no longer."""
        if campaign is not None and (its := self._running.get(campaign.by)) is not None:
            its.discard(id)
            if not its:
                del self._running[campaign.by]

    def check(self, id: str, campaign: Campaign | None, by: str, events: Iterable[CampaignEvent]) -> None:
        """Raise Refusal where these would be too much: RATE_LIMITED for campaigns, as it is over when one of them does
        not run any more, CONFLICT for leads. `by`: who makes one that is none yet."""
        by, leads = campaign.by if campaign is not None else by, 0
        for event in events:
            leads += len(event.leads) if isinstance(event, CampaignLeadsAdded) else 0
            if isinstance(event, CampaignStarted | CampaignResumed):
                self._check_running(id, by)
        have = size(campaign) if campaign is not None else 0
        if leads and have + leads > self._most_leads:
            raise Refusal(
                ErrorCode.CONFLICT,
                f"A campaign has {self._most_leads:,} leads at most ([campaigns] leads). "
                f"With these it would have {have + leads:,}.",
                rule="leads",
            )

    def _check_running(self, id: str, by: str) -> None:
        others = self._running.get(by, set()) - {id}
        if len(others) >= self._most_running:
            raise Refusal(
                ErrorCode.RATE_LIMITED,
                f"{len(others):,} campaigns of {by} run on this host, and no more may ([campaigns] running_per_user). "
                "Pause or stop one first.",
                rule="running_per_user",
                retry_after=30,
            )
