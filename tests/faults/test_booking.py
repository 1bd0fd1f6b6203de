"""200 AUTO starts at once on 20 slots, again and again: 20 calls, 180 refusals, and never two on one slot."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import aiohttp
import pytest

from tests.support.site import Client, Site, running_site, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

SLOTS: dict[int, str | None] = dict.fromkeys(range(11, 31))
ROUNDS = 50
AT_ONCE = 200


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    more = "[dial]\nuser_pool_share = 1.0\nslot_calls_per_hour = 100000\nuser_calls_per_minute = 100000\n"
    with running_site(tmp_path_factory.mktemp("booking"), SLOTS, more) as running:
        yield running


async def test_no_slot_is_ever_booked_twice(site: Site) -> None:
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        await until(lambda: _idle(client), lambda idle: idle == len(SLOTS))
        answers: Counter[str] = Counter()
        for round_number in range(ROUNDS):
            body = {"number": f"+38050{round_number:03d}4567", "slot": "AUTO"}
            done = await asyncio.gather(*(client.post("/api/call/start", body) for _ in range(AT_ONCE)))
            started = [answer for status, answer in done if status == 201]
            answers.update(answer.get("code", "started") for _, answer in done)
            assert len({answer["slot"] for answer in started}) == len(started) == len(SLOTS)
            await asyncio.gather(*(client.post("/api/call/end", {"call_id": one["call_id"]}) for one in started))
            await until(lambda: _idle(client), lambda idle: idle == len(SLOTS))
        dials = await client.phones("GET", "/dials")
        print(f"\n{ROUNDS} rounds of {AT_ONCE} starts on {len(SLOTS)} slots: {dict(answers)}")
        assert answers == {"started": ROUNDS * len(SLOTS), "SLOT_BUSY": ROUNDS * (AT_ONCE - len(SLOTS))}
        assert sum(dials.values()) <= ROUNDS * len(SLOTS)


async def _idle(client: Client) -> int:
    _, slots = await client.get("/api/slots")
    return sum(slot["status"] == "ONLINE" and slot["call_id"] is None for slot in slots)
