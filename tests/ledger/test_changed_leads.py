"""Leads that are changed, in the read model on both databases: how they are shown, found and whose they are."""

from contextlib import closing
from typing import Any

import msgspec
import pytest

from actors.ledger.all_leads import Sought, leads_of_all, one_of_all
from actors.ledger.lead import leads_of
from actors.ledger.store import JournalEntry
from actors.ledger.words import texts_in
from bus_schemas.campaign import CampaignArchived, CampaignAttemptEnded
from bus_schemas.lead import (
    CampaignLeadChanged,
    CampaignLeadMerged,
    CampaignLeadsAssigned,
    CampaignLeadUnmerged,
    CrmLead,
    LeadStatus,
    ListAllLeads,
    ListLeads,
)
from tests.ledger.places import Files, Place
from tests.ledger.test_all_leads import AT, Told

OLD, NEW = "+380991230006", "+380501112233"


class Changed(Told):
    """Campaigns whose leads are changed by hand."""

    def change(self, lead: str = "l1", **what: Any) -> None:
        self.fold(CampaignLeadChanged(campaign="spring", at=AT, by="anna", lead=lead, place=1, **what))

    def changes(self, names: list[str]) -> None:
        """All of them in one go of the store."""
        about = {"campaign": "spring", "at": AT, "by": "anna", "lead": "l1", "place": 1}
        events = [CampaignLeadChanged(**about, name=name) for name in names]
        self.store.fold([JournalEntry(seq=self.seq + at, event=one) for at, one in enumerate(events, 1)])
        self.seq += len(events)

    def one(self, lead: str = "l1", user: str | None = None) -> CrmLead | None:
        found = self.store.read(one_of_all("spring", lead, user))
        return found[0] if found else None


def told(store: Any) -> Changed:
    found = Changed(store)
    found.create("spring", "anna")
    found.add("spring", "l1", "l2", name="Марія", custom={"city": "Київ", "plan": "a"}, source="fair")
    return found


def test_a_lead_is_as_the_last_change_says(place: Place) -> None:
    with closing(place.store()) as store:
        spring = told(store)
        before = spring.one("l2")
        spring.change(name="Olena", priority=5, timezone="Europe/Kyiv", consent=True)
        spring.change(custom={"plan": None, "age": "30"})
        spring.change(numbers=(NEW, OLD), source="web", status=LeadStatus.DONE, assigned_seller="op12")
        found = spring.one()
        assert found is not None and found.lead.custom == {"city": "Київ", "age": "30"}
        assert (found.lead.name, found.lead.priority, found.lead.numbers) == ("Olena", 5, (NEW, OLD))
        assert (found.lead.timezone, found.lead.consent, found.lead.source) == ("Europe/Kyiv", True, "web")
        assert (found.status, found.assigned_seller) == (LeadStatus.DONE, "op12")
        spring.change(timezone=None, consent=None, assigned_seller=None)
        found = spring.one()
        assert found is not None
        assert (found.lead.timezone, found.lead.consent, found.assigned_seller) == (None, None, None)
        assert spring.one("l2") == before and spring.seen() == ["spring/l1", "spring/l2"]


@pytest.mark.parametrize("together", [False, True])
def test_a_changed_lead_is_found_by_what_it_is_now(place: Place, together: bool) -> None:
    with closing(place.store()) as store:
        spring = told(store)
        spring.change(name="Olena", numbers=(NEW,), custom={"city": "Львів"})
        if together:
            spring.changes(["Марко", "Маріям", "Olena"])
        for text, mine in {"olena": ["l1"], "марія": ["l2"], "льв": ["l1"], "київ": ["l2"], "1112": ["l1"]}.items():
            assert spring.seen(text=text) == [f"spring/{lead}" for lead in mine], text
        assert spring.seen(numbers=["1112233"]) == ["spring/l1"] and spring.seen(numbers=["991230006"]) == ["spring/l2"]
        assert spring.seen(text="марко") == []
        if isinstance(place, Files):  # what it was called before is not in the index either
            with store.reading() as db:
                hits = db.exec_driver_sql("SELECT count(*) FROM leads_words WHERE leads_words MATCH '\"мар\"'")
                assert hits.scalar_one() == 1


def test_a_lead_is_its_sellers_unless_an_operator_is_to_call_it_back(place: Place) -> None:
    with closing(place.store()) as store:
        spring = told(store)
        spring.change(assigned_seller="op13")
        assert spring.seen("op13") == spring.seen(assigned_seller="op13") == ["spring/l1"]
        spring.mark("spring", "l1", LeadStatus.CALLBACK, "op12", callback="2026-01-03T10:00:00.000Z")
        assert spring.seen(assigned_seller="op12") == ["spring/l1"] and spring.seen(assigned_seller="op13") == []
        assert spring.seen("op12") == spring.seen("op13") == ["spring/l1"]  # whose it was stays so
        ended = {"campaign": "spring", "lead": "l1", "place": 1, "attempt": 1, "outcome": "answered"}
        spring.fold(CampaignAttemptEnded(**ended, at=AT, status=LeadStatus.DONE))
        assert spring.seen(assigned_seller="op13") == ["spring/l1"] and spring.seen("op12") == []
        spring.mark("spring", "l1", LeadStatus.CALLBACK, "op12", callback="2026-01-03T10:00:00.000Z")
        spring.change(status=LeadStatus.DONE)
        found = spring.one()
        assert found is not None and (found.callback, found.assigned_seller) == (None, "op13")


