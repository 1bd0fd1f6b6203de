"""kill -9 of hosts that carry runs of pipelines out, and of hosts that own the pipelines, under load: each run ends
once, no step is carried out twice, and nothing of one is left running. What the steps write down is the judge.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil
import pytest

from actors.adapters.nats_bus import NatsBus
from actors.runtime.clock import parse_utc
from actors.runtime.rendezvous import shard_of
from bus_schemas.host import ShardTaken
from bus_schemas.pipeline_events import PipelineEnded, PipelineQueued, PipelineStarted
from tests.support.beside import HOST, Beside, beside
from tests.support.site import Client, Site, running_site, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

OF_RUNNERS = int(os.environ.get("OTTB_TEST_KILLS", "50"))
OF_OWNERS = max(OF_RUNNERS * 2 // 5, 2)
HOSTS = {11: "a", 12: "b"}
PROCESS = {"a": "actors", "b": HOST}
LOST_AFTER = 20.0
SOON, LATER = 60.0, 180.0  # seconds until a process is there again, and until all runs are over
RERUNS = {101: 0, 102: 1, 103: 2, 104: 0, 105: 1, 106: 2}  # by pipeline
MARK = f"9{os.getpid()}"  # seconds that somebody sleeps whom the step does not wait for: nobody else does so long
ONE = """
id = {id}
name = "killed-{id}"
rerun = {rerun}
at_once = 4

[[steps]]
name = "work"
do = "run"
commands = ['''
trap "" TERM
(setsid sleep {mark} > /dev/null 2>&1 &)
for tick in 1 2 3 4 5 6 7 8 9 10 11 12; do
  echo "{id} $OTTB_RUN $OTTB_RERUN $OTTB_STEP $tick" >> {file}
  sleep 0.15
done
''']

[[steps]]
name = "then"
do = "run"
commands = ['echo "{id} $OTTB_RUN $OTTB_RERUN $OTTB_STEP 1" >> {file}']
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    more = f"[pipelines]\nlost_after = {LOST_AFTER}\n[runner]\nbubblewrap = false\nat_once = 5\ndisk_free = 0\n"
    slots: dict[int, str | None] = dict.fromkeys(HOSTS)
    with running_site(tmp_path_factory.mktemp("pipelines"), slots, more, hosts=HOSTS) as running:
        yield running


@dataclass
class Load:
    """Has runs begun all the time, whoever is dead meanwhile, and remembers what was acknowledged."""

    client: Client
    over: bool = False
    acknowledged: set[tuple[int, int]] = field(default_factory=set)

    async def asked(self, method: str, path: str, body: Any = None) -> Any:
        """The answer; None: there was none."""
        try:
            async with asyncio.timeout(12):
                status, answer = await self.client.call(method, path, body, part="dci")
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        return answer if status < 300 else None

    async def keep(self, pipeline: int) -> None:
        while not self.over:
            seen = await self.asked("GET", f"/api/dci/pipeline/{pipeline}/status")
            going = [] if seen is None else [run for run in seen["runs"] if run["end_time"] is None]
            if seen is not None and len(going) < 6:
                made = await self.asked("POST", f"/api/dci/pipeline/{pipeline}/run", {})
                if made is not None:
                    self.acknowledged.add((pipeline, made["run"]))
            await asyncio.sleep(0.7)

    async def open(self) -> int | None:
        """How many runs are not over."""
        seen = await self.asked("GET", "/api/dci/status")
        return None if seen is None else seen["queued"] + seen["running"] + seen["waiting"]


@dataclass
class Journal:
    """What is on record of the pipelines. `owner`: the host that has a shard."""

    queued: list[PipelineQueued] = field(default_factory=list)
    started: list[PipelineStarted] = field(default_factory=list)
    ended: list[PipelineEnded] = field(default_factory=list)
    owner: dict[int, str] = field(default_factory=dict)

    def owner_of(self, pipeline: int) -> str:
        """Whoever has its shard."""
        return self.owner[shard_of(str(pipeline))]

    @property
    def going(self) -> list[tuple[int, str]]:
        """The pipeline and the runner of each run that has one."""
        over = {(one.pipeline, one.run) for one in self.ended}
        newest = {(one.pipeline, one.run): one for one in self.started}
        anew = {(one.pipeline, one.run): one.at for one in self.queued}
        return [(run[0], one.runner) for run, one in newest.items() if run not in over and one.at >= anew[run]]


async def recorded(bus: NatsBus) -> Journal:
    journal = Journal()
    async for entry in bus.replay("ottb.v1.evt.pipeline.>"):
        match entry.subject.rsplit(".", 1)[1]:
            case "queued":
                journal.queued.append(msgspec.json.decode(entry.data, type=PipelineQueued))
            case "started":
                journal.started.append(msgspec.json.decode(entry.data, type=PipelineStarted))
            case "ended":
                journal.ended.append(msgspec.json.decode(entry.data, type=PipelineEnded))
    async for entry in bus.replay("ottb.v1.evt.shard.*.taken"):
        event = msgspec.json.decode(entry.data, type=ShardTaken)
        journal.owner[event.shard] = event.host
    return journal


