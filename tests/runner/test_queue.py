"""Which of the runs that wait a runner asks for."""

from actors.runner.queue import SHARE, Queue, in_turns
from bus_schemas.pipeline import QueuedRun

A1, A2, A3, B1, C1, C2 = WAITING = [QueuedRun(pipeline=of, run=run, by=by) for of, run, by in (
    (1, 1, "ann"), (1, 2, "ann"), (2, 1, "ann"), (3, 1, "bob"), (4, 1, "cy"), (4, 2, "cy"))]  # fmt: skip


def asked(queue: Queue, *, takes: float = 0.0, had: bool = True) -> list[QueuedRun]:
    """For which it asks in a look."""
    found = []
    for run in queue.runs(WAITING, ()):
        found.append(run)
        queue.answered(run, had=had, began=10.0, now=10.0 + takes)
    return found


def test_of_each_user_one_comes_in_turn_the_oldest_first() -> None:
    assert in_turns(WAITING, {}) == asked(Queue()) == [A1, B1, C1, A2, C2, A3]
    assert in_turns([], {"ann": 1.0}) == []


def test_who_has_waited_longest_for_a_place_comes_first() -> None:
    queue, waiting, taken = Queue(), WAITING.copy(), list[QueuedRun]()
    while waiting:  # one place is free at a time
        run = next(queue.runs(waiting, ()))
        queue.answered(run, had=True, began=len(taken), now=len(taken) + 1)
        waiting.remove(run)
        taken.append(run)
    assert taken == [A1, B1, C1, A2, C2, A3]


def test_nothing_behind_what_is_not_to_be_had_is_asked_for() -> None:
    assert asked(Queue(), had=False) == [A1, B1, C1, A3]
    assert list(Queue().runs(WAITING, {1, 4})) == [B1, A3]


def test_whose_runs_take_long_to_ask_for_have_the_rest_asked_for_next_time() -> None:
    queue = Queue()
    assert asked(queue, takes=SHARE, had=False) == [A1, B1, C1] and queue.passed == {1: "ann"}
    assert asked(Queue(), takes=SHARE) == [A1, B1, C1]
