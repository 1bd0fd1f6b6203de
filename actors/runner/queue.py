"""Which of the runs that wait a runner asks for."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest

from bus_schemas.pipeline import QueuedRun

LOOKED_AT, MOST_PASSED = 100, 1000  # runs at once; pipelines whose turn had not come, at looks one after the other
SHARE = 1.0  # seconds of asking in one look, for what one user has defined


def in_turns(waiting: Sequence[QueuedRun], last: Mapping[str, float]) -> list[QueuedRun]:
    """One of each who has defined their pipelines, then one more of each: of somebody's the oldest first, and first
    theirs of whom none was had or was so longest ago (`last`: who, and when)."""
    theirs: dict[str, list[QueuedRun]] = {}
    for run in waiting:
        theirs.setdefault(run.by, []).append(run)
    order = sorted(theirs, key=lambda by: last.get(by, 0.0))
    return [run for turn in zip_longest(*(theirs[by] for by in order)) for run in turn if run is not None]


class Queue:
    """Look after look. What was not asked for, since there is more of it than is looked at or asking for theirs took
    long, comes next time. `passed`: pipelines that were not to be had, of theirs of whom some were not asked for."""

    def __init__(self) -> None:
        self.passed: dict[int, str] = {}  # and who has defined them
        self._last: dict[str, float] = {}  # when one of theirs was had, of those of whom some wait
        self._took: dict[str, float] = {}  # seconds in this look
        self._not_had: set[int] = set()

    def runs(self, waiting: Sequence[QueuedRun], closed: Collection[int]) -> Iterator[QueuedRun]:
        """Those to ask for, one after the other; of each it is said then what came of it. `waiting`: without those of
        `passed`. `closed`: pipelines of which none may be had."""
        before, self.passed = self.passed, {}
        self._took = dict.fromkeys((run.by for run in waiting), 0.0)
        self._last = {by: at for by, at in self._last.items() if by in self._took}
        self._not_had = set(closed)
        more = _may_have_more(waiting)
        for run in in_turns(waiting, self._last):
            if run.pipeline in self._not_had:
                continue
            if self._took[run.by] < SHARE:
                yield run
            else:
                more.add(run.by)
        passed = before | {run.pipeline: run.by for run in waiting if run.pipeline in self._not_had}
        self.passed = {pipeline: by for pipeline, by in passed.items() if by in more}
        if len(self.passed) > MOST_PASSED:
            self.passed = {}

    def answered(self, run: QueuedRun, *, had: bool, began: float, now: float) -> None:
        """It was asked for between these moments. `had`: it is this runner's; else nothing behind it is asked for."""
        self._took[run.by] += now - began
        if had:
            self._last[run.by] = now
        else:
            self._not_had.add(run.pipeline)


def _may_have_more(waiting: Sequence[QueuedRun]) -> set[str]:
    """Who may have more that waits than was looked at, where nobody has more than one beyond the others' there."""
    if len({run.pipeline for run in waiting}) < LOOKED_AT:
        return set()
    many = Counter(run.by for run in waiting)
    return {by for by, number in many.items() if number >= max(many.values()) - 1}
