"""What may be changed of a lead by hand, and what goes on record of it. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import UNSET

from actors.campaign import machine
from actors.campaign.machine import NEXT, RUN_IS_OVER, CampaignDecision
from actors.campaign.merged import given
from actors.campaign.places import at
from actors.campaign.record import CALLABLE, OVER, Campaign, Entry, tries_of, under_way
from actors.campaign.rules import Candidate, zones_for
from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision, SetTimer
from actors.runtime.marks import is_mark
from actors.runtime.moments import moment
from bus_schemas.campaign import CAMPAIGN_IS_ARCHIVED, CampaignEvent, CampaignStatus
from bus_schemas.crm import EditLead
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from bus_schemas.lead import CampaignLeadChanged, CampaignLeadsAssigned, Lead, LeadStatus, MarkLead

S = LeadStatus
# What somebody may make of a lead beside the words of operators. It is `new` if it was never called, else `in_progress`
# (`_again`). Who does not want to be called is brought back by a wish of their own alone: `mark`, with a time.
MAY_BECOME: Mapping[LeadStatus, frozenset[LeadStatus]] = {
    S.NEW: frozenset({S.DONE, S.DO_NOT_CALL, S.INVALID}),
    S.IN_PROGRESS: frozenset({S.DONE, S.DO_NOT_CALL, S.INVALID}),
    S.CALLBACK: frozenset({S.NEW, S.IN_PROGRESS, S.DONE, S.DO_NOT_CALL, S.INVALID}),
    S.DONE: frozenset({S.NEW, S.IN_PROGRESS, S.DO_NOT_CALL, S.INVALID}),
    S.INVALID: frozenset({S.NEW, S.IN_PROGRESS, S.DONE, S.DO_NOT_CALL}),
    S.DO_NOT_CALL: frozenset(),
}
MOST_NUMBERS = 200  # of a lead, with those that it was tried on and has no more

BEING_CALLED = RefusalTemplate(ErrorCode.CONFLICT, "A call to the lead is under way: its numbers change afterwards.")
KEEPS_ITS_NUMBERS = RefusalTemplate(ErrorCode.CONFLICT, "Who does not want to be called keeps the numbers.")
ANOTHERS_NUMBER = RefusalTemplate(ErrorCode.CONFLICT, "Another lead of this campaign has one of these numbers.")
MERGED = RefusalTemplate(ErrorCode.CONFLICT, "The lead was merged into another one: undo that first, or name that one.")
TOO_MANY = RefusalTemplate(ErrorCode.CONFLICT, "The lead was called on too many numbers already. Make another one.")
NOT_SO = RefusalTemplate(ErrorCode.CONFLICT, "A lead of this status does not become that one.")

PLAIN = ("name", "timezone", "priority", "language", "source", "consent")
WAS_ERASED = RefusalTemplate(ErrorCode.CONFLICT, "The lead was erased: it has no number to be called.")
Whose = Callable[[str], int | None]


def mark(campaign: Campaign, place: int, request: MarkLead, by: str, now: Moment) -> CampaignDecision:
    """Say what has become of a lead. A callback without a zone is in the lead's own. Raises Refusal."""
    must_be_of_its_own(campaign, place)
    entry = at(campaign.leads, place)
    there = Candidate(number=entry.numbers.split(" ")[0], timezone=entry.timezone)
    must_not_be_erased(entry, request.status)
    callback = moment(request.callback, "callback", zones_for(there))
    return machine.mark(
        campaign, place, request.status, by, now, callback=callback, operator=request.operator,
        disposition=request.disposition,
    )  # fmt: skip


