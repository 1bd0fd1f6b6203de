"""What operators ask of a campaign in preview mode: which lead is next for them, to dial it, to leave it."""

from typing import NamedTuple

from actors.campaign import machine
from actors.campaign.claims import claims_at
from actors.campaign.crew import Crew
from actors.campaign.machine import NEXT, CampaignDecision
from actors.campaign.places import at
from actors.campaign.previews import NOT_READY, NOTHING_TO_SHOW, SHOWN_FOR, SKIPPED_FOR, PreviewedLead
from actors.campaign.record import Campaign, text_of, tries_of
from actors.campaign.rulebook import RuleBook
from actors.campaign.selection import Selection
from actors.campaign.standing import standing
from actors.runtime.clock import Moment, parse_utc
from actors.runtime.commands import Outcome
from actors.runtime.decision import NOTHING, Decision, SetTimer
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CampaignLeadSkipped
from bus_schemas.preview import LeadPreview, LeadSkipped


class PreviewRequest(NamedTuple):
    """By whom, by which command, and what there is now."""

    user: str
    command: str
    campaign: Campaign
    crew: Crew
    selection: Selection
    book: RuleBook
    now: Moment


def show(request: PreviewRequest) -> Outcome[LeadPreview]:
    """The lead that is next for who asks; the same until they say what becomes of it. Raises Refusal."""
    shown = request.crew.previews.of(request.user, request.now.seconds)
    if shown is None:
        shown = request.crew.previews.show(request.user, _next(request))
    return Outcome(decision=NOTHING, reply=_view(request, shown))


def begin(request: PreviewRequest, lead: str, *, looks: bool = False) -> Outcome[LeadPreview]:
    """It is dialled on their slot, as soon as that is idle. One that is being dialled for them stays so. `looks`: only
    say how it is with it. Raises Refusal."""
    for claim in claims_at(request.campaign, request.user):
        if claim.lead == lead:
            until = tries_of(at(request.campaign.leads, claim.place))[-1].began / 1000 + SHOWN_FOR
            shown = PreviewedLead(place=claim.place, lead=lead, number=claim.number, until=until, begun=True)
            return Outcome(decision=NOTHING, reply=_view(request, shown))
    shown = request.crew.previews.lead_of(request.user, lead, request.now.seconds)
    if not shown.begun and request.user not in request.crew.free(request.campaign):
        raise NOT_READY()
    _must_be_callable(request, shown)
    if looks or request.crew.previews.has_begun(request.command):  # which comes late: it may have been dialled since
        return Outcome(decision=NOTHING, reply=_view(request, shown))
    soon: CampaignDecision = Decision(effects=(SetTimer(name=NEXT, seconds=0.0),))
    return Outcome(decision=soon, reply=_view(request, request.crew.previews.begin(request.user, request.command)))


def skip(request: PreviewRequest, lead: str) -> Outcome[LeadSkipped]:
    """Somebody else may have it, after a while. Raises Refusal."""
    shown, id = request.crew.previews.lead_of(request.user, lead, request.now.seconds), request.campaign.campaign
    request.crew.previews.skip(request.user, request.now.mono)
    until = text_of(round((request.now.seconds + SKIPPED_FOR) * 1000))
    event = CampaignLeadSkipped(
        campaign=id, at=request.now.at, by=request.user, lead=lead, place=shown.place, until=until
    )
    skipped: CampaignDecision = Decision(events=(event,))
    return Outcome(decision=skipped, reply=LeadSkipped(campaign_id=id, lead=lead))


def _must_be_callable(request: PreviewRequest, shown: PreviewedLead) -> None:
    """Raise Refusal where a rule has come to forbid it since it was shown: it is not theirs any more."""
    found = standing(request.campaign, shown.place, request.book, parse_utc(request.now.at), (request.user,))
    if found.number is None:
        request.crew.previews.over(request.user)
        request.selection.put(shown.place, request.now.seconds)  # to be looked at again
        raise Refusal(ErrorCode.CONFLICT, f"It may not be called any more: {found.words}.", reason=str(found.reason))


def _next(request: PreviewRequest) -> PreviewedLead:
    if request.user not in request.crew.free(request.campaign):
        raise NOT_READY()
    found = machine.preview(
        request.campaign, request.selection, request.book, request.user, request.now, seconds=SHOWN_FOR,
        shown=request.crew.previews.kept_from(request.user, request.now.seconds, request.campaign.skipped),
    )  # fmt: skip
    if found is None:
        raise NOTHING_TO_SHOW()
    place, number = found
    lead = at(request.campaign.leads, place).id
    return PreviewedLead(place=place, lead=lead, number=number, until=request.now.seconds + SHOWN_FOR)


def _view(request: PreviewRequest, shown: PreviewedLead) -> LeadPreview:
    return LeadPreview(
        campaign_id=request.campaign.campaign, lead=shown.lead, number=shown.number,
        until=text_of(round(shown.until * 1000)), begun=shown.begun,
    )  # fmt: skip
