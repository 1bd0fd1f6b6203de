"""Alerts in the ledger, on both databases: what fires, what is over, and page by page."""

from contextlib import closing
from typing import Any

from msgspec.structs import replace

from actors.ledger.alert import one, those
from actors.ledger.page import to_cursor
from actors.ledger.store import JournalEntry, Store
from bus_schemas.alert import (
    AlertAcknowledged,
    AlertFired,
    AlertResolved,
    AlertSeverity,
    AlertSilenced,
    AlertState,
    AlertUnsilenced,
    AlertView,
    ListAlerts,
)
from tests.ledger.places import Place

AT, LATER = "2026-01-01T12:00:00.000Z", "2026-01-01T13:00:00.000Z"
FIRED = AlertFired(
    alert="al_1", at=AT, rule="hot", severity=AlertSeverity.WARNING, kind="slot", id="44", host="a", since=AT,
    words="Slot 44 is at 46.5 C", told=(), after=60.0, hub="HUB1", value=46.5,
)  # fmt: skip


def of(kind: type, fired: AlertFired, **more: Any) -> Any:
    said = {name: getattr(fired, name) for name in kind.__struct_fields__ if hasattr(fired, name)}
    return kind(**{**said, "at": LATER, **more})


def fold(store: Store, *events: Any, first: int = 1) -> None:
    assert store.fold([JournalEntry(seq=first + place, event=event) for place, event in enumerate(events)]) == []


def shown(store: Store, **wanted: Any) -> list[AlertView]:
    return [view for _, view in store.read(those(ListAlerts(**wanted)))]


def test_an_alert_is_as_its_events_say(place: Place) -> None:
    with closing(place.store()) as store:
        fold(store, FIRED)
        [seen] = shown(store)
        assert (seen.alert, seen.state, seen.value, seen.fired, seen.hub) == ("al_1", "firing", 46.5, AT, "HUB1")
        seen_to = of(AlertAcknowledged, FIRED, by="op", note="mine")
        fold(store, seen_to, of(AlertSilenced, FIRED, silence="si_1"), first=2)
        [seen] = shown(store)
        assert (seen.acknowledged, seen.acknowledged_by, seen.note, seen.silence) == (LATER, "op", "mine", "si_1")
        fold(store, of(AlertUnsilenced, FIRED), of(AlertResolved, FIRED, why=""), first=4)
        assert shown(store) == []
        [over] = shown(store, state=AlertState.RESOLVED)
        assert (over.resolved, over.silence, over.state) == (LATER, None, "resolved")
        [details] = store.read(one("al_1"))
        assert details.words == FIRED.words and store.read(one("al_2")) == []


def test_lists_are_narrowed_and_go_on_where_a_page_ended(place: Place) -> None:
    fired = [
        replace(FIRED, alert=f"al_{n}", id=str(n), kind="slot" if n % 2 else "host", rule="hot" if n < 5 else "full",
                severity=AlertSeverity.CRITICAL if n == 7 else AlertSeverity.INFO, host="ab"[n % 2], value=None)
        for n in range(10)
    ]  # fmt: skip
    with closing(place.store()) as store:
        fold(store, *fired)
        assert [one.id for one in shown(store)] == [str(n) for n in reversed(range(10))]
        assert [one.id for one in shown(store, severity=AlertSeverity.CRITICAL)] == ["7"]
        assert [one.id for one in shown(store, kind="host", rule="full", host="a")] == ["8", "6"]
        assert shown(store, kind="x\0y") == []
        first = store.read(those(ListAlerts(limit=4)))
        assert len(first) == 5  # one more than the page has
        rest = shown(store, limit=500, cursor=to_cursor(first[3][0]))
        assert [one.id for one in rest] == [str(n) for n in reversed(range(6))]
