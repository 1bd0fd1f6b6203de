"""Lists of calls and of the audit say the same, whichever way they are found by."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from msgspec.structs import replace

from actors.ledger import audit, call
from actors.ledger.audit import MOST_ACTIONS, known_actions
from actors.ledger.call import how_many_have, records
from actors.ledger.store import JournalEntry
from bench.journal import call_of
from bus_schemas.audit import AuditEntry, AuditRecorded, ListAudit
from bus_schemas.call import CallDialing, CallEnded, CallState, EndReason, ListCdrs
from tests.ledger.places import Place

PARTS = [frozenset({part}) for part in ("+380", "1234", "0017", "7777777")] + [frozenset({"0012", "+38099"})]
FILTERS: list[dict[str, Any]] = [
    {}, {"user": "op3"}, {"slot": 4}, {"trunk": "trunk-0"}, {"campaign": "c1"}, {"outcome": CallState.ENDED},
    {"outcome": CallState.FAILED}, {"reason": EndReason.NO_ANSWER}, {"since": "2026-01-01T00:00:20.000Z"},
    {"slot": 4, "reason": EndReason.HANGUP_LOCAL}, {"user": "op3", "outcome": CallState.FAILED}, {"limit": 3},
]  # fmt: skip


def _calls() -> Iterator[Any]:
    """Sixty calls of five users, every seventh that nobody answered; the last is not over."""
    for number in range(60):
        for event in call_of(number):
            changed: dict[str, Any] = {"user": f"op{number % 5}"}
            if isinstance(event, CallDialing | CallEnded):
                changed["number"] = f"+38099123{number:04}"
            if isinstance(event, CallEnded) and number % 7 == 0:
                changed |= {"reason": EndReason.NO_ANSWER, "answer_time": None}
            if number < 59 or not isinstance(event, CallEnded):
                yield replace(event, **changed)


def _store(place: Place, projection: Any, events: Iterator[Any]) -> Any:
    store = place.store(projections=(projection,))
    store.sequence()
    store.fold([JournalEntry(seq=seq, event=event) for seq, event in enumerate(events, 1)])
    return store


@pytest.mark.parametrize("user", [None, "op3"])
def test_calls_are_the_same_found_by_their_number_or_in_order(place: Place, user: str | None) -> None:
    with closing(_store(place, call.PROJECTION, _calls())) as store:
        found = 0
        for parts, fields in itertools.product(PARTS, FILTERS):
            wanted = ListCdrs(**fields)
            before = None
            while True:
                one, other = (store.read(records(wanted, before=before, user=user, parts=parts, few=few))
                              for few in (True, False))  # fmt: skip
                assert one == other, (parts, fields)
                if len(one) <= wanted.limit:
                    break
                before = one[-2][0]
            found += len(one)
        assert found > 50
        counts = [store.read(how_many_have(parts)) for parts in PARTS]
        assert counts == [[60], [0], [1], [0], [60]]


def test_outcomes_are_what_the_records_say(place: Place) -> None:
    with closing(_store(place, call.PROJECTION, _calls())) as store:
        every = [one for _, one in store.read(records(ListCdrs(), before=None, user=None, parts=None))]
        for outcome in (CallState.ENDED, CallState.FAILED):
            found = store.read(records(ListCdrs(outcome=outcome), before=None, user=None, parts=None))
            assert [one for _, one in found] == [one for one in every if one.outcome is outcome] != []


def _entry(number: int) -> AuditRecorded:
    action = ("POST /api/call/start", "post /api/call/end", "DELETE /api/notes/{note_id}", "ПУСК", "")[number % 5]
    at = f"2026-01-01T00:00:{number:02}.000Z"
    entry = AuditEntry(
        at=at, user=f"op{number % 3}", door="http", action=action, result="OK" if number % 4 else "BAD", subject={},
        credential=None, address="", request_id=f"r{number}", trace_id=None,
    )  # fmt: skip
    return AuditRecorded(first=number + 1, entries=[entry], previous="", hash="")


@pytest.mark.parametrize("asked", [{}, {"user": "op1"}, {"result": "BAD"}, {"since": "2026-01-01T00:00:10.000Z"}])
def test_the_audit_is_the_same_by_each_action_or_in_order(place: Place, asked: dict[str, Any]) -> None:
    with closing(_store(place, audit.PROJECTION, map(_entry, range(40)))) as store:
        known = store.read(known_actions())
        assert {*known} == {"POST /api/call/start", "post /api/call/end", "DELETE /api/notes/{note_id}", "ПУСК"}
        every = store.read(audit.records(ListAudit(limit=100, **asked), before=None))
        for beginning in ("POST /api", "ПУ", "DELETE", "nothing", "POST /api/call/start"):
            these = [one for one in known if one.startswith(beginning)]
            wanted = ListAudit(limit=100, action=beginning, **asked)
            said = [one for one in every if one[1].action in these]
            for many in (these, these + [f"other {number}" for number in range(MOST_ACTIONS)]):
                assert store.read(audit.records(wanted, before=None, actions=many)) == said, (beginning, len(many))
        page = store.read(audit.records(ListAudit(limit=3, action="POST", **asked), before=None, actions=known))
        assert page == [one for one in every if one[1].action in known][:4]
