"""kill -9 of every process in the middle of running calls: nothing acknowledged is lost, nothing is dialled twice.

The virtual phones are the judge: their own log says what reached them. They live in a process that is not killed.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from simulators.carrier.rules import mobile
from tests.support.site import Client, Site, running_site, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

SLOTS: dict[int, str | None] = dict.fromkeys(range(11, 31))
KILLS = 10
SERVING_AGAIN = 10.0  # seconds


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    limits = "user_pool_share = 1.0\nslot_calls_per_hour = 100000\nuser_calls_per_minute = 100000\n"
    more = f"[calls]\nlost_timeout = 20.0\n[dial]\n{limits}"
    with running_site(tmp_path_factory.mktemp("faults"), SLOTS, more) as running:
        yield running


class Caller:
    """Keeps all slots in calls and remembers what was acknowledged."""

    def __init__(self, client: Client, first: int) -> None:
        self._client = client
        self._numbers = (mobile(number, "2004") for number in itertools.count(first))
        self.acknowledged: dict[str, str] = {}  # call id: number
        self.tried = 0
        self.last_ok = 0.0
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Start a call wherever there is an idle slot, until told to stop."""
        while not self._stopped.is_set():
            number = next(self._numbers)
            self.tried += 1
            try:
                async with asyncio.timeout(12):
                    status, answer = await self._client.post("/api/call/start", {"number": number})
            except (aiohttp.ClientError, TimeoutError, ValueError):
                await asyncio.sleep(0.1)
                continue
            if status == 201:
                self.acknowledged[answer["call_id"]] = number
                self.last_ok = asyncio.get_running_loop().time()
            else:
                await asyncio.sleep(0.15 if status == 409 else 0.05)

    def stop(self) -> None:
        self._stopped.set()


async def _serving(client: Client) -> float:
    """Seconds until everything is ready, the journal takes writes and every slot can be used or is in a call."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        try:
            async with asyncio.timeout(5):
                ready, _ = await client.get("/readyz")
                status, slots = await client.get("/api/slots")
                login = {"username": "op12", "password": "1234"}
                written, _ = await client.post("/api/auth/login", login, part="point")  # a write to the journal
            online = status == 200 and all(slot["status"] == "ONLINE" for slot in slots)
            if ready == 200 and written == 200 and online:
                return loop.time() - began
        except (aiohttp.ClientError, TimeoutError, ValueError):
            pass
        assert loop.time() - began < 60, "not serving again after a minute"
        await asyncio.sleep(0.05)


VICTIMS = [("nats-server", 0), ("actors", 3000), ("gateway", 6000), ("adb", 9000)]  # each with numbers of its own


@pytest.mark.parametrize(("victim", "first"), VICTIMS)
async def test_ten_kills_lose_and_repeat_nothing(site: Site, victim: str, first: int) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        await _serving(client)
        before = await client.phones("GET", "/dials")
        caller = Caller(client, first)
        callers = [asyncio.create_task(caller.run()) for _ in range(4)]
        recoveries = []
        try:
            for _ in range(KILLS):
                await until(lambda: _live(client), lambda live: live >= 15, 30)
                old = site.pid(victim)
                site.kill(victim)
                await until(lambda old=old: _pid(site, victim), lambda pid, old=old: pid not in (None, old))
                recoveries.append(await _serving(client))
        finally:
            caller.stop()
            await asyncio.gather(*callers)
        await until(lambda: _live(client), lambda live: live == 0, 60)

        records = [await client.get(f"/api/call/{call_id}/cdr") for call_id in caller.acknowledged]
        events = await _terminal_events(site)
        dials = await client.phones("GET", "/dials")
        new = {number: count for number, count in dials.items() if before.get(number) != count}
        reasons = Counter(f"{record['reason']}" for status, record in records if status == 200)
        print(Counter(record["cause"] for status, record in records if status == 200).most_common(5))
        print(
            f"\n{victim}: {KILLS} kills, {len(caller.acknowledged)} calls acknowledged of {caller.tried} tried, "
            f"{len(new)} numbers reached phones, most often {max(new.values())} time(s), "
            f"serving again after {min(recoveries):.1f}-{max(recoveries):.1f} s, reasons {dict(reasons)}"
        )
        assert len(caller.acknowledged) >= 2 * len(SLOTS)
        assert max(new.values()) == 1, "a number was dialled twice"
        missing = [call_id for call_id, (status, _) in zip(caller.acknowledged, records, strict=True) if status != 200]
        assert not missing, f"no record for {missing}"
        assert [events[call_id] for call_id in caller.acknowledged] == [1] * len(caller.acknowledged)
        assert max(recoveries) <= SERVING_AGAIN
        talked = [record for _, record in records if record["reason"] == "hangup_remote"]
        wrong = [record for record in talked if abs(record["talk_seconds"] - 4) > 1]
        assert not wrong, f"a record's talk time is not the phone's: {wrong}"


async def _pid(site: Site, name: str) -> int | None:
    return site.pid(name)


async def _live(client: Client) -> int:
    try:
        async with asyncio.timeout(5):
            status, feed = await client.get("/api/calls/feed?limit=500")
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return -1
    return len(feed) if status == 200 else -1


async def _terminal_events(site: Site) -> Counter[str]:
    """Terminal events in the journal, by call."""
    import json

    from actors.adapters.nats_bus import NatsBus

    password = json.loads((Path(site.state) / "secrets.json").read_text())["core"]
    bus = await NatsBus.connect(f"nats://127.0.0.1:{site.nats_port}", name="judge", user="core", password=password)
    found: Counter[str] = Counter()
    async for recorded in bus.replay("ottb.v1.evt.call.*.*.ended"):
        found[recorded.subject.split(".")[5]] += 1
    await bus.close()
    return found
