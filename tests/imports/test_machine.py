"""An import goes one way from its file to its end, whatever is asked of it and when."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.imports import machine
from actors.imports.machine import Examine, Examined, Finish, Forget, Import, ImportDecision, PartAdded, Read, ReadOver
from actors.leads.mapping import Mapping
from actors.leads.preview import Counts, Preview
from actors.leads.reading import Layout
from actors.runtime.clock import Moment
from actors.runtime.decision import SetTimer
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.imports import (
    KEPT,
    OVER,
    Columns,
    CreateImport,
    ImportAdvanced,
    ImportEnded,
    ImportStarted,
    ImportStatus,
    StoredFile,
)
from tests.support.depth import examples

S = ImportStatus
NOW = Moment(at="2026-01-01T10:00:00.000Z", mono=0.0, boot="b")
FILE = StoredFile(key="k", size=9, pieces=1, digest="d")
SURE = Mapping(fields=("number", "name"), header=True)
DOUBT = Mapping(fields=("", ""), header=False, doubt="columns 1 and 2 could be the number: say which")
COLUMNS = Columns(fields=("name", "number"), header=False)
PART = PartAdded(row=11, rows=10, new=6, duplicates=3, invalid={"number: format": 1}, bad=True, began=False)


def preview(mapping: Mapping = SURE, *, counted: bool = True) -> Examined:
    counts = Counts(leads=7, duplicates=2, invalid={"number: format": 1}) if counted else None
    layout = Layout(encoding="utf-8", delimiter=",")
    return Examined(preview=Preview(layout=layout, mapping=mapping, rows=[], total=10, counts=counts, invalid=[]))


def after(state: Import | None, decision: ImportDecision) -> Import:
    for event in decision.events:
        state = machine.evolve(state, event)
    assert state is not None
    return state


def created(*, begin: bool = False, run: bool = False) -> Import:
    wanted = CreateImport(campaign_id="c1", name="leads.csv", begin=begin, run=run, file=FILE)
    decision = machine.create("imp_1", None, wanted, "op", NOW)
    assert decision.effects == (Examine(columns=None, count=not begin),)
    return after(None, decision)


def ready() -> Import:
    return after(created(), machine.examined(created(), preview(), NOW))


def running() -> Import:
    return after(ready(), machine.start(ready(), None, "op", NOW))


def test_one_that_became_ready_meanwhile_is_not_started_unchecked() -> None:
    with pytest.raises(Refusal, match="Wait for that"):
        machine.start(ready(), True, "op", NOW, checked=False)
    assert not machine.start(running(), True, "op", NOW, checked=False).events


def test_a_file_is_looked_at_and_waits_for_somebody() -> None:
    decision = machine.examined(created(), preview(), NOW)
    [waits] = decision.effects
    assert isinstance(waits, SetTimer) and waits.seconds == KEPT
    found = after(created(), decision)
    assert found.status is S.READY and found.rows == 10 and found.expected is not None and found.expected.leads == 7


def test_what_is_wanted_at_once_begins_unless_it_is_in_doubt() -> None:
    state = created(begin=True)
    sure = machine.examined(state, preview(counted=False), NOW)
    assert sure.effects == (Read(),) and after(state, sure).status is S.RUNNING
    doubtful = machine.examined(state, preview(DOUBT, counted=False), NOW)
    assert after(state, doubtful).status is S.READY and Read() not in doubtful.effects
    with pytest.raises(Refusal, match="Say first"):
        machine.start(after(state, doubtful), None, "op", NOW)


def test_columns_that_somebody_says_take_the_place_of_the_guess() -> None:
    state = after(created(begin=True), machine.examined(created(begin=True), preview(DOUBT), NOW))
    decision = machine.map_columns(state, COLUMNS, "op", NOW)
    assert decision.effects[-1] == Examine(columns=COLUMNS, count=True)
    said = Mapping(fields=COLUMNS.fields, header=False)
    state = after(state, decision)
    assert state.status is S.EXAMINING
    state = after(state, machine.examined(state, preview(said), NOW))
    assert state.status is S.READY and state.columns == COLUMNS  # nothing begins that somebody is to see first
    assert machine.taken_over(after(state, machine.map_columns(state, COLUMNS, "op", NOW)), NOW).effects == (
        Examine(columns=COLUMNS, count=True),
    )


@pytest.mark.parametrize(
    "fields", [("name", "custom:x"), ("number", "number"), ("number", "nonsense"), ("number", "custom:")]
)
def test_columns_that_cannot_be_are_refused_by_name(fields: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        machine.map_columns(ready(), Columns(fields=fields, header=True), "op", NOW)
    assert refused.value.code is ErrorCode.INVALID_PARAMS and (refused.value.details or {})["field"] == "fields"


def test_parts_add_up() -> None:
    state = running()
    for _ in range(2):
        state = after(state, machine.added(state, PART, NOW))
    assert (state.done, state.new, state.duplicates, state.invalid) == (20, 12, 6, {"number: format": 2})
    assert state.pieces == 2 and state.row == 11
    ended = machine.over(state, ReadOver(), NOW)
    state = after(state, ended)
    assert (state.status, state.new) == (S.FINISHED, 12) and Forget() in ended.effects


def test_leads_that_are_in_without_a_record_of_it_are_counted_at_the_end() -> None:
    state = running()
    state = after(state, machine.added(state, PART, NOW))
    state = after(state, machine.cancel(state, "op", NOW))
    assert state.status is S.CANCELLING and machine.taken_over(state, NOW).effects == (Finish(),)
    state = after(state, machine.over(state, ReadOver(new=4), NOW))
    assert (state.status, state.new) == (S.CANCELLED, 10)


def test_what_is_over_stays_so() -> None:
    failed = after(running(), machine.over(running(), ReadOver(failed="why"), NOW))
    cancelled = after(ready(), machine.cancel(ready(), "op", NOW))
    assert failed.reason == "why" and failed.status is S.FAILED and cancelled.status is S.CANCELLED
    assert machine.cancel(cancelled, "op", NOW).events == ()
    for over in (failed, cancelled):
        with pytest.raises(Refusal, match="is over"):
            machine.start(over, None, "op", NOW)
        with pytest.raises(Refusal, match="is over"):
            machine.map_columns(over, COLUMNS, "op", NOW)
    with pytest.raises(Refusal):
        machine.cancel(failed, "op", NOW)


def test_a_file_that_nobody_starts_is_given_up() -> None:
    state = after(ready(), machine.too_old(ready(), NOW))
    assert state.status is S.FAILED and state.reason == machine.NOT_STARTED
    assert machine.too_old(running(), NOW).events == ()


ASKED: tuple[Callable[[Import], ImportDecision], ...] = (
    lambda state: machine.examined(state, preview(), NOW),
    lambda state: machine.examined(state, preview(DOUBT), NOW),
    lambda state: machine.map_columns(state, COLUMNS, "op", NOW),
    lambda state: machine.start(state, True, "op", NOW),
    lambda state: machine.cancel(state, "op", NOW),
    lambda state: machine.added(state, PART, NOW),
    lambda state: machine.over(state, ReadOver(), NOW),
    lambda state: machine.over(state, ReadOver(failed="why", new=2), NOW),
    lambda state: machine.too_old(state, NOW),
    lambda state: machine.taken_over(state, NOW),
)


@settings(max_examples=examples(250), deadline=None)
@given(st.booleans(), st.lists(st.sampled_from(range(len(ASKED))), max_size=12))
def test_no_order_of_things_ends_one_twice_or_adds_before_it_was_started(begin: bool, asked: list[int]) -> None:
    state, events = created(begin=begin), list[Any]()
    for number in asked:
        try:
            decision = ASKED[number](state)
        except Refusal:
            continue
        if state.status in OVER:
            assert not decision.events
        state = after(state, decision)
        events += decision.events
    kinds = [type(event) for event in events]
    assert kinds.count(ImportEnded) == (state.status in OVER)
    assert kinds.count(ImportStarted) <= 1
    if ImportAdvanced in kinds:
        assert ImportStarted in kinds[: kinds.index(ImportAdvanced)]
    assert divmod(state.new, 6) in ((kinds.count(ImportAdvanced), late) for late in (0, 2))  # 2: in without a record
