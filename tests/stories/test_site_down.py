"""A whole site that is stopped for a while, with an operator who was ready, on the journal of a real NATS."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from tests.support.site import Client, running_site

pytestmark = pytest.mark.sites
ME = "/api/operators/me"
DOWN = 20.0  # seconds: longer than what counts as a restart


async def test_an_operator_was_not_ready_while_the_site_was_down(tmp_path: Path) -> None:
    with running_site(tmp_path, {11: None}, "") as site:
        async with aiohttp.ClientSession() as session:
            admin, began = Client(site, session), time.monotonic()
            await admin.login("admin", site.admin_password)
            assert (await admin.post(f"{ME}/status", {"status": "ready"}))[0] == 200
            await asyncio.sleep(2.0)
            await asyncio.to_thread(site.stop)
            stopped = time.monotonic()
            await asyncio.sleep(DOWN)
            await asyncio.to_thread(site.start)
            up = time.monotonic()
            assert (await admin.get(ME))[1]["status"] == "ready"
            status, was = await admin.post(f"{ME}/status", {"status": "offline"})
            there = stopped - began + time.monotonic() - up
            assert status == 200 and 1 <= was["ready_seconds"] <= there + 5.0, (was, there)
