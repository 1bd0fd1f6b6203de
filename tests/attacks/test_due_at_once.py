"""Hundreds of pipelines that come due in one moment, or are run: their definitions are read, and what they are given is
tried, beside the loop of their host."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.pipeline import checking, machine, reading, trigger
from actors.pipeline.actor import API, Define, PipelineActor
from actors.pipeline.checking import definition_of, on_record
from actors.pipeline.globs import fits
from actors.pipeline.reading import Reader
from actors.pipeline.record import Pipeline
from actors.pipeline.runners import Runners
from actors.pipeline.start import OnShard, Owned
from actors.runner.fleet import NOT_THERE, said_in_all
from actors.runtime.clock import Moment, parse_utc, utc
from actors.runtime.context import Context
from actors.runtime.decision import SetTimer, TimerFired
from actors.runtime.host import Host
from actors.runtime.signature import SIGNATURE, sign
from actors.runtime.sparing import SparingLog
from actors.runtime.wire import ask
from actors.runtime.written import AT_ONCE
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.names import SYSTEM, share_of
from bus_schemas.permissions import Action
from bus_schemas.pipeline import (
    CLAIM_RUN,
    DELETE_PIPELINE,
    RUN_PIPELINE,
    ClaimRun,
    DeletePipeline,
    PutPipeline,
    RunnerView,
    RunPipeline,
    SlotResult,
    TriggerOnShard,
    TriggerPipeline,
)
from bus_schemas.pipeline_events import RUNNER_BEAT, RunnerBeat
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.ids import CountedIds

ID, MANY, MOST = "96", 100, 3
ANN, BOB = share_of("session", "ann"), share_of("session", "bob")
TEXT = """
id = 96
name = "each-minute"
rerun = 1
schedule = { cron = "* * * * *", params = { tag = "v1" } }
[params.tag]
default = "v0"
pattern = "v[0-9]+"
[[steps]]
name = "a"
do = "run"
commands = ["true"]
"""


class Always:
    held, epoch = True, 1


@dataclass
class Stage:
    """A host with one pipeline, and a runner that says that it is there."""

    host: Host
    pipeline: PipelineActor
    made: Callable[[str], Host]
    ids: Any
    reader: Reader

    def context(self) -> Context:
        return Context(command_id=f"c{next(self.ids)}", user="ann", actions=frozenset({Action.PIPELINE_RUN}))

    async def define(self, text: str = TEXT) -> None:
        await self.host.order(PipelineActor, ID, Define(text=text, source="api"), self.context())

    async def runs(self, **given: str) -> None:
        await ask(self.host.bus, RUN_PIPELINE, RunPipeline(pipeline=96, parameters=dict(given)), self.context())

    async def claims(self) -> None:
        wanted = ClaimRun(pipeline=96, run=1, runner="r", token="t")
        await ask(self.host.bus, CLAIM_RUN, wanted, self.context())

    async def fires(self, name: str) -> None:
        self.pipeline.tell(TimerFired(name=name))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
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
    yield Stage(host, await host.activate(PipelineActor, ID), made, count(), reader)


def later(pipeline: Pipeline) -> Moment:
    """When its schedule has come once."""
    return Moment(at=utc(parse_utc(pipeline.defined) + timedelta(minutes=1)), mono=0.0, boot="b")


def in_loop(monkeypatch: pytest.MonkeyPatch, name: str) -> list[bool]:
    """Whether each call of this function of `checking` was made in the loop."""
    calls, former = list[bool](), getattr(checking, name)

    def seen(text: str) -> Any:
        calls.append(threading.current_thread() is threading.main_thread())
        return former(text)

    monkeypatch.setattr(checking, name, seen)
    return calls


async def test_definitions_that_are_due_at_once_hold_nobody_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 64 kB took 0.07 s, and 250 are kept: 290 had a host do nothing else for half of each minute."""
    read = in_loop(monkeypatch, "plain")
    ways: list[Callable[[], Awaitable[object]]] = [
        stage.define, stage.runs, lambda: stage.fires("schedule"), stage.claims, lambda: stage.fires("look-1"),
        lambda: stage.fires("lost-1"), lambda: stage.made("b").activate(PipelineActor, ID),
    ]  # fmt: skip
    for number, way in enumerate(ways, 1):
        definition_of.cache_clear()
        async with asyncio.timeout(5):
            while checking.is_known(TEXT):  # the thread that has read it has it for a moment more
                await asyncio.sleep(0.001)
            await way()
            while len(read) < number or not stage.pipeline.idle:
                await asyncio.sleep(0.001)
    print(f"{len(ways)} ways to look a definition up, {len(read)} read, {sum(read)} of them in the loop")
    assert read == [False] * len(ways)


