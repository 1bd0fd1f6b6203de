"""Which steps of a run come next, and what a run comes to. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from actors.pipeline.checking import cells, holds
from actors.pipeline.language import Definition, Step, Value, needed
from bus_schemas.pipeline import STEP_OVER, StepStatus

S = StepStatus


class Job(Struct, frozen=True, kw_only=True):
    """A step, or one cell of its matrix."""

    name: str
    step: Step
    matrix: dict[str, str] = {}


class Plan:
    """The jobs of one run. `over`: what became of those that are over."""

    def __init__(self, definition: Definition, branch: str | None, parameters: Mapping[str, Value]) -> None:
        self.definition = definition
        self._wanted = {step.name: holds(step, branch, parameters) for step in definition.steps}
        self._jobs = {step.name: jobs_of(step) for step in definition.steps}
        self._begun = set[str]()
        self._over: dict[str, StepStatus] = {}
        self._bad: dict[str, bool] = {}  # steps that are over, each looked at once: they may all need each other

    def next(self) -> tuple[list[Job], list[Job]]:
        """The jobs that begin now, and those that are skipped now. Each is told once."""
        begin, skip = list[Job](), list[Job]()
        changed = True
        while changed:
            changed = False
            for place, step in enumerate(self.definition.steps):
                if step.name in self._begun or not all(map(self._is_over, needed(self.definition, place))):
                    continue
                changed = True
                self._begun.add(step.name)
                if self._may(place, step):
                    begin += self._jobs[step.name]
                else:
                    skip += self._jobs[step.name]
                    self._over |= {job.name: S.SKIPPED for job in self._jobs[step.name]}
        return begin, skip

    def ended(self, job: Job, status: StepStatus) -> None:
        """A job is over."""
        assert status in STEP_OVER
        self._over[job.name] = status

    @property
    def done(self) -> bool:
        """Every job is over."""
        return all(job.name in self._over for jobs in self._jobs.values() for job in jobs)

    @property
    def stopped(self) -> bool:
        """Something of it was stopped, or never began."""
        return not self.done or S.STOPPED in self._over.values()

    @property
    def failed(self) -> list[str]:
        """The jobs that have failed, but for those whose failure is ignored."""
        strict = (job for jobs in self._jobs.values() for job in jobs if job.step.on_failure == "fail")
        return [job.name for job in strict if self._over.get(job.name) is S.FAILED]

    def _is_over(self, name: str) -> bool:
        return all(job.name in self._over for job in self._jobs[name])

    def _may(self, place: int, step: Step) -> bool:
        if not self._wanted[step.name]:
            return False
        bad = any(self._is_bad(name) for name in needed(self.definition, place))
        return step.when.after == "always" or bad is (step.when.after == "failure")

    def _is_bad(self, name: str) -> bool:
        """It, which is over, has failed, and counts, or was skipped since something before it has."""
        if name not in self._bad:
            self._bad[name] = self._turned_bad(name)
        return self._bad[name]

    def _turned_bad(self, name: str) -> bool:
        place = next(at for at, step in enumerate(self.definition.steps) if step.name == name)
        step = self.definition.steps[place]
        if any(self._over.get(job.name) in (S.FAILED, S.STOPPED) for job in self._jobs[name]):
            return step.on_failure == "fail"
        before = any(self._is_bad(each) for each in needed(self.definition, place))
        return before and (step.when.after != "always" or not self._wanted[name])


def jobs_of(step: Step) -> list[Job]:
    """A step as it is carried out."""
    found = cells(step)
    if found == [{}]:
        return [Job(name=step.name, step=step)]
    return [Job(name=f"{step.name}_{place}", step=step, matrix=cell) for place, cell in enumerate(found, 1)]
