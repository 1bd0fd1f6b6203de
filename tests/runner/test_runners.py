"""Runners that share what waits: each run is carried out once, by one of them, with real processes."""

import asyncio
import json
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.adapters.random_ids import RandomIds
from actors.adapters.runner.executor import LocalExecutor
from actors.adapters.system_clock import SystemClock
from actors.pipeline.settings import Pipelines
from actors.runner import plan
from actors.runner.commands import HOWS, Came, Commands
from actors.runner.desk import Desk
from actors.runner.on_phones import OnPhones
from actors.runner.runner import SILENT, TWICE, Runner
from actors.runner.settings import Runner as Settings
from actors.runner.work import AT_ONCE
from actors.runtime.bus import Headers, Message, RequestTimeout
from bus_schemas.erasure import ERASURE_CLEARED, Erased, ErasureCleared
from bus_schemas.pipeline import RunnerView, StepStatus
from simulators.bus.memory_bus import MemoryBus
from tests.runner.steps import running_with
from tests.support.depth import examples
from tests.support.whole import SETTINGS, Whole, whole_site

SECRETS = {"KEY": "sesame-street-9"}
HEAD = 'id = 1\nname = "p"\nat_once = 100\n'
STEP = '[[steps]]\nname = "a"\ndo = "run"\ncommands = ["echo $OTTB_RUN"]\n'


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_site(tmp_path / "site") as running:
        await running.login()
        yield running


@asynccontextmanager
async def runner_on(
    site: Whole, name: str, folder: Path, lost_after: float = 30.0, bus: MemoryBus | None = None, **more: Any
) -> AsyncIterator[Runner]:
    """A runner as a host has one. `bus`: its own, in some state."""
    settings = Settings(**more)
    executor = LocalExecutor(folder=folder / name, bubblewrap=False, disk_free=0)

    def view(running: tuple[str, ...]) -> RunnerView:
        return RunnerView(
            runner=name, labels=settings.labels, running=running, at_once=settings.at_once, version="1", user="u",
            isolation=(), git=None, disk_free=0, load=0.0,
        )  # fmt: skip

    desk = Desk(
        bus=bus or MemoryBus(site.broker), clock=SystemClock(), ids=RandomIds(), executor=executor, name=name,
        secret=SECRETS.get, repository=str, lost_after=lost_after, view=view,
        phones=OnPhones(executor.folder / "phones"),
    )  # fmt: skip
    runner = Runner(desk, settings)
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop()


async def define(site: Whole, text: str) -> None:
    status, made = await site.ask("POST", "/api/dci/pipelines", {"text": text})
    assert status == 201, made


async def begin(site: Whole, **body: Any) -> int:
    """A run, once a runner is heard of."""
    async with asyncio.timeout(10):
        while True:
            status, made = await site.ask("POST", "/api/dci/pipeline/1/run", body)
            if status == 201:
                return int(made["run"])
            assert made["details"]["why"] == "no_runner", made
            await asyncio.sleep(0.05)


def said(site: Whole, verb: str) -> list[Any]:
    """The events of this name on record."""
    found = [entry for entry in site.broker.journal if entry.subject == f"ottb.v1.evt.pipeline.1.{verb}"]
    return [json.loads(entry.data) for entry in found]


async def ends(site: Whole, count: int, seconds: float = 60.0) -> list[Any]:
    async with asyncio.timeout(seconds):
        while len(over := said(site, "ended")) < count:
            await asyncio.sleep(0.05)
    return over


async def test_two_runners_share_what_waits_and_none_is_run_twice(site: Whole, tmp_path: Path) -> None:
    count, written = examples(100), tmp_path / "written"
    await define(site, HEAD + STEP.replace("echo $OTTB_RUN", f"echo $OTTB_RUN >> {written}"))
    async with AsyncExitStack() as both:
        for name in ("r1", "r2"):
            await both.enter_async_context(runner_on(site, name, tmp_path, at_once=3))
        for _ in range(count):
            await begin(site)
        over = await ends(site, count)
    started = Counter(event["run"] for event in said(site, "started"))
    assert started == Counter(range(1, count + 1)) == Counter(event["run"] for event in over)
    assert {event["status"] for event in over} == {"succeeded"}
    assert {event["runner"] for event in said(site, "started")} == {"r1", "r2"}
    assert sorted(map(int, written.read_text().split())) == list(range(1, count + 1))


