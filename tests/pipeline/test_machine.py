"""A pipeline decides alone: which run is next, who has it, and how it ends, once."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.pipeline import machine
from actors.pipeline.machine import PipelineDecision
from actors.pipeline.record import MOST_IDS, Pipeline, evolve
from actors.pipeline.trigger import Wanted
from actors.runtime.clock import Moment
from actors.runtime.decision import CancelTimer, SetTimer
from bus_schemas.errors import Refusal
from bus_schemas.pipeline import ReportRun, RunStatus, StepReport, StepStatus
from bus_schemas.pipeline_events import (
    Delivery,
    PipelineApproved,
    PipelineEnded,
    PipelineQueued,
    PipelineStarted,
    PipelineStep,
)
from tests.pipeline.texts import text
from tests.support.depth import examples
from tests.support.states import at

LOST = 30.0
S = StepStatus


class Stand:
    """A pipeline with a clock and timers of its own."""

    def __init__(self, more: str = "", steps: str = "", begin: float = 0.0) -> None:
        self.seconds = begin
        self.state: Pipeline | None = None
        self.events: list[Any] = []
        self.timers: dict[str, float] = {}
        self.tokens: dict[int, str] = {}
        self.take(machine.define(None, 1, text(more=more, steps=steps), "file", "admin", self.now))

    @property
    def now(self) -> Moment:
        return at(self.seconds)

    @property
    def there(self) -> Pipeline:
        assert self.state is not None
        return self.state

    def take(self, decision: PipelineDecision) -> list[Any]:
        for event in decision.events:
            self.state = evolve(self.state, event)
            self.events.append(event)
        for effect in decision.effects:
            match effect:
                case SetTimer():
                    self.timers[effect.name] = self.seconds + effect.seconds
                case CancelTimer():
                    self.timers.pop(effect.name, None)
        return list(decision.events)

    def run(self, branch: str | None = None, *, runner: bool = True, **given: Any) -> int:
        self.take(machine.run(self.there, "op12", branch, given, self.now, runner=runner))
        return self.there.runs

    def claim(self, run: int, runner: str = "r1", token: str | None = None) -> str:
        token = token or f"{runner}-{run}-{self.seconds}-{len(self.events)}"
        self.take(machine.claim(self.there, run, runner, token, self.now, lost=LOST))
        self.tokens[run] = token
        return token

    def report(self, run: int, *steps: StepReport, token: str | None = None, **more: Any) -> list[Any]:
        said = ReportRun(pipeline=1, run=run, token=token or self.tokens[run], steps=steps, **more)
        return self.take(machine.report(self.there, said, self.now, lost=LOST))

    def report_over(self, run: int) -> None:
        self.claim(run)
        self.report(run, over="succeeded")

    def wait(self, seconds: float) -> None:
        """Let time pass, and the timers that are due fire in their order."""
        until = self.seconds + seconds
        while self.timers and (due := min(self.timers.items(), key=lambda one: one[1]))[1] <= until:
            self.seconds = max(self.seconds, due[1])
            del self.timers[due[0]]
            self.take(machine.fired(self.there, due[0], self.now))
        self.seconds = until

    def ends(self, run: int) -> list[RunStatus]:
        return [event.status for event in self.events if isinstance(event, PipelineEnded) and event.run == run]


def refused(stand: Stand, **more: Any) -> str:
    with pytest.raises(Refusal) as found:
        stand.run(**more)
    assert found.value.code in ("PIPELINE_ERROR", "INVALID_PARAMS")
    return str((found.value.details or {}).get("why", "params"))


def test_the_same_labels_are_one_set_whatever_their_order() -> None:
    """Of three there would be 88,572 others, for each of which runners look when a run waits for it."""
    stand = Stand('labels = ["b", "a", "b"]\n')
    stand.run()
    assert [event.labels for event in stand.events if hasattr(event, "labels")] == [("a", "b")] * 2


def test_a_run_waits_is_taken_and_ends() -> None:
    stand = Stand()
    run = stand.run()
    assert stand.there.open[run].status is RunStatus.QUEUED
    stand.claim(run)
    assert stand.there.open[run].status is RunStatus.RUNNING
    stand.report(run, StepReport(step="build", status=S.RUNNING))
    stand.report(run, StepReport(step="build", status=S.SUCCEEDED, exit_code=0), over="succeeded")
    assert stand.ends(run) == [RunStatus.SUCCEEDED] and not stand.there.open and not stand.timers


def test_what_cannot_be_done_says_why() -> None:
    assert refused(Stand(), branch="dev") == "no_repository"
    assert refused(Stand(), runner=False) == "no_runner"
    assert refused(Stand("enabled = false")) == "disabled"
    assert refused(Stand(), wrong=1) == "params"
    busy = Stand('concurrency = "refuse"')
    busy.run()
    assert refused(busy) == "running"


def test_a_definition_belongs_to_where_it_came_from() -> None:
    stand = Stand()
    with pytest.raises(Refusal):
        machine.define(stand.there, 1, text(more="wait = 5"), "api", "ann", stand.now)
    assert not machine.define(stand.there, 1, text(), "file", "admin", stand.now).events
    stand.take(machine.define(stand.there, 1, text(more="wait = 5"), "file", "admin", stand.now))
    assert stand.there.version == 2 and list(stand.there.texts) == [2]


def delete(stand: Stand, open_runs: Any = "refuse", source: str = "file") -> None:
    stand.take(machine.delete(stand.there, source, "ann", stand.now, "h", open_runs=open_runs))


def test_what_is_deleted_is_run_no_more_and_may_be_defined_again() -> None:
    stand = Stand('schedule = { cron = "* * * * *" }')
    run = stand.run()
    for source, why in (("api", "source"), ("file", "running")):
        with pytest.raises(Refusal) as refused_it:
            delete(stand, source=source)
        assert (refused_it.value.code, (refused_it.value.details or {})["why"]) == ("PIPELINE_ERROR", why)
    delete(stand, "stop")
    assert stand.ends(run) == [RunStatus.STOPPED] and not stand.timers
    stand.wait(3600)
    assert stand.there.runs == 1
    with pytest.raises(Refusal) as gone:
        stand.run()
    assert gone.value.code == "NOT_FOUND"
    assert not machine.delete(stand.there, "file", "ann", stand.now, "h", open_runs="refuse").events
    assert not machine.resume(stand.there, stand.now, lost=LOST).effects
    stand.take(machine.define(stand.there, 1, text(), "api", "ann", stand.now))
    assert (stand.run(), stand.there.version, stand.there.source) == (2, 2, "api")  # numbers are given once


def test_a_run_whose_definition_went_goes_on_to_its_end() -> None:
    stand = Stand("rerun = 5\nat_once = 2")
    taken, waits = stand.run(), stand.run()
    stand.claim(taken)
    delete(stand, "leave")
    stand.claim(waits)
    stand.report(waits, over="succeeded")
    stand.wait(LOST + 1)
    assert stand.ends(waits) == [RunStatus.SUCCEEDED] and stand.ends(taken) == [RunStatus.LOST]


def test_a_run_is_stopped_with_its_definition_by_its_runner() -> None:
    stand = Stand()
    run = stand.run()
    stand.claim(run)
    delete(stand, "stop")
    assert stand.there.open[run].stopping == "ann" and not stand.ends(run)
    stand.report(run, over="stopped")
    assert stand.ends(run) == [RunStatus.STOPPED]


HOOK = '[webhook]\nsecret = "HOOK"\n'


def post(stand: Stand, signed: str, id: str | None = None, branch: str | None = None, **given: Any) -> list[Any]:
    until = at(stand.seconds + 300).at
    delivery = Delivery(signed=signed, until=until, id=id)
    said = Wanted(branch=branch, parameters=given)
    return stand.take(machine.trigger(stand.there, said, delivery, stand.now))


def test_what_is_posted_begins_one_run_in_the_name_of_who_defined_it() -> None:
    stand = Stand(f"[params.n]\ntype = 'integer'\ndefault = 1\n{HOOK}")
    [queued] = post(stand, "s1", "e1", n=2)
    assert (queued.trigger, queued.user, queued.parameters) == ("webhook", "admin", {"n": 2})
    assert not post(stand, "s1", "e2") and not post(stand, "s2", "e1")  # its signature, or its name, was there before
    assert stand.there.repeats.run_of(Delivery(signed="s1", until="")) == 1
    stand.report_over(1)
    assert not post(stand, "s1")
    stand.wait(299)
    assert not post(stand, "s1")
    stand.wait(2)  # nobody lets such a signature in any more: it need not be known
    assert [event.run for event in post(stand, "s3")] == [2] and list(stand.there.repeats.signed) == ["s3"]
    assert not post(stand, "s4", "e1")


def test_as_many_signatures_are_known_as_could_be_repeated() -> None:
    stand = Stand(f'concurrency = "cancel_older"\n{HOOK}')
    for number in range(machine.MOST_SIGNED):
        post(stand, f"s{number}", f"e{number}")
    with pytest.raises(Refusal) as full:
        post(stand, "one more")
    assert full.value.code == "RATE_LIMITED" and not post(stand, "s0")
    stand.wait(301)
    assert post(stand, "one more", "e") and len(stand.there.repeats.signed) == 1
    assert len(stand.there.repeats.ids) == MOST_IDS and "e0" not in stand.there.repeats.ids


def test_what_is_posted_is_refused_like_what_is_asked() -> None:
    refusing = Stand(f'concurrency = "refuse"\n{HOOK}')
    post(refusing, "s1")
    for stand, more, why in (
        (refusing, {}, "running"), (Stand(f"enabled = false\n{HOOK}"), {}, "disabled"),
        (Stand(HOOK), {"branch": "dev"}, "no_repository"), (Stand(HOOK), {"n": 1}, None),
    ):
        with pytest.raises(Refusal) as refused_it:
            post(stand, "s9", **more)
        assert (refused_it.value.details or {}).get("why") == why
        assert stand.there.repeats.run_of(Delivery(signed="s9", until="")) is None  # it may be tried again


def test_a_token_that_defined_a_webhook_bounds_what_it_begins() -> None:
    stand = Stand(HOOK)
    stand.take(machine.delete(stand.there, "file", "admin", stand.now, "h", open_runs="leave"))
    made = machine.define(stand.there, 1, text(more=HOOK), "api", "ann", stand.now, service_token="t1")
    stand.take(made)
    [queued] = post(stand, "s1")
    assert (queued.user, queued.service_token, stand.there.open[1].service_token) == ("ann", "t1", "t1")


def test_what_was_posted_is_known_in_another_life() -> None:
    stand = Stand(f"rerun = 1\n{HOOK}")
    post(stand, "s1", "e1")
    stored = msgspec.json.decode(msgspec.json.encode(stand.there), type=Pipeline)
    assert stored.repeats == stand.there.repeats and stored.repeats.run_of(Delivery(signed="s1", until="")) == 1
    stand.claim(1)
    stand.wait(LOST + 1)
    assert stand.there.open[1].again == 1 and stand.there.open[1].trigger == "webhook"


def test_a_run_keeps_the_version_it_was_begun_with() -> None:
    stand = Stand()
    run = stand.run()
    stand.take(machine.define(stand.there, 1, text(more="wait = 5"), "file", "admin", stand.now))
    assert stand.there.open[run].version == 1 and set(stand.there.texts) == {1, 2}
    stand.claim(run)
    stand.report(run, over="succeeded")
    assert set(stand.there.texts) == {2}


def test_older_runs_end_where_the_newest_counts() -> None:
    stand = Stand('concurrency = "cancel_older"')
    first = stand.run()
    stand.claim(first)
    second = stand.run()
    third = stand.run()
    assert stand.there.open[first].stopping == "op12" and stand.ends(second) == [RunStatus.STOPPED]
    stand.report(first, over="stopped")
    stand.claim(third)


def test_a_runner_that_is_silent_has_lost_its_run() -> None:
    stand = Stand()
    run = stand.run()
    stand.claim(run)
    for _ in range(100):
        stand.wait(LOST - 1)
        stand.report(run)
    stand.wait(LOST)
    assert stand.ends(run) == [RunStatus.LOST]
    assert not stand.report(run, over="succeeded")


def test_a_lost_run_begins_anew_as_often_as_its_definition_says() -> None:
    stand = Stand("rerun = 1")
    run = stand.run()
    old = stand.claim(run)
    stand.wait(LOST)
    assert not stand.ends(run) and stand.there.open[run].status is RunStatus.QUEUED
    assert not stand.report(run, over="succeeded", token=old)
    stand.claim(run, "r2")
    assert not stand.report(run, over="succeeded", token=old)
    stand.wait(LOST)
    assert stand.ends(run) == [RunStatus.LOST]


def test_a_run_that_nobody_takes_fails() -> None:
    stand = Stand("wait = 60")
    run = stand.run()
    stand.wait(60)
    assert stand.ends(run) == [RunStatus.FAILED]


def test_a_run_ends_with_its_time() -> None:
    stand = Stand("timeout = 60")
    run = stand.run()
    stand.claim(run)
    for _ in range(7):
        stand.report(run)
        stand.wait(10)
    assert stand.there.open[run].stopping == "system"
    stand.report(run, over="stopped")
    assert stand.ends(run) == [RunStatus.FAILED]


def test_a_runner_that_does_not_stop_is_not_waited_for() -> None:
    stand = Stand()
    run = stand.run()
    stand.claim(run)
    stand.take(machine.stop(stand.there, run, "ann", stand.now))
    for _ in range(4):
        stand.report(run)
        stand.wait(10)
    assert stand.ends(run) == [RunStatus.STOPPED]


WAITS = StepReport(step="ask", status=S.WAITING, approval_seconds=100.0)


def waiting(**more: Any) -> tuple[Stand, int]:
    stand = Stand()
    run = stand.run()
    stand.claim(run)
    stand.report(run, StepReport(step="ask", status=S.WAITING, approval_seconds=100.0, **more))
    assert stand.there.open[run].status is RunStatus.WAITING
    return stand, run


def approve(stand: Stand, run: int, by: str = "ann", *, yes: bool = True) -> list[Any]:
    return stand.take(machine.approve(stand.there, run, "ask", by, yes, "", stand.now))


def test_the_first_word_on_an_approval_counts() -> None:
    stand, run = waiting()
    assert len(approve(stand, run)) == 1 and not approve(stand, run)
    with pytest.raises(Refusal):
        approve(stand, run, yes=False)
    assert machine.approvals(stand.there.open[run]) == {"ask": True}


def test_an_approval_is_of_whom_the_definition_names() -> None:
    stand, run = waiting(approvers=("eva",))
    with pytest.raises(Refusal):
        approve(stand, run, "ann")
    assert approve(stand, run, "eva")


def test_an_approval_that_nobody_gives_is_refused() -> None:
    stand, run = waiting()
    for _ in range(11):
        stand.wait(10)
        stand.report(run)
    [said] = [event for event in stand.events if isinstance(event, PipelineApproved)]
    assert (said.approved, said.by) == (False, "system")


def test_a_schedule_begins_one_run_for_each_moment() -> None:
    stand = Stand('as_user = "ann"\nschedule = { cron = "*/10 * * * *" }\nat_once = 5')
    stand.wait(3600)
    dues = [event.due for event in stand.events if isinstance(event, PipelineQueued)]
    assert len(dues) == len(set(dues)) == 6
    assert {event.user for event in stand.events if isinstance(event, PipelineQueued)} == {"ann"}


def test_a_new_owner_makes_up_for_what_has_just_passed_and_no_more() -> None:
    stand = Stand('schedule = { cron = "*/10 * * * *" }')
    stand.timers.clear()
    stand.seconds = 86_400 + 601.0
    stand.take(machine.resume(stand.there, stand.now, lost=LOST))
    stand.wait(1)
    assert stand.there.runs == 1
    assert stand.there.due == at(86_400 + 600).at


@pytest.mark.parametrize("before", ["enabled = false\n", 'schedule = { cron = "0 0 1 1 *" }\n'])
def test_a_new_owner_makes_up_for_no_moment_of_before_the_definition(before: str) -> None:
    """It was switched off then, or was to be run at another time: its first moment has begun a run, 600 s ago."""
    scheduled = 'schedule = { cron = "*/10 * * * *" }\n'
    stand = Stand(scheduled)
    stand.wait(601)
    [run] = stand.there.open
    stand.take(machine.stop(stand.there, run, "ann", stand.now))
    for seconds, more in ((1190.0, before + (scheduled if "enabled" in before else "")), (1210.0, scheduled)):
        stand.seconds = seconds
        stand.take(machine.define(stand.there, 1, text(more=more), "file", "admin", stand.now))
    stand.timers.clear()
    stand.take(machine.resume(stand.there, stand.now, lost=LOST))
    stand.wait(60)
    assert stand.there.runs == 1


def test_a_clock_that_was_years_ahead_silences_no_schedule() -> None:
    years = 3 * 365 * 86_400.0
    stand = Stand('schedule = { cron = "*/10 * * * *" }\nat_once = 5')
    stand.take(machine.due(stand.there, at(years + 1)))
    assert stand.there.due == at(years).at
    for seconds in (1.0, 301.0, 601.0, 901.0, 1201.0):  # the clock is right again
        stand.seconds = seconds
        stand.take(machine.resume(stand.there, stand.now, lost=LOST))
        assert stand.timers[machine.SCHEDULE] - seconds <= 600.0
        stand.take(machine.due(stand.there, stand.now))
    dues = [event.due for event in stand.events if isinstance(event, PipelineQueued)]
    assert dues[1:] == [at(0).at, at(600).at, at(1200).at]


def test_a_new_owner_does_not_begin_again_what_a_schedule_has_begun() -> None:
    stand = Stand('schedule = { cron = "*/10 * * * *" }\nat_once = 5')
    stand.wait(601)
    assert stand.there.runs == 1
    stand.timers.clear()
    stand.take(machine.resume(stand.there, stand.now, lost=LOST))
    stand.wait(60)
    assert stand.there.runs == 1


def test_a_new_owner_gives_each_runner_its_time() -> None:
    stand = Stand()
    run = stand.run()
    stand.claim(run)
    stand.timers.clear()
    stand.wait(1000)
    stand.take(machine.resume(stand.there, stand.now, lost=LOST))
    stand.wait(LOST - 1)
    assert not stand.ends(run)
    stand.wait(1)
    assert stand.ends(run) == [RunStatus.LOST]


class AnyOrder(RuleBasedStateMachine):
    """Whatever is asked and reported in whatever order, by however many runners."""

    @initialize(
        concurrency=st.sampled_from(["queue", "cancel_older", "refuse"]), at_once=st.integers(1, 3),
        rerun=st.integers(0, 2),
    )
    def begin(self, concurrency: str, at_once: int, rerun: int) -> None:
        self.stand = Stand(f'concurrency = "{concurrency}"\nat_once = {at_once}\nrerun = {rerun}\nwait = 500')
        self.at_once = at_once
        self.all_tokens: list[tuple[int, str]] = []
        self.begun: dict[str, tuple[int, float]] = {}  # by each signature and name: the run, and until when for certain

    @rule()
    def run(self) -> None:
        try:
            self.stand.run()
        except Refusal:
            return
        assert not self.stand.there.deleted

    @rule(signed=st.sampled_from(["s1", "s2", "s3"]), id=st.none() | st.sampled_from(["e1", "e2"]))
    def post(self, signed: str, id: str | None) -> None:
        known = [self.begun[key] for key in (signed, id) if key in self.begun]
        before = [run for run, until in known if self.stand.seconds <= until]
        try:
            told = post(self.stand, signed, id)
        except Refusal:
            return
        queued = [event.run for event in told if isinstance(event, PipelineQueued)]
        assert not (queued and (before or self.stand.there.deleted)), (queued, before)
        for run in queued:
            self.begun[signed] = (run, self.stand.seconds + 300)
            self.begun.update({id: (run, float("inf"))} if id is not None else {})

    @rule(open_runs=st.sampled_from(["refuse", "stop", "leave"]))
    def delete(self, open_runs: str) -> None:
        try:
            delete(self.stand, open_runs)
        except Refusal:
            assert self.stand.there.open

    @rule()
    def define_again(self) -> None:
        stand = self.stand
        stand.take(machine.define(stand.there, 1, stand.there.text, "file", "admin", stand.now))
        assert not stand.there.deleted

    @rule(run=st.integers(1, 12), runner=st.sampled_from(["r1", "r2"]))
    def claim(self, run: int, runner: str) -> None:
        before = {number for number, one in self.stand.there.open.items() if one.runner is None}
        try:
            token = self.stand.claim(run, runner)
        except Refusal:
            return
        assert run == min(before)  # in their order
        self.all_tokens.append((run, token))

    @rule(data=st.data(), status=st.sampled_from([S.RUNNING, S.WAITING, S.SUCCEEDED, S.FAILED]))
    def step(self, data: st.DataObject, status: StepStatus) -> None:
        if self.all_tokens:
            run, token = data.draw(st.sampled_from(self.all_tokens))
            self.stand.report(run, StepReport(step="ask", status=status, approval_seconds=40.0), token=token)

    @rule(data=st.data(), over=st.sampled_from(["succeeded", "failed", "stopped"]))
    def end(self, data: st.DataObject, over: str) -> None:
        if self.all_tokens:
            run, token = data.draw(st.sampled_from(self.all_tokens))
            self.stand.report(run, token=token, over=over)

    @rule(run=st.none() | st.integers(1, 12))
    def stop(self, run: int | None) -> None:
        try:
            self.stand.take(machine.stop(self.stand.there, run, "ann", self.stand.now))
        except Refusal:
            return

    @rule(run=st.integers(1, 12), yes=st.booleans())
    def approve(self, run: int, yes: bool) -> None:
        try:
            approve(self.stand, run, yes=yes)
        except Refusal:
            return

    @rule(seconds=st.sampled_from([1.0, 20.0, 31.0, 600.0]))
    def wait(self, seconds: float) -> None:
        self.stand.wait(seconds)

    @rule()
    def take_over(self) -> None:
        self.stand.timers.clear()
        self.stand.state = msgspec.json.decode(msgspec.json.encode(self.stand.there), type=Pipeline)
        self.stand.take(machine.resume(self.stand.there, self.stand.now, lost=LOST))

    @invariant()
    def each_run_ends_once_and_nothing_comes_after(self) -> None:
        if not hasattr(self, "stand"):
            return
        over = set[int]()
        for event in self.stand.events:
            if isinstance(event, PipelineEnded | PipelineStep | PipelineStarted | PipelineQueued):
                assert event.run not in over, event
            if isinstance(event, PipelineEnded):
                over.add(event.run)
        assert over | self.stand.there.open.keys() == set(range(1, self.stand.there.runs + 1))

    @invariant()
    def no_run_has_two_runners(self) -> None:
        if hasattr(self, "stand"):
            taken = [run.run for run in self.stand.there.open.values() if run.runner is not None]
            assert len(taken) <= self.at_once
            for number in range(1, self.stand.there.runs + 1):
                mine = [one for one in self.stand.events if isinstance(one, PipelineQueued | PipelineStarted)
                        and one.run == number]  # fmt: skip
                kinds = [type(one) for one in mine]
                assert all(a is not b for a, b in pairwise(kinds)), kinds

    def teardown(self) -> None:
        if hasattr(self, "stand"):
            self.stand.wait(86_400 * 2)
            assert not self.stand.there.open  # whatever happens, each ends


AnyOrder.TestCase.settings = settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