def test_nothing_is_due_each_second() -> None:
    """A sixth field of cron is seconds: a look at one that was due for five minutes passed over 300 moments, 4 to 10 ms
    of the loop, each second, for each of a user's 200 pipelines that begin nothing (a run goes on, 200 wait)."""
    text = TEXT.replace('cron = "* * * * *"', 'cron = "*/1 0-59 * * * *"')  # as one of before is on record
    now = utc(parse_utc("2026-01-01T00:00:00Z") + timedelta(hours=1))
    pipeline = Pipeline(
        pipeline=96, name="n", version=1, source=API, by="ann", defined="2026-01-01T00:00:00Z", texts={1: text}
    )
    definition_of(text)
    began = time.thread_time()
    decision = machine.due(pipeline, Moment(at=now, mono=0.0, boot="b"), room=False)
    took = time.thread_time() - began
    print(f"a look at what was due 300 times: {1000 * took:.1f} ms, {decision.effects}")
    [timer] = decision.effects
    assert isinstance(timer, SetTimer) and timer.seconds >= 60 and took < 0.002


async def test_a_definition_that_was_read_stays_until_it_was_looked_up() -> None:
    """However many others are read meanwhile."""
    reader = Reader()
    mine = await reader.read(TEXT, ANN)
    definition_of.cache_clear()
    assert checking.is_known(TEXT) and definition_of(TEXT) is mine


async def test_nobody_waits_for_all_definitions_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred of 64 kB that come due at once take ten seconds, after which a runner does not wait for its answer
    any more: the run that it gets then is lost."""
    reader, done = Reader(), list[str]()

    def read(text: str) -> Any:
        done.append(text)

    monkeypatch.setattr(reading, "definition_of", read)
    texts = [f"a{number}" for number in range(MANY)]
    anns = [asyncio.create_task(reader.read(text, ANN)) for text in texts]
    await asyncio.sleep(0)
    await reader.read("b", BOB)
    print(f"{MANY} definitions of one user are to be read: another one's is read after {done.index('b')} of them")
    assert done.index("b") < 5
    await asyncio.gather(*anns)
    assert [text for text in done if text != "b"] == texts


async def test_what_a_run_is_given_is_tried_beside_the_loop(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """To make the patterns of a definition takes up to 0.25 s, to try them on long texts 0.17 s: 200 runs of one, all
    refused, held its host up for ten seconds. What a schedule gives was tried before."""
    await stage.define()
    tried = in_loop(monkeypatch, "compiled")
    await stage.runs(tag="v2")
    with pytest.raises(Refusal, match="pattern"):
        await stage.runs(tag="2")
    state = stage.pipeline.state
    assert state is not None
    begun = machine.due(state, later(state)).events
    print(f"two runs and one by the schedule: {len(tried)} trials of a pattern, {sum(tried)} of them in the loop")
    assert tried == [False, False] and [event.parameters for event in begun] == [{"tag": "v1"}]


async def test_what_is_posted_is_compared_beside_the_loop(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """To make two hundred globs takes 0.07 s, when those of ten other pipelines were made since: an address may post
    60 at once, which were 4 s of the loop in one go."""
    compared = list[bool]()

    def seen(glob: str, text: str) -> bool:
        compared.append(threading.current_thread() is threading.main_thread())
        return fits(glob, text)

    monkeypatch.setattr(trigger, "fits", seen)
    await stage.define(TEXT.replace("[[steps]]", '[webhook]\nsecret = "HOOK"\nonly = { "/x" = ["a", "b"] }\n[[steps]]'))
    no_secret = SparingLog(per_minute=6, now=stage.host.clock.monotonic)
    desk = OnShard(stage.host, stage.reader, Owned(stage.host, MOST), lambda name: "secret", no_secret)
    said = list[Any]()
    for body in (b'{"x": "b"}', b'{"x": "c"}'):
        headers = {SIGNATURE: sign(["secret"], body, int(stage.host.clock.now().timestamp()))}
        asked = TriggerOnShard(shard=1, asked=TriggerPipeline(pipeline=96, body=body, headers=headers))
        said.append(await desk.trigger(asked, stage.context()))
    print(f"2 posts: {len(compared)} globs compared, {sum(compared)} of them in the loop")
    assert [(one.run, one.begun) for one in said] == [(1, True), (None, False)] and compared == [False] * 4


def test_runs_that_wait_for_their_turn_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a pipeline that is busy some may wait that were tried: those of each but the last twenty were tried again, in
    the loop, where fifty hard patterns are 0.2 s for each run."""
    params = "".join(f'[params.p{number}]\npattern = "v[0-9]+{number}"\n' for number in range(50))
    text = f'id = 97\nname = "n"\n{params}[[steps]]\nname = "a"\ndo = "run"\ncommands = ["true"]\n'
    runs = [{f"p{number}": f"v{run}{number}" for number in range(50)} for run in range(MANY)]
    for given in runs:
        checking.tried(text, given)
    tried = in_loop(monkeypatch, "compiled")
    bounds = [checking.bound(definition_of(text), given) for given in runs]
    print(f"{MANY} runs of 50 parameters that were tried: {len(tried)} of {50 * MANY} tried again")
    assert bounds == runs and not tried


