"""What operators have said of the calls of a campaign, and what that makes of the leads. Pure."""

from msgspec import Struct

from actors.campaign.machine import NEXT, CampaignDecision
from actors.campaign.places import at
from actors.campaign.record import CALLABLE, Campaign, stays
from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision, SetTimer
from bus_schemas.campaign import CampaignEvent, CampaignResumed, CampaignStatus
from bus_schemas.lead import CampaignLeadMarked, LeadStatus
from bus_schemas.operator import OperatorDisposed


class Word(Struct, frozen=True, kw_only=True):
    """A disposition of a call to the lead at `place`, or what that was merged into. `seq`: where the journal has it."""

    seq: int
    place: int
    said: OperatorDisposed


def heard(campaign: Campaign, word: Word, now: Moment) -> CampaignDecision:
    """Mark the lead as the word says, whatever has become of the campaign: an operator's word is never refused. Words
    are heard in the order of the journal, so one that is not newer than the last was heard before. A campaign that
    found nobody left to call goes on where the word says that somebody is; one that was stopped stays so."""
    if word.seq <= campaign.heard:
        return NOTHING
    said, status, place = word.said, LeadStatus(word.said.meaning), stays(campaign, word.place)
    events: list[CampaignEvent] = [
        CampaignLeadMarked(
            campaign=campaign.campaign, at=now.at, by=said.user, lead=at(campaign.leads, place).id,
            place=place, status=status, callback=said.callback, operator=said.operator,
            disposition=said.disposition, heard=word.seq,
        )
    ]  # fmt: skip
    over = campaign.status is CampaignStatus.FINISHED
    if over and status in CALLABLE and place >= campaign.earlier:
        events.append(CampaignResumed(campaign=campaign.campaign, at=now.at, by=said.user))
    return Decision(events=tuple(events), effects=(SetTimer(name=NEXT, seconds=0.0),))
