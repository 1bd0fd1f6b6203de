"""How much one host does for campaigns: how many one user has, how many of these run at once, and how many leads one
has.

Each is in memory until it is archived, all that run wait for lines, and each lead takes memory and the time of whoever
looks through all of them.
"""

from collections.abc import Iterable

from actors.campaign.record import Campaign, size
from bus_schemas.campaign import (
    CampaignCreated,
    CampaignEvent,
    CampaignLeadsAdded,
    CampaignResumed,
    CampaignStarted,
    CampaignStatus,
)
from bus_schemas.errors import ErrorCode, Refusal


class CampaignLimits:
    """`running`: of one user's; `kept`: theirs, whatever they do, that are not archived; `leads`: of one campaign."""

    def __init__(self, *, running: int, kept: int, leads: int) -> None:
        self._most_running = running
        self._most_kept = kept
        self._most_leads = leads
        self._running: dict[str, set[str]] = {}  # by user, who made them
        self._kept: dict[str, set[str]] = {}

    def follow(self, id: str, campaign: Campaign | None) -> None:
        """The campaign is this now; None: it is not of this host."""
        if campaign is not None:
            _note(self._running, campaign.by, id, campaign.status is CampaignStatus.RUNNING)
            _note(self._kept, campaign.by, id, campaign.status is not CampaignStatus.ARCHIVED)

    def forget(self, id: str, campaign: Campaign | None) -> None:
        """It is here no longer."""
        if campaign is not None:
            _note(self._running, campaign.by, id, False)
            _note(self._kept, campaign.by, id, False)

    def check(self, id: str, campaign: Campaign | None, by: str, events: Iterable[CampaignEvent]) -> None:
        """Raise Refusal where these would be too much: RATE_LIMITED for those that run, as it is over when one of them
        does not any more, CONFLICT for campaigns and leads. `by`: who makes one that is none yet."""
        by, leads = campaign.by if campaign is not None else by, 0
        for event in events:
            leads += len(event.leads) if isinstance(event, CampaignLeadsAdded) else 0
            if isinstance(event, CampaignCreated):
                self._check_kept(id, by)
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

    def _check_kept(self, id: str, by: str) -> None:
        others = self._kept.get(by, set()) - {id}
        if len(others) >= self._most_kept:
            raise Refusal(
                ErrorCode.CONFLICT,
                f"There are {len(others):,} campaigns of {by} on this host, and no more may be "
                "([campaigns] kept_per_user). Archive those that are over.",
                rule="kept_per_user",
            )


def _note(known: dict[str, set[str]], user: str, id: str, is_one: bool) -> None:
    if is_one:
        known.setdefault(user, set()).add(id)
    elif (its := known.get(user)) is not None:
        its.discard(id)
        if not its:
            del known[user]