@dataclass
class Killer:
    """Kills hosts by what they do. `kills`: when, by host; in epoch seconds."""

    both: Beside
    bus: NatsBus
    dice: random.Random
    kills: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def kill(self, *, runner: bool) -> None:
        """One that has a run, or one that owns the pipeline of a run; if possible, one that is not the other, too."""
        await asyncio.sleep(self.dice.uniform(0.5, 3.0))

        async def going() -> list[tuple[str, str]]:
            journal = await recorded(self.bus)
            return [(by, journal.owner_of(pipeline)) for pipeline, by in journal.going]

        found = await until(going, bool, SOON)
        apart = [(by, owner) for by, owner in found if by != owner] or found
        by, owner = self.dice.choice(apart)
        host = by if runner else owner
        name, old = PROCESS[host], self.both.pid(PROCESS[host])
        if self.both.signal(name, signal.SIGKILL) is None:
            return await self.kill(runner=runner)
        self.kills[host].append(time.time())

        async def pid() -> int | None:
            return self.both.pid(name)

        await until(pid, lambda seen: seen not in (None, old), SOON)
        return None


def left_over() -> list[int]:
    """Processes of steps. Whoever sleeps so long is one."""
    return [one.pid for one in psutil.process_iter(["cmdline"]) if MARK in (one.info["cmdline"] or ())]


async def test_kills_leave_each_run_one_end_and_no_process(site: Site) -> None:
    written = site.folder / "written"
    password = json.loads((Path(site.state) / "secrets.json").read_text())["core"]
    bus = await NatsBus.connect(f"nats://127.0.0.1:{site.nats_port}", name="judge", user="core", password=password)
    async with beside(site, "b") as both, aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        await until(lambda: client.get("/api/dci/status", part="dci"), lambda seen: len(seen[1]["runners"]) == 2)
        for id, rerun in RERUNS.items():
            text = ONE.format(id=id, rerun=rerun, mark=MARK, file=written)
            assert (await client.post("/api/dci/pipelines", {"text": text}, part="dci"))[0] == 201
        load, killer = Load(client), Killer(both, bus, random.Random(17))
        tasks = [asyncio.create_task(load.keep(pipeline)) for pipeline in RERUNS]
        try:
            order = [True] * OF_RUNNERS + [False] * OF_OWNERS
            killer.dice.shuffle(order)
            for runner in order:
                await killer.kill(runner=runner)
        finally:
            load.over = True
            await asyncio.gather(*tasks)
        await until(load.open, lambda many: many == 0, LATER)

        async def left() -> list[int]:
            return left_over()

        await until(left, lambda found: not found, 10.0)
        journal = await recorded(bus)
        states = Counter(str(one.status) for one in journal.ended)
        times = {host: len(kills) for host, kills in killer.kills.items()}
        print(f"\n{times} kills, {len(journal.ended)} runs {dict(states)}, {len(journal.started)} claims")
        judge_record(journal, load.acknowledged, killer.kills)
        judge_steps(written.read_text().splitlines(), journal)
    await bus.close()
    workspaces = [place.name for host in HOSTS.values() for place in (site.state / f"runner-{host}").iterdir()]
    assert [name for name in workspaces if not name.startswith(".")] == []


def judge_record(journal: Journal, acknowledged: set[tuple[int, int]], kills: dict[str, list[float]]) -> None:
    """Each run has one end; one whose runner was killed is lost or begins anew, as often as it may; no other is."""
    ends = Counter((one.pipeline, one.run) for one in journal.ended)
    begun = {(one.pipeline, one.run) for one in journal.queued}
    assert begun == set(ends) >= acknowledged and set(ends.values()) == {1}
    anew = {run: [one for one in journal.queued if (one.pipeline, one.run) == run] for run in begun}
    claims = {run: [one for one in journal.started if (one.pipeline, one.run) == run] for run in begun}
    for one in journal.ended:
        run = (one.pipeline, one.run)
        assert one.status in ("succeeded", "lost"), one
        assert [each.again for each in anew[run]] == list(range(len(anew[run])))
        assert len(claims[run]) == len(anew[run]) <= 1 + RERUNS[one.pipeline], (one, claims[run])
        assert one.status != "lost" or len(anew[run]) == 1 + RERUNS[one.pipeline], (one, anew[run])
        over = [parse_utc(each.at).timestamp() for each in anew[run][1:]] + [parse_utc(one.at).timestamp()]
        for place, (claim, until_) in enumerate(zip(claims[run], over, strict=True)):
            had_it = parse_utc(claim.at).timestamp() - 1.0
            killed = any(had_it <= at <= until_ for at in kills[claim.runner])
            gone = one.status == "lost" or place < len(claims[run]) - 1
            assert killed or not gone, f"{run} is lost to nobody: {claim}"


def judge_steps(lines: list[str], journal: Journal) -> None:
    """No line of a step was written twice, none of an earlier attempt after one of a later; what has succeeded was
    carried out whole."""
    assert Counter(lines).most_common(1)[0][1] == 1
    attempts, whole = defaultdict[tuple[int, int], list[int]](list), Counter[tuple[int, int, int]]()
    for line in lines:
        pipeline, run, again, step, _ = line.split()
        attempts[int(pipeline), int(run)].append(int(again))
        whole[int(pipeline), int(run), int(again)] += step == "then"
    mixed = {run: seen for run, seen in attempts.items() if seen != sorted(seen)}
    assert not mixed, f"two attempts at once: {mixed}"
    last = {(one.pipeline, one.run): one.again for one in journal.queued}
    for one in journal.ended:
        run = (one.pipeline, one.run)
        assert one.status != "succeeded" or whole[(*run, last[run])] == 1, one
