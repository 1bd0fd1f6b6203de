"""What is on record of a campaign: the state that its events tell. Pure.

A campaign may have 100,000 leads, so of each is kept what decides whether and when it is called, in 400 bytes; its name
and its own fields are in the journal and the ledger. A lead is known by its place: a campaign counts its leads from 0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from sys import intern
from typing import Any, Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from actors.campaign.merged import MergedLeads, spoken_of, with_one_more, without
from actors.campaign.places import Changes, Places, at, changed, count, each, extended
from actors.campaign.rules import Attempt
from actors.campaign.tally import Tally, counted
from actors.campaign.tries import Made, Try, begin, empty, end, in_order, made_on, packed, places, unpacked
from actors.runtime.clock import parse_utc, utc
from actors.runtime.folds import fold, folds
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    ABANDONED,
    BY_SOMEBODY,
    OUTCOMES,
    CampaignActivated,
    CampaignArchived,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignAttemptJoined,
    CampaignAttemptOffered,
    CampaignConfigured,
    CampaignCreated,
    CampaignDraining,
    CampaignEvent,
    CampaignFinished,
    CampaignLeadsAdded,
    CampaignPaused,
    CampaignResumed,
    CampaignSettings,
    CampaignStarted,
    CampaignStatus,
    CampaignStopped,
    Mode,
    StopMode,
)
from bus_schemas.lead import (
    CampaignLeadChanged,
    CampaignLeadMarked,
    CampaignLeadMerged,
    CampaignLeadsAssigned,
    CampaignLeadSkipped,
    CampaignLeadUnmerged,
    Lead,
    LeadStatus,
    changes_in,
)

OVER = frozenset({CampaignStatus.STOPPED, CampaignStatus.FINISHED, CampaignStatus.ARCHIVED})
CALLABLE = frozenset({LeadStatus.NEW, LeadStatus.IN_PROGRESS, LeadStatus.CALLBACK})
NOT_DIALED = str(EndReason.NOT_DIALED)

_OUTCOME = {outcome: number for number, outcome in enumerate(OUTCOMES, 1)}
UNKNOWN = _OUTCOME[EndReason.UNKNOWN]  # also what only a later version knows


class Entry(Struct, frozen=True, gc=False):
    """A lead, as far as it decides about calls. `numbers`: E.164, with blanks between them. `tries`: the attempts,
    packed. `callback`: when it wants to be called, in milliseconds, by `operator`, else by anybody; 0: no such wish.
    `said`: somebody has said what becomes of it since the last attempt began, so the end of that changes nothing.
    `why`: why nothing was dialled, where nothing was. `seller`: to whom it was assigned. `former`: numbers that it has
    no more and was tried on, which `tries` count behind those that it has."""

    id: str
    numbers: str
    timezone: str | None
    priority: int
    source: str
    consent: bool | None
    status: LeadStatus = LeadStatus.NEW
    tries: bytes = b""
    callback: int = 0
    operator: str | None = None
    said: bool = False
    why: str = ""
    seller: str | None = None
    former: str = ""


class Seat(Struct, frozen=True):
    """For which operator an attempt in progress is, and whether they have taken its call. `joins`: it waits for that on
    the PBX, and while `user` is None for whoever is ready."""

    user: str | None
    joined: bool = False
    joins: bool = False


class Skipped(Struct, frozen=True):
    """A lead that an operator has skipped in preview mode. `until`: in milliseconds."""

    by: str
    until: int


class Claimed(Struct, frozen=True, gc=False):
    """What is read back of a claim, `CampaignAttemptClaimed`. Of most events of a campaign there are two for each call:
    what was checked when it was written is not checked again, which is the half of what their reading takes."""

    campaign: str
    at: str
    place: int
    attempt: int
    number: str
    operator: str | None = None
    joins: bool = False


class Over(Struct, frozen=True, gc=False):
    """The same of the end of an attempt, `CampaignAttemptEnded`."""

    campaign: str
    at: str
    place: int
    attempt: int
    outcome: str
    status: LeadStatus
    call_id: str | None = None
    why: str = ""


READ_BACK: Final[Mapping[type, type]] = {CampaignAttemptClaimed: Claimed, CampaignAttemptEnded: Over}
Begin = CampaignAttemptClaimed | Claimed
End = CampaignAttemptEnded | Over
_OF_ATTEMPTS = frozenset({*READ_BACK, *READ_BACK.values()})
_BEGIN = (Claimed, CampaignAttemptClaimed)
_DECISIVE = frozenset({"timezone", "priority", "source", "consent"})  # as the entry has them


class Campaign(Struct, frozen=True, kw_only=True):
    """One campaign as its events tell it. `by`: who made it, and for whom its calls are. `earlier`: leads before that
    place are of earlier runs. `in_progress`: the places of those with an attempt in progress; `crew`: the attempts for
    an operator, by place. `mode`: how it is being stopped. `tally`: answered and abandoned calls by day. `heard`: the
    last word of an operator that is in, by its place in the journal. `skipped`: leads that operators have left, by
    place. `merged`: leads that were others, by place."""

    campaign: str
    by: str
    settings: CampaignSettings
    status: CampaignStatus = CampaignStatus.DRAFT
    leads: Places[Entry] = ()
    earlier: int = 0
    in_progress: frozenset[int] = frozenset()
    crew: Mapping[int, Seat] = {}
    mode: StopMode | None = None
    tally: Tally = Tally()
    heard: int = 0
    merged: MergedLeads = {}
    skipped: Mapping[int, Skipped] = {}

    @property
    def open(self) -> int:
        """How many attempts are in progress."""
        return len(self.in_progress)


def entry_of(lead: Lead) -> Entry:
    """A lead that is new. Texts that many leads have in common are kept once."""
    zone = None if lead.timezone is None else intern(lead.timezone)
    return Entry(lead.id, " ".join(lead.numbers), zone, lead.priority, intern(lead.source), lead.consent)


def tries_of(entry: Entry) -> list[Try]:
    """Its attempts in this campaign, oldest first."""
    return [*unpacked(entry.tries)]


def tried(entry: Entry) -> int:
    """How many there were, with those that are another lead's by now: the next one is numbered by it."""
    return places(entry.tries)


