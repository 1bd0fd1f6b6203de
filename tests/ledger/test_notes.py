"""Notes in the ledger, on both databases: of which call or lead, what they said before, who may see them."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from actors.ledger.note import notes_of, one, versions_of
from actors.ledger.store import JournalEntry, Store
from actors.ledger.talks import on_calls
from bus_schemas.note import NoteAdded, NoteDeleted, NoteEdited, NoteVersion, NoteView
from bus_schemas.operator import OperatorConnected, OperatorStatus
from tests.ledger.places import Place

AT, LATER, LAST = "2026-01-01T12:00:00.000Z", "2026-01-02T12:00:00.000Z", "2026-01-03T12:00:00.000Z"
TEXT = "Питала про ціну.\n\tДорого — 🦊 'лапки' \"\\ % _"


@dataclass
class Told:
    """Events of notes, in a store."""

    store: Store
    seq: int = 100

    def fold(self, event: Any) -> None:
        self.seq += 3
        assert self.store.fold([JournalEntry(seq=self.seq, event=event)]) == []

    def add(self, note: str, **about: Any) -> None:
        text = about.pop("text", note)
        self.fold(NoteAdded(note=note, at=AT, by="op12", text=text, **about))

    def connect(self, user: str, call: str, campaign: str | None = None, lead: str | None = None) -> None:
        ready = OperatorStatus.READY
        self.fold(OperatorConnected(
            user=user, at=AT, status=OperatorStatus.ON_CALL, before=ready, next=ready,
            call_id=call, campaign_id=campaign, lead=lead,
        ))  # fmt: skip

    def of(self, *, after: int | None = None, limit: int = 100, **about: str) -> list[str]:
        return [view.note for _, view in self.store.read(notes_of(**about, after=after, limit=limit))]


def test_a_note_is_listed_where_it_belongs_and_nowhere_else(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.add("n1", call_id="c1", text=TEXT, mentions=("op13", "op14"))
        told.add("n2", campaign_id="spring", lead="l1")
        told.add("n3", call_id="c2")
        told.add("n4", call_id="c1")
        assert told.of(call_id="c1") == ["n1", "n4"] and told.of(call_id="c2") == ["n3"] and told.of(call_id="c") == []
        assert told.of(about="spring/l1") == ["n2"] and told.of(about="spring/l2") == []
        [first] = store.read(one("n1"))
        assert first == NoteView(
            note="n1", text=TEXT, timestamp=AT, author="op12", call_id="c1", mentions=("op13", "op14")
        )
        [second] = store.read(one("n2"))
        assert (second.campaign_id, second.lead, second.call_id) == ("spring", "l1", None)


def test_what_a_note_said_before_stays_in_its_history(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.add("n1", call_id="c1", text="first")
        told.fold(NoteEdited(note="n1", at=LATER, by="op12", text="second", version=2, call_id="c1", mentions=("x",)))
        [seen] = store.read(one("n1"))
        assert (seen.text, seen.version, seen.edited, seen.timestamp) == ("second", 2, LATER, AT)
        told.fold(NoteDeleted(note="n1", at=LAST, by="op12", version=3, call_id="c1"))
        assert told.of(call_id="c1") == []
        assert store.read(one("n1"))[0].deleted == LAST
        versions = [version for _, version in store.read(versions_of("n1", after=None, limit=10))]
        assert versions == [
            NoteVersion(version=1, timestamp=AT, by="op12", text="first"),
            NoteVersion(version=2, timestamp=LATER, by="op12", text="second", mentions=("x",)),
            NoteVersion(version=3, timestamp=LAST, by="op12", deleted=True),
        ]
        assert [at for at, _ in store.read(versions_of("n1", after=1, limit=1))] == [2, 3]  # one more than the page


def test_the_same_events_folded_again_change_nothing(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        for _ in range(2):
            told.seq = 100
            told.add("n1", call_id="c1", text="first")
            told.fold(NoteEdited(note="n1", at=LATER, by="op12", text="second", version=2, call_id="c1"))
            told.connect("op13", "c1", "spring", "l1")
            assert told.of(call_id="c1") == ["n1"] and store.read(one("n1"))[0].text == "second"
            assert len(store.read(versions_of("n1", after=None, limit=10))) == 2
            assert store.read(on_calls(call_id="c1")) == store.read(on_calls(about="spring/l1")) == ["op13"]


def test_lists_go_on_where_a_page_ended(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        for number in range(5):
            told.add(f"n{number}", call_id="c1")
        places = [at for at, _ in store.read(notes_of(call_id="c1", after=None, limit=100))]
        assert places == sorted(places)
        assert told.of(call_id="c1", limit=2) == ["n0", "n1", "n2"]
        assert told.of(call_id="c1", after=places[1], limit=2) == ["n2", "n3", "n4"]


def test_who_was_on_a_call_has_it_and_its_lead_as_their_own(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.connect("op13", "c1")
        told.connect("op12", "c1", "spring", "l1")
        told.connect("op13", "c1", "spring", "l1")  # it is said later for which lead it was
        told.connect("op14", "c2", "spring", "l1")
        told.connect("op14", "c3", "spring", "l1")
        assert store.read(on_calls(call_id="c1")) == ["op13", "op12"]
        assert store.read(on_calls(about="spring/l1")) == ["op13", "op12", "op14"]
        assert store.read(on_calls(about="spring/l2")) == []
