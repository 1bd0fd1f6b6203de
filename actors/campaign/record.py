"""What is on record of a campaign: the state that its events tell. Pure.

A campaign may have 100,000 leads, so of each is kept what decides whether and when it is called, in 400 bytes; its name
and its own fields are in the journal and the ledger. A lead is known by its place: a campaign counts its leads from 0.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from struct import Struct as Packing
from sys import intern
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.places import Places, at, changed, count, each, extended
from actors.campaign.rules import Attempt
from actors.campaign.tally import Tally, counted
from actors.runtime.clock import parse_utc, utc
from actors.runtime.folds import fold, folds
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    ABANDONED,
    ANSWERED,
    OUTCOMES,
    CampaignActivated,
    CampaignArchived,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignAttemptJoined,
    CampaignConfigured,
    CampaignCreated,
    CampaignDraining,
    CampaignEvent,
    CampaignFinished,
    CampaignLeadMarked,
    CampaignLeadsAdded,
    CampaignPaused,
    CampaignResumed,
    CampaignSettings,
    CampaignStarted,
    CampaignStatus,
    CampaignStopped,
    StopMode,
)
from bus_schemas.lead import Lead, LeadStatus

OVER = frozenset({CampaignStatus.STOPPED, CampaignStatus.FINISHED, CampaignStatus.ARCHIVED})
CALLABLE = frozenset({LeadStatus.NEW, LeadStatus.IN_PROGRESS, LeadStatus.CALLBACK})
NOT_DIALED = str(EndReason.NOT_DIALED)

_TRY = Packing("<BQQB")  # which number, began and ended in milliseconds, which outcome from 1; 0: not over
_OUTCOME = {outcome: number for number, outcome in enumerate(OUTCOMES, 1)}
UNKNOWN = _OUTCOME[EndReason.UNKNOWN]  # also what only a later version knows


class Try(NamedTuple):
    """An attempt, as it is kept. `number`: which of the lead's, from 0. `began`, `ended`: milliseconds; 0: it is not
    over. `outcome`: which of OUTCOMES, from 1."""

    number: int
    began: int
    ended: int
    outcome: int


class Entry(Struct, frozen=True, gc=False):
    """A lead, as far as it decides about calls. `numbers`: E.164, with blanks between them. `tries`: the attempts,
    packed. `callback`: when it wants to be called, in milliseconds, by `operator`, else by anybody; 0: no such wish.
    `said`: somebody has said what becomes of it since the last attempt began, so the end of that changes nothing.
    `why`: why nothing was dialled, where nothing was."""

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


class Seat(Struct, frozen=True):
    """For which operator an attempt in progress is, and whether they have taken its call."""

    user: str
    joined: bool = False


class Campaign(Struct, frozen=True, kw_only=True):
    """One campaign as its events tell it. `by`: who made it, and for whom its calls are. `earlier`: leads before that
    place are of earlier runs. `in_progress`: the places of those with an attempt in progress; `crew`: the attempts for
    an operator, by place. `mode`: how it is being stopped. `tally`: answered and abandoned calls by day. `heard`: the
    last word of an operator that is in, by its place in the journal."""

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
    return [Try(*fields) for fields in _TRY.iter_unpack(entry.tries)]


def tried(entry: Entry) -> int:
    """How many those are."""
    return len(entry.tries) // _TRY.size


def size(campaign: Campaign) -> int:
    """How many leads it has."""
    return count(campaign.leads)


def under_way(entry: Entry) -> bool:
    """Whether the last of them is in progress."""
    return entry.tries != b"" and entry.tries[-1] == 0  # which outcome


def anybody_left(campaign: Campaign) -> bool:
    """Whether a lead of its last run is not settled, whatever the rules say of it."""
    return any(entry.status in CALLABLE for entry in each(campaign.leads, campaign.earlier))


def open_places(campaign: Campaign) -> list[int]:
    """The places of all leads that have an attempt in progress."""
    return sorted(campaign.in_progress)


def attempts_of(entry: Entry) -> list[Attempt]:
    """Those of them that count: what has reached no phone and no PBX is no call."""
    numbers = entry.numbers.split(" ")
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


def _configured(campaign: Campaign, event: CampaignConfigured) -> Campaign:
    return replace(campaign, settings=event.settings)


def _started(campaign: Campaign, event: CampaignStarted) -> Campaign:
    return replace(campaign, status=CampaignStatus.RUNNING, earlier=event.earlier, mode=None)


def _draining(campaign: Campaign, event: CampaignDraining) -> Campaign:
    return replace(campaign, status=CampaignStatus.DRAINING, mode=event.mode)


def _leads_added(campaign: Campaign, event: CampaignLeadsAdded) -> Campaign:
    return replace(campaign, leads=extended(campaign.leads, map(entry_of, event.leads)))


def _claimed(campaign: Campaign, event: CampaignAttemptClaimed) -> Campaign:
    entry = at(campaign.leads, event.place)
    number = entry.numbers.split(" ").index(event.number)
    begun = _TRY.pack(number, milliseconds(event.at), 0, 0)
    entry = replace(entry, tries=entry.tries + begun, status=LeadStatus.IN_PROGRESS, said=False)
    leads = changed(campaign.leads, event.place, entry)
    crew = campaign.crew if event.operator is None else {**campaign.crew, event.place: Seat(event.operator)}
    return replace(campaign, leads=leads, in_progress=campaign.in_progress | {event.place}, crew=crew)


def _joined(campaign: Campaign, event: CampaignAttemptJoined) -> Campaign:
    return replace(campaign, crew={**campaign.crew, event.place: Seat(event.operator, True)})


def _ended(campaign: Campaign, event: CampaignAttemptEnded) -> Campaign:
    entry = at(campaign.leads, event.place)
    before = len(entry.tries) - _TRY.size
    number, began, _, _ = _TRY.unpack_from(entry.tries, before)
    over = _TRY.pack(number, began, milliseconds(event.at), _OUTCOME.get(event.outcome, UNKNOWN))
    entry = replace(entry, tries=entry.tries[:before] + over, status=event.status, why=intern(event.why))
    if event.status is not LeadStatus.CALLBACK:  # else the wish is still to be met
        entry = replace(entry, callback=0, operator=None)
    leads = changed(campaign.leads, event.place, entry)
    tally = _tallied(campaign.tally, event)
    crew = campaign.crew
    if event.place in crew:
        crew = {place: seat for place, seat in crew.items() if place != event.place}
    return replace(campaign, leads=leads, in_progress=campaign.in_progress - {event.place}, tally=tally, crew=crew)


def _tallied(tally: Tally, event: CampaignAttemptEnded) -> Tally:
    if event.outcome not in (ANSWERED, ABANDONED):
        return tally
    day = parse_utc(event.at).toordinal()
    return counted(tally, day, answered=1, abandoned=int(event.outcome == ABANDONED))


def _marked(campaign: Campaign, event: CampaignLeadMarked) -> Campaign:
    callback = milliseconds(event.callback) if event.callback is not None else 0
    entry = replace(
        at(campaign.leads, event.place), status=event.status, callback=callback, operator=event.operator, said=True
    )
    leads = changed(campaign.leads, event.place, entry)
    return replace(campaign, leads=leads, heard=max(campaign.heard, event.heard))


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
    fold(CampaignAttemptClaimed, _claimed),
    fold(CampaignAttemptJoined, _joined),
    fold(CampaignAttemptEnded, _ended),
    fold(CampaignLeadMarked, _marked),
)
