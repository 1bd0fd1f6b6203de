"""A host's runner: takes runs that wait and that its labels are enough for, as many at once as it may, and says every
second that it is there."""

import asyncio
import contextlib
import os
from collections import Counter

import msgspec
import structlog

from actors.pipeline.checking import definition_of
from actors.runner.desk import Desk
from actors.runner.plan import Plan
from actors.runner.queue import LOOKED_AT, Queue
from actors.runner.reporter import BEAT
from actors.runner.settings import Runner as Settings
from actors.runner.work import AT_ONCE, Work
from actors.runtime.bus import BusError, Recorded, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.erasure import ERASURE_CLEARED
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.pipeline import CLAIM_RUN, QUEUED_RUNS, ClaimedRun, ClaimRun, QueuedRun, QueuedRuns
from bus_schemas.pipeline_events import PIPELINE_ENDED, PIPELINE_QUEUED, RUNNER_BEAT, RunnerBeat

log = structlog.get_logger()

LOOK = 2.0  # seconds between two looks when nobody says anything
REST = 2.0  # times as long as a look took, LOOK at most: there may be a hundred pipelines whose turn it is not
SILENT = 5.0  # seconds since it was last said that it is there, after which it is not
MOST_WAITING, OF_ONE = 50, 5  # runs for approvals, each with a workspace: altogether, and of one pipeline
TWICE = 2  # as many steps run commands as those of the runs that are taken: some are left for what is approved
STOP_PATIENCE = 15.0  # seconds in which the runs of a runner that ends may end


