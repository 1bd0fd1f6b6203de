"""Those who run pipelines in a simulated world, beside its callers: they begin runs, stop some, and approve steps or
not, at any time. What is defined is on record before the first host is there."""

import asyncio
from typing import Any

import msgspec

from actors.pipeline.checking import definition_of
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.contract import Rpc
from bus_schemas.errors import Refusal
from bus_schemas.pipeline import (
    APPROVE_STEP,
    DCI_STATUS,
    GET_PIPELINE_RUN,
    RUN_PIPELINE,
    STOP_PIPELINE,
    ApproveStep,
    GetDciStatus,
    GetPipelineRun,
    RunPipeline,
    StopPipeline,
)
from bus_schemas.pipeline_events import PIPELINE_DEFINED, PipelineDefined, PipelineQueued
from simulators.time.clock import STARTED_AT
from simulators.world.callers import EVERYTHING, PASSING, WINDOW, Callers, Command
from simulators.world.world import World

HEAD = """
id = {id}
name = "{name}"
params = {{ mark = {{ type = "integer", default = 0 }} }}
"""
TEXTS = (
    # One at a time, with an approval in the middle; what is lost begins anew once.
    HEAD.format(id=1, name="deploy") + """
rerun = 1
[[steps]]
name = "build"
do = "run"
commands = ["flaky 2.0"]
retries = 1
[[steps]]
name = "ask"
do = "approval"
timeout = 20
[[steps]]
name = "ship"
do = "run"
commands = ["work 3.0"]
""",
    # Two at a time, of which a newer one ends the older ones; it is lost with its runner.
    HEAD.format(id=2, name="test") + """
at_once = 2
concurrency = "cancel_older"
labels = ["linux"]
[[steps]]
name = "one"
do = "run"
commands = ["work 6.0"]
[[steps]]
name = "two"
do = "run"
needs = []
commands = ["work 11.0"]
[[steps]]
name = "odd"
do = "run"
needs = ["one"]
on_failure = "ignore"
commands = ["fail 1.0"]
""",
    # One alone, longer than a runner may be silent; by itself, too. What is lost begins anew twice.
    HEAD.format(id=3, name="nightly") + """
concurrency = "refuse"
timeout = 60
rerun = 2
[schedule]
cron = "* * * * *"
[[steps]]
name = "long"
do = "run"
commands = ["work 30.0"]
[[steps]]
name = "tidy"
do = "run"
when = { after = "always" }
commands = ["work 1.0"]
""",
    # As many as come wait in a row, three go on.
    HEAD.format(id=4, name="queue") + """
at_once = 3
wait = 100
[[steps]]
name = "work"
do = "run"
commands = ["work 9.0"]
""",
)
PEOPLE, STEPS = 4, 10
TRIES = 10
ENDS_WITHIN = 100.0  # seconds in which all runs are over once nothing goes wrong: of those that wait, the last
PROBE = 2  # the pipeline that is run when all is quiet: nobody has to approve it


class Pipeliners:
    """Everybody who runs pipelines. `said`: what the records say of each run in the end; `over_by`: when whatever was
    begun a while before is over; `runners`: that are there in the end."""

    def __init__(self, callers: Callers) -> None:
        self.callers = callers
        self.world = callers.world
        self.random = callers.random
        self.definitions = {one.id: one for one in map(definition_of, TEXTS)}
        self.said: dict[tuple[int, int], str] = {}
        self.over_by = 0.0
        self.runners = set[str]()
        self.probe: Command | None = None
        self._count = 0
        self._runs = 0

    @staticmethod
    def define(world: World) -> None:
        """Bring the definitions on record."""
        for text in TEXTS:
            definition = definition_of(text)
            event = PipelineDefined(
                pipeline=definition.id, at=STARTED_AT.isoformat().replace("+00:00", "Z"), by="admin",
                name=definition.name, version=1, source="api", branch=None, labels=tuple(definition.labels), text=text,
            )  # fmt: skip
            world.broker.log.store(PIPELINE_DEFINED.subject_for(event), msgspec.json.encode(event), {})

    async def play(self) -> None:
        """Ask until the window is over."""
        await asyncio.gather(*(self._somebody(f"ci{number}") for number in range(PEOPLE)))

    async def _somebody(self, user: str) -> None:
        for _ in range(STEPS):
            await self.callers.wait(self.random.expovariate(STEPS / WINDOW))
            if self.world.now < WINDOW:
                rpc, request = self._something()
                await self.callers.ask_now_and_again(self._command(user, rpc, request))

    def _command(self, user: str, rpc: Rpc[Any, Any], request: Any) -> Command:
        self._count += 1
        return self.callers.command(f"pipeline-{self._count}", user, rpc, request)

    def _something(self) -> tuple[Rpc[Any, Any], Any]:
        pipeline = self.random.choice(tuple(self.definitions))
        match self.random.randrange(8):
            case 0 | 1 | 2 | 3:
                return RUN_PIPELINE, self._run(pipeline)
            case 4:
                run = self.random.choice((None, self.random.randrange(1, 5)))
                return STOP_PIPELINE, StopPipeline(pipeline=pipeline, run=run)
            case _:
                run, approve = self.random.randrange(1, 7), self.random.random() < 0.8
                return APPROVE_STEP, ApproveStep(pipeline=1, run=run, step="ask", approve=approve)

    def _run(self, pipeline: int) -> RunPipeline:
        """Each is known by its parameter."""
        self._runs += 1
        return RunPipeline(pipeline=pipeline, parameters={"mark": self._runs})

    # --- when nothing goes wrong any more

    async def look_around(self) -> None:
        """Wait until all runs are over, run another one, and ask the records of each."""
        await asyncio.sleep(ENDS_WITHIN)
        self.over_by = self.world.now
        self.probe = self._command("ci0", RUN_PIPELINE, self._run(PROBE))
        for _ in range(TRIES):
            answer = await self.callers.ask(self.probe)
            if answer.refusal is None or answer.refusal.code not in PASSING:
                break
        await asyncio.sleep(20.0)
        context = Context(command_id="who", user="admin", actions=EVERYTHING)
        try:
            status = await ask(self.random.choice(self.world.gateways), DCI_STATUS, GetDciStatus(), context)
            self.runners = {one.runner for one in status.runners}
        except Refusal:
            self.runners = set()
        begun = {(one.event.pipeline, one.event.run) for one in self.world.stored
                 if isinstance(one.event, PipelineQueued)}  # fmt: skip
        for pipeline, run in sorted(begun):
            self.said[pipeline, run] = await self._said(GetPipelineRun(pipeline=pipeline, run=run))

    async def _said(self, wanted: GetPipelineRun) -> str:
        seen = len(self.world.broker.journal)
        context = Context(command_id="how", user="admin", actions=EVERYTHING, after=seen)
        try:
            return str((await ask(self.random.choice(self.world.gateways), GET_PIPELINE_RUN, wanted, context)).status)
        except Refusal as refusal:
            return str(refusal.code)
