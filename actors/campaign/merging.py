"""Two leads that are one person, and back. Pure.

The one that stays wins: it gets the other's numbers, and what it lacks. The other keeps what it had, is called no more,
and is a lead of its own again when that is undone.
"""

from typing import Any

from actors.campaign.editing import (
    BEING_CALLED,
    MERGED,
    MOST_NUMBERS,
    TOO_MANY,
    must_not_be_archived,
    must_not_be_erased,
)
from actors.campaign.machine import NEXT, RUN_IS_OVER, CampaignDecision
from actors.campaign.merged import Merged, known_whose, remains, together
from actors.campaign.places import at
from actors.campaign.record import (
    CALLABLE,
    OVER,
    Campaign,
    Entry,
    apart,
    made_of,
    stays,
    text_of,
    tries_of,
    under_way,
)
from actors.campaign.tries import in_order
from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision, SetTimer
from bus_schemas.campaign import OUTCOMES
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from bus_schemas.lead import NUMBERS, CampaignLeadMerged, CampaignLeadUnmerged, Lead, LeadStatus

S = LeadStatus
MOST_MERGED = 5000  # leads of a campaign: each merge copies what is known of those before
MOST_OF_ONE = 20  # leads that are one: what has happened to all of them is read together
EMPTY = {"name": "", "timezone": None, "language": None, "source": "", "consent": None}  # where a lead has no such
CUSTOM = "custom:"

TOO_MANY_NUMBERS = RefusalTemplate(ErrorCode.CONFLICT, "Together they have more than 5 numbers: take some away first.")
HAS_A_WISH = RefusalTemplate(
    ErrorCode.CONFLICT, "The other one wants to be called back at a time: merge this one into that one."
)
TWO_WISHES = RefusalTemplate(
    ErrorCode.CONFLICT, "Both want to be called back at a time: settle the wish of the one that is to go first."
)
TOO_MANY_OF_ONE = RefusalTemplate(ErrorCode.CONFLICT, "20 leads at most are one person.")
TOO_MANY_MERGED = RefusalTemplate(ErrorCode.CONFLICT, "A campaign has 5,000 merged leads at most.")
NO_NUMBER_LEFT = RefusalTemplate(ErrorCode.CONFLICT, "The other one would have no number: give it one first.")


def merge(
    campaign: Campaign, place: int, other: int, known: Lead, duplicate: Lead, by: str, now: Moment
) -> CampaignDecision:
    """The lead at `other` is the one at `place`. `known`, `duplicate`: as the records have them. Merged so already:
    nothing. Raises Refusal: INVALID_PARAMS, CONFLICT."""
    if place == other:
        raise misfit("duplicate", "a lead is no duplicate of itself.")
    done = campaign.merged.get(other)
    if done is not None and done.into == place:
        return NOTHING
    entry, gone = at(campaign.leads, place), at(campaign.leads, other)
    numbers = _may_be_one(campaign, place, other, [*dict.fromkeys((*known.numbers, *duplicate.numbers))])
    gained = _gained(entry, gone, known, duplicate)
    status = _status(campaign, place, entry, gone)
    changes: dict[str, Any] = {name: getattr(duplicate, name) for name in EMPTY if name in gained}
    if duplicate.consent is False:  # whoever has said no to one of them has said it
        changes["consent"] = False
    if custom := {name: text for name, text in duplicate.custom.items() if f"{CUSTOM}{name}" in gained}:
        changes["custom"] = custom
    if "assigned_seller" in gained:
        changes["assigned_seller"] = gone.seller
    if status is not entry.status:
        changes["status"] = status
    attempts = in_order(made_of(entry), made_of(gone))
    last = attempts[-1] if attempts else None
    event = CampaignLeadMerged(
        campaign=campaign.campaign, at=now.at, by=by, lead=entry.id, place=place, merged=gone.id, merged_place=other,
        numbers=tuple(numbers), gained=gained, attempts=len(attempts), **changes,
        last_attempt=text_of(last.began) if last else None, last_outcome=OUTCOMES[last.outcome - 1] if last else None,
    )  # fmt: skip
    return Decision(events=(event,), effects=(SetTimer(name=NEXT, seconds=0.0),))


def unmerge(
    campaign: Campaign, other: int, known: Lead, duplicate: Lead, by: str, now: Moment
) -> CampaignDecision:
    """The lead at `other` is one of its own again. `known`: the one that it was merged into. It is one already:
    nothing. Raises Refusal(CONFLICT)."""
    must_not_be_archived(campaign)
    merged = campaign.merged.get(other)
    if merged is None:
        return NOTHING
    if (above := campaign.merged.get(merged.into)) is not None:
        raise MERGED(lead=at(campaign.leads, merged.into).id, merged_into=at(campaign.leads, above.into).id)
    entry, back = at(campaign.leads, merged.into), at(campaign.leads, other)
    must_not_be_erased(entry)
    if under_way(entry):
        raise BEING_CALLED()
    numbers = tuple(number for number in known.numbers if number not in duplicate.numbers)
    if not numbers:
        raise NO_NUMBER_LEFT()
    kept, its = apart(entry, back)
    event = CampaignLeadUnmerged(
        campaign=campaign.campaign, at=now.at, by=by, lead=entry.id, place=merged.into, restored=back.id,
        restored_place=other, restored_status=_restored(campaign, other, entry, tried=bool(its)),
        attempts=len(its), left=len(kept), numbers=numbers,
        **_given_back(entry, back, known, duplicate, merged), **_status_left(campaign, other, entry, tried=bool(kept)),
    )  # fmt: skip
    return Decision(events=(event,), effects=(SetTimer(name=NEXT, seconds=0.0),))


