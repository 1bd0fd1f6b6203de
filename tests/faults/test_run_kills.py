"""kill -9 of the process that runs scripts, in the middle of runs that place calls in apps: each run ends once and
places at most one call, each call is over once. The phones' own log is the judge, in a process that is not killed.
"""

import asyncio
import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.nats_bus import NatsBus
from bus_schemas.call import CallDialing, CallEnded
from bus_schemas.script import RunEnded, RunStarted
from tests.support.site import Client, Site, running_site, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("OTTB_TEST_KILLS", "50"))
SLOTS: dict[int, str | None] = dict.fromkeys(range(11, 19))
SITE = "[dial]\nslot_calls_per_hour = 100000\nuser_calls_per_minute = 100000\nuser_pool_share = 1.0\n"
ANSWERS = "+380631110006"  # and hangs up after three seconds
SOON, LATER = 60.0, 180.0  # seconds until a process serves again, and until all runs are over


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("runs"), SLOTS, SITE) as running:
        yield running


class Runs:
    """Keeps a script running on each slot, whoever is dead meanwhile, and remembers what was acknowledged."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._over = False
        self.acknowledged: list[str] = []

    async def keep(self, slot: int) -> None:
        body = {"slot_id": slot, "script": "telegram_call", "params": {"number": ANSWERS}}
        while not self._over:
            try:
                async with asyncio.timeout(12):
                    status, answer = await self._client.post("/api/gacs/run-script", body)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                status = 0
            if status == 201:
                self.acknowledged.append(answer["script_id"])
            await asyncio.sleep(0.3)

    def stop(self) -> None:
        self._over = True


class Judge:
    """What the phones' screens did, by phone: their log keeps the newest lines alone, so it is read again and again."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.did: dict[str, dict[tuple[float, str, str], str]] = defaultdict(dict)

    async def look(self) -> None:
        for id in await self._client.phones("GET", "/phones"):
            shown = await self._client.phones("GET", f"/phones/{id}")
            for line in shown["screen"]["did"]:
                self.did[id][line["at"], line["what"], line["data"]] = line["what"]

    def counts(self, what: str) -> int:
        return sum(Counter(lines.values())[what] for lines in self.did.values())


async def _serves(client: Client) -> bool:
    try:
        async with asyncio.timeout(5):
            status, slots = await client.get("/api/slots")
            return status == 200 and all(slot["status"] == "ONLINE" for slot in slots)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


async def _recorded(site: Site, kind: str, verb: str, event: type[Any]) -> list[Any]:
    password = json.loads((Path(site.state) / "secrets.json").read_text())["core"]
    bus = await NatsBus.connect(f"nats://127.0.0.1:{site.nats_port}", name="judge", user="core", password=password)
    found = [msgspec.json.decode(one.data, type=event) async for one in bus.replay(f"ottb.v1.evt.{kind}.*.*.{verb}")]
    await bus.close()
    return found


async def test_kills_leave_each_run_one_end_and_one_call_at_most(site: Site) -> None:
    dice = random.Random(15)
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        await until(lambda: _serves(client), bool, SOON)
        runs, judge = Runs(client), Judge(client)
        tasks = [asyncio.create_task(runs.keep(slot)) for slot in SLOTS]
        try:
            for _ in range(KILLS):
                await asyncio.sleep(dice.uniform(1.0, 8.0))
                await judge.look()
                old = site.pid("actors")
                site.kill("actors")
                await until(lambda old=old: _pid(site), lambda pid, old=old: pid not in (None, old), SOON)
                await until(lambda: _serves(client), bool, SOON)
        finally:
            runs.stop()
            await asyncio.gather(*tasks)
        await until(lambda: _open(client), lambda many: many == 0, LATER)
        await judge.look()

        ended = await _recorded(site, "script", "ended", RunEnded)
        begun = {run.script_id for run in await _recorded(site, "script", "started", RunStarted)}
        calls = await _recorded(site, "call", "dialing", CallDialing)
        over = Counter(call.call_id for call in await _recorded(site, "call", "ended", CallEnded))
        ends, states = Counter(run.script_id for run in ended), Counter(str(run.state) for run in ended)
        placed, hung_up = judge.counts("app_call"), judge.counts("app_call_ended")
        print(f"\n{KILLS} kills, {len(begun)} runs, {placed} calls on screens, {len(calls)} on record, {dict(states)}")
        assert len(runs.acknowledged) >= KILLS // 2
        assert begun == set(ends) >= set(runs.acknowledged) and set(ends.values()) == {1}
        of_runs = Counter(call.run for call in calls)
        assert set(of_runs.values()) == {1}, "a run has placed two calls"
        assert over == Counter(call.call_id for call in calls), "a call has not one end"
        assert placed == hung_up <= len(calls), "a screen was in more calls than there are on record, or still is"


async def _pid(site: Site) -> int | None:
    return site.pid("actors")


async def _open(client: Client) -> int:
    if not await _serves(client):
        return -1
    status, listed = await client.get("/api/gacs/runs?state=running")
    return len(listed) if status == 200 else -1