def size(campaign: Campaign) -> int:
    """How many leads it has."""
    return count(campaign.leads)


def under_way(entry: Entry) -> bool:
    """Whether the last of them is in progress."""
    return entry.tries != b"" and entry.tries[-1] == 0  # which outcome


def anybody_left(campaign: Campaign) -> bool:
    """Whether a lead of its last run is not settled, whatever the rules say of it."""
    return any(entry.status in CALLABLE for entry in each(campaign.leads, campaign.earlier))


def stays(campaign: Campaign, place: int) -> int:
    """The place of the lead that the one at a place is by now: another one, where it was merged."""
    while (merged := campaign.merged.get(place)) is not None:
        place = merged.into
    return place


def open_places(campaign: Campaign) -> list[int]:
    """The places of all leads that have an attempt in progress."""
    return sorted(campaign.in_progress)


def all_numbers(entry: Entry) -> list[str]:
    """Its numbers, and behind them those that it was tried on and has no more."""
    return f"{entry.numbers} {entry.former}".split()


def attempts_of(entry: Entry) -> list[Attempt]:
    """Those of them that count: what has reached no phone and no PBX is no call."""
    numbers = all_numbers(entry)
    return [
        Attempt(
            number=numbers[made.number],
            at=moment_of(made.began),
            ended=moment_of(made.ended) if made.ended else None,
            outcome=OUTCOMES[made.outcome - 1] if made.outcome else None,
        )
        for made in tries_of(entry)
        if made.outcome != _OUTCOME[NOT_DIALED]
    ]


