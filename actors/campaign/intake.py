"""Rows become leads of a campaign, if they are new in it, and go on record in batches. Pure."""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.record import Campaign
from actors.campaign.selection import Selection
from actors.leads.lead import Accepted, Duplicate, InvalidRow, id_of
from actors.leads.rows import Outcome
from actors.runtime.clock import Moment
from bus_schemas.campaign import CampaignLeadsAdded, RowRefused
from bus_schemas.lead import Lead

BATCH, BATCH_BYTES = 500, 400_000  # leads, and bytes of them, that one event holds at most; one lead is far below that


class NewLeads(Struct):
    """What becomes of rows."""

    leads: list[Lead]
    invalid: list[RowRefused]
    duplicates: int = 0


def new_leads(campaign: Campaign | None, selection: Selection | None, given: Iterable[Outcome]) -> NewLeads:
    """Which rows are new leads. A number is one lead's in a campaign: the one that had it first."""
    found, seen = NewLeads([], []), set[str]()

    def known(key: str) -> bool:
        there = campaign is not None and selection is not None and selection.knows(campaign, key)
        return there or key in seen

    for row in given:
        match row:
            case InvalidRow():
                found.invalid.append(RowRefused(row=row.row, field=row.field, reason=row.reason))
            case Duplicate():
                found.duplicates += 1
            case Accepted(lead=lead):
                keys = [id_of(number) for number in lead.numbers]
                if known(keys[0]):
                    found.duplicates += 1
                elif known(lead.id):
                    reason = "it is the id of another lead already"
                    found.invalid.append(RowRefused(row=row.row, field="lead_id", reason=reason))
                else:
                    own = tuple(number for number, key in zip(lead.numbers, keys, strict=True) if not known(key))
                    found.leads.append(lead if len(own) == len(keys) else replace(lead, numbers=own))
                    seen.update((lead.id, *map(id_of, own)))
    return found


def added(id: str, first: int, leads: Iterable[Lead], by: str, now: Moment) -> Iterator[CampaignLeadsAdded]:
    """What goes on record of new leads. `first`: how many there were before."""
    for batch in _batches(leads):
        yield CampaignLeadsAdded(campaign=id, at=now.at, by=by, first=first, leads=tuple(batch))
        first += len(batch)


def _batches(leads: Iterable[Lead]) -> Iterator[list[Lead]]:
    batch, room = list[Lead](), BATCH_BYTES
    for lead in leads:
        length = len(msgspec.json.encode(lead)) + 1
        if batch and (len(batch) == BATCH or length > room):
            yield batch
            batch, room = [], BATCH_BYTES
        batch.append(lead)
        room -= length
    if batch:
        yield batch