async def test_a_run_is_planned_beside_the_loop(
    site: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To compare its branch with two hundred globs takes 0.1 s, for each run."""
    threads, former = list[bool](), plan.holds

    def held(*about: Any) -> bool:
        threads.append(threading.current_thread() is threading.main_thread())
        return former(*about)

    monkeypatch.setattr(plan, "holds", held)
    await define(site, HEAD + STEP)
    async with runner_on(site, "r1", tmp_path):
        await begin(site)
        await ends(site, 1)
    assert threads == [False]


async def test_a_runner_that_ends_leaves_no_task_that_waits(site: Whole, tmp_path: Path) -> None:
    await define(site, HEAD + '[[steps]]\nname = "ask"\ndo = "approval"\n')
    async with runner_on(site, "r1", tmp_path):
        await begin(site)
        async with asyncio.timeout(10):
            while not said(site, "step"):
                await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    assert [task for task in asyncio.all_tasks() if "actors/runner/" in repr(task.get_stack())] == []


async def test_what_waits_for_an_approval_takes_nobodys_place(site: Whole, tmp_path: Path) -> None:
    steps = '[[steps]]\nname = "ask"\ndo = "approval"\nwhen = { params = { ask = true } }\n' + STEP
    await define(site, HEAD + '[params.ask]\ntype = "boolean"\ndefault = false\n' + steps)
    async with runner_on(site, "r1", tmp_path, at_once=1):
        asks = [await begin(site, parameters={"ask": True}) for _ in range(2)]
        async with asyncio.timeout(20):
            while {step["run"] for step in said(site, "step") if step["status"] == "waiting"} != {*asks}:
                await asyncio.sleep(0.05)
        runs = [await begin(site) for _ in range(3)]
        assert {over["run"] for over in await ends(site, 3)} == {*runs}
        for run in asks:
            status, _ = await site.ask("POST", f"/api/dci/pipeline/1/runs/{run}/steps/ask/approve", {})
            assert status == 200
        assert {over["status"] for over in await ends(site, 5)} == {"succeeded"}


async def test_a_run_that_leaves_no_room_ends_with_all_that_it_has(site: Whole, tmp_path: Path) -> None:
    """Else a full disk waits with it for an approval, for a week, and the journal has none."""
    asks = "".join(f'[[steps]]\nname = "{name}"\ndo = "approval"\nneeds = []\n' for name in ("other", "ask"))
    await define(site, HEAD + asks + STEP.replace("echo $OTTB_RUN", "sleep 60").replace('"run"', '"run"\nretries = 5'))
    async with runner_on(site, "r1", tmp_path) as runner:
        run, executor = await begin(site), runner._desk.executor
        assert isinstance(executor, LocalExecutor)
        async with asyncio.timeout(20):
            while len(said(site, "step")) < 2:
                await asyncio.sleep(0.05)
        place = executor.folder / f"1-{run}-1"
        assert place.exists()
        executor.disk_free = 4 * executor.isolation().disk_free  # as if it were nearly full
        status, _ = await site.ask("POST", f"/api/dci/pipeline/1/runs/{run}/steps/ask/approve", {})
        assert status == 200
        (over,) = await ends(site, 1, 15)
        assert (over["status"], over["reason"]) == ("failed", HOWS["disk_full"]) and not place.exists()
        assert {step["step"]: step["status"] for step in said(site, "step")} == {
            "other": "stopped", "ask": "succeeded", "a": "failed"
        }  # fmt: skip


async def test_what_is_approved_at_once_runs_no_more_commands(
    site: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty runs may wait: with four steps of each at once, of 256 processes, no machine has numbers for them all."""
    asked = 'needs = ["ask"]\n'
    steps = "".join(STEP.replace('"a"', f'"a{number}"') + asked for number in range(AT_ONCE))
    await define(site, HEAD + '[[steps]]\nname = "ask"\ndo = "approval"\n' + steps)
    going = most = 0

    async def counted(self: Commands, *about: Any) -> Came:
        nonlocal going, most
        going += 1
        most = max(most, going)
        await asyncio.sleep(0.1)
        going -= 1
        return Came(status=StepStatus.SUCCEEDED)

    monkeypatch.setattr(Commands, "carry_out", counted)
    async with runner_on(site, "r1", tmp_path, at_once=1):
        runs = [await begin(site) for _ in range(3)]
        async with asyncio.timeout(10):
            while len([event for event in said(site, "step") if event["status"] == "waiting"]) < len(runs):
                await asyncio.sleep(0.02)
        for run in runs:
            await site.ask("POST", f"/api/dci/pipeline/1/runs/{run}/steps/ask/approve", {})
        over = await ends(site, len(runs))
    assert [each["status"] for each in over] == ["succeeded"] * len(runs) and most == TWICE * AT_ONCE


async def test_where_no_run_could_begin_none_is_taken(site: Whole, tmp_path: Path) -> None:
    """Else each fails at once, for as long as somebody's run waits with a disk that is nearly full."""
    await define(site, HEAD + STEP)
    async with runner_on(site, "r1", tmp_path) as runner:
        executor = runner._desk.executor
        assert isinstance(executor, LocalExecutor)
        executor.disk_free = 4 * executor.isolation().disk_free
        await begin(site)
        async with asyncio.timeout(5):
            while "MiB left" not in (runner.away() or ""):
                await asyncio.sleep(0.01)
        assert not said(site, "started")
        executor.disk_free = 0
        [over] = await ends(site, 1)
        assert (over["status"], runner.away()) == ("succeeded", None)


async def test_a_runner_looks_no_more_than_some_of_the_time(site: Whole, tmp_path: Path) -> None:
    """Each run that somebody puts in a queue had it look again at all that wait, and ask for a hundred in vain."""
    looks = list[float]()

    async def look() -> None:
        looks.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.05)

    async with runner_on(site, "r1", tmp_path) as runner:
        runner._take = look  # type: ignore[method-assign]
        while len(looks) < 4:
            runner._news.set()
            await asyncio.sleep(0.005)
    assert looks[-1] - looks[1] >= 2 * 3 * 0.05


