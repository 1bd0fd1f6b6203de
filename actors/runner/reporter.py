"""What a run's actor is told of it, at least each second, and what that answers: stop, approvals, or that the run is
not ours any more."""

import asyncio

import structlog

from actors.runner.desk import Desk
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.pipeline import REPORT_RUN, ReportRun, StepReport

log = structlog.get_logger()

BEAT = 1.0  # seconds
MOST = 20  # steps in one report
PART = 0.8  # of the time after which the actor takes the run for lost, after which we do


class Reporter:
    """Of one run. `stop`: set once it is to end; `lost`: it is somebody else's by now, or nobody's."""

    def __init__(self, desk: Desk, pipeline: int, run: int, token: str) -> None:
        self._desk = desk
        self._about = (pipeline, run, token)
        self._waiting: list[StepReport] = []
        self._commit: str | None = None
        self._news = asyncio.Event()
        self._approvals: dict[str, bool] = {}
        self._heard = asyncio.Event()
        self.stop = asyncio.Event()
        self.lost = False

    def say(self, step: StepReport) -> None:
        """Tell how it is with a step, soon."""
        self._waiting.append(step)
        self._news.set()

    def checked_out(self, commit: str | None) -> None:
        self._commit = commit
        self._news.set()

    async def approval(self, step: str) -> bool:
        """What was said of a step that waits: nothing comes without a deadline, which the actor keeps."""
        while step not in self._approvals:
            self._heard.clear()
            await self._heard.wait()
        return self._approvals[step]

    async def go_on(self) -> None:
        """Report until it is cancelled or the run is not ours any more."""
        last = self._desk.clock.monotonic()
        while not self.lost:
            if await self._report(self._next()):
                last = self._desk.clock.monotonic()
            elif self._desk.clock.monotonic() - last > PART * self._desk.lost_after:
                log.warning("a run is given up: its pipeline does not answer", about=self._about[:2])
                self._is_lost()
            if not self._waiting:
                try:
                    async with asyncio.timeout(BEAT):
                        await self._news.wait()
                except TimeoutError:
                    pass
            else:
                await asyncio.sleep(0.02)
            self._news.clear()

    async def finish(self, over: str, reason: str | None) -> None:
        """Tell the rest and how the run has ended, for as long as it is ours."""
        deadline = self._desk.clock.monotonic() + self._desk.lost_after
        while not self.lost and self._desk.clock.monotonic() < deadline:
            last = len(self._waiting) <= MOST
            said = self._next(over if last else None, reason if last else None)
            if await self._report(said) and last:
                return
            await asyncio.sleep(0.02)

    def _next(self, over: str | None = None, reason: str | None = None) -> ReportRun:
        pipeline, run, token = self._about
        return ReportRun(
            pipeline=pipeline, run=run, token=token, steps=tuple(self._waiting[:MOST]), commit=self._commit,
            over=over, reason=reason,  # type: ignore[arg-type]  # one of those that a report may say
        )  # fmt: skip

    async def _report(self, said: ReportRun) -> bool:
        context = Context(command_id=self._desk.ids.new())
        try:
            answer = await ask(self._desk.bus, REPORT_RUN, said, context)
        except Refusal as refusal:
            if refusal.code is ErrorCode.NOT_FOUND:
                self._is_lost()
            log.info("a report was not heard", about=self._about[:2], why=refusal.message)
            return False
        del self._waiting[: len(said.steps)]
        if said.commit is not None:
            self._commit = None
        if not answer.holds:
            self._is_lost()
        if answer.stop:
            self.stop.set()
        self._approvals |= answer.approvals
        self._heard.set()
        return True

    def _is_lost(self) -> None:
        self.lost = True
        self.stop.set()
