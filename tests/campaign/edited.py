"""A campaign whose leads are changed by hand."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from actors.campaign import editing
from actors.campaign.kept import in_pieces, with_piece
from actors.campaign.places import at
from actors.campaign.record import Campaign, attempts_of
from bus_schemas.crm import EditLead
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CampaignLeadChanged, changes_in
from tests.campaign.played import BY, ID, Played, lead_at

NO_WAITS = {"busy": 0, "no_answer": 0, "answered": 0}


class Edited(Played):
    """A campaign whose leads are changed by hand. `known`: as the records have them, by place."""

    def __init__(self, leads: int = 1, **settings: Any) -> None:
        super().__init__()
        self.create(attempts_per_lead=None, retry_minutes=NO_WAITS, **settings)
        self.known = [lead_at(place) for place in range(leads)]
        self.run(*self.known)

    def edit(self, place: int = 0, **wanted: Any) -> dict[str, Any] | None:
        """What goes on record of it; None: nothing."""
        selection, known = self.selection, self.known[place]
        assert selection is not None
        request = EditLead(campaign_id=ID, lead=known.id, **wanted)
        plain = {name: value for name, value in wanted.items() if name not in ("status", "assigned_seller")}
        lead = replace(known, **plain)

        def whose(number: str) -> int | None:
            return selection.whose(self.state, number)

        decision = editing.edit(self.state, place, known, lead, request, BY, self.moment(), whose)
        events = self.record(decision)
        if not events:
            return None
        [event] = events
        assert isinstance(event, CampaignLeadChanged) and (event.by, event.place) == (BY, place)
        self.known[place] = lead
        return changes_in(event)

    def refused(self, place: int = 0, **wanted: Any) -> Mapping[str, Any]:
        """The details of the conflict."""
        with pytest.raises(Refusal) as refusal:
            self.edit(place, **wanted)
        assert refusal.value.code is ErrorCode.CONFLICT, refusal.value
        return refusal.value.details or {}

    def called(self, place: int = 0) -> list[tuple[str, str | None]]:
        return [(each.number, each.outcome) for each in attempts_of(at(self.state.leads, place))]


def as_kept(state: Campaign) -> Campaign:
    rest, pieces = in_pieces(state)
    for piece in pieces:
        rest = with_piece(rest, piece)
    return rest
