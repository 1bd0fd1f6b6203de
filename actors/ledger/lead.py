"""Leads and their attempts in the ledger: one row for each, taken out of the events of campaigns, of which one may hold
hundreds."""

from collections.abc import Iterable, Iterator, Sequence
from operator import eq, gt
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.numbers import has_one_of
from actors.ledger.words import WordIndex
from bus_schemas.campaign import (
    OUTCOMES,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignAttemptJoined,
    CampaignLeadsAdded,
)
from bus_schemas.errors import misfit
from bus_schemas.lead import (
    NUMBERS,
    CampaignLeadChanged,
    CampaignLeadMarked,
    CampaignLeadMerged,
    CampaignLeadsAssigned,
    CampaignLeadUnmerged,
    Lead,
    LeadAttempt,
    LeadLine,
    LeadStatus,
    LeadView,
    ListLeads,
    changes_in,
)

LEAD = msgspec.json.Decoder(Lead)
NO_WISH: dict[str, None] = {"callback": None, "operator": None}
AT_ONCE = 2**15  # leads of one event: of 1 MB, and each has more than 30 bytes

LeadEvent = (
    CampaignLeadsAdded | CampaignAttemptClaimed | CampaignAttemptEnded | CampaignLeadMarked | CampaignLeadChanged
    | CampaignLeadMerged | CampaignLeadUnmerged | CampaignLeadsAssigned
)
AttemptEvent = CampaignAttemptClaimed | CampaignAttemptJoined | CampaignAttemptEnded


class LeadRow(Struct, frozen=True, gc=False):
    """`key`: campaign and lead. `place`: in the campaign, by which lists go on. `numbers`: with a blank around each;
    `data`: the Lead as JSON. `words`: in which texts are sought. `came`: its place among those of all campaigns.
    `assigned`: to whom; `seller`: that one, or while it wants to be called back by an `operator`, that one. `merged`:
    the id of the lead of its campaign that it was merged into."""

    key: str
    campaign: str
    place: int
    numbers: str
    source: str
    data: str
    words: str
    status: str = str(LeadStatus.NEW)
    attempts: int = 0
    last_attempt: str | None = None
    last_outcome: str | None = None
    callback: str | None = None
    operator: str | None = None
    disposition: str | None = None
    came: int = 0
    assigned: str | None = None
    seller: str | None = None
    merged: str | None = None


class AttemptRow(Struct, frozen=True, gc=False):
    """`key`: campaign, lead and attempt. `lead`: the key of the lead."""

    key: str
    lead: str
    attempt: int
    number: str
    at: str
    ended: str | None = None
    outcome: str | None = None
    call_id: str | None = None
    talk_seconds: int = 0
    why: str = ""
    operator: str | None = None


def _ordered(*fields: str) -> list[sa.Index]:
    """Indexes of lists that are in order by a field which most leads do not have, and of those that do."""
    found = []
    for field in fields:
        there = sa.text(f"{field} IS NOT NULL")
        found.append(sa.Index(f"leads_by_{field}", field, "came", sqlite_where=there, postgresql_where=there))
    return found


LEADS = sa.Table(
    "leads",
    METADATA,
    *columns(LeadRow, primary="came", unique="key"),  # SQLite finds a row by it at once, and words say no more
    sa.Index("leads_place", "campaign", "place"),
    sa.Index("leads_status", "campaign", "status", "place"),
    sa.Index("leads_status_came", "status", "came"),
    *_ordered("seller", "callback", "last_attempt", "last_outcome", "disposition", "assigned", "merged"),
)
ATTEMPTS = sa.Table(
    "lead_attempts", METADATA, *columns(AttemptRow, primary="key"), sa.Index("lead_attempts_lead", "lead", "attempt")
)
L = LEADS.c
WORDS = WordIndex(L.words, L.came)


class Part(Struct, frozen=True, gc=False):
    """What an event says of one row."""

    key: str
    said: AttemptEvent | CampaignLeadMarked | CampaignLeadChanged | CampaignLeadsAssigned | LeadRow
    gone: bool = False  # of two leads that became one, or were, the other


