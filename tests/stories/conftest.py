from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.support.site import Client, Site, running_site

# As documented: slot 44 belongs to op12 on trunk-1. 45 is somebody else's, the others are the shared pool.
SLOTS = {11: None, 12: None, 13: None, 14: None, 44: "op12", 45: "op21"}

TRUNKS = """
[[trunks]]
name = "trunk-1"
endpoint = "trunk-1"
caller_id = "+380441234567"
calls_per_second = 50
record = true

[[trunks]]
name = "ottb-sip-1"
endpoint = "ottb-sip-1"
channels = 2
calls_per_second = 50
countries = ["PL"]

[[trunks]]
name = "ottb-sip-2"
endpoint = "ottb-sip-2"
calls_per_second = 50
"""
HUBS = '[hubs]\nHUB1 = { path = "1-1", also = ["2-1"] }\n'
MORE = f"[calls]\nlost_timeout = 3.0\n[campaigns]\npresets = []\n{HUBS}{TRUNKS}"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all stories."""
    with running_site(tmp_path_factory.mktemp("site"), SLOTS, MORE) as running:
        yield running


@pytest.fixture
async def operator(site: Site) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("op12", "1234")
        yield client


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        yield client