def edit(
    campaign: Campaign, place: int, known: Lead, wanted: Lead, request: EditLead, by: str, now: Moment, whose: Whose
) -> CampaignDecision:
    """Change a lead. `known`: as it is on record; `wanted`: as what is known of it is to be. `whose`: the place of the
    lead that has a number, or had it first. What stays the same goes on no record. Raises Refusal(CONFLICT)."""
    must_not_be_archived(campaign)
    must_be_of_its_own(campaign, place)
    entry = at(campaign.leads, place)
    changes: dict[str, Any] = {
        field: getattr(wanted, field) for field in PLAIN if getattr(wanted, field) != getattr(known, field)
    }
    if wanted.custom != known.custom:
        changes["custom"] = _differences(known.custom, wanted.custom)
    if wanted.numbers != known.numbers:
        changes["numbers"] = _numbers(campaign, place, entry, wanted, whose)
    status = _status(campaign, place, entry, request, renumbered=not {*wanted.numbers} <= {*known.numbers})
    if status is not entry.status or (status is request.status and given(campaign.merged, place, status)):
        changes["status"] = status  # which somebody says now, if only a merge gave it before
        if "numbers" not in changes:
            must_not_be_erased(entry, status)
    if request.assigned_seller is not UNSET and request.assigned_seller != entry.seller:
        changes["assigned_seller"] = request.assigned_seller
    if not changes:
        return NOTHING
    event = CampaignLeadChanged(
        campaign=campaign.campaign, at=now.at, by=by, lead=entry.id, place=place, **changes
    )
    return Decision(events=(event,), effects=(SetTimer(name=NEXT, seconds=0.0),))


def assign(
    campaign: Campaign, places: Iterable[int], seller: str | None, by: str, now: Moment
) -> CampaignDecision:
    """Assign leads to a user; None: to nobody. Those that are already go on no record. Raises Refusal(CONFLICT)."""
    must_not_be_archived(campaign)
    own = (place for place in places if place not in campaign.merged)
    found = {place: entry.id for place in own if (entry := at(campaign.leads, place)).seller != seller}
    if not found:
        return NOTHING
    event = CampaignLeadsAssigned(
        campaign=campaign.campaign, at=now.at, by=by, assigned_seller=seller, leads=tuple(found.values()),
        places=tuple(found),
    )  # fmt: skip
    return Decision(events=(event,))


def must_not_be_archived(campaign: Campaign) -> None:
    """One that is has an owner for some seconds more."""
    if campaign.status is CampaignStatus.ARCHIVED:
        raise CAMPAIGN_IS_ARCHIVED()


def must_be_of_its_own(campaign: Campaign, place: int) -> None:
    """Raise Refusal(CONFLICT) for a lead that was merged into another one."""
    if (merged := campaign.merged.get(place)) is not None:
        raise MERGED(lead=at(campaign.leads, place).id, merged_into=at(campaign.leads, merged.into).id)


def must_not_be_erased(entry: Entry, status: LeadStatus = S.NEW) -> None:
    """Who was erased has no number by which they could be called."""
    if status in CALLABLE and is_mark(entry.numbers):
        raise WAS_ERASED()


def assigned(events: Iterable[CampaignEvent]) -> int:
    """How many leads that is."""
    return sum(len(event.leads) for event in events if isinstance(event, CampaignLeadsAssigned))


def _differences(known: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    gone = {key: None for key in known if key not in wanted}
    return {**gone, **{key: text for key, text in wanted.items() if known.get(key) != text}}


def _numbers(campaign: Campaign, place: int, entry: Entry, wanted: Lead, whose: Whose) -> tuple[str, ...]:
    if under_way(entry):
        raise BEING_CALLED()
    if entry.status is S.DO_NOT_CALL:  # else a number that it has no more could be another lead's, and called
        raise KEEPS_ITS_NUMBERS(status=entry.status)
    for number in wanted.numbers:
        if (other := whose(number)) not in (None, place):
            assert other is not None
            raise ANOTHERS_NUMBER(lead=at(campaign.leads, other).id)
    if len(entry.numbers.split()) + len(entry.former.split()) + len(wanted.numbers) > MOST_NUMBERS:
        raise TOO_MANY()
    return wanted.numbers


def _status(campaign: Campaign, place: int, entry: Entry, request: EditLead, *, renumbered: bool) -> LeadStatus:
    """The one that it then has. One of whose numbers none could be called may be once it has another."""
    before, wanted = entry.status, request.status
    again = S.IN_PROGRESS if tries_of(entry) else S.NEW
    if wanted is UNSET:
        return again if renumbered and before is S.INVALID else before
    if wanted is before:
        return before
    if wanted is S.CALLBACK:
        raise misfit("status", "a callback needs a time: POST /api/autodialer/campaigns/ID/leads/LEAD/mark.")
    if wanted not in MAY_BECOME[before] or (wanted in CALLABLE and wanted is not again):
        may = sorted(one for one in MAY_BECOME[before] if one not in CALLABLE or one is again)
        raise NOT_SO(status=before, may_become=may)
    if wanted in CALLABLE and (campaign.status in OVER or place < campaign.earlier):
        raise RUN_IS_OVER()
    return wanted
