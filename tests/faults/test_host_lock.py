"""A host's process that stands still keeps its phones to itself: another of the same name waits until it is gone."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from actors.settings import load
from cli.site.children import children
from cli.site.supervisor import Supervisor
from tests.support.site import Client, Site, running_site, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

SLOTS: dict[int, str | None] = dict.fromkeys((11, 12))
UP, WAITS = "actor host is up", "another process of this host is still there"


@asynccontextmanager
async def namesake(site: Site) -> AsyncIterator[Path]:
    """A second process of the site's only host. Gives its log."""
    env = dict(site.env)
    found = {child.name: child for child in children(load(config=site.config, environment=env), site.config)}
    supervisor = Supervisor(folder=site.state / "log-2", say=print)
    actors = found["actors"]
    try:
        await supervisor.start(type(actors)(name="actors-2", argv=actors.argv, env=env | dict(actors.env)))
        yield supervisor.log_of("actors-2")
    finally:
        await supervisor.stop()


async def test_a_namesake_waits_for_the_end_of_a_process_that_stands_still(tmp_path: Path) -> None:
    with running_site(tmp_path, SLOTS) as site:
        first = site.pid("actors")
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        async with namesake(site) as log, aiohttp.ClientSession() as session:

            async def said(what: str) -> bool:
                return what in log.read_text()

            await until(lambda: said(WAITS), bool)
            await asyncio.sleep(8.0)  # the lease of the first one has run out on the bus long since
            assert not await said(UP)
            os.kill(first, signal.SIGKILL)
            await until(lambda: _serves(site, session), bool, 30.0)


async def _serves(site: Site, session: aiohttp.ClientSession) -> bool:
    """Whether one of the two that want to be this host now is: the namesake, or the supervisor's next."""
    client = Client(site, session)
    try:
        async with asyncio.timeout(5):
            await client.login("admin", site.admin_password)
            status, slots = await client.get("/api/slots")
    except (aiohttp.ClientError, TimeoutError, ValueError, AssertionError):
        return False
    return status == 200 and all(slot["status"] == "ONLINE" for slot in slots)