@pytest.mark.parametrize("there", [True, False])
async def test_what_was_tried_for_another_definition_is_tried_anew(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """Who waits for a turn to have a run tried brings a hard definition in before it: 200 runs, all in the loop."""
    if there:
        await stage.define()
    checking._known[:] = {}, {}
    tried, turn = in_loop(monkeypatch, "compiled"), stage.reader._reading
    async with turn:
        runs = [asyncio.create_task(stage.runs(tag=f"v{n}")) for n in range(MANY)] if there else []
        await asyncio.sleep(0.01)  # they are received
        defined = asyncio.create_task(stage.define(TEXT.replace("+", "*" if there else "{1,9}")))
        await asyncio.sleep(0.01)
        runs += [asyncio.create_task(stage.runs(tag=f"v{n}")) for n in range(MANY)] if not there else []
        await asyncio.sleep(0.01)
    await asyncio.gather(defined, *runs)  # what was refused was asked for again
    print(f"{MANY} runs while the definition changes: {len(tried)} trials, {sum(tried)} of them in the loop")
    assert len(tried) >= MANY and not any(tried)


async def test_whoever_tries_hard_patterns_on_end_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its turn longer than anybody waits for an answer is refused, and others' turn is between."""
    ends, began, reader = threading.Event(), list[str](), Reader()
    monkeypatch.setattr(reading, "PATIENCE", 0.05)
    monkeypatch.setattr(reading, "tried", lambda text, given: (began.append(text), ends.wait(10)))
    first, *others = [asyncio.create_task(reader.try_out(ANN, str(n), {})) for n in range(MANY)]
    async with asyncio.timeout(5):
        codes = [getattr(one, "code", None) for one in await asyncio.gather(*others, return_exceptions=True)]
    bob = asyncio.create_task(reader.try_out(BOB, "bob", {}))
    ends.set()
    await asyncio.gather(first, bob)
    print(f"{MANY} of one share at once: {len(codes)} refused, {len(began)} tried")
    assert set(codes) == {ErrorCode.RATE_LIMITED} and began == ["0", "bob"]


async def test_nobody_has_pipelines_without_end(stage: Stage) -> None:
    """What they begin by themselves counts for no share: of 1,643, made in 45 s, each began a run every minute."""
    host, reader = stage.host, Reader()
    host.shards[1] = host
    no_secret = SparingLog(per_minute=6, now=host.clock.monotonic)
    desk = OnShard(host, reader, Owned(host, MOST), lambda name: None, no_secret)

    async def put(id: int, user: str, source: str = API) -> int:
        text = TEXT.replace("96", str(id))
        wanted = PutPipeline(shard=1, pipeline=id, text=text, source=source)
        context = Context(command_id=f"{id}{user}", user=user)
        return (await desk.put(wanted, context)).version

    for id in range(100, 100 + MOST):
        assert await put(id, "ann") == 1
    with pytest.raises(Refusal) as refused:
        await put(200, "ann")
    assert (refused.value.code, refused.value.details) == (
        ErrorCode.RATE_LIMITED, {"rule": "pipelines_per_user", "most": MOST}
    )  # fmt: skip
    assert await put(200, "bob") == 1
    assert await put(201, "ann", "a.toml") == 1  # of a folder
    assert await put(101, "bob") == 1  # the same text: it stays hers
    gone = Context(command_id="gone", user="ann", actions=frozenset({Action.PIPELINE_EDIT}))
    await ask(host.bus, DELETE_PIPELINE, DeletePipeline(pipeline=100), gone)
    assert await put(202, "ann") == 1


async def test_runs_count_by_what_their_steps_put_on_record(stage: Stage) -> None:
    """Two hundred jobs that come to nothing are 280 kB in no time, for nobody: a journal full in half an hour."""
    cell = ", ".join(f'"{number:x<200}"' for number in range(30))
    others = "".join(f'l{number} = ["{"y" * 200}"]\n' for number in range(4))
    steps = "".join(
        f'[[steps]]\nname = "s{number}"\ndo = "run"\ncommands = ["true"]\nwhen = {{ branch = ["none"] }}\n'
        f"[steps.matrix]\na = [{cell}]\n{others}" for number in range(6)
    )  # fmt: skip
    await stage.define(TEXT[: TEXT.index("[[steps]]")] + steps)
    stage.host.written.charge(ANN, (), beside=AT_ONCE - 2_000_000)
    begun = 0
    with pytest.raises(Refusal) as refused:
        for _ in range(MANY):
            await stage.runs()
            begun += 1
    assert (refused.value.code, refused.value.details["rule"]) == (ErrorCode.RATE_LIMITED, "journal_bytes")
    state = stage.pipeline.state
    assert state is not None
    runs = state.runs
    stage.pipeline.tell(TimerFired(name="schedule"), later(state))
    while not stage.pipeline.idle:
        await asyncio.sleep(0.001)
    print(f"{begun} runs of 180 jobs of 1 kB, or again each, with 2 MB left to write; none by schedule")
    assert begun == 2 and stage.pipeline.state is not None and stage.pipeline.state.runs == runs


def test_slots_that_are_not_there_count_as_well() -> None:
    """A step says of a thousand that it names: 75 kB, where 9 kB counted, and it is over at once."""
    step = f'[[steps]]\nname = "a"\ndo = "adb"\ncommand = "true"\non = {{ slots = {[*range(1, 1001)]} }}\n'
    definition = definition_of(TEXT[: TEXT.index("[[steps]]")] + step)
    said = said_in_all({slot: SlotResult(slot=slot, ok=False, said=NOT_THERE) for slot in range(1, 1001)})
    written = len(msgspec.json.encode(said))
    print(f"1,000 slots that are not there: {written} bytes on record, {on_record(definition)} count")
    assert written < on_record(definition) < 2 * written


async def test_what_the_site_begins_by_itself_counts_for_nobody(stage: Stage) -> None:
    """Pipelines of its folders."""
    nobody = Context(command_id="c", user=SYSTEM)
    await stage.host.order(PipelineActor, ID, Define(text=TEXT, source="a.toml"), nobody)
    stage.host.written.charge(share_of("", SYSTEM), (), beside=2 * AT_ONCE)
    state = stage.pipeline.state
    assert state is not None
    stage.pipeline.tell(TimerFired(name="schedule"), later(state))
    while not stage.pipeline.idle:
        await asyncio.sleep(0.001)
    assert stage.pipeline.state is not None and stage.pipeline.state.runs == 1
