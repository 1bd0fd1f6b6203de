"""Which steps of a run come next, and what a run comes to."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from actors.pipeline.checking import check
from actors.runner.plan import Plan
from bus_schemas.pipeline import StepStatus

S = StepStatus
HEAD = 'id = 1\nname = "p"\n'


def plan(steps: str, branch: str | None = "main", **given: Any) -> Plan:
    checked = check(HEAD + steps)
    assert checked.definition is not None, checked.problems
    return Plan(checked.definition, branch, given)


def step(name: str, more: str = "") -> str:
    return f'[[steps]]\nname = "{name}"\ndo = "run"\ncommands = ["true"]\n{more}\n'


def played(of: Plan, failing: set[str] = frozenset()) -> dict[str, StepStatus]:  # type: ignore[assignment]  # of none
    """What becomes of each job, where these fail."""
    said = dict[str, StepStatus]()
    while not of.done:
        begin, skip = of.next()
        assert begin or skip, said
        said |= {job.name: S.SKIPPED for job in skip}
        for job in begin:
            said[job.name] = S.FAILED if job.name in failing else S.SUCCEEDED
            of.ended(job, said[job.name])
    return said


def test_steps_come_in_their_order_and_at_once_where_they_say_so() -> None:
    of = plan(step("a") + step("b", "needs = []") + step("c", 'needs = ["a", "b"]'))
    begin, _ = of.next()
    assert [job.name for job in begin] == ["a", "b"]
    of.ended(begin[0], S.SUCCEEDED)
    assert of.next() == ([], [])
    of.ended(begin[1], S.SUCCEEDED)
    assert [job.name for job in of.next()[0]] == ["c"]


def test_what_needs_a_failed_step_is_skipped_and_the_run_has_failed() -> None:
    of = plan(step("a") + step("b") + step("c"))
    assert played(of, {"a"}) == {"a": S.FAILED, "b": S.SKIPPED, "c": S.SKIPPED}
    assert of.failed == ["a"] and not of.stopped


@pytest.mark.parametrize(("failing", "wanted"), [
    (set(), {"a": S.SUCCEEDED, "b": S.SUCCEEDED, "mend": S.SKIPPED, "tidy": S.SUCCEEDED}),
    ({"a"}, {"a": S.FAILED, "b": S.SKIPPED, "mend": S.SUCCEEDED, "tidy": S.SUCCEEDED}),
    ({"b"}, {"a": S.SUCCEEDED, "b": S.FAILED, "mend": S.SUCCEEDED, "tidy": S.SUCCEEDED}),
])  # fmt: skip
def test_what_mends_comes_after_a_failure_and_what_tidies_always(
    failing: set[str], wanted: dict[str, StepStatus]
) -> None:
    of = plan(step("a") + step("b") + step("mend", 'when = { after = "failure" }')
              + step("tidy", 'when = { after = "always" }'))  # fmt: skip
    assert played(of, failing) == wanted
    assert bool(of.failed) is bool(failing)


def test_a_failure_that_is_ignored_counts_for_nothing() -> None:
    of = plan(step("a", 'on_failure = "ignore"') + step("b"))
    assert played(of, {"a"}) == {"a": S.FAILED, "b": S.SUCCEEDED} and not of.failed


def test_each_cell_of_a_matrix_is_a_job_and_all_of_them_count() -> None:
    of = plan(step("t", 'matrix = { os = ["x", "y"] }') + step("b"))
    assert played(of, {"t_2"}) == {"t_1": S.SUCCEEDED, "t_2": S.FAILED, "b": S.SKIPPED}
    assert of.failed == ["t_2"]


def test_a_step_of_another_branch_is_skipped_and_holds_up_nothing() -> None:
    of = plan(step("a", 'when = { branch = ["release/*"] }') + step("b"))
    assert played(of) == {"a": S.SKIPPED, "b": S.SUCCEEDED} and not of.failed


def test_what_was_stopped_or_never_began_is_no_success() -> None:
    of = plan(step("a") + step("b"))
    [first], _ = of.next()
    of.ended(first, S.STOPPED)
    assert of.stopped and not of.failed
    of.next()
    assert of.stopped


@pytest.mark.parametrize("needs", [lambda at: [f"s{n}" for n in range(at)], lambda at: [f"s{at - 1}"] * 2 * bool(at)])
def test_steps_that_all_need_each_other_are_looked_at_once_each(needs: Callable[[int], list[str]]) -> None:
    of = plan("".join(step(f"s{at}", f"needs = {needs(at)}") for at in range(20)))
    began = time.thread_time()
    assert set(played(of).values()) == {S.SUCCEEDED}
    assert time.thread_time() - began < 0.3  # seconds; where each is looked at for each way that leads to it, two
