"""What a campaign has on record, and how it is read back: from its snapshots, in pieces, and from the journal."""

from collections.abc import Sequence
from typing import ClassVar, Never

from actors.campaign.editing import assigned
from actors.campaign.kept import FORM, in_pieces, with_piece
from actors.campaign.places import at
from actors.campaign.record import READ_BACK, Campaign, evolve, evolve_all
from actors.campaign.reports import Report
from actors.runtime.actor import Actor
from actors.runtime.bus import Recorded
from bus_schemas.campaign import (
    CAMPAIGN_PAUSED,
    CAMPAIGN_STOPPED,
    CampaignArchived,
    CampaignEvent,
    CampaignPaused,
    CampaignStatus,
    CampaignStopped,
)
from bus_schemas.catalogue import topics_of
from bus_schemas.lead import CampaignLeadChanged, CampaignLeadMerged, CampaignLeadsAssigned, CampaignLeadUnmerged

HALTS = (f".{CAMPAIGN_PAUSED.verb}", f".{CAMPAIGN_STOPPED.verb}")  # how their subjects end
ROW = 220  # bytes of a change of a lead in the read model: an event that assigns leads is as many as it has


class CampaignOnRecord(Actor[Campaign, CampaignEvent, Never, Report]):
    """The half of its actor that has a record. `halted`: where the journal says that it was last paused, or stopped.
    `edited`: where this owner has last changed a lead; all before it has read."""

    kind: ClassVar[str] = "campaign"
    state_type = Campaign
    topics = topics_of("campaign")
    read_back = READ_BACK
    evolve, evolve_all = staticmethod(evolve), staticmethod(evolve_all)

    snapshots = large = True
    form = FORM
    taken_apart, with_piece = staticmethod(in_pieces), staticmethod(with_piece)

    halted = edited = 0

    @property
    def taken_over(self) -> bool:
        """Whether it works: what follows from its record was made."""
        raise NotImplementedError

    @property
    def beside(self) -> int:
        return self.halted

    def take_beside(self, beside: int) -> None:
        self.halted = beside

    def costs_beside(self, events: Sequence[CampaignEvent]) -> int:
        return ROW * assigned(events)

    def hears_too(self, event: CampaignEvent) -> tuple[str, ...]:
        """To whom the lead is assigned, or was until now. Who had one of many that become somebody else's does not: of
        the others nothing is theirs to hear."""
        match event:
            case CampaignLeadsAssigned(assigned_seller=str(seller)):
                return (seller,)
            case CampaignLeadMerged(place=place, merged_place=other) | CampaignLeadUnmerged(
                place=place, restored_place=other
            ):
                return self._sellers(event, place, other)
            case CampaignLeadChanged(place=place):
                return self._sellers(event, place)
        return ()

    def _sellers(self, event: CampaignLeadChanged, *places: int) -> tuple[str, ...]:
        before = [at(self.state.leads, place).seller for place in places] if self.state is not None else []
        return tuple(seller for seller in (*before, event.assigned_seller) if isinstance(seller, str))

    def snapshot_state(self) -> Campaign | None:
        over = self.state is not None and self.state.status is CampaignStatus.ARCHIVED
        return self.state if self.taken_over and not over else None

    def newest(self, verb: str) -> int | None:
        return self.halted if verb == CAMPAIGN_PAUSED.verb and self.taken_over else None

    def replayed(self, recorded: Recorded) -> None:
        if recorded.subject.endswith(HALTS):
            self.halted = recorded.seq

    def recorded(self, event: CampaignEvent) -> None:
        if isinstance(event, CampaignPaused | CampaignStopped):
            self.halted = self.seq
        elif isinstance(event, CampaignLeadChanged):
            self.edited = self.seq
        elif isinstance(event, CampaignArchived):
            self.spawn(self._forget_snapshot())
