"""The users that the product makes itself: once, and not again after somebody has deleted them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point.point import Point
from actors.point.settings import Auth
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.whole import PASSWORD, Quick, Whole, whole_site

DIRECTORY = "ottb.v1.evt.point.directory"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_site(tmp_path) as site:
        await site.login()
        yield site


async def _users(site: Whole) -> set[str]:
    await site.login()
    status, users = await site.ask("GET", "/api/users")
    assert status == 200
    return {user["id"] for user in users}


async def test_who_was_deleted_does_not_come_back_with_a_restart(site: Whole) -> None:
    assert await _users(site) == {"admin", "op12", "root"}
    for name in ("admin", "op12"):
        assert (await site.ask("DELETE", f"/api/users/{name}"))[0] == 200
    password = site.folder / "admin-password"
    before = password.read_text()
    await site.again()
    assert await _users(site) == {"root"} and password.read_text() == before


async def test_an_administrator_comes_where_unreadable_entries_have_left_none(site: Whole) -> None:
    bus = MemoryBus(site.broker)
    for name in ("admin", "root"):  # which nobody has decided: the last one is not deleted
        seq = await bus.last_seq()
        data = f'{{"user": "{name}", "at": 5}}'.encode()
        await bus.append(f"{DIRECTORY}.user_deleted", data, {"Nats-Msg-Id": name}, scope="ottb.v1.evt.>", expect=seq)
    await site.again()
    await site.login("admin", (site.folder / "admin-password").read_text().strip())
    status, users = await site.ask("GET", "/api/users")
    assert status == 200 and {user["id"] for user in users} == {"admin", "op12"}


async def test_two_hosts_that_start_at_once_make_one_user() -> None:
    broker = MemoryBroker(clock=SystemClock())
    points = [
        Point(
            bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds(), passwords=Quick(), keys={"1": b"k" * 48},
            auth=Auth(),
        )
        for _ in range(2)
    ]  # fmt: skip
    for point in points:
        await point.start()
    made = await asyncio.gather(*(point.seed("admin", f"{PASSWORD}{n}", "admin") for n, point in enumerate(points)))
    assert sorted(made) == [False, True]
    assert len(broker.entries(f"{DIRECTORY}.user_created")) == 1
    for point in points:
        await point.stop()
