"""What operators ask of a campaign in preview mode: which lead is next for them, to dial it, to leave it."""

from typing import NamedTuple

from actors.campaign import machine
from actors.campaign.claims import claims_at
from actors.campaign.crew import Crew
from actors.campaign.machine import NEXT, CampaignDecision
from actors.campaign.places import at
from actors.campaign.previews import NOT_READY, NOTHING_TO_SHOW, SHOWN_FOR, SKIPPED_FOR, Shown, Skipped
from actors.campaign.record import Campaign, text_of, tries_of
from actors.campaign.rulebook import RuleBook
from actors.campaign.selection import Selection
from actors.campaign.standing import standing
from actors.runtime.clock import Moment, parse_utc
from actors.runtime.commands import Outcome
from actors.runtime.decision import NOTHING, Decision, SetTimer
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.preview import LeadPreview, LeadSkipped


class Asked(NamedTuple):
    """By whom, by which command, and what there is now."""

    user: str
    command: str
    campaign: Campaign
    crew: Crew
    selection: Selection
    book: RuleBook
    now: Moment


def show(asked: Asked) -> Outcome[LeadPreview]:
    """The lead that is next for who asks; the same until they say what becomes of it. Raises Refusal."""
    shown = asked.crew.previews.of(asked.user, asked.now.seconds)
    if shown is None:
        shown = asked.crew.previews.show(asked.user, _next(asked))
    return Outcome(decision=NOTHING, reply=_view(asked, shown))


def begin(asked: Asked, lead: str, *, looks: bool = False) -> Outcome[LeadPreview]:
    """It is dialled on their slot, as soon as that is idle. One that is being dialled for them stays so. `looks`: only
    say how it is with it. Raises Refusal."""
    for claim in claims_at(asked.campaign, asked.user):
        if claim.lead == lead:
            until = tries_of(at(asked.campaign.leads, claim.place))[-1].began / 1000 + SHOWN_FOR
            shown = Shown(place=claim.place, lead=lead, number=claim.number, until=until, begun=True)
            return Outcome(decision=NOTHING, reply=_view(asked, shown))
    shown = asked.crew.previews.lead_of(asked.user, lead, asked.now.seconds)
    if not shown.begun and asked.user not in asked.crew.free(asked.campaign):
        raise NOT_READY()
    _must_be_callable(asked, shown)
    if looks or asked.crew.previews.has_begun(asked.command):  # which comes late: it may have been dialled since
        return Outcome(decision=NOTHING, reply=_view(asked, shown))
    soon: CampaignDecision = Decision(effects=(SetTimer(name=NEXT, seconds=0.0),))
    return Outcome(decision=soon, reply=_view(asked, asked.crew.previews.begin(asked.user, asked.command)))


def skip(asked: Asked, lead: str) -> Outcome[LeadSkipped]:
    """Somebody else may have it, after a while. Raises Refusal."""
    shown = asked.crew.previews.lead_of(asked.user, lead, asked.now.seconds)
    skipped = Skipped(by=asked.user, until=asked.now.seconds + SKIPPED_FOR)
    asked.crew.previews.skip(asked.user, asked.now.mono, skipped)
    asked.selection.put(shown.place, skipped.until)
    return Outcome(decision=NOTHING, reply=LeadSkipped(campaign_id=asked.campaign.campaign, lead=lead))


def _must_be_callable(asked: Asked, shown: Shown) -> None:
    """Raise Refusal where a rule has come to forbid it since it was shown: it is not theirs any more."""
    found = standing(asked.campaign, shown.place, asked.book, parse_utc(asked.now.at), (asked.user,))
    if found.number is None:
        asked.crew.previews.over(asked.user)
        asked.selection.put(shown.place, asked.now.seconds)  # to be looked at again
        raise Refusal(ErrorCode.CONFLICT, f"It may not be called any more: {found.words}.", reason=str(found.reason))


def _next(asked: Asked) -> Shown:
    if asked.user not in asked.crew.free(asked.campaign):
        raise NOT_READY()
    found = machine.preview(
        asked.campaign, asked.selection, asked.book, asked.user, asked.now, seconds=SHOWN_FOR,
        shown=asked.crew.previews.kept_from(asked.user, asked.now.seconds),
    )  # fmt: skip
    if found is None:
        raise NOTHING_TO_SHOW()
    place, number = found
    lead = at(asked.campaign.leads, place).id
    return Shown(place=place, lead=lead, number=number, until=asked.now.seconds + SHOWN_FOR)


def _view(asked: Asked, shown: Shown) -> LeadPreview:
    return LeadPreview(
        campaign_id=asked.campaign.campaign, lead=shown.lead, number=shown.number,
        until=text_of(round(shown.until * 1000)), begun=shown.begun,
    )  # fmt: skip
