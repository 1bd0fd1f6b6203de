"""Clients that want to hear of one thing alone: what they hear, what they have missed of it, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import ID
from bus_schemas.call import CALL, CALL_DIALING, CallDialing
from bus_schemas.kinds import owners_header
from bus_schemas.permissions import Action
from bus_schemas.rights import guards
from gateway.surface import LIVE, ROOMS
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import AT
from tests.support.door import InProcess, LiveClient, gateway_on, serving
from tests.support.site import until

USERS = {"admin": frozenset(Action), "op12": frozenset({Action.CALL_VIEW})}


@pytest.fixture
async def gateway() -> AsyncIterator[InProcess]:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {}, USERS), gateway_on(MemoryBus(broker)) as found:
        yield found


async def dial(gateway: InProcess, number: int, slot: int | None, user: str = "op12") -> int:
    event = CallDialing(
        call_id=f"c_{number}", line=f"slot-{slot}" if slot is not None else "trunk-1", slot=slot, user=user,
        number="+380991234567", at=AT.format(0), mono=0.0, boot="b", command_id="k", ring_timeout=60, max_duration=60,
    )  # fmt: skip
    subject = CALL_DIALING.subject_for(event)
    headers = {ID: f"d{number}", **owners_header({CALL.name: (user,)})}
    return await gateway.bus.append(subject, msgspec.json.encode(event), headers, scope=subject, expect=0)


async def heard(client: LiveClient, count: int) -> list[str]:
    """The calls that were heard of first, and that it is all."""

    async def look() -> int:
        return len(client.heard)

    await until(look, lambda seen: seen >= count)
    await asyncio.sleep(0.05)
    return [payload["data"]["call_id"] for payload in client.heard]


async def subscribe(client: LiveClient, room: str, options: Any = None) -> Any:
    return await client.socket.call(f"subscribe:{room}", options)


async def test_who_wants_one_thing_hears_of_no_other(gateway: InProcess) -> None:
    async with gateway.live("admin") as client, gateway.live("admin", "calls") as everything:
        assert (await subscribe(client, "calls", {"slot": 44}))["error"] is False
        for number, slot in enumerate((44, 45, None, 44)):
            await dial(gateway, number, slot)
        assert await heard(client, 2) == ["c_0", "c_3"]
        assert await heard(everything, 4) == ["c_0", "c_1", "c_2", "c_3"]
        await subscribe(client, "calls", {"slot": 44, "user": "op13"})  # a newer one says it anew; both are meant
        await dial(gateway, 4, 44)
        await dial(gateway, 5, 44, user="op13")
        assert await heard(client, 3) == ["c_0", "c_3", "c_5"]
        await subscribe(client, "calls")
        await dial(gateway, 6, 45)
        assert await heard(client, 4) == ["c_0", "c_3", "c_5", "c_6"]


async def test_what_was_missed_is_narrowed_likewise(gateway: InProcess) -> None:
    before = await dial(gateway, 0, 44)
    for number, slot in enumerate((45, 44, 46, 44), 1):
        await dial(gateway, number, slot)
    async with gateway.live("admin") as client:
        said = await subscribe(client, "calls", {"since": before, "slot": 44})
        assert said == {"error": False, "seq": before + 4}
        assert await heard(client, 2) == ["c_2", "c_4"]


async def test_it_shows_nobody_what_they_do_not_see(gateway: InProcess) -> None:
    async with gateway.live("op12") as client:
        await subscribe(client, "calls", {"slot": 44})
        await dial(gateway, 0, 44, user="op13")
        await dial(gateway, 1, 44, user="op12")
        assert await heard(client, 1) == ["c_1"]


async def test_what_narrows_nothing_is_refused_and_the_fields_named(gateway: InProcess) -> None:
    async with gateway.live("admin") as client:
        for wrong, said in (
            ({"slots": 44}, "The fields: `since`, `snapshot`, `slot`, `user`, `call_id`."), ({"slot": 0}, "`slot`"),
            ({"slot": "44"}, "`slot`: expected a whole"), ({"since": -1}, "`since`"), ({"since": True}, "`since`"),
            ({"call_id": "a b"}, "`call_id`"), ([1], "Subscribe with"), (5, "Subscribe with"),
        ):  # fmt: skip
            refused = await subscribe(client, "calls", wrong)
            assert refused["code"] == "INVALID_PARAMS" and said in refused["message"], (wrong, refused)
        refused = await subscribe(client, "dashboard", {"slot": 44})
        assert refused["code"] == "INVALID_PARAMS" and "The fields: `since`." in refused["message"]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.kind.room)
def test_every_update_has_what_narrows_its_room(room: Any) -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(room.update)}
    for name, _ in room.narrows:
        assert fields[name].required, name
    guarded = {name for topic in room.topics for name in guards(topic.event)}
    assert not guarded & {name for name, _ in room.narrows}
    assert room.narrows and len(LIVE) > len(ROOMS)


async def test_a_room_that_is_not_there_is_refused_and_those_named(gateway: InProcess) -> None:
    async with gateway.live("op12") as client:
        for event in ("subscribe:nothing", "unsubscribe:Calls", "subscribe:", "call.start"):
            said = await client.socket.call(event, {"since": 1}, timeout=2)
            assert (said["error"], said["code"]) == (True, "NOT_FOUND"), said
            assert said["details"] == {"rooms": sorted(row.kind.room for row in LIVE)}
        assert (await subscribe(client, "calls"))["error"] is False
