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
ENDING = 8.0  # seconds that it takes at most until nothing of a run is left that is given up


class Reporter:
    """Of one run. `stop`: set once it is to end; `lost`: it is somebody else's by now, or nobody's. `claimed`: when it
    was asked for (monotonic).

    Whoever does not hear from its pipeline gives a run up in time for nothing to be left of it when the pipeline lets
    somebody else begin it anew."""

    def __init__(self, desk: Desk, pipeline: int, run: int, token: str, claimed: float) -> None:
        self._desk = desk
        self._known = claimed  # the last moment at which its pipeline is known not to have heard of it yet
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
        while not self.lost:
            try:
                async with asyncio.timeout(max(self._left(), 0.0)):
                    await self._report(self._next())
            except TimeoutError:
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

    def _left(self) -> float:
        """Seconds until the run is to be given up unless something is heard."""
        lost_after = self._desk.lost_after
        return self._known + max(lost_after - ENDING, lost_after / 2) - self._desk.clock.monotonic()

    def _next(self, over: str | None = None, reason: str | None = None) -> ReportRun:
        pipeline, run, token = self._about
        return ReportRun(
            pipeline=pipeline, run=run, token=token, steps=tuple(self._waiting[:MOST]), commit=self._commit,
            over=over, reason=reason,  # type: ignore[arg-type]  # one of those that a report may say
        )  # fmt: skip

    async def _report(self, said: ReportRun) -> bool:
        context, asked = Context(command_id=self._desk.ids.new()), self._desk.clock.monotonic()
        try:
            answer = await ask(self._desk.bus, REPORT_RUN, said, context)
        except Refusal as refusal:
            if refusal.code is ErrorCode.NOT_FOUND:
                self._is_lost()
            log.info("a report was not heard", about=self._about[:2], why=refusal.message)
            return False
        self._known = asked
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
