"""Do-not-call lists in the ledger, on both databases: who is on one, since when, by whom, why."""

from contextlib import closing
from dataclasses import dataclass

import msgspec
import pytest

from actors.ledger.do_not_call import entries_of, on_record
from actors.ledger.store import JournalEntry, Store
from bus_schemas.do_not_call import (
    DoNotCallAdded,
    DoNotCallEntry,
    DoNotCallEvent,
    DoNotCallRemoved,
    ListDoNotCall,
    Listed,
)
from tests.ledger.places import Place

AT, LATER = "2026-01-01T12:00:00.000Z", "2026-01-02T12:00:00.000Z"
OLENA, PETRO, BRITISH = "+380991230006", "+380991230007", "+44843*"


@dataclass
class Told:
    """Events of lists, in a store."""

    store: Store
    seq: int = 100

    def add(self, *entries: Listed, list: str = "global", by: str = "op1", source: str = "api", at: str = AT) -> None:
        self.fold(DoNotCallAdded(list=list, at=at, by=by, source=source, entries=entries))

    def remove(self, *entries: str, at: str = LATER) -> None:
        self.fold(DoNotCallRemoved(list="global", at=at, by="op2", entries=entries))

    def fold(self, event: DoNotCallEvent) -> None:
        self.seq += 3
        assert self.store.fold([JournalEntry(seq=self.seq, event=event)]) == []

    def listed(self, after: int | None = None, numbers: frozenset[str] | None = None, **wanted: object) -> list[str]:
        query = entries_of(msgspec.convert(wanted, ListDoNotCall), after=after, numbers=numbers)
        return [one.entry for _, one in self.store.read(query)]


def test_an_entry_says_who_when_and_why(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.add(Listed(entry=OLENA, reason="asked"), Listed(entry=BRITISH, expires=LATER), source="file")
        told.remove(BRITISH)
        first, second = store.read(on_record((OLENA, BRITISH, PETRO)))
        assert first == DoNotCallEntry(list="global", entry=OLENA, reason="asked", source="file", by="op1", since=AT)
        assert (second.expires, second.removed, second.removed_by) == (LATER, LATER, "op2")


def test_who_is_put_on_again_is_on_it_since_then(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.add(Listed(entry=OLENA), Listed(entry=PETRO))
        told.remove(OLENA)
        assert told.listed() == [PETRO] and told.listed(removed=True) == [OLENA]
        told.add(Listed(entry=OLENA, reason="again"), at=LATER, by="op3")
        assert told.listed() == [PETRO, OLENA] and told.listed(removed=True) == []
        [found] = store.read(on_record((OLENA,)))
        assert (found.since, found.by, found.reason, found.removed) == (LATER, "op3", "again", None)


def test_lists_are_narrowed_and_go_on_where_a_page_ended(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.add(Listed(entry=OLENA), Listed(entry=BRITISH))
        told.add(Listed(entry=OLENA), list="spring", source="disposition", by="op2")
        told.add(Listed(entry=PETRO), source="file")
        assert told.listed() == [OLENA, BRITISH, OLENA, PETRO]
        assert told.listed(list="spring") == told.listed(source="disposition") == told.listed(by="op2") == [OLENA]
        assert told.listed(numbers=frozenset({"+38099"})) == [OLENA, OLENA, PETRO]
        assert told.listed(numbers=frozenset({PETRO})) == [PETRO]
        assert told.listed(numbers=frozenset({"+4"})) == [BRITISH]
        places = [place for place, _ in store.read(entries_of(ListDoNotCall(), after=None))]
        assert places == sorted(set(places))
        assert told.listed(after=places[1]) == [OLENA, PETRO]
        assert told.listed(limit=2) == [OLENA, BRITISH, OLENA]  # one more than the page


@pytest.mark.parametrize("entries", [500])
def test_an_event_of_hundreds_is_hundreds_of_rows(place: Place, entries: int) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.add(*(Listed(entry=f"+38099{end:07}") for end in range(entries)))
        told.add(*(Listed(entry=f"+38098{end:07}") for end in range(entries)))
        assert told.listed(limit=1000, list="global")[::500] == ["+380990000000", "+380980000000"]
        assert len(told.listed(limit=1000)) == 2 * entries
