"""Questions with what no record holds: both databases answer nothing, and neither fails."""

import pytest

from actors.ledger import audit, call, lead
from actors.ledger.model import Query
from bus_schemas.audit import ListAudit
from bus_schemas.call import ListCdrs
from bus_schemas.lead import ListLeads
from tests.ledger.places import Place

NUL = "a\0b"
QUESTIONS: dict[str, Query[object]] = {
    "user": audit.records(ListAudit(user=NUL), before=None),
    "action": audit.records(ListAudit(action=NUL), before=None),
    "request": audit.records(ListAudit(request_id=NUL), before=None),
    "calls of": call.records(ListCdrs(user=NUL), before=None, user=None, parts=None),
    "trunk": call.records(ListCdrs(trunk=NUL), before=None, user=None, parts=None),
    "source": lead.leads_of(ListLeads(campaign_id="c", source=NUL), after=None),
    "number": lead.leads_of(ListLeads(campaign_id="c", number=NUL), after=None),
    "outcome": lead.leads_of(ListLeads(campaign_id="c", outcome=NUL), after=None),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_nul_is_in_no_record(place: Place, question: str) -> None:
    store = place.store()
    store.sequence()
    assert store.read(QUESTIONS[question]) == []
    store.close()
