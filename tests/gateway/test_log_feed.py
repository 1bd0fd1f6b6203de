"""Following the platform's log: what is sent, to whom, and what becomes of those who do not read."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.log.share import LogShare
from actors.log.writer import LogWriter
from actors.runtime.bus import ID
from actors.runtime.context import Context
from bus_schemas.log import LogEvent, LogRecord
from bus_schemas.permissions import Action
from gateway import log_feed
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving, token_of
from tests.support.events import Events
from tests.support.site import PATIENCE, until

FOLLOW = "/api/dci/logs/follow"
ALL = frozenset({Action.LOG_VIEW, Action.LOG_VIEW_ANY})
USERS = {"admin": ALL, "op12": frozenset({Action.LOG_VIEW}), "op13": frozenset[Action]()}


class Lab:
    """A gateway, a way into the log, and users whose rights can be changed."""

    def __init__(self, gateway: InProcess, users: dict[str, frozenset[Action]], stack: AsyncExitStack) -> None:
        self.gateway = gateway
        self._users = users
        self._writer = LogWriter(bus=gateway.bus, ids=RandomIds(), host="h", share=LogShare(time.monotonic))
        self._stack = stack
        self._session: aiohttp.ClientSession | None = None

    async def write(self, message: str, *, user: str = "system", **more: Any) -> LogRecord:
        event = LogEvent(**{"module": "OTTB", "severity": "info", "message": message} | more)
        return await self._writer.write(event, Context(command_id="c", user=user))

    async def follow(self, query: str = "", *, user: str = "admin", **headers: str) -> Events:
        if self._session is None:
            self._session = await self._stack.enter_async_context(aiohttp.ClientSession())
        url = f"http://127.0.0.1:{self.gateway.listener.port}{FOLLOW}{query}"
        headers = {"Authorization": f"Bearer {token_of(user)}"} | {n.replace("_", "-"): v for n, v in headers.items()}
        return Events(await self._stack.enter_async_context(self._session.get(url, headers=headers)))


    async def take_all_from(self, user: str) -> None:
        """Their role is another one now."""
        self._users[user] = frozenset()
        subject = "ottb.v1.evt.point.directory.role_set"
        await self.gateway.bus.append(subject, b"{}", {ID: "r"}, scope=subject, expect=0)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    broker, users = MemoryBroker(clock=SystemClock()), dict(USERS)
    async with serving(broker, {}, users), gateway_on(MemoryBus(broker)) as gateway, AsyncExitStack() as stack:
        yield Lab(gateway, users, stack)


async def test_what_is_written_is_sent_as_it_is_listed(lab: Lab) -> None:
    events = await lab.follow()
    assert events.answer.status == 200 and events.answer.headers["Content-Type"].startswith("text/event-stream")
    written = await lab.write("Slot 44 restarted\n\nevent: forged", context={"slot_id": 44})
    said = await events.next()
    assert (said.event, said.id) == ("log", written.id) and said.data == msgspec.to_builtins(written)


async def test_filters_and_rights_are_those_of_the_list(lab: Lab) -> None:
    narrow = await lab.follow("?module=CRM&severity=error&text=WORD&slot=4")
    own = await lab.follow(user="op12")
    for message, more in (
        ("word 1", {}), ("word 2", {"module": "CRM"}), ("other", {"module": "CRM", "severity": "error"}),
        ("word 3", {"module": "CRM", "severity": "error", "context": {"slot": 5}}),
        ("word 4", {"module": "CRM", "severity": "error", "context": {"slot": 4}}),
        ("mine", {"user": "op12"}),
    ):  # fmt: skip
        await lab.write(message, **more)
    assert await narrow.messages(1) == ["word 4"] and await own.messages(1) == ["mine"]
    refused = await lab.follow(user="op13")
    assert refused.answer.status == 403


async def test_who_comes_back_misses_nothing_and_gets_nothing_twice(lab: Lab) -> None:
    written = [await lab.write(str(number)) for number in range(5)]
    events = await lab.follow(Last_Event_ID=str(written[1].id))
    later = await lab.write("later")
    assert await events.messages(4) == ["2", "3", "4", "later"]
    since = await lab.follow(f"?since={written[0].at}")
    assert (await since.messages(6))[-2:] == ["4", "later"]
    up_to_date = await lab.follow(Last_Event_ID=str(later.id))
    await lab.write("new")
    assert await up_to_date.messages(1) == ["new"]


async def test_who_missed_too_much_is_told_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_feed, "MISSED", 3)
    for number in range(6):
        await lab.write(str(number))
    events = await lab.follow(Last_Event_ID="1")
    assert (await events.next()).event == "gap"
    assert await events.messages(3) == ["3", "4", "5"]


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Last_Event_ID": "x"}), ("", {"Last_Event_ID": "9" * 30}), ("?until=2030-01-01", {}), ("?cursor=MQ", {}),
        ("?since=soon", {}), ("?severity=fatal", {}),
    ],
)  # fmt: skip
async def test_nonsense_is_refused_before_anything_is_sent(lab: Lab, query: str, headers: dict[str, str]) -> None:
    refused = await lab.follow(query, **headers)
    assert refused.answer.status == 400 and (await refused.answer.json())["code"] == "INVALID_PARAMS"


async def test_one_user_follows_so_often_and_no_more(lab: Lab) -> None:
    for _ in range(log_feed.FOLLOWERS):
        assert (await lab.follow()).answer.status == 200
    refused = await lab.follow()
    assert refused.answer.status == 429
    assert (await refused.answer.json())["details"]["rule"] == "log_followers"
    other = await lab.follow(user="op12")
    assert other.answer.status == 200
    other.answer.close()

    async def again() -> int:
        return (await lab.follow(user="op12")).answer.status

    assert await until(again, lambda status: status == 200) == 200


async def test_who_does_not_read_is_cut_off_and_harms_nobody(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_feed, "QUEUE", 50)
    monkeypatch.setattr(log_feed, "WRITE_SECONDS", 2 * PATIENCE)  # it is read only once all is written
    slow, quick = await lab.follow(), await lab.follow()
    read: list[str] = []

    async def read_on() -> None:
        while True:
            read.append((await quick.next()).data["message"])

    reading = asyncio.create_task(read_on())
    async with asyncio.timeout(2 * PATIENCE):
        for number in range(1_500):
            await lab.write(str(number), context={"filler": "x" * 7_500})
            while len(read) < number - 20:  # who reads on is never far behind
                await asyncio.sleep(0.001)
    await until(lambda: _count(read), lambda count: count == 1_500)
    reading.cancel()
    last = None
    with pytest.raises(EOFError):
        while True:
            last = await slow.next()
    assert last is not None and (last.event, last.data["message"]) == ("end", log_feed.SLOW)


async def _count(read: list[str]) -> int:
    return len(read)


async def test_who_may_no_longer_read_is_told_and_gets_no_more(lab: Lab) -> None:
    events = await lab.follow()
    await lab.write("seen")
    assert await events.messages(1) == ["seen"]
    await lab.take_all_from("admin")
    await lab.write("not seen")
    said = await events.next()
    assert said.event == "end" and re.search("log.view", said.data["message"])
    with pytest.raises(EOFError):
        await events.next()
