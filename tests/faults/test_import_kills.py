"""kill -9 of the host in the middle of an import, on a running site: every lead is in once, and counted once."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.stories.test_imports import IMPORTS, csv_of, send
from tests.support.site import Client, Site, running_site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

ROWS, KILLS = 20_000, 3
LATER = 120.0  # seconds


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("killed"), {44: "op12"}) as running:
        yield running


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        yield client


async def test_kills_of_the_host_lose_and_repeat_no_lead(admin: Client, site: Site) -> None:
    assert (await admin.post("/api/autodialer/campaigns", {"campaign_id": "killed"}))[0] == 201
    data = csv_of([("phone", "name"), *((f"+3809{90_000_000 + row}", f"Олена {row}") for row in range(ROWS))])
    status, made = await send(admin, data, "killed", begin="true")
    assert status == 201
    kills, done, give_up = 0, 0, asyncio.get_running_loop().time() + LATER
    while True:
        status, found = await admin.get(f"{IMPORTS}/{made['import_id']}")
        if status == 200 and found["ended"] is not None:
            break
        if status == 200 and kills < KILLS and found["done"] > done:
            done = found["done"]
            await asyncio.sleep(random.uniform(0.0, 0.3))
            site.kill("actors")
            kills += 1
        assert asyncio.get_running_loop().time() < give_up, found
        await asyncio.sleep(0.05)
    assert (found["status"], found["done"], found["new"], found["duplicates"]) == ("finished", ROWS, ROWS, 0)
    _, campaign = await admin.get("/api/autodialer/campaigns/killed")
    print(f"{kills} kills during an import of {ROWS} rows: {campaign['leads'] - ROWS} leads lost or twice")
    assert kills and campaign["leads"] == ROWS and campaign["by_status"] == {"new": ROWS}
