"""The leads of all campaigns in one list, on both databases: in which order, whose, how many."""

import base64
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from actors.ledger.all_leads import LeadAnswers, Position, Sought, how_many, leads_of_all
from actors.ledger.model import Query
from actors.ledger.page import from_cursor_of_two, page
from actors.ledger.store import JournalEntry, Store
from actors.ledger.words import texts_in
from actors.runtime.context import Context
from bus_schemas.campaign import (
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignCreated,
    CampaignLeadsAdded,
    CampaignSettings,
)
from bus_schemas.errors import Refusal
from bus_schemas.lead import CampaignLeadMarked, CrmLead, Lead, LeadStatus, ListAllLeads
from bus_schemas.operator import OperatorConnected, OperatorStatus
from bus_schemas.permissions import Action
from tests.ledger.places import Place

Answer = TypeVar("Answer")
AT = "2026-01-01T12:00:00.000Z"


@dataclass
class Told:
    """Campaigns with leads, in a store."""

    store: Store
    seq: int = 100

    def fold(self, event: Any) -> None:
        self.seq += 3
        assert self.store.fold([JournalEntry(seq=self.seq, event=event)]) == []

    def create(self, campaign: str, by: str) -> None:
        self.fold(CampaignCreated(campaign=campaign, at=AT, by=by, settings=CampaignSettings()))

    def add(self, campaign: str, *ids: str, first: int = 1, number: str = "+380991230006", **more: Any) -> None:
        leads = tuple(Lead(id=id, numbers=(number,), **more) for id in ids)
        self.fold(CampaignLeadsAdded(campaign=campaign, at=AT, by="x", first=first, leads=leads))

    def mark(self, campaign: str, lead: str, status: LeadStatus, operator: str | None = None, **more: Any) -> None:
        self.fold(CampaignLeadMarked(
            campaign=campaign, at=AT, place=1, lead=lead, by="x", status=status, operator=operator, **more
        ))  # fmt: skip

    def connect(self, user: str, campaign: str, lead: str) -> None:
        ready = OperatorStatus.READY
        self.fold(OperatorConnected(
            user=user, at=AT, status=OperatorStatus.ON_CALL, before=ready, next=ready, call_id=f"c_{user}",
            campaign_id=campaign, lead=lead,
        ))  # fmt: skip

    def seen(
        self, user: str | None = None, after: Position | None = None, numbers: Iterable[str] | None = None,
        **wanted: object,
    ) -> list[str]:  # fmt: skip
        """Those that are found, one more than the limit; they are the same page by page, and as many as are counted."""
        request = msgspec.convert(wanted, ListAllLeads)
        sought = Sought(request, user, None if numbers is None else frozenset(numbers), texts_in(request.text))
        found = self.store.read(leads_of_all(sought, after=after, many=False))
        assert self.store.read(leads_of_all(sought, after=after, many=True)) == found
        if after is None and len(found) <= request.limit:
            assert self.store.read(how_many(sought)) == [len(found)]
            assert self.paged(sought._replace(wanted=replace(request, limit=1))) == found
        return [f"{view.campaign_id}/{view.lead.id}" for _, view in found]

    def paged(self, sought: Sought) -> list[tuple[Position, CrmLead]]:
        """All pages, each of which begins where the cursor of the one before says."""
        found, cursor = list[tuple[Position, CrmLead]](), None
        while True:
            after = from_cursor_of_two(cursor)
            rows = self.store.read(leads_of_all(sought, after=after, many=False))
            found += rows[: sought.wanted.limit]
            if (cursor := page(rows, limit=sought.wanted.limit).next_cursor) is None:
                return found

    def call(self, campaign: str, lead: str, at: str, outcome: str) -> None:
        number, id = "+380991230006", {"campaign": campaign, "lead": lead, "place": 1, "attempt": 1}
        self.fold(CampaignAttemptClaimed(**id, at=at, number=number, command_id=f"dial_{lead}"))
        self.fold(CampaignAttemptEnded(**id, at=at, outcome=outcome, status=LeadStatus.IN_PROGRESS))


