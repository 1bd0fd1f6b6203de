"""Hundreds of pipelines that come due in one moment: their definitions are read beside the loop of their host."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.pipeline import checking
from actors.pipeline.actor import Define, PipelineActor
from actors.pipeline.checking import definition_of
from actors.pipeline.reading import Reader
from actors.pipeline.runners import Runners
from actors.runtime.context import Context
from actors.runtime.decision import TimerFired
from actors.runtime.host import Host
from actors.runtime.wire import ask
from bus_schemas.permissions import Action
from bus_schemas.pipeline import CLAIM_RUN, RUN_PIPELINE, ClaimRun, RunnerView, RunPipeline
from bus_schemas.pipeline_events import RUNNER_BEAT, RunnerBeat
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.ids import CountedIds

ID = "96"
TEXT = """
id = 96
name = "each-minute"
rerun = 1
schedule = { cron = "* * * * *" }
[[steps]]
name = "a"
do = "run"
commands = ["true"]
"""


class Always:
    held, epoch = True, 1


async def test_definitions_that_are_due_at_once_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 64 kB took 0.07 s, and 250 are kept: 290 had a host do nothing else for half of each minute."""
    read, plain = list[bool](), checking.plain

    def seen(text: str) -> str:
        read.append(threading.current_thread() is threading.main_thread())
        return plain(text)

    monkeypatch.setattr(checking, "plain", seen)
    clock, reader = SystemClock(), Reader()
    bus = MemoryBus(MemoryBroker(clock=clock))
    runners = Runners(bus=bus, clock=clock)
    await runners.start()
    view = RunnerView(
        runner="r", labels=(), running=(), at_once=1, version="", user="", isolation=(), git=None, disk_free=0, load=0.0
    )
    beat = RunnerBeat(runner="r", view=view)
    await bus.publish(RUNNER_BEAT.subject_for(beat), msgspec.json.encode(beat), {})

    def made(name: str) -> Host:
        host = Host(name=name, bus=bus, clock=clock, ids=CountedIds(name), ownership=Always())
        host.add_maker(PipelineActor.made_by(
            lambda id, host: PipelineActor(id=id, host=host, reader=reader, runners=runners, lost=30.0)
        ))  # fmt: skip
        return host

    host = made("a")
    pipeline = await host.activate(PipelineActor, ID)

    def context(id: str) -> Context:
        return Context(command_id=id, user="ann", actions=frozenset({Action.PIPELINE_RUN}))

    async def fires(name: str) -> None:
        pipeline.tell(TimerFired(name=name))

    async def runs() -> None:
        await ask(bus, RUN_PIPELINE, RunPipeline(pipeline=96), context("run"))

    async def claims() -> None:
        await ask(bus, CLAIM_RUN, ClaimRun(pipeline=96, run=1, runner="r", token="t"), context("claim"))

    ways: list[Callable[[], Awaitable[object]]] = [
        lambda: host.order(PipelineActor, ID, Define(text=TEXT, source="api"), context("define")),
        runs, lambda: fires("schedule"), claims, lambda: fires("look-1"), lambda: fires("lost-1"),
        lambda: made("b").activate(PipelineActor, ID),
    ]  # fmt: skip
    for number, way in enumerate(ways, 1):
        definition_of.cache_clear()
        await way()
        async with asyncio.timeout(5):
            while len(read) < number or not pipeline.idle:
                await asyncio.sleep(0.001)
    print(f"{len(ways)} ways to look a definition up, {len(read)} read, {sum(read)} of them in the loop")
    assert read == [False] * len(ways)
    reader.stop()


async def test_a_definition_that_was_read_stays_until_it_was_looked_up() -> None:
    """However many others are read meanwhile."""
    reader = Reader()
    mine = await reader.read(TEXT)
    definition_of.cache_clear()
    assert checking.is_known(TEXT) and definition_of(TEXT) is mine
    reader.stop()