def not_dialled(entry: Entry) -> tuple[int, int]:
    """How many of the last attempts on end have reached nothing, and when the last of them ended, in milliseconds."""
    times, last = 0, 0
    for made in reversed(tries_of(entry)):
        if made.outcome != _OUTCOME[NOT_DIALED]:
            break
        times, last = times + 1, max(last, made.ended)
    return times, last


def milliseconds(moment: str) -> int:
    """A moment as it is kept: whole milliseconds, which is what events say."""
    return round(parse_utc(moment).timestamp() * 1000)


def moment_of(milliseconds: int) -> datetime:
    """The moment, in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def text_of(milliseconds: int) -> str:
    """The moment as events say it."""
    return utc(moment_of(milliseconds))


# --- evolve -------------------------------------------------------------------------------------------------------


def evolve(campaign: Campaign | None, event: CampaignEvent) -> Campaign | None:
    """The campaign after an event."""
    if isinstance(event, CampaignCreated):
        return Campaign(campaign=event.campaign, by=event.by, settings=event.settings)
    return _AFTER[type(event)](campaign, event) if campaign is not None else None


def evolve_all(campaign: Campaign | None, events: Iterable[Any]) -> Campaign | None:  # any: CampaignEvent, or as read
    """The same after several, as they are written or as they are read back (`READ_BACK`)."""
    for of_attempts, some in groupby(events, lambda event: type(event) in _OF_ATTEMPTS):
        if of_attempts:
            campaign = _attempted(campaign, some) if campaign is not None else None
        else:
            for event in some:
                campaign = evolve(campaign, event)
    return campaign


def _configured(campaign: Campaign, event: CampaignConfigured) -> Campaign:
    skipped = campaign.skipped if event.settings.mode is Mode.PREVIEW else {}
    return replace(campaign, settings=event.settings, skipped=skipped)


def _started(campaign: Campaign, event: CampaignStarted) -> Campaign:
    return replace(campaign, status=CampaignStatus.RUNNING, earlier=event.earlier, mode=None)


def _draining(campaign: Campaign, event: CampaignDraining) -> Campaign:
    return replace(campaign, status=CampaignStatus.DRAINING, mode=event.mode)


def _leads_added(campaign: Campaign, event: CampaignLeadsAdded) -> Campaign:
    return replace(campaign, leads=extended(campaign.leads, map(entry_of, event.leads)))


def _offered(campaign: Campaign, event: CampaignAttemptOffered) -> Campaign:
    return replace(campaign, crew={**campaign.crew, event.place: Seat(event.operator, joins=True)})


def _joined(campaign: Campaign, event: CampaignAttemptJoined) -> Campaign:
    joins = campaign.crew[event.place].joins
    return replace(campaign, crew={**campaign.crew, event.place: Seat(event.operator, True, joins)})


def _attempt(campaign: Campaign, event: Begin | End) -> Campaign:
    return _attempted(campaign, (event,))


def _attempted(campaign: Campaign, events: Iterable[Begin | End]) -> Campaign:
    """After beginnings and ends of attempts: what they change is copied once for all of them."""
    leads, crew = Changes(campaign.leads), campaign.crew
    begun, over, answers = set[int](), set[int](), list[tuple[int, bool]]()
    for event in events:
        place = event.place
        part, inside = leads.part(place)
        if isinstance(event, _BEGIN):
            part[inside] = _begun(part[inside], event)
            begun.add(place)
            over.discard(place)
            if event.operator is not None or event.joins:
                crew = {**crew, place: Seat(event.operator, joins=event.joins)}
        else:
            part[inside] = _over(part[inside], event)
            begun.discard(place)
            over.add(place)
            if event.outcome in BY_SOMEBODY:
                answers.append((parse_utc(event.at).toordinal(), event.outcome == ABANDONED))
            if place in crew:
                crew = {other: seat for other, seat in crew.items() if other != place}
    open = campaign.in_progress | begun if begun else campaign.in_progress
    return replace(
        campaign, leads=leads.done(), in_progress=open - over if over else open, crew=crew,
        tally=_tallied(campaign.tally, answers),
    )  # fmt: skip


def _begun(entry: Entry, event: Begin) -> Entry:
    number = entry.numbers.split(" ").index(event.number)
    tries = entry.tries + begin(number, milliseconds(event.at))
    return replace(entry, tries=tries, status=LeadStatus.IN_PROGRESS, said=False)


def _over(entry: Entry, event: End) -> Entry:
    tries = end(entry.tries, milliseconds(event.at), _OUTCOME.get(event.outcome, UNKNOWN))
    entry = replace(entry, tries=tries, status=event.status, why=intern(event.why))
    wish = entry.callback or entry.operator is not None
    if wish and event.status is not LeadStatus.CALLBACK:  # else it is still to be met
        entry = replace(entry, callback=0, operator=None)
    return entry


def _tallied(tally: Tally, answers: Iterable[tuple[int, bool]]) -> Tally:
    """`answers`: the day of each, and whether it was abandoned; in their order."""
    for day, some in groupby(answers, lambda answer: answer[0]):
        abandoned = [abandoned for _, abandoned in some]
        tally = counted(tally, day, answered=len(abandoned), abandoned=sum(abandoned))
    return tally


def _marked(campaign: Campaign, event: CampaignLeadMarked) -> Campaign:
    callback = milliseconds(event.callback) if event.callback is not None else 0
    entry = replace(
        at(campaign.leads, event.place), status=event.status, callback=callback, operator=event.operator, said=True
    )
    leads = changed(campaign.leads, event.place, entry)
    skipped = {place: one for place, one in campaign.skipped.items() if place != event.place}
    return replace(
        campaign, leads=leads, heard=max(campaign.heard, event.heard), skipped=skipped,
        merged=spoken_of(campaign.merged, event.place),
    )  # fmt: skip


def _skipped(campaign: Campaign, event: CampaignLeadSkipped) -> Campaign:
    now, one = milliseconds(event.at), Skipped(event.by, milliseconds(event.until))
    others = {place: other for place, other in campaign.skipped.items() if other.until > now}
    return replace(campaign, skipped={**others, event.place: one})


def _lead_changed(campaign: Campaign, event: CampaignLeadChanged) -> Campaign:
    if event.status is not UNSET:
        campaign = replace(campaign, merged=spoken_of(campaign.merged, event.place))
    return _with_changes(campaign, event)


def _with_changes(campaign: Campaign, event: CampaignLeadChanged) -> Campaign:
    """What a change, a merge and its undoing say of the lead that they are of."""
    changes = {field: value for field, value in changes_in(event).items() if field in _DECISIVE}
    named = {field: intern(value) if isinstance(value, str) else value for field, value in changes.items()}
    entry = replace(at(campaign.leads, event.place), **named)
    if event.numbers is not UNSET:
        entry = _renumbered(entry, event.numbers)
    if event.status is not UNSET:
        entry = replace(entry, status=event.status, callback=0, operator=None, said=True)
    if event.assigned_seller is not UNSET:
        seller = event.assigned_seller
        entry = replace(entry, seller=None if seller is None else intern(seller))
    return replace(campaign, leads=changed(campaign.leads, event.place, entry))


def _lead_merged(campaign: Campaign, event: CampaignLeadMerged) -> Campaign:
    """Attempts of both are those of the one that stays, so its caps count them all, and they are in the order in which
    they began. At the other one they keep their places, so that no attempt gets the number of one before when it comes
    back."""
    gone, entry = at(campaign.leads, event.merged_place), at(campaign.leads, event.place)
    attempts = in_order(made_of(entry), made_of(gone))
    merged = with_one_more(
        campaign.merged, event.place, entry.status, event.merged_place, gone.status, event.gained
    )
    campaign = _with_changes(campaign, event)
    entry = _with_made(at(campaign.leads, event.place), attempts, empty(entry.tries))
    leads = changed(campaign.leads, event.place, entry)
    _, tries = packed((), (), tried(gone))
    gone = replace(gone, status=LeadStatus.INVALID, callback=0, operator=None, said=True, tries=tries)
    return replace(campaign, leads=changed(leads, event.merged_place, gone), merged=merged)


def _lead_unmerged(campaign: Campaign, event: CampaignLeadUnmerged) -> Campaign:
    """What was tried on its numbers counts for the one that comes back, whenever that was."""
    place, entry, back = event.restored_place, at(campaign.leads, event.place), at(campaign.leads, event.restored_place)
    kept, its = apart(entry, back)
    back = replace(_with_made(back, its, max(0, tried(back) - len(its))), status=event.restored_status)
    entry = _with_made(entry, kept, empty(entry.tries) + len(its))
    campaign = replace(campaign, leads=changed(campaign.leads, event.place, entry))
    campaign = _with_changes(campaign, event)
    merged = without(campaign.merged, place, at(campaign.leads, event.place).status)
    return replace(campaign, leads=changed(campaign.leads, place, back), merged=merged)


def _leads_assigned(campaign: Campaign, event: CampaignLeadsAssigned) -> Campaign:
    leads = Changes(campaign.leads)
    seller = None if event.assigned_seller is None else intern(event.assigned_seller)
    for place in event.places:
        part, inside = leads.part(place)
        part[inside] = replace(part[inside], seller=seller)
    return replace(campaign, leads=leads.done())


def made_of(entry: Entry) -> list[Made]:
    """Its attempts in this campaign, oldest first, by their numbers."""
    return made_on(all_numbers(entry), entry.tries)


def apart(entry: Entry, merged: Entry) -> tuple[list[Made], list[Made]]:
    """The attempts of a lead, and among those apart the ones that are of a lead that was merged into it."""
    kept, its, own = list[Made](), list[Made](), {*all_numbers(merged)}
    for one in made_of(entry):
        (its if one.number in own else kept).append(one)
    return kept, its


def _renumbered(entry: Entry, numbers: Sequence[str]) -> Entry:
    """With other numbers, and what was tried on those before."""
    return _with_made(replace(entry, numbers=" ".join(numbers)), made_of(entry), empty(entry.tries))


def _with_made(entry: Entry, attempts: Sequence[Made], others: int) -> Entry:
    former, tries = packed(entry.numbers.split(" "), attempts, others)
    return replace(entry, former=" ".join(former), tries=tries)


def _became(status: CampaignStatus) -> Callable[[Campaign, Any], Campaign]:  # any: of the events that say just that
    return lambda campaign, event: replace(campaign, status=status)


S = CampaignStatus
_AFTER: Final = folds(
    fold(CampaignArchived, _became(S.ARCHIVED)),
    fold(CampaignActivated, lambda campaign, event: campaign),
    fold(CampaignConfigured, _configured),
    fold(CampaignLeadsAdded, _leads_added),
    fold(CampaignStarted, _started),
    fold(CampaignPaused, _became(S.PAUSED)),
    fold(CampaignResumed, _became(S.RUNNING)),
    fold(CampaignDraining, _draining),
    fold(CampaignStopped, _became(S.STOPPED)),
    fold(CampaignFinished, _became(S.FINISHED)),
    fold(CampaignAttemptClaimed, _attempt),
    fold(CampaignAttemptOffered, _offered),
    fold(CampaignAttemptJoined, _joined),
    fold(CampaignAttemptEnded, _attempt),
    fold(CampaignLeadMarked, _marked),
    fold(CampaignLeadSkipped, _skipped),
    fold(CampaignLeadChanged, _lead_changed),
    fold(CampaignLeadMerged, _lead_merged),
    fold(CampaignLeadUnmerged, _lead_unmerged),
    fold(CampaignLeadsAssigned, _leads_assigned),
)