def test_leads_are_listed_as_they_came_whatever_their_campaign(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.create("spring", "anna"), told.create("autumn", "boris")
        told.add("spring", "l1", "l2")
        told.add("autumn", "l1")
        told.add("spring", "l3", "l1", first=3)  # of whom one is there already
        assert told.seen() == ["spring/l1", "spring/l2", "autumn/l1", "spring/l3"]
        sought = Sought(ListAllLeads(limit=2))
        places = [at for at, _ in store.read(leads_of_all(sought, after=None, many=False))]
        assert places == sorted(set(places))
        assert told.seen(limit=2) == ["spring/l1", "spring/l2", "autumn/l1"]  # one more than the page
        assert told.seen(limit=2, after=places[1]) == ["autumn/l1", "spring/l3"]
        assert store.read(how_many(sought)) == [4]  # on all pages


def test_leads_are_narrowed_by_status_and_seller(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.create("spring", "anna")
        told.add("spring", "l1", "l2", "l3")
        told.mark("spring", "l2", LeadStatus.CALLBACK, "op12")
        told.mark("spring", "l3", LeadStatus.DONE)
        assert told.seen(status="new") == ["spring/l1"] and told.seen(status="done") == ["spring/l3"]
        assert told.seen(assigned_seller="op12") == ["spring/l2"] and told.seen(assigned_seller="op13") == []
        assert told.seen(assigned_seller="op12", status="done") == []
        [(_, found)] = store.read(leads_of_all(Sought(ListAllLeads(assigned_seller="op12")), after=None, many=False))
        assert (found.assigned_seller, found.status) == ("op12", "callback")


def test_leads_are_narrowed_by_what_became_of_them(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.create("spring", "anna"), told.create("autumn", "boris")
        told.add("spring", "l1", "l2", "l3", "l4")
        told.add("autumn", "l1", number="+380501112233")
        told.call("spring", "l1", "2026-01-01T10:00:00.000Z", "busy")
        told.call("spring", "l2", "2026-01-01T11:00:00.000Z", "no_answer")
        told.call("autumn", "l1", "2026-01-01T09:00:00.000Z", "busy")
        told.mark("spring", "l2", LeadStatus.CALLBACK, "op12", callback="2026-01-03T10:00:00.000Z", disposition="later")
        told.mark("spring", "l3", LeadStatus.CALLBACK, callback="2026-01-02T10:00:00.000Z", disposition="visit")
        for user in (None, "anna"):
            mine = [] if user else ["autumn/l1"]
            assert told.seen(user, outcome="busy") == ["spring/l1", *mine]
            assert told.seen(user, campaign_id="autumn") == mine
            assert told.seen(user, disposition="later") == ["spring/l2"] and told.seen(user, disposition="none") == []
            assert told.seen(user, contacted_since="2026-01-01T10:00:00.000Z") == ["spring/l1", "spring/l2"]
            assert told.seen(user, contacted_until="2026-01-01T10:00:00.000Z") == mine
            assert told.seen(user, callback_until="2026-01-03T00:00:00.000Z") == ["spring/l3"]
            assert told.seen(user, numbers=["111"]) == told.seen(user, numbers=["+38050", "1112"]) == mine
            assert told.seen(user, order="callback") == ["spring/l3", "spring/l2"]
            assert told.seen(user, order="contacted") == ["spring/l2", "spring/l1", *mine]
            assert told.seen(user, order="newest") == [*mine, "spring/l4", "spring/l3", "spring/l2", "spring/l1"]
            assert told.seen(user, order="contacted", outcome="busy") == ["spring/l1", *mine]


PEOPLE = {
    "l1": ("Марія Шевченко", {"місто": "Київ", "договір": "АБ-10045"}),
    "l2": ("Марко Шевчук", {"місто": "Львів"}),
    "l3": ('O"Neill 100% _x', {"note": "a'b AND c"}),
    "l4": ("", {}),
}


@pytest.mark.parametrize(("text", "found"), [
    ("шевч", ["l1", "l2"]),
    ("ШЕВЧЕНКО", ["l1"]),
    (" марія  шевч ", ["l1"]),
    ("шевч марія", ["l1"]),
    ("вчук мар", ["l2"]),
    ("аБ-1004", ["l1"]),
    ("київ шевчук", []),
    ("шевченко ія", ["l1"]),
    ("0% o\"ne", ["l3"]),
    ("100_", []),
    ("a'b and", ["l3"]),
    ("\"neill", ["l3"]),
    ("or*", []),
    ("99123", ["l1", "l2", "l3", "l4"]),
    ("місто", []),
    ("шевченкокиїв", []),
])  # fmt: skip
def test_leads_are_found_by_parts_of_what_is_known_of_them(place: Place, text: str, found: list[str]) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.create("spring", "anna"), told.create("autumn", "boris")
        for at, (lead, (name, custom)) in enumerate(PEOPLE.items(), 1):
            told.add("spring", lead, first=at, name=name, custom=custom)
            told.add("autumn", lead, first=at, name=name, custom=custom)
        told.call("spring", "l1", "2026-01-01T10:00:00.000Z", "busy")
        assert told.seen("anna", text=text) == [f"spring/{lead}" for lead in found]
        assert told.seen(text=text, campaign_id="autumn") == [f"autumn/{lead}" for lead in found]
        both = [f"{campaign}/{lead}" for lead in found for campaign in ("spring", "autumn")]
        assert told.seen(text=text) == both and told.seen(text=text, order="newest") == both[::-1]
        assert told.seen(text=text, numbers=["99123"]) == both and told.seen(text=text, numbers=["5", "999"]) == []
        assert told.seen(text=text, order="contacted") == [lead for lead in both if lead == "spring/l1"]


@pytest.mark.parametrize(("text", "why"), [
    ("ab", "3 to 64"), ("  ab  ", "3 to 64"), ("   ", "3 to 64"), ("x" * 65, "3 to 64"),
    ("ab cd", "one of its words"), ("abc\0", "NUL"),
])  # fmt: skip
def test_a_text_that_cannot_be_sought_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refusal, match=f"`text`.*{why}"):
        texts_in(text)


def test_a_text_has_64_characters_without_the_blanks_around_it() -> None:
    assert texts_in(f"  {'Ж' * 64} ") == ("ж" * 64,)
    assert texts_in(None) is None


async def test_leads_are_counted_so_far_and_said_where_there_are_more(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.ledger.all_leads.COUNTED", 2)
    asker = Context(user="anna", command_id="x", actions=frozenset({Action.LEAD_VIEW_ANY}))
    with closing(place.store()) as store:

        async def read(context: Context, query: Query[Answer], *, short: bool = False) -> list[Answer]:
            return store.read(query)

        async def counted(**wanted: Any) -> tuple[int | None, bool]:
            found = await answers.all_leads(msgspec.convert(wanted, ListAllLeads), asker)
            return found.total, found.exact

        answers = LeadAnswers(
            read=read, read_placed=nothing, folded=int, unread=nothing, examine=nothing, now=float, region="UA",
            wall=datetime.now,
        )  # fmt: skip
        told = Told(store)
        told.add("spring", "l1", "l2", name="Марія")
        assert await counted() == await counted(text="марія") == (2, True)
        told.add("spring", "l3", "l4", first=3)
        assert await counted() == await counted(order="newest", limit=1) == (2, False)
        assert await counted(text="марія") == (2, True) and await counted(text="марк") == (0, True)


async def nothing(_: object) -> Any:
    raise AssertionError("nobody asks for this")


@pytest.mark.parametrize(("user", "seen"), [
    ("anna", ["spring/l1", "spring/l2", "spring/l3"]),
    ("boris", ["autumn/l1"]),
    ("op12", ["spring/l2", "autumn/l1"]),
    ("op13", ["spring/l3"]),
    ("op14", []),
])  # fmt: skip
def test_leads_are_whose_campaign_callback_or_call_it_was(place: Place, user: str, seen: list[str]) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.create("spring", "anna"), told.create("autumn", "boris")
        told.add("spring", "l1", "l2", "l3")
        told.add("autumn", "l1")
        told.mark("spring", "l2", LeadStatus.CALLBACK, "op12")
        told.connect("op12", "autumn", "l1")
        told.connect("op13", "spring", "l3")
        assert told.seen(user) == seen


@pytest.mark.parametrize("text", ["\0 5", "x\n 5", "5", "", "a b", " 5a"])
def test_what_is_no_place_in_the_list_is_no_cursor(text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    with pytest.raises(Refusal, match="not one of this list's"):
        from_cursor_of_two(cursor)


def test_a_text_goes_with_every_other_filter(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.create("spring", "anna"), told.create("autumn", "boris")
        for campaign in ("spring", "autumn"):
            told.add(campaign, "l1", "l2", name="Коваленко")
            told.add(campaign, "l3", "l4", first=3, name="Коваль")
            told.call(campaign, "l1", AT, "busy"), told.call(campaign, "l3", AT, "failed")
            told.mark(campaign, "l2", LeadStatus.CALLBACK, "op12", callback=AT, disposition="later")
            told.mark(campaign, "l4", LeadStatus.DONE, disposition="sold")
        filters: list[dict[str, object]] = [
            {"outcome": "busy"}, {"outcome": "failed"}, {"disposition": "later"}, {"disposition": "sold"},
            {"status": "callback"}, {"status": "done"}, {"assigned_seller": "op12"}, {"campaign_id": "spring"},
            {"outcome": "busy", "campaign_id": "autumn"}, {"disposition": "later", "assigned_seller": "op12"},
        ]  # fmt: skip
        for text, some in (("коваленко", {"l1", "l2"}), ("кова", {"l1", "l2", "l3", "l4"}), ("нико", set[str]())):
            for wanted in filters:
                both = [one for one in told.seen(**wanted) if one.partition("/")[2] in some]
                assert told.seen(text=text, **wanted) == both
                assert told.seen(user="anna", text=text, **wanted) == [one for one in both if "spring" in one]