async def test_a_runner_may_begin_before_its_bus_is_there(site: Whole, tmp_path: Path) -> None:
    await define(site, HEAD + STEP)
    bus = MemoryBus(site.broker)
    site.broker.cut(bus)
    async with runner_on(site, "r1", tmp_path, bus=bus):
        await asyncio.sleep(0.5)
        site.broker.mend(bus)
        await begin(site)
        [over] = await ends(site, 1)
    assert over["status"] == "succeeded"


class Forgetful(MemoryBus):
    """The first claim is answered, and the answer gets lost."""

    lost = False

    async def request(self, subject: str, data: bytes, headers: Headers, **more: Any) -> Message:
        answer = await super().request(subject, data, headers, **more)
        if subject.endswith(".claim") and not self.lost:
            self.lost = True
            raise RequestTimeout(subject)
        return answer


async def test_a_claim_whose_answer_is_lost_is_asked_for_again(site: Whole, tmp_path: Path) -> None:
    await define(site, HEAD + STEP)
    bus = Forgetful(site.broker)
    async with runner_on(site, "r1", tmp_path, bus=bus):
        await begin(site)
        [over] = await ends(site, 1)
    assert bus.lost and over["status"] == "succeeded" and len(said(site, "started")) == 1


async def test_a_runner_that_is_not_heard_says_so(site: Whole, tmp_path: Path) -> None:
    async with runner_on(site, "r1", tmp_path) as runner:
        await asyncio.sleep(0.5)
        assert runner.away() is None
        bus = runner._desk.bus
        assert isinstance(bus, MemoryBus)
        site.broker.cut(bus)
        async with asyncio.timeout(SILENT + 5):
            while (why := runner.away()) is None:
                await asyncio.sleep(0.1)
        assert why.startswith("it has said nothing for")
        site.broker.mend(bus)
        async with asyncio.timeout(5):
            while runner.away() is not None:
                await asyncio.sleep(0.1)
        runner._tasks[1].cancel()
        await asyncio.sleep(0.1)
        assert runner.away() == "it has ended by an error, which is in the log of its host"


async def test_what_a_runner_loses_is_over_before_somebody_else_begins(tmp_path: Path) -> None:
    """It hears nothing of its pipeline any more; its step does not end by itself, nor by a word."""
    lost_after, mark = 14.0, f"91817.{uuid.uuid4().int}"  # seconds, whose process nobody else has
    settings = replace(SETTINGS, pipelines=Pipelines(lost_after=lost_after))
    endless = f"trap '' TERM; while :; do sleep {mark} & wait; done"
    step = f'[[steps]]\nname = "a"\ndo = "run"\ncommands = ["{endless}"]\n'
    async with whole_site(tmp_path / "site", settings) as site:
        await site.login()
        await define(site, HEAD + step)
        async with runner_on(site, "r1", tmp_path, lost_after) as runner:
            await begin(site)
            async with asyncio.timeout(20):
                while not running_with(mark):
                    await asyncio.sleep(0.05)
            bus = runner._desk.bus
            assert isinstance(bus, MemoryBus)
            site.broker.cut(bus)
            [over] = await ends(site, 1)
            assert over["status"] == "lost" and not running_with(mark)


async def test_a_runner_takes_what_its_labels_are_enough_for(site: Whole, tmp_path: Path) -> None:
    await define(site, HEAD + 'labels = ["arm"]\n' + STEP)
    async with runner_on(site, "plain", tmp_path):
        await asyncio.sleep(1.5)
        _, refused = await site.ask("POST", "/api/dci/pipeline/1/run", {})
        assert refused["details"]["why"] == "no_runner"
        async with runner_on(site, "arm", tmp_path, labels=("linux", "arm")):
            await begin(site)
            await ends(site, 1)
    assert [event["runner"] for event in said(site, "started")] == ["arm"]


