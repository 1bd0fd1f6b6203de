"""One run, from its claim to its end: works through its steps and tells its pipeline."""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any

import structlog

from actors.pipeline.language import Approval, OnFleet, Run, secrets_of
from actors.runner.commands import HOWS, Came, Commands
from actors.runner.desk import Desk
from actors.runner.fleet import Fleet
from actors.runner.output import Output
from actors.runner.plan import Job, Plan
from actors.runner.port import RunnerError, Source, Workspace
from actors.runner.reporter import Reporter
from bus_schemas.pipeline import ClaimedRun, StepReport, StepStatus

log = structlog.get_logger()

AT_ONCE = 4  # jobs of one run
S = StepStatus


class Work:
    """One run. `since`: when it was asked for (monotonic); `places`: those of steps that run commands, of all runs
    here. `waits`: nothing of it goes on but approvals."""

    def __init__(
        self, desk: Desk, claimed: ClaimedRun, plan: Plan, token: str, since: float, places: asyncio.Semaphore
    ) -> None:
        self.waits = False
        self._no_room = False  # a step has left none on the disk
        self._desk = desk
        self._claimed = claimed
        self._definition = plan.definition
        self._reporter = Reporter(desk, claimed.pipeline, claimed.run, token, since)
        self._plan = plan
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._places = places
        self._fleet = Fleet(desk, claimed, self._reporter.stop)

    @property
    def name(self) -> str:
        return f"{self._claimed.pipeline}-{self._claimed.run}-{self._claimed.attempt}"

    @property
    def pipeline(self) -> int:
        return self._claimed.pipeline

    @property
    def shown(self) -> str:
        return f"{self._claimed.pipeline}/{self._claimed.run}"

    async def carry_out(self) -> None:
        """All of it. Whatever goes wrong, the pipeline is told."""
        reporting = asyncio.get_running_loop().create_task(self._reporter.go_on())
        over, reason = "failed", "this went wrong inside; it is in the log of its host"
        try:
            over, reason = await self._worked()
        except RunnerError as error:
            reason = str(error)
        except Exception:
            log.exception("a run went wrong", run=self.name)
        finally:
            reporting.cancel()
            await asyncio.wait({reporting})
        if self._reporter.stop.is_set() and over != "succeeded" and not self._no_room:
            over, reason = "stopped", ""
        await self._reporter.finish(over, reason or None)

    async def _worked(self) -> tuple[str, str]:
        secrets = {name: self._desk.secret(name) for name in secrets_of(self._definition)}
        missing = [name for name, value in secrets.items() if value is None]
        if missing:
            return "failed", f"this host has no secret {', '.join(missing)}"
        known = {name: value for name, value in secrets.items() if value is not None}
        workspace = await self._until_stopped(self._desk.executor.prepare(self.name, self._source(), known))
        if workspace is None:
            return "stopped", ""
        try:
            self._reporter.checked_out(workspace.commit)
            await self._through(workspace)
        finally:
            await workspace.remove()
        if self._no_room:
            return "failed", HOWS["disk_full"]
        if self._plan.stopped:
            return "stopped", ""
        failed = self._plan.failed
        return ("failed", f"failed: {', '.join(failed)}") if failed else ("succeeded", "")

    async def _until_stopped(self, preparing: Awaitable[Workspace]) -> Workspace | None:
        """The workspace; None: the run is to end before there is one."""
        made = asyncio.ensure_future(preparing)
        if await self._first(made):
            return made.result()
        with contextlib.suppress(asyncio.CancelledError, RunnerError):
            await (await made).remove()
        return None

    async def _first(self, wanted: "asyncio.Future[Any]") -> bool:
        """Wait for it, or until the run is to end; then, and where nobody waits any more, it is called off."""
        stop = asyncio.ensure_future(self._reporter.stop.wait())
        try:
            await asyncio.wait({wanted, stop}, return_when=asyncio.FIRST_COMPLETED)
            return wanted.done()
        finally:
            stop.cancel()
            wanted.cancel()

    def _source(self) -> Source | None:
        repository = self._definition.repository
        if repository is None:
            return None
        branch = self._claimed.branch or self._definition.branch
        return Source(repository=self._desk.repository(repository), branch=branch)

    async def _through(self, workspace: Workspace) -> None:
        """Every job in its turn; once the run is to end, no other begins, and those that go on are ended."""
        commands = Commands(
            desk=self._desk, claimed=self._claimed, definition=self._definition, workspace=workspace,
            stop=self._reporter.stop,
        )  # fmt: skip
        going = dict[asyncio.Task[Came], Job]()
        try:
            await self._all_through(going, commands, workspace)
        finally:
            for task in going:
                task.cancel()
            if going:
                await asyncio.wait(going)

    async def _all_through(
        self, going: dict[asyncio.Task[Came], Job], commands: Commands, workspace: Workspace
    ) -> None:
        while not self._plan.done:
            if not self._reporter.stop.is_set():
                begin, skip = self._plan.next()
                for job in skip:
                    self._reporter.say(StepReport(step=job.name, status=S.SKIPPED, matrix=job.matrix))
                for job in begin:
                    going[asyncio.get_running_loop().create_task(self._job(job, commands, workspace))] = job
            if not going:
                break
            self.waits = all(isinstance(job.step, Approval) for job in going.values())
            done, _ = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
            self.waits = False
            for task in done:
                self._plan.ended(going.pop(task), task.result().status)
            if any(task.result().no_room for task in done):
                self._no_room = True
                self._reporter.stop.set()

    async def _job(self, job: Job, commands: Commands, workspace: Workspace) -> Came:
        if isinstance(job.step, Approval):
            return await self._approval(job, job.step)
        async with self._gate:
            if self._reporter.stop.is_set():
                return self._told(job, Came(status=S.STOPPED, attempts=0), 0.0, 0)
            began = self._desk.clock.monotonic()
            self._reporter.say(StepReport(step=job.name, status=S.RUNNING, matrix=job.matrix))
            output = Output(
                bus=self._desk.bus, ids=self._desk.ids, pipeline=self._claimed.pipeline, run=self._claimed.run,
                step=job.name, patience=self._desk.lost_after, anew=self._claimed.attempt > 1,
            )  # fmt: skip
            try:
                came = await self._carried_out(job, commands, workspace, output)
            finally:
                await output.close()
            return self._told(job, came, self._desk.clock.monotonic() - began, output.lines)

    async def _carried_out(self, job: Job, commands: Commands, workspace: Workspace, output: Output) -> Came:
        try:
            if isinstance(job.step, Run):
                return await self._in_turn(commands, job, job.step, output)
            assert isinstance(job.step, OnFleet)
            return await self._fleet.carry_out(job.step, output, workspace)
        except RunnerError as error:
            return Came(status=S.FAILED, reason=str(error))
        except Exception:
            log.exception("a step went wrong", run=self.name, step=job.name)
            return Came(status=S.FAILED, reason="this went wrong inside; it is in the log of its host")

    async def _in_turn(self, commands: Commands, job: Job, step: Run, output: Output) -> Came:
        """Runs that are approved at once go on at once, with no more commands than twice as many as others have."""
        if self._places.locked():
            await output.say("it waits: as many steps run commands here as may")
        place = asyncio.ensure_future(self._places.acquire())
        try:
            if not await self._first(place):
                return Came(status=S.STOPPED, attempts=0)
            return await commands.carry_out(job, step, output)
        finally:
            if place.done() and not place.cancelled():
                self._places.release()

    async def _approval(self, job: Job, step: Approval) -> Came:
        began = self._desk.clock.monotonic()
        self._reporter.say(StepReport(
            step=job.name, status=S.WAITING, approval_seconds=step.timeout, approvers=tuple(step.by)
        ))  # fmt: skip
        said = asyncio.ensure_future(self._reporter.approval(step.name))
        came = Came(status=S.STOPPED)
        if await self._first(said):
            came = Came(status=S.SUCCEEDED) if said.result() else Came(status=S.FAILED, reason="it was not approved")
        return self._told(job, came, self._desk.clock.monotonic() - began, 0)

    def _told(self, job: Job, came: Came, seconds: float, lines: int) -> Came:
        self._reporter.say(StepReport(
            step=job.name, status=came.status, seconds=round(seconds, 3), exit_code=came.exit_code,
            attempts=came.attempts, reason=came.reason, matrix=job.matrix, slots=came.slots, artefacts=came.artefacts,
            log_lines=lines,
        ))  # fmt: skip
        return came
