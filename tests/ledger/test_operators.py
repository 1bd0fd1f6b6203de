"""Operators in the ledger are those of the machine, on both databases."""

from contextlib import closing

from actors.ledger.call import record
from actors.ledger.operator import days, one, operators
from actors.ledger.store import JournalEntry
from actors.operator import machine
from actors.operator.record import WRAP_UP, view
from bus_schemas.call import CallDialing, CallEnded, CallState, EndReason
from bus_schemas.errors import Refusal
from bus_schemas.operator import AssignOperator, ListOperators, OperatorStatus, ReportOperators
from simulators.time.loop import SimLoop
from tests.ledger.places import Place
from tests.operator.played import Played, at, step


def put(place: Place, played: Played) -> None:
    with closing(place.store()) as store:
        entries = [JournalEntry(seq=seq, event=event) for seq, event in enumerate(played.events, 5)]
        assert store.fold(entries) == []


def test_an_operator_is_as_the_machine_has_them(place: Place) -> None:
    for seed in range(5):
        played, now, random = Played(), 0.0, SimLoop(seed).random
        for _ in range(60):
            now += random.uniform(1, 4000)
            try:
                step(played, random.randrange(12), now)
            except Refusal:
                continue
        with closing(place.store(f"l{seed}")) as store:
            store.fold([JournalEntry(seq=seq, event=event) for seq, event in enumerate(played.events, 5)])
            assert store.read(one("op12")) == [view(played.operator)]


def test_operators_are_found_by_status_and_campaign(place: Place) -> None:
    played = Played().be("ready", 0)
    played.take(machine.assign(played.operator, AssignOperator(user="op12", campaigns=["a", "b"]), "boss", at(1)))
    put(place, played)
    with closing(place.store()) as store:
        for wanted, found in (
            (ListOperators(), 1), (ListOperators(status=OperatorStatus.READY), 1), (ListOperators(campaign_id="b"), 1),
            (ListOperators(status=OperatorStatus.BREAK), 0), (ListOperators(campaign_id="c"), 0),
        ):  # fmt: skip
            assert len(store.read(operators(wanted, after=None, user=None))) == found
        assert store.read(operators(ListOperators(), after=5, user=None)) == []
        assert store.read(operators(ListOperators(), after=None, user="op13")) == []


def test_a_day_has_all_that_was_done_on_it(place: Place) -> None:
    midnight = 13 * 3600.0  # in Kyiv, from when the play begins
    played = Played().be("ready", midnight - 100).up("c1", midnight - 60).over("c1", midnight + 30)
    played.say("c1", "sale", midnight + 31).say("c1", "no_decision", midnight + 32).fired(WRAP_UP, midnight + 60)
    played.be("break", midnight + 160).be("offline", midnight + 400)
    put(place, played)
    with closing(place.store()) as store:
        found = [day for _, day in store.read(days(ReportOperators(), skip=0, user=None))]
        times = [(d.day, d.ready_seconds, d.talk_seconds, d.wrap_up_seconds, d.break_seconds) for d in found]
        assert times == [
            ("2026-03-10", 40, 60, 0, 0), ("2026-03-11", 100, 30, 30, 240),
        ]  # fmt: skip
        assert [(day.calls, day.dispositions) for day in found] == [(0, 0), (1, 1)]
        for wanted in (ReportOperators(since="2026-03-11"), ReportOperators(user="op12", until="2026-03-10")):
            assert len(store.read(days(wanted, skip=0, user=None))) == 1
        assert [place for place, _ in store.read(days(ReportOperators(), skip=1, user=None))] == [2]
        assert store.read(days(ReportOperators(), skip=0, user="op13")) == []


def test_the_record_of_a_call_has_its_operators_last_word(place: Place) -> None:
    at_, common = "2026-03-10T09:00:00.000Z", {"call_id": "c1", "line": "slot-44", "slot": 44, "user": "op12"}
    played = Played().be("ready", 0).up("c1", 10).say("c1", "sale", 15).say("c1", "no_decision", 16)
    begun = CallDialing(
        **common, number="+380991234567", at=at_, mono=0.0, boot="b", command_id="k", ring_timeout=60, max_duration=60
    )  # type: ignore[arg-type]
    ended = CallEnded(
        **common, number="+380991234567", at=at_, state=CallState.ENDED, reason=EndReason.HANGUP_REMOTE, cause="",
        duration=3, ring_seconds=2, start_time=at_, ring_time=at_, answer_time=at_,
    )  # type: ignore[arg-type]  # fmt: skip
    for number, story in enumerate(([begun, ended, *played.events], [begun, *played.events, ended])):
        with closing(place.store(f"l{number}")) as store:
            store.fold([JournalEntry(seq=seq, event=event) for seq, event in enumerate(story, 5)])
            assert [cdr.operator_disposition for cdr in store.read(record("c1"))] == ["no_decision"]