class Runner:
    """Of one host."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self._desk = desk
        self._settings = settings
        self._going: dict[asyncio.Task[None], Work] = {}
        self._places = asyncio.Semaphore(TWICE * settings.at_once * AT_ONCE)
        self._news = asyncio.Event()
        self._ends: list[Unsubscribe] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._said = desk.clock.monotonic()  # that it is there
        self._no_room: str | None = None  # why none can begin
        self._queue = Queue()

    async def start(self) -> None:
        """End what an earlier process has left, then take runs."""
        for left in await self._desk.executor.end_leftovers():
            log.warning("a run of an earlier runner was ended", run=left.run, processes=left.ended)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(work) for work in (
            self._say_there(), self._take_runs(), self._follow(),
            self._desk.phones.end_left(self._desk.bus, self._desk.ids),
        )]

    async def stop(self) -> None:
        """Take no more, and end what goes on: nobody would report it."""
        ending = [*self._tasks, *self._going]
        for task in ending:
            task.cancel()
        if ending:  # none: it had not begun yet
            await asyncio.wait(ending, timeout=STOP_PATIENCE)
        await self._desk.phones.stop()
        for end in self._ends:
            with contextlib.suppress(BusError):
                await end()
        await self._desk.executor.close()

    async def _follow(self) -> None:
        """Hear at once of what may be taken now. Without it, the next look finds that."""
        for topic in (PIPELINE_QUEUED, PIPELINE_ENDED):
            while True:
                try:
                    last = await self._desk.bus.last_seq()
                    self._ends.append(await self._desk.bus.follow(topic.pattern, self._hear, after=last))
                    break
                except BusError as error:
                    log.info("runs that wait are not heard of yet", error=repr(error))
                await asyncio.sleep(LOOK)

    def away(self) -> str | None:
        """Why no run is taken here, though some should be; None: they are."""
        if any(task.done() for task in self._tasks[:2]):
            return "it has ended by an error, which is in the log of its host"
        silent = self._desk.clock.monotonic() - self._said
        return f"it has said nothing for {silent:.0f} s" if silent > SILENT else self._no_room

    async def _drop_caches(self) -> None:
        """A cache may tell of who was erased: all go, for what was missed at once and then each time."""
        executor, bus = self._desk.executor, self._desk.bus
        while True:
            try:
                last = await bus.last(ERASURE_CLEARED.pattern, certain=True)
                since = last.seq if last is not None else 0
                if since != await executor.caches_since():
                    await executor.drop_caches(since)
                self._ends.append(await bus.follow(ERASURE_CLEARED.pattern, self._erased, after=since))
                return
            except BusError as error:
                log.info("it is not known yet whether somebody was erased", error=repr(error))
            except OSError as error:
                log.error("caches may tell of who was erased, and no runs are taken", error=repr(error))
            await asyncio.sleep(LOOK)

    async def _erased(self, recorded: Recorded) -> None:
        await self._desk.executor.drop_caches(recorded.seq)

    async def _hear(self, recorded: Recorded) -> None:
        self._news.set()

    async def _say_there(self) -> None:
        while True:
            view = self._desk.view(tuple(sorted(work.shown for work in self._going.values())))
            beat = RunnerBeat(runner=self._desk.name, view=view)
            with contextlib.suppress(BusError):
                await self._desk.bus.publish(RUNNER_BEAT.subject_for(beat), msgspec.json.encode(beat), {})
                self._said = self._desk.clock.monotonic()
            await asyncio.sleep(BEAT)

    async def _take_runs(self) -> None:
        await self._drop_caches()
        while True:
            self._news.clear()
            began = self._desk.clock.monotonic()
            try:
                await self._take()
            except (BusError, Refusal) as error:
                log.info("no runs taken", error=str(error))
            except Exception:
                log.exception("no runs taken")
            await asyncio.sleep(min(REST * (self._desk.clock.monotonic() - began), LOOK))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._news.wait()

    async def _take(self) -> None:
        """Claim what waits; of a pipeline whose first one is not to be had now none behind it, and none of one of which
        enough wait for an approval here."""
        if self._is_full() or await self._lacks_room():
            return
        context = Context(command_id=self._desk.ids.new(), after=await self._desk.bus.last_seq())
        wanted = QueuedRuns(labels=self._settings.labels, limit=LOOKED_AT, without=tuple(self._queue.passed))
        waiting = await ask(self._desk.bus, QUEUED_RUNS, wanted, context)
        approvals = Counter(work.pipeline for work in self._going.values() if work.waits)
        for run in self._queue.runs(waiting, {pipeline for pipeline, waits in approvals.items() if waits >= OF_ONE}):
            if self._is_full():
                return
            began = self._desk.clock.monotonic()
            had = await self._claim(run)
            self._queue.answered(run, had=had, began=began, now=self._desk.clock.monotonic())

    def _is_full(self) -> bool:
        """What waits for an approval, for days perhaps, takes no place; when it goes on there may be one more."""
        waiting = sum(work.waits for work in self._going.values())
        return len(self._going) - waiting >= self._settings.at_once or waiting >= MOST_WAITING

    async def _lacks_room(self) -> bool:
        """Whether no run could begin here: all that wait would fail at once, and another runner may have room."""
        before, self._no_room = self._no_room, await self._desk.executor.no_room()
        if self._no_room is not None and before is None:
            log.warning("no runs taken", why=self._no_room)
        return self._no_room is not None

    async def _claim(self, run: QueuedRun) -> bool:
        token = self._desk.ids.new() + self._desk.ids.new()
        since = self._desk.clock.monotonic()
        wanted = ClaimRun(pipeline=run.pipeline, run=run.run, runner=self._desk.name, token=token)
        try:
            claimed = await self._asked(wanted)
        except Refusal as refusal:
            if refusal.code not in (ErrorCode.CONFLICT, ErrorCode.NOT_FOUND):
                log.info("a run was not claimed", pipeline=run.pipeline, run=run.run, why=refusal.message)
            return False
        plan = await asyncio.to_thread(_planned, claimed)
        self._begin(claimed, plan, token, since)
        return True

    async def _asked(self, wanted: ClaimRun) -> ClaimedRun:
        """Once more under the same token where no answer came: the run may be ours by now, and would be lost. Raises
        Refusal."""
        try:
            return await ask(self._desk.bus, CLAIM_RUN, wanted, Context(command_id=self._desk.ids.new()))
        except Refusal as refusal:
            if refusal.code not in (ErrorCode.TIMEOUT, ErrorCode.UNAVAILABLE):
                raise
        return await ask(self._desk.bus, CLAIM_RUN, wanted, Context(command_id=self._desk.ids.new()))

    def _begin(self, claimed: ClaimedRun, plan: Plan, token: str, since: float) -> None:
        work = Work(self._desk, claimed, plan, token, since, self._places)
        task = asyncio.get_running_loop().create_task(work.carry_out())
        self._going[task] = work
        log.info("a run begins", run=work.name, pipeline=claimed.name)

        def over(task: "asyncio.Task[None]") -> None:
            del self._going[task]
            self._news.set()
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("a run went wrong", run=work.name, exc_info=error)

        task.add_done_callback(over)


def _planned(claimed: ClaimedRun) -> Plan:
    """The plan of a run. To read its definition and compare its branch with a hundred globs takes 0.2 s."""
    return Plan(definition_of(claimed.text), claimed.branch, claimed.parameters)


def load() -> float:
    """Of the machine, over a minute."""
    return round(os.getloadavg()[0], 2)