def _may_be_one(campaign: Campaign, place: int, other: int, numbers: list[str]) -> list[str]:
    """Raises Refusal(CONFLICT)."""
    must_not_be_archived(campaign)
    for one in (place, other):
        if (merged := campaign.merged.get(one)) is not None:
            raise MERGED(lead=at(campaign.leads, one).id, merged_into=at(campaign.leads, merged.into).id)
    entry, gone = at(campaign.leads, place), at(campaign.leads, other)
    must_not_be_erased(entry)
    must_not_be_erased(gone)
    if under_way(entry) or under_way(gone):
        raise BEING_CALLED()
    if len(numbers) > NUMBERS:
        raise TOO_MANY_NUMBERS(numbers=len(numbers))
    if sum(len(one.numbers.split()) + len(one.former.split()) for one in (entry, gone)) > MOST_NUMBERS:
        raise TOO_MANY()
    if len(campaign.merged) >= MOST_MERGED:
        raise TOO_MANY_MERGED()
    if _persons(campaign, place) + _persons(campaign, other) > MOST_OF_ONE:
        raise TOO_MANY_OF_ONE()
    return numbers


def _persons(campaign: Campaign, place: int) -> int:
    """How many leads one is, with those that were merged into it and into these."""
    return 1 + sum(stays(campaign, one.into) == place for one in campaign.merged.values())


def _gained(entry: Entry, gone: Entry, known: Lead, duplicate: Lead) -> tuple[str, ...]:
    """The fields that the one that stays lacks, and the other has."""
    plain = (name for name, empty in EMPTY.items() if getattr(known, name) == empty != getattr(duplicate, name))
    custom = (f"{CUSTOM}{name}" for name in duplicate.custom if name not in known.custom)
    seller = ("assigned_seller",) if entry.seller is None and gone.seller is not None else ()
    return (*plain, *custom, *seller)


def _status(campaign: Campaign, place: int, entry: Entry, gone: Entry) -> LeadStatus:
    """What the person is by both: who does not want to be called by one is not called, nor who is done with."""
    both = together(entry.status, (gone.status,))
    if gone.status is S.CALLBACK and both is not S.DO_NOT_CALL:
        raise (TWO_WISHES if entry.status is S.CALLBACK else HAS_A_WISH)()
    if both is not S.NEW:
        return both
    if entry.status is S.INVALID and (campaign.status in OVER or place < campaign.earlier):
        raise RUN_IS_OVER()
    return _again(tried=bool(tries_of(entry) or tries_of(gone)))


def _again(*, tried: bool) -> LeadStatus:
    return S.IN_PROGRESS if tried else S.NEW


def _restored(campaign: Campaign, other: int, entry: Entry, *, tried: bool) -> LeadStatus:
    """Of the one that comes back. Who has said since that they do not want to be called may be either."""
    if entry.status is S.DO_NOT_CALL and not known_whose(campaign.merged, other):
        return S.DO_NOT_CALL
    status = campaign.merged[other].status
    return _again(tried=tried) if status in CALLABLE else status


def _status_left(campaign: Campaign, other: int, entry: Entry, *, tried: bool) -> dict[str, Any]:
    """What the one that stays is without the other one, if that is something else. `tried`: whether it was, itself."""
    status = remains(campaign.merged, other, entry.status)
    status = _again(tried=tried) if status in (S.NEW, S.IN_PROGRESS) else status
    return {"status": status} if status is not entry.status else {}


def _given_back(entry: Entry, back: Entry, known: Lead, duplicate: Lead, merged: Merged) -> dict[str, Any]:
    """What the one that stays has no more: what it has gained, as far as it is as it was. A refused consent stays,
    whoever has said it."""
    changes: dict[str, Any] = {
        name: empty
        for name, empty in EMPTY.items()
        if name in merged.gained and getattr(known, name) == getattr(duplicate, name) is not False  # a refused consent
    }
    custom = {
        name: None
        for name, text in duplicate.custom.items()
        if f"{CUSTOM}{name}" in merged.gained and known.custom.get(name) == text
    }
    if custom:
        changes["custom"] = custom
    if "assigned_seller" in merged.gained and entry.seller == back.seller:
        changes["assigned_seller"] = None
    return changes
