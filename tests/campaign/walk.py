"""How the states of campaigns are walked through, for docs/states.md."""

from typing import Any

from actors.campaign import machine as campaigns
from actors.campaign import record as campaign_record
from actors.campaign import words
from actors.campaign.claims import CallOver
from actors.campaign.places import each
from actors.campaign.rulebook import RuleBook
from actors.campaign.selection import Selection
from actors.campaign.words import Word
from actors.leads.lead import Accepted
from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision
from bus_schemas.call import EndReason
from bus_schemas.campaign import CampaignSettings, StopMode
from bus_schemas.lead import Lead, Meaning
from bus_schemas.operator import OperatorDisposed
from tests.support.states import Input, Stand, Walk, verb

LEAD_IDS = ("a", "b")


def _campaign_runs(lead: str) -> Input:
    def run(stand: Stand, now: Moment) -> Decision[Any, Any]:
        number = f"+38099123000{LEAD_IDS.index(lead)}"
        row = Accepted(row=1, lead=Lead(id=lead, numbers=(number,)))
        return campaigns.run("c", stand[0], Selection(stand[0]), [row], "op", now).decision

    return run


def _campaign_claims(stand: Stand, now: Moment) -> Decision[Any, Any]:
    return campaigns.claim(stand[0], Selection(stand[0]), RuleBook(), 1, now)


def _campaign_call_ends(place: int) -> Input:
    over = CallOver(place=place, attempt=1, call_id="c_1", reason=EndReason.HANGUP_REMOTE, answered=True)

    def end(stand: Stand, now: Moment) -> Decision[Any, Any]:
        if place >= campaign_record.size(stand[0]):
            return NOTHING
        return campaigns.ended(stand[0], over, RuleBook(), now)

    return end


def _operator_says(meaning: Meaning) -> Input:
    def say(stand: Stand, now: Moment) -> Decision[Any, Any]:
        if not campaign_record.size(stand[0]):
            return NOTHING
        said = OperatorDisposed(
            user="op", at=now.at, call_id="c_1", campaign_id="c", lead=None, disposition="word", meaning=meaning
        )
        return words.heard(stand[0], Word(seq=stand[0].heard + 1, place=0, said=said), now)

    return say


CAMPAIGN_INPUTS: tuple[Input, ...] = (
    *(_campaign_runs(lead) for lead in LEAD_IDS),
    *(_campaign_call_ends(place) for place in range(len(LEAD_IDS))),
    _campaign_claims,
    *(_operator_says(meaning) for meaning in (Meaning.DONE, Meaning.IN_PROGRESS)),
    lambda stand, now: campaigns.pause(stand[0], "op", now),
    lambda stand, now: campaigns.resume(stand[0], "op", now),
    lambda stand, now: campaigns.stop(stand[0], StopMode.DRAIN, "op", now),
    lambda stand, now: campaigns.archive(stand[0], "op", now),
)


def _after_campaign(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    campaign = stand[0]
    for event in decision.events:
        campaign = campaign_record.evolve(campaign, event)
    return campaign, None


WALK = Walk(
    title="A campaign",
    text="`status` of a campaign. One that is over is started again by new leads, and for them alone.",
    start=lambda now: campaigns.create("c", None, CampaignSettings(), "op", now),
    inputs=CAMPAIGN_INPUTS,
    after=_after_campaign,
    name=lambda stand: str(stand[0].status),
    key=lambda stand: (
        stand[0].status, stand[0].earlier, stand[0].open, tuple(entry.status for entry in each(stand[0].leads))
    ),
    why=verb,
)
