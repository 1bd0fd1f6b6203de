"""Webhooks in the ledger, on both databases: how each is, and the last of its deliveries."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from actors.ledger.store import JournalEntry, Store
from actors.ledger.webhook import deliveries_of, delivery, how_many, one, webhooks_of
from bus_schemas.webhook import (
    KEPT,
    DeliveryStatus,
    DisabledReason,
    FoundDelivery,
    Try,
    WebhookAdvanced,
    WebhookChanged,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookFilter,
)
from tests.ledger.places import Place

AT, LATER = "2026-01-01T12:00:00.000Z", "2026-01-02T12:00:00.000Z"
S = DeliveryStatus


@dataclass
class Told:
    """Events of webhooks, in a store."""

    store: Store
    seq: int = 100

    def fold(self, *events: Any) -> None:
        for event in events:
            self.seq += 1
            assert self.store.fold([JournalEntry(seq=self.seq, event=event)]) == []

    def make(self, webhook: str, user: str = "op12") -> None:
        self.fold(WebhookCreated(
            webhook=webhook, at=AT, user=user, lent=f"connection:{user}", predecessors=0, url="https://a.example/",
            events=("call.*",), filter=WebhookFilter(slot=44), description="Ц'%_", position=1,
        ))  # fmt: skip

    def advance(self, webhook: str, *tries: Try, waiting: int = 0, failing: str | None = None) -> None:
        self.fold(WebhookAdvanced(
            webhook=webhook, at=LATER, position=9, tries=tries, waiting=waiting, failing_since=failing
        ))  # fmt: skip

    def of(self, user: str | None = None, after: int | None = None, limit: int = 100) -> list[str]:
        return [view.webhook for _, view in self.store.read(webhooks_of(user, after=after, limit=limit))]

    def numbers(self, webhook: str, **more: Any) -> list[int]:
        return [view.n for _, view in self.store.read(deliveries_of(webhook, limit=more.pop("limit", 2000), **more))]


def tried(n: int, status: DeliveryStatus = S.DELIVERED, **more: Any) -> Try:
    return Try(n=n, seq=1000 + n, about="call.slot-44.c_1.ended", status=status, **more)


def test_a_webhook_is_as_its_events_say(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.make("w1"), told.make("w2", "op13"), told.make("w3")
        assert told.of() == ["w1", "w2", "w3"] and told.of("op12") == ["w1", "w3"] and told.of("op1") == []
        assert told.of(limit=1) == ["w1", "w2"] and told.of(after=101) == ["w2", "w3"]  # one more than the page has
        told.advance("w1", tried(1, S.RETRYING), waiting=1, failing=LATER)
        [seen] = store.read(one("w1"))
        assert (seen.waiting, seen.failing_since, seen.filter) == (1, LATER, WebhookFilter(slot=44))
        told.fold(WebhookDisabled(webhook="w1", at=LATER, user="op12", reason=DisabledReason.FAILING))
        [seen] = store.read(one("w1"))
        assert (seen.enabled, seen.reason) == (False, DisabledReason.FAILING)
        told.fold(
            WebhookChanged(webhook="w1", at=LATER, by="op12", lent="token:t", predecessors=0, url="https://b.example/",
                           events=("slot.*",), filter=WebhookFilter(), description=""),
            WebhookEnabled(webhook="w1", at=LATER, by="op12", position=10),
        )  # fmt: skip
        [seen] = store.read(one("w1"))
        assert (seen.enabled, seen.reason, seen.failing_since, seen.waiting) == (True, None, None, 0)
        assert (seen.url, seen.events, seen.filter, seen.created) == (
            "https://b.example/", ("slot.*",), WebhookFilter(), AT
        )  # fmt: skip
        assert store.read(how_many()) == [3]
        told.fold(WebhookDeleted(webhook="w1", at=LATER, by="op12"))
        assert store.read(one("w1")) == [] and told.of() == ["w2", "w3"] and store.read(how_many()) == [2]


def test_a_delivery_is_as_after_its_last_try(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.make("w1")
        told.advance("w1", tried(1, S.WAITING), tried(2, S.WAITING))
        told.advance("w1", tried(1, S.RETRYING, attempts=1, began=AT, tried=AT, code=500, response="␛[2J", due=LATER))
        told.advance("w1", tried(2, S.RETRYING, attempts=1, began=AT, tried=AT, error="no answer in time"))
        rows = {row.n: row for _, row in store.read(deliveries_of("w1", limit=10))}
        assert (rows[1].code, rows[1].response, rows[1].next_try, rows[1].error) == (500, "␛[2J", LATER, None)
        assert (rows[2].code, rows[2].error, rows[2].next_try) == (None, "no answer in time", None)
        assert (rows[1].event_id, rows[1].event) == ("1001", "call.ended")
        told.advance("w1", tried(1, attempts=2, began=AT, tried=LATER, code=204, ms=12))
        assert told.numbers("w1") == [2, 1]
        assert told.numbers("w1", status=S.DELIVERED) == [1] and told.numbers("w1", before=2) == [1]
        assert told.numbers("w1", limit=1) == [2, 1] and told.numbers("w") == []  # one more than the page has
        assert store.read(delivery("w1", 2)) == [FoundDelivery(seq=1002, about="call.slot-44.c_1.ended")]
        assert store.read(delivery("w1", 3)) == []


def test_as_many_are_kept_as_is_said_and_no_older_one_comes_back(place: Place) -> None:
    with closing(place.store()) as store:
        told = Told(store)
        told.make("w1"), told.make("w2")
        told.advance("w2", tried(1))
        for first in range(1, KEPT + 200, 100):
            told.advance("w1", *(tried(n, S.RETRYING) for n in range(first, first + 100)))
        last = KEPT + 200
        assert told.numbers("w1") == list(range(last, last - KEPT, -1))
        told.advance("w1", tried(5))  # it has waited for long
        assert told.numbers("w1") == list(range(last, last - KEPT, -1)) and told.numbers("w2") == [1]