@pytest.mark.parametrize(("commands", "status", "why"), [
    ("exit 3", "failed", "failed: a"),
    ("kill -SEGV $$", "failed", "failed: a"),
    ('test \\"$SECRET_KEY\\" = sesame-street-9', "succeeded", None),
])  # fmt: skip
async def test_a_run_ends_as_its_steps_do(
    site: Whole, tmp_path: Path, commands: str, status: str, why: str | None
) -> None:
    await define(site, HEAD + f'[[steps]]\nname = "a"\ndo = "run"\nsecrets = ["KEY"]\ncommands = ["{commands}"]\n')
    async with runner_on(site, "r1", tmp_path):
        await begin(site)
        [over] = await ends(site, 1)
    assert (over["status"], over["reason"]) == (status, why)


async def test_the_files_of_the_last_attempt_are_kept(site: Whole, tmp_path: Path) -> None:
    step = 'commands = ["echo $OTTB_ATTEMPT > a.txt; test $OTTB_ATTEMPT = 2"]\nartefacts = ["a.txt"]\nretries = 1\n'
    await define(site, HEAD + f'[[steps]]\nname = "a"\ndo = "run"\n{step}')
    async with runner_on(site, "r1", tmp_path):
        await begin(site)
        [over] = await ends(site, 1)
    assert over["status"] == "succeeded"
    [artefact] = said(site, "step")[-1]["artefacts"]
    assert artefact["sha256"] == sha256(b"2\n").hexdigest()


CACHED = 'commands = ["mkdir -p keep; cat keep/x || true; date >> keep/x"]\ncache = ["keep"]\n'


async def test_caches_are_gone_once_somebody_was_erased(site: Whole, tmp_path: Path) -> None:
    """Also those of a runner that was away meanwhile; and once for each."""
    await define(site, HEAD + f'[[steps]]\nname = "a"\ndo = "run"\n{CACHED}')
    caches = tmp_path / "r1" / ".caches"
    async with runner_on(site, "r1", tmp_path):
        await begin(site)
        await ends(site, 1)
        assert [*caches.iterdir()]
        await erased(site, "er_1")
        async with asyncio.timeout(10):
            while [*caches.iterdir()]:
                await asyncio.sleep(0.05)
        await begin(site)
        await ends(site, 2)
        assert [*caches.iterdir()]
    async with runner_on(site, "r1", tmp_path):
        await begin(site)
        await ends(site, 3)
    assert "cache: keep" in await written(site, 3), "nobody was erased since"
    await erased(site, "er_2")
    async with runner_on(site, "r1", tmp_path):
        await begin(site)
        await ends(site, 4)
    assert "cache: keep" not in await written(site, 4)


async def erased(site: Whole, erasure: str) -> None:
    """The journal is cleared of somebody."""
    event = ErasureCleared(erasure=erasure, at="2026-01-01T00:00:00.000Z", erased=Erased())
    subject, headers = ERASURE_CLEARED.subject_for(event), {"Nats-Msg-Id": erasure}
    await MemoryBus(site.broker).append(subject, msgspec.json.encode(event), headers, scope=subject, expect=0)


async def written(site: Whole, run: int) -> str:
    """What the step of a run wrote."""
    lines = MemoryBus(site.broker).outputs.replay(f"ottb.v1.out.pipeline.1.{run}.a")
    return "".join([json.loads(entry.data)["text"] async for entry in lines])


async def test_a_secret_that_is_not_there_fails_the_run(site: Whole, tmp_path: Path) -> None:
    await define(site, HEAD + STEP + 'secrets = ["NONE"]\n')
    async with runner_on(site, "r1", tmp_path):
        await begin(site)
        [over] = await ends(site, 1)
    assert over["status"] == "failed" and "NONE" in over["reason"]


async def test_a_flood_is_cut_with_a_notice(site: Whole, tmp_path: Path) -> None:
    await define(site, HEAD + '[[steps]]\nname = "a"\ndo = "run"\ncommands = ["yes | head -c 30000000"]\n')
    async with runner_on(site, "r1", tmp_path):
        await begin(site)
        await ends(site, 1)
    status, _ = await site.ask("GET", "/api/dci/pipeline/1/runs/1")
    text = "".join([json.loads(entry.data)["text"] async for entry in MemoryBus(site.broker).outputs.replay(
        "ottb.v1.out.pipeline.1.1.a")])  # fmt: skip
    assert status == 200 and len(text) < 11 * 2**20 and "y\n" * 1000 in text
    assert not text.rstrip().endswith("\ny")  # it says that it is cut