def key_of(campaign: str, *parts: object) -> str:
    """Of a lead, or of an attempt on one: ids have no `/`."""
    return "/".join((campaign, *map(str, parts)))


def of_leads(event: LeadEvent) -> Iterator[Part]:
    """What an event says of each lead."""
    if isinstance(event, CampaignLeadsAssigned):
        yield from (Part(key_of(event.campaign, lead), event) for lead in event.leads)
        return
    if not isinstance(event, CampaignLeadsAdded):
        yield Part(key_of(event.campaign, event.lead), event)
        if (other := other_of(event)) is not None:
            yield Part(key_of(event.campaign, other), event, gone=True)
        return
    for place, lead in enumerate(event.leads, event.first):
        key, data = key_of(event.campaign, lead.id), msgspec.json.encode(lead).decode()
        row = LeadRow(key, event.campaign, place, _around(lead.numbers), lead.source, data, words_of(lead))
        yield Part(key, replace(row, came=place - event.first))


def other_of(event: object) -> str | None:
    """The id of the second lead that an event is about."""
    match event:
        case CampaignLeadMerged(merged=other) | CampaignLeadUnmerged(restored=other):
            return other
    return None


def words_of(lead: Lead) -> str:
    """What a text is sought in, large and small letters alike: its numbers, its name and the fields of its own. Blanks
    are around each, and none in what is sought."""
    return " ".join((*lead.numbers, lead.name, *lead.custom.values())).casefold()


def of_attempts(event: AttemptEvent) -> Iterator[Part]:
    """What an event says of an attempt."""
    yield Part(key_of(event.campaign, event.lead, event.attempt), event)


def fold_lead(row: LeadRow | None, part: Part, seq: int) -> LeadRow | None:
    """The lead after an event."""
    if row is None:
        new = part.said if isinstance(part.said, LeadRow) else None
        return new and replace(new, came=seq * AT_ONCE + new.came)
    match part.said:
        case CampaignAttemptClaimed(at=at):
            return replace(
                row, status=str(LeadStatus.IN_PROGRESS), attempts=row.attempts + 1, last_attempt=at, last_outcome=None
            )
        case CampaignAttemptEnded(outcome=outcome, status=status):
            row = replace(row, status=str(status), last_outcome=outcome)
            wishes = {} if status is LeadStatus.CALLBACK else NO_WISH
            return _with_seller(replace(row, **wishes))
        case CampaignLeadMarked() as mark:
            return _with_seller(replace(
                row, status=str(mark.status), callback=mark.callback, operator=mark.operator,
                disposition=mark.disposition or row.disposition,
            ))  # fmt: skip
        case CampaignLeadMerged() as merged:
            return _merged(row, merged, gone=part.gone)
        case CampaignLeadUnmerged() as unmerged if part.gone:
            return replace(row, status=str(unmerged.restored_status), merged=None, attempts=unmerged.attempts)
        case CampaignLeadUnmerged() as unmerged:
            return replace(_changed(row, unmerged), attempts=unmerged.left)
        case CampaignLeadChanged() as changed:
            return _changed(row, changed)
        case CampaignLeadsAssigned(assigned_seller=seller):
            return _with_seller(replace(row, assigned=seller))
    return row


def _changed(row: LeadRow, event: CampaignLeadChanged) -> LeadRow:
    changes = changes_in(event)
    lead = LEAD.decode(row.data)
    if (custom := changes.get("custom")) is not None:
        both = {**lead.custom, **custom}
        changes["custom"] = {key: text for key, text in both.items() if text is not None}
    lead = replace(lead, **{field: value for field, value in changes.items() if hasattr(lead, field)})
    row = replace(
        row, numbers=_around(lead.numbers), source=lead.source, words=words_of(lead),
        data=msgspec.json.encode(lead).decode(), assigned=changes.get("assigned_seller", row.assigned),
    )  # fmt: skip
    if "status" in changes:
        row = replace(row, status=str(changes["status"]), **NO_WISH)
    return _with_seller(row)


