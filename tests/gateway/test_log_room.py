"""The room of the platform's log: what its clients hear, and that those who come back miss nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

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
from gateway.live import log_room
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, LiveClient, gateway_on, serving
from tests.support.site import until

ALL = frozenset({Action.LOG_VIEW, Action.LOG_VIEW_ANY})
USERS = {"admin": ALL, "op12": frozenset({Action.LOG_VIEW}), "op13": frozenset({Action.CALL_VIEW})}
SUBSCRIBE = "subscribe:log"


class Lab:
    """A gateway, a way into the log, and users whose rights can be changed."""

    def __init__(self, gateway: InProcess, users: dict[str, frozenset[Action]]) -> None:
        self.gateway = gateway
        self.users = users
        self._writer = LogWriter(bus=gateway.bus, ids=RandomIds(), host="h", share=LogShare(time.monotonic))

    async def write(self, message: str, *, user: str = "system", **more: Any) -> LogRecord:
        event = LogEvent(**{"module": "OTTB", "severity": "info", "message": message} | more)
        return await self._writer.write(event, Context(command_id="c", user=user))

    async def take_all_from(self, user: str) -> None:
        self.users[user] = frozenset()
        subject = "ottb.v1.evt.point.directory.role_set"
        await self.gateway.bus.append(subject, b"{}", {ID: "r"}, scope=subject, expect=0)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    broker, users = MemoryBroker(clock=SystemClock()), dict(USERS)
    async with serving(broker, {}, users), gateway_on(MemoryBus(broker)) as gateway:
        yield Lab(gateway, users)


async def messages(client: LiveClient, count: int) -> list[str]:
    """What was said first, and that it is all."""

    async def look() -> int:
        return len(client.heard)

    await until(look, lambda seen: seen >= count)
    await asyncio.sleep(0.05)
    return [payload["data"]["message"] for payload in client.heard]


async def test_what_is_written_is_heard_as_it_is_listed(lab: Lab) -> None:
    async with lab.gateway.live("admin", "log") as client:
        written = await lab.write("Slot 44 restarted", context={"slot_id": 44})
        assert await messages(client, 1) == ["Slot 44 restarted"]
        said = {"event": "log.update", "data": msgspec.to_builtins(written), "seq": written.id}
        assert client.heard == [said]
        assert (await client.socket.call("unsubscribe:log"))["error"] is False
        await lab.write("later")
        assert await messages(client, 1) == ["Slot 44 restarted"]


async def test_who_sees_no_others_events_hears_none(lab: Lab) -> None:
    async with lab.gateway.live("op12", "log") as own, lab.gateway.live("op13") as stranger:
        refused = await stranger.socket.call(SUBSCRIBE)
        assert refused["code"] == "PERMISSION_DENIED"
        await lab.write("of the platform")
        await lab.write("mine", user="op12")
        assert await messages(own, 1) == ["mine"]
        again = await own.socket.call(SUBSCRIBE, {"since": 0})
        assert again == {"error": False, "seq": 2} and await messages(own, 2) == ["mine", "mine"]
        assert stranger.heard == []


async def test_a_client_hears_what_it_has_asked_for(lab: Lab) -> None:
    async with lab.gateway.live("admin") as client:
        wanted = {"slot": 44, "severity": "error", "text": "WORD"}
        assert (await client.socket.call(SUBSCRIBE, wanted))["error"] is False
        for message, severity, slot in (
            ("word 1", "error", 45), ("word 2", "info", 44), ("other", "error", 44), ("word 3", "error", 44),
        ):  # fmt: skip
            await lab.write(message, severity=severity, context={"slot": slot})
        assert await messages(client, 1) == ["word 3"]
        await client.socket.call(SUBSCRIBE, {"severity": "info"})  # in place of the other one
        await lab.write("calm")
        assert await messages(client, 2) == ["word 3", "calm"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"severity": "fatal"}, "severity"), ({"since": -1}, "since"), ({"since": True}, "since"),
        ({"since": 1}, "since"), ({"slot": "44"}, "slot"), ({"level": "info"}, "level"), ([1], "since"),
    ],
)  # fmt: skip
async def test_what_a_client_cannot_ask_for_is_refused_by_name(lab: Lab, options: Any, named: str) -> None:
    async with lab.gateway.live("admin") as client:
        refused = await client.socket.call(SUBSCRIBE, options)
        assert refused["code"] == "INVALID_PARAMS" and named in refused["message"]
        if named == "level":
            assert "severity" in refused["message"]  # those that there are


async def test_who_comes_back_while_much_is_written_misses_nothing(lab: Lab) -> None:
    for number in range(600):
        await lab.write(str(number))
    async with lab.gateway.live("admin") as client:

        async def write_on() -> None:
            for number in range(600, 900):
                await lab.write(str(number))
                await asyncio.sleep(0)

        writing = asyncio.create_task(write_on())
        acknowledged = await client.socket.call(SUBSCRIBE, {"since": 100})
        assert acknowledged["error"] is False and acknowledged["seq"] >= 600
        await writing
        assert await messages(client, 800) == [str(number) for number in range(100, 900)]
        assert [payload["seq"] for payload in client.heard] == list(range(101, 901))


async def test_who_missed_too_much_is_told_to_read_the_list(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_room, "MISSED", 3)
    for number in range(6):
        await lab.write(str(number))
    async with lab.gateway.live("admin") as client:
        assert await client.socket.call(SUBSCRIBE, {"since": 1}) == {"error": False, "seq": 6, "snapshot_needed": True}
        await lab.write("new")
        assert await messages(client, 1) == ["new"]


async def test_who_may_no_longer_hear_of_it_is_told(lab: Lab) -> None:
    async with lab.gateway.live("admin", "log") as client:
        await lab.take_all_from("admin")

        async def told() -> list[dict[str, Any]]:
            return client.heard

        [said] = await until(told, lambda heard: len(heard) == 1)
        assert said["code"] == "PERMISSION_DENIED" and said["details"]["room"] == "log"
        await lab.write("secret")
        await asyncio.sleep(0.05)
        assert client.heard == [said]