def test_one_lead_is_seen_by_whose_it_is(place: Place) -> None:
    with closing(place.store()) as store:
        spring = told(store)
        spring.change(assigned_seller="op13")
        seen = {user: spring.one(user=user) is not None for user in ("anna", "op13", "op14")}
        assert seen == {"anna": True, "op13": True, "op14": False} and spring.one("l9") is None


def assignable(store: Any, to: str | None, user: str | None = None, limit: int = 100, **wanted: Any) -> list[str]:
    """Those that can be assigned to somebody, page by page."""
    request, after, found = msgspec.convert({**wanted, "limit": limit}, ListAllLeads), None, list[str]()
    sought = Sought(request, user, None, texts_in(request.text), to)
    while True:
        rows = store.read(leads_of_all(sought, after=after, many=False))
        assert rows == store.read(leads_of_all(sought, after=after, many=True))
        found += [f"{one.campaign_id}/{one.lead.id}" for _, one in rows[:limit]]
        if len(rows) <= limit:
            return found
        after = rows[limit - 1][0]


def test_those_are_to_be_assigned_that_are_not_yet(place: Place) -> None:
    with closing(place.store()) as store:
        spring = told(store)
        spring.create("autumn", "boris"), spring.add("autumn", "l1", "l2", name="Петро")
        spring.create("old", "anna"), spring.add("old", "l1")
        spring.fold(CampaignArchived(campaign="old", at=AT, by="anna"))  # for the records alone
        every = ["spring/l1", "spring/l2", "autumn/l1", "autumn/l2"]
        assert assignable(store, "op12") == assignable(store, "op12", limit=1) == every
        assert assignable(store, None) == []
        about = {"campaign": "spring", "at": AT, "by": "anna", "assigned_seller": "op12"}
        spring.fold(CampaignLeadsAssigned(**about, leads=("l1", "l2"), places=(1, 2)))
        assert assignable(store, "op12") == every[2:] and assignable(store, None, limit=1) == every[:2]
        assert assignable(store, "op13") == every and assignable(store, "op13", "boris") == every[2:]
        assert assignable(store, "op13", text="марія") == every[:2] == spring.seen("op12", assigned_seller="op12")
        assert assignable(store, "op13", campaign_id="spring", limit=1) == every[:2]
        assert assignable(store, "op13", status="done") == []


def test_two_leads_that_are_one_are_shown_as_one_and_undone_as_two(place: Place) -> None:
    with closing(place.store()) as store:
        spring = told(store)
        about: dict[str, Any] = {"campaign": "spring", "at": AT, "by": "anna", "lead": "l1", "place": 1}
        before = spring.one("l2")
        spring.change(lead="l2", name="Olena", assigned_seller="op12")
        spring.fold(CampaignLeadMerged(
            **about, merged="l2", merged_place=2, numbers=(OLD, NEW), attempts=3, last_attempt=AT, last_outcome="busy",
            custom={"age": "30"}, status=LeadStatus.IN_PROGRESS,
        ))  # fmt: skip
        stays, gone = spring.one("l1"), spring.one("l2")
        assert stays is not None and gone is not None and before is not None
        assert (stays.lead.numbers, stays.lead.custom["age"], stays.attempts) == ((OLD, NEW), "30", 3)
        assert (stays.status, stays.last_outcome, stays.merged_into) == (LeadStatus.IN_PROGRESS, "busy", None)
        assert (gone.status, gone.merged_into, gone.lead.name) == (LeadStatus.INVALID, "l1", "Olena")
        listed = store.read(leads_of(ListLeads(campaign_id="spring"), after=None))
        assert [view.merged_into for _, view in listed] == [None, "l1"]
        spring.fold(CampaignLeadUnmerged(
            **about, restored="l2", restored_place=2, restored_status=LeadStatus.NEW, attempts=1, numbers=(OLD,),
            custom={"age": None}, status=LeadStatus.NEW,
        ))  # fmt: skip
        stays, back = spring.one("l1"), spring.one("l2")
        assert stays is not None and back is not None
        assert (stays.lead.numbers, "age" in stays.lead.custom, stays.status) == ((OLD,), False, LeadStatus.NEW)
        assert (back.status, back.merged_into, back.attempts) == (LeadStatus.NEW, None, 1)