def _merged(row: LeadRow, event: CampaignLeadMerged, *, gone: bool) -> LeadRow:
    if gone:
        return _with_seller(replace(row, status=str(LeadStatus.INVALID), merged=event.lead, **NO_WISH))
    row = _changed(row, event)
    return replace(
        row, attempts=event.attempts, last_attempt=event.last_attempt, last_outcome=event.last_outcome
    )


def _with_seller(row: LeadRow) -> LeadRow:
    return replace(row, seller=row.operator or row.assigned)


def _around(numbers: Iterable[str]) -> str:
    return f" {' '.join(numbers)} "


def fold_attempt(row: AttemptRow | None, part: Part, seq: int) -> AttemptRow | None:
    """The attempt after an event. Its first end is its record."""
    match part.said:
        case CampaignAttemptClaimed() as claimed if row is None:
            lead = key_of(claimed.campaign, claimed.lead)
            had = claimed.operator if not claimed.joins else None
            return AttemptRow(part.key, lead, claimed.attempt, claimed.number, claimed.at, operator=had)
        case CampaignAttemptJoined() as joined if row is not None:
            return replace(row, operator=joined.operator, call_id=joined.call_id)
        case CampaignAttemptEnded() as over if row is not None and row.ended is None:
            return replace(
                row, ended=over.at, outcome=over.outcome, call_id=over.call_id, talk_seconds=over.talk_seconds,
                why=over.why,
            )  # fmt: skip
    return row


PROJECTIONS = (
    Projection(
        table=LEADS,
        row=LeadRow,
        key="key",
        events=(
            CampaignLeadsAdded, CampaignAttemptClaimed, CampaignAttemptEnded, CampaignLeadMarked, CampaignLeadChanged,
            CampaignLeadMerged, CampaignLeadUnmerged, CampaignLeadsAssigned,
        ),
        parts=of_leads,
        fold=fold_lead,
        once=frozenset({"key", "campaign", "place", "numbers", "source", "data", "words", "came"}),
        listed=True,
        rewritten=True,
        sought=WORDS,
        version=5,
    ),
    Projection(
        table=ATTEMPTS,
        row=AttemptRow,
        key="key",
        events=(CampaignAttemptClaimed, CampaignAttemptJoined, CampaignAttemptEnded),
        parts=of_attempts,
        fold=fold_attempt,
        once=frozenset({"key", "lead", "attempt", "number", "at"}),
        version=3,
    ),
)


# --- queries ------------------------------------------------------------------------------------------------------


def must_be_an_outcome(outcome: str | None) -> None:
    """Raise Refusal(INVALID_PARAMS) for a word as which no attempt ends. None: any."""
    if outcome is not None and outcome not in OUTCOMES:
        raise misfit("outcome", "no attempt ends so.", given=outcome, known=sorted(OUTCOMES))


def leads_of(
    wanted: ListLeads, *, after: int | None, numbers: Iterable[str] | None = None
) -> Query[tuple[int, LeadView]]:
    """The leads that `wanted` asks for, in their order and one more than the page has, each with its place. `numbers`:
    what is in one of its numbers, as on record; None: whatever."""
    conditions = given(
        (L.campaign, eq, wanted.campaign_id),
        (L.place, gt, after),
        (L.status, eq, wanted.status),
        (L.source, eq, wanted.source),
        (L.last_outcome, eq, wanted.outcome),
        (L.numbers, has_one_of, numbers),
    )
    found = sa.select(LEADS).where(*conditions).order_by(L.place).limit(wanted.limit + 1)
    return Query(found, made_of(LeadRow, lambda row: (row.place, view_of(row))))


def one_lead(campaign: str, lead: str) -> Query[LeadView]:
    """It, whatever became of it."""
    return Query(sa.select(LEADS).where(L.key == key_of(campaign, lead)), made_of(LeadRow, view_of))


