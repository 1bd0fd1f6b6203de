"""kill -9 of the real Asterisk in the middle of running calls: each acknowledged call ends once, with one record."""

import asyncio
import itertools
import os
import random
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from cli.site.asterisk import ensure
from simulators.carrier.rules import mobile
from tests.faults.pbx_load import LIMITS, SLOTS, TRUNK, dial, live, records, terminal_events, usable
from tests.support.site import Client, running_site, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

KILLS = int(os.environ.get("OTTB_TEST_KILLS", "20"))


async def test_kills_of_asterisk_lose_and_repeat_nothing(tmp_path: Path) -> None:
    ensure(print)
    with running_site(tmp_path, SLOTS, LIMITS + TRUNK, asterisk=True) as site:
        async with aiohttp.ClientSession() as session:
            client = Client(site, session)
            await client.login("admin", site.admin_password)
            await usable(client)
            numbers = (mobile(number, "2004") for number in itertools.count())
            acknowledged: list[str] = []
            stopped = asyncio.Event()

            async def caller() -> None:
                while not stopped.is_set():
                    call_id = await dial(client, next(numbers))
                    if call_id is not None:
                        acknowledged.append(call_id)
                    await asyncio.sleep(0.1)

            callers = [asyncio.create_task(caller()) for _ in range(3)]
            try:
                for number in range(KILLS):
                    await until(lambda: live(client), lambda count: count >= 15, 40)
                    await asyncio.sleep(8.0 if number % 2 else random.uniform(0.0, 4.0))  # some calls get to their end
                    old = site.pid("asterisk")
                    site.kill("asterisk")

                    async def pid() -> int | None:
                        return site.pid("asterisk")

                    await until(pid, lambda found, old=old: found not in (None, old))
                    await usable(client)
            finally:
                stopped.set()
                await asyncio.gather(*callers)
            await until(lambda: live(client), lambda count: count == 0, 60)
            found = await records(client, acknowledged)
            events = await terminal_events(site)
            reasons = Counter(record["reason"] for record in found)
            print(f"\nasterisk: {KILLS} kills, {len(acknowledged)} calls acknowledged, reasons {dict(reasons)}")
            assert [events[call_id] for call_id in acknowledged] == [1] * len(acknowledged)
            assert max(events.values()) == 1 and reasons["trunk_lost"] >= KILLS
            talked = [record for record in found if record["reason"] == "hangup_remote"]
            assert talked and all(abs(record["talk_seconds"] - 4) <= 1 for record in talked)
            await until(lambda: client.get("/api/pbx/status"), lambda answer: answer[1]["trunks"][0]["calls"] == 0)
