from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

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
STORY_FOLLOWS = pytest.StashKey[bool]()  # whether the next test of this worker needs the site


# What `make test` has of a whole site: calls, logins, and that a call is heard live. `make test-sites`: the rest.
EVERYDAY = {"test_calls", "test_auth", "test_a_call_is_heard_from_ring_to_end"}
HERE = Path(__file__).parent


def pytest_itemcollected(item: pytest.Item) -> None:
    told = HERE in item.path.parents and isinstance(item, pytest.Function) and "site" in item.fixturenames
    if told and not {item.path.stem, item.originalname} & EVERYDAY:
        item.add_marker(pytest.mark.sites)


class Stage:
    """One site for all stories. It idles at a twentieth of a core, so it ends with the last story that this worker has,
    and another one begins if the worker is given more."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._running = ExitStack()
        self._site: Site | None = None

    def site(self) -> Site:
        if self._site is None:
            self._site = self._running.enter_context(running_site(self._folders.mktemp("site"), SLOTS, MORE))
        return self._site

    def end(self) -> None:
        self._running.close()
        self._site = None


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    found = Stage(tmp_path_factory)
    yield found
    found.end()


@pytest.fixture
def site(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Site]:
    yield stage.site()
    if not request.node.stash[STORY_FOLLOWS]:
        stage.end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    item.stash[STORY_FOLLOWS] = "stage" in getattr(nextitem, "fixturenames", ())


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
