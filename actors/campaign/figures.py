"""The counts of one campaign, as its events change them. Pure."""

from collections import Counter
from collections.abc import Iterator

from actors.campaign.crew import Crew
from actors.campaign.pacing import without_team
from actors.campaign.places import at, each
from actors.campaign.record import Campaign, size, tries_of
from actors.campaign.rulebook import RuleBook
from actors.campaign.tally import totals
from actors.runtime.clock import parse_utc
from bus_schemas.campaign import (
    ABANDONED,
    BY_SOMEBODY,
    OUTCOMES,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignEvent,
    CampaignLeadsAdded,
)
from bus_schemas.campaign_telemetry import CampaignTelemetry
from bus_schemas.lead import (
    CampaignLeadChanged,
    CampaignLeadMarked,
    CampaignLeadMerged,
    CampaignLeadUnmerged,
    LeadStatus,
)

PIECE = 2000  # leads of one step: a millisecond
STATUSES = tuple(LeadStatus)
_PLACE = {status: place for place, status in enumerate(STATUSES)}
_ANSWERED = {OUTCOMES.index(outcome) + 1 for outcome in BY_SOMEBODY}
_ABANDONED = OUTCOMES.index(ABANDONED) + 1


class Figures:
    """Attempts, answered and abandoned ones, and leads by status."""

    def __init__(self, campaign: Campaign) -> None:
        self.attempts = self.answered = self.abandoned = 0
        self._status = bytearray()  # which of STATUSES, by place
        self._leads: Counter[int] = Counter()
        self._add(campaign)

    def follow(self, campaign: Campaign, event: CampaignEvent) -> None:
        """An event is on record, and the campaign is this now."""
        match event:
            case CampaignLeadsAdded():
                self._add(campaign)
            case CampaignAttemptClaimed():
                self.attempts += 1
                self._settle(campaign, event.place)
            case CampaignAttemptEnded():
                self.answered += event.outcome in BY_SOMEBODY
                self.abandoned += event.outcome == ABANDONED
                self._settle(campaign, event.place)
            case CampaignLeadMarked() | CampaignLeadChanged():
                self._settle(campaign, event.place)
                if isinstance(event, CampaignLeadMerged):
                    self._settle(campaign, event.merged_place)
                elif isinstance(event, CampaignLeadUnmerged):
                    self._settle(campaign, event.restored_place)

    def said(self, campaign: Campaign, at: str, crew: Crew | None, book: RuleBook) -> CampaignTelemetry:
        """As they are told. `at`: now. `crew`: its operators, if it has any."""
        operators, way, cap = dict[str, int](), without_team(campaign.settings.mode), book.cap(campaign.settings)
        if crew is not None:
            operators, way = {**crew.by_status(campaign)}, crew.way(campaign, parse_utc(at))
            cap = min(cap, crew.cap_by(campaign.settings))
        answered, abandoned = totals(campaign.tally, parse_utc(at).toordinal())
        leads = {STATUSES[status]: count for status, count in sorted(self._leads.items()) if count}
        return CampaignTelemetry(
            campaign=campaign.campaign, at=at, status=campaign.status, leads=size(campaign), attempts=self.attempts,
            in_progress=campaign.open, answered=self.answered, abandoned=self.abandoned,
            abandoned_cap=cap, by_status=leads,
            abandoned_share=round(abandoned / answered, 4) if answered else 0.0, dials=way.mode,
            fallback=way.fallback, operators=operators,
        )  # fmt: skip

    def _add(self, campaign: Campaign) -> None:
        for _ in self.adding(campaign):
            pass

    def adding(self, campaign: Campaign) -> Iterator[None]:
        """Count the leads that are not counted yet, a piece at each step."""
        first = len(self._status)
        for place, entry in enumerate(each(campaign.leads, first), first):
            self._status.append(_PLACE[entry.status])
            self._leads[_PLACE[entry.status]] += 1
            for made in tries_of(entry) if entry.tries else ():
                self.attempts += 1
                self.answered += made.outcome in _ANSWERED
                self.abandoned += made.outcome == _ABANDONED
            if place % PIECE == PIECE - 1:
                yield

    def _settle(self, campaign: Campaign, place: int) -> None:
        self._leads[self._status[place]] -= 1
        self._status[place] = _PLACE[at(campaign.leads, place).status]
        self._leads[self._status[place]] += 1