def attempts_on(campaign: str, lead: str) -> Query[LeadAttempt]:
    """All of them, oldest first."""
    found = sa.select(ATTEMPTS).where(ATTEMPTS.c.lead == key_of(campaign, lead)).order_by(ATTEMPTS.c.attempt)
    return Query(found, made_of(AttemptRow, attempt_of))


def by_status(campaign: str) -> Query[tuple[LeadStatus, int]]:
    """How many leads there are of each status that some have."""
    found = sa.select(L.status, sa.func.count().label("leads")).where(L.campaign == campaign).group_by(L.status)
    return Query(found, lambda row: (LeadStatus(row.status), row.leads))


def by_status_in(campaigns: Sequence[str]) -> Query[tuple[str, LeadStatus, int]]:
    """The same of several campaigns."""
    found = sa.select(L.campaign, L.status, sa.func.count().label("leads")).where(L.campaign.in_(campaigns))
    return Query(
        found.group_by(L.campaign, L.status), lambda row: (row.campaign, LeadStatus(row.status), row.leads)
    )


class OfHour(NamedTuple):
    """Attempts of one hour that ended in one way; `outcome` empty: they are under way."""

    hour: str
    outcome: str
    attempts: int
    talk_seconds: int


def by_hour(campaign: str, day: str) -> Query[OfHour]:
    """The attempts of a campaign that were begun on a day, by hour and outcome. Ids have no `/`, and `0` comes next."""
    made = ATTEMPTS.c
    hour, ended = sa.func.substr(made.at, 1, 13).label("hour"), sa.func.coalesce(made.outcome, "").label("outcome")
    that_day = sa.func.substr(made.at, 1, 10) == day
    mine = sa.select(hour, ended, made.talk_seconds).where(
        made.lead > f"{campaign}/", made.lead < f"{campaign}0", that_day
    )
    each = mine.subquery().c
    counts = sa.func.count().label("attempts"), sa.func.sum(each.talk_seconds).label("talked")
    found = sa.select(each.hour, each.outcome, *counts).group_by(each.hour, each.outcome)
    found = found.order_by(each.hour, each.outcome)
    return Query(found, lambda row: OfHour(row.hour, row.outcome, row.attempts, int(row.talked)))


def view_of(row: LeadRow) -> LeadView:
    """As it is shown."""
    return LeadView(
        lead=LEAD.decode(row.data),
        status=LeadStatus(row.status),
        attempts=row.attempts,
        last_attempt=row.last_attempt,
        last_outcome=row.last_outcome,
        callback=row.callback,
        operator=row.operator,
        disposition=row.disposition,
        assigned_seller=row.assigned,
        merged_into=row.merged,
    )


def line_of(view: LeadView) -> LeadLine:
    """A lead as a row of a table."""
    lead = view.lead
    numbers = [*lead.numbers, *[""] * (NUMBERS - len(lead.numbers))]
    return {
        "lead_id": lead.id,
        **{f"number_{place}" if place > 1 else "number": number for place, number in enumerate(numbers, 1)},
        "name": lead.name, "timezone": lead.timezone or "", "priority": lead.priority,
        "language": lead.language or "", "source": lead.source,
        "consent": "" if lead.consent is None else "yes" if lead.consent else "no",
        "status": str(view.status), "attempts": view.attempts, "last_attempt": view.last_attempt or "",
        "last_outcome": view.last_outcome or "", "disposition": view.disposition or "",
        **{f"custom:{name}": text for name, text in lead.custom.items()},
    }  # fmt: skip


def attempt_of(row: AttemptRow) -> LeadAttempt:
    """As it is shown."""
    return LeadAttempt(
        attempt=row.attempt, number=row.number, at=row.at, ended=row.ended, outcome=row.outcome, call_id=row.call_id,
        talk_seconds=row.talk_seconds, why=row.why, operator=row.operator,
    )  # fmt: skip
