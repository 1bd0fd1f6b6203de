"""Groups: what comes in one, what is left out of a board's, and that nobody misses or hears twice what was not."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import ID
from bus_schemas.contract import Topic
from bus_schemas.kinds import owners_header
from bus_schemas.operator import OPERATOR_RELEASED, OPERATOR_RESERVED, OperatorReleased, OperatorReserved
from bus_schemas.permissions import Action
from bus_schemas.slot import SLOT_LINKED, SlotLinked, SlotStatus
from bus_schemas.trunk import TRUNK, TRUNK_CHANGED, TrunkChanged, TrunkState
from gateway.live import telling
from gateway.live.events import RoomEvent
from gateway.live.said import event_said
from gateway.live.telling import Groups
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import AT
from tests.support.door import InProcess, LiveClient, gateway_on, serving
from tests.support.site import PATIENCE

NEVER = 60.0  # seconds apart


@pytest.fixture
async def gateway() -> AsyncIterator[InProcess]:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {}, {"admin": frozenset(Action)}), gateway_on(MemoryBus(broker)) as found:
        yield found


@pytest.fixture
def resting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "SHARE", 1e-9)
    monkeypatch.setattr(telling, "LONGEST", NEVER)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "APART", NEVER)


async def write(gateway: InProcess, topic: Topic[Any], event: Struct) -> int:
    last = await gateway.bus.last_seq()
    subject = topic.subject_for(event)
    headers = {ID: f"e{last}", **owners_header({"operator": ("op12",)})}
    return await gateway.bus.append(subject, msgspec.json.encode(event), headers, scope="ottb.v1.evt.>", expect=last)


async def failed(gateway: InProcess, trunk: str, count: int) -> int:
    event = TrunkChanged(trunk=trunk, at=AT.format(0), state=TrunkState.WARN, reason=None, failed=count)
    return await write(gateway, TRUNK_CHANGED, event)


async def linked(gateway: InProcess, slot: int) -> int:
    event = SlotLinked(slot=slot, at=AT.format(0), status=SlotStatus.ONLINE)
    return await write(gateway, SLOT_LINKED, event)


def seqs(client: LiveClient) -> list[int]:
    return [one["seq"] for one in client.heard]


def said(client: LiveClient) -> list[tuple[int, str, int]]:
    return [(one["seq"], one["data"]["trunk"], one["data"]["failed"]) for one in client.heard]


async def settled(gateway: InProcess) -> None:
    """The gateway has heard everything, and its clients what it says at once."""
    async with asyncio.timeout(PATIENCE):
        while gateway.feed.seq < await gateway.bus.last_seq():
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def test_the_newest_of_a_thing_stands_for_those_before(gateway: InProcess) -> None:
    async with gateway.live("admin", "trunks") as client:
        began = asyncio.get_running_loop().time()
        for count in range(200):
            last = await failed(gateway, "kyiv", count)
            await asyncio.sleep(0)
        await settled(gateway)
        took = asyncio.get_running_loop().time() - began
        async with asyncio.timeout(PATIENCE):
            while not client.heard or said(client)[-1] != (last, "kyiv", 199):
                await asyncio.sleep(0.01)
    print(f"200 states of a trunk in {took:.2f} s: {len(client.heard)} updates")
    assert said(client)[0][2] == 0  # the first is not held up
    assert len(client.heard) <= 2 + took / telling.APART
    assert said(client) == sorted(said(client))


async def test_what_waits_is_overtaken_by_nothing(gateway: InProcess, apart: None) -> None:
    """The `seq` that a client has seen last is the end of all that it has seen."""
    async with gateway.live("admin", "trunks") as client:
        first = await failed(gateway, "kyiv", 0)
        await failed(gateway, "kyiv", 1)
        await failed(gateway, "lviv", 0)
        last = await failed(gateway, "kyiv", 2)
        await settled(gateway)
        assert said(client) == [(first, "kyiv", 0)]
    async with gateway.live("admin", "trunks", since=first) as client:
        await settled(gateway)
        assert [seq for seq, _, _ in said(client)] == list(range(first + 1, last + 1))  # what is missed is told whole


async def test_who_enters_is_not_told_again_what_waits(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "APART", 2.0)
    async with gateway.live("admin", "trunks") as earlier:
        first = await failed(gateway, "kyiv", 0)
        held = await failed(gateway, "lviv", 0)
        await settled(gateway)
        async with gateway.live("admin", "trunks", since=first) as client:
            assert [seq for seq, _, _ in said(earlier)] == [first]
            later = await failed(gateway, "odesa", 0)
            async with asyncio.timeout(PATIENCE):
                while len(earlier.heard) < 3 or later not in [one["seq"] for one in client.heard]:
                    await asyncio.sleep(0.01)
            assert [seq for seq, _, _ in said(client)] == [held, later]
        assert [seq for seq, _, _ in said(earlier)] == [first, held, later]


@pytest.mark.parametrize("event", ["subscribe", "unsubscribe"])
async def test_who_leaves_has_heard_all_until_then(gateway: InProcess, apart: None, event: str) -> None:
    async with gateway.live("admin", "trunks") as client:
        first = await failed(gateway, "kyiv", 0)
        held = await failed(gateway, "lviv", 0)
        await settled(gateway)
        assert (await client.socket.call(f"{event}:trunks"))["seq"] == held
        await asyncio.sleep(0.05)
        assert [seq for seq, _, _ in said(client)] == [first, held]


async def test_what_says_not_all_of_a_thing_is_never_left_out(gateway: InProcess) -> None:
    async with gateway.live("admin", "operators") as client:
        for number in range(20):
            reserved = OperatorReserved(
                user="op12", at=AT.format(0), campaign_id="cmp_1", reservation=f"r{number}", until=AT.format(9)
            )
            await write(gateway, OPERATOR_RESERVED, reserved)
            released = OperatorReleased(
                user="op12", at=AT.format(0), campaign_id="cmp_1", reservation=f"r{number}", why="released"
            )
            await write(gateway, OPERATOR_RELEASED, released)
        async with asyncio.timeout(PATIENCE):
            while len(client.heard) < 40:
                await asyncio.sleep(0.01)
    found = [(one["data"]["reservation"], one["data"]["change"]) for one in client.heard]
    assert found == [(f"r{number}", change) for number in range(20) for change in ("reserved", "released")]


async def test_the_newest_stands_for_nothing_that_others_heard() -> None:
    """A thing that changes hands: who had it hears of that, although it changes again at once."""

    def event(*owners: str | None, about: str = "1") -> RoomEvent:
        none: frozenset[Any] = frozenset()
        return RoomEvent(TRUNK, none, {none: event_said("x", 0)}, owners, {"trunk": about}, "1")

    told: list[list[RoomEvent]] = []
    board = Groups(tell=lambda group: told.append(list(group.values())))
    events = [event("a"), event("a", "b"), event("b"), event("b"), event("b", about="2"), event(None, "b")]
    for one in events:
        board.add(one)
    assert told == [events[:1]]
    assert list(board.waiting.values()) == [events[1], events[3], events[4], events[5]]
    board.stop()


async def test_a_group_that_grows_too_large_does_not_wait() -> None:
    told: list[int] = []
    board = Groups(tell=lambda group: told.append(len(group)))
    none: frozenset[Any] = frozenset()
    for _ in range(2 * telling.MOST + 2):
        board.add(RoomEvent(TRUNK, none, {none: event_said("x", 0)}, (), {}))
    assert told == [1, telling.MOST, telling.MOST] and len(board.waiting) == 1
    board.stop()


async def test_telling_takes_half_of_the_time_at_most() -> None:
    loop, told, spent = asyncio.get_running_loop(), list[list[int]](), list[float]()

    def tell(group: Mapping[int, RoomEvent]) -> None:
        began = loop.time()
        told.append(list(group))
        time.sleep(0.01)  # as to six hundred clients
        spent.append(loop.time() - began)

    groups, count = Groups(tell=tell), 0
    none: frozenset[Any] = frozenset()
    began = loop.time()
    while (took := loop.time() - began) < 0.4:
        groups.add(RoomEvent(TRUNK, none, {none: event_said("x", 0)}, (), {}))
        count += 1
        assert told  # the first is not held up
        await asyncio.sleep(0.001)
    groups.stop()
    print(f"{count} events in {took:.2f} s: {len(told)} groups")
    assert len(told) > 1 and sum(spent) <= (took + telling.AHEAD) / 2 + max(spent)
    assert [*(number for group in told for number in group), *groups.waiting] == list(range(1, count + 1))


async def test_no_rest_is_longer_however_much_was_told_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of a hundred do not wait, so they may take more than telling's share, a flood of them for minutes."""
    monkeypatch.setattr(telling, "SHARE", 1e-9)
    monkeypatch.setattr(telling, "LONGEST", 0.05)
    told = list[int]()
    groups, none = Groups(tell=lambda group: told.extend(group)), frozenset[Any]()
    for _ in range(20 * telling.MOST + 2):
        groups.add(RoomEvent(TRUNK, none, {none: event_said("x", 0)}, (), {}))
    async with asyncio.timeout(PATIENCE):
        while len(told) < 20 * telling.MOST + 2:
            await asyncio.sleep(0.01)
    groups.stop()


@pytest.mark.parametrize("event", ["subscribe", "unsubscribe"])
async def test_who_leaves_another_room_has_heard_all_until_then(
    gateway: InProcess, resting: None, event: str
) -> None:
    async with gateway.live("admin", "slots") as client, gateway.live("admin", "slots") as other:
        first, held = await linked(gateway, 44), await linked(gateway, 44)
        await settled(gateway)
        assert (await client.socket.call(f"{event}:slots"))["seq"] == held
        await asyncio.sleep(0.05)
        assert seqs(client) == [first, held] and seqs(other) == [first]
        await linked(gateway, 45)
        await settled(gateway)
        assert seqs(client) == [first, held]


async def test_who_enters_another_room_is_told_once(gateway: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway.live("admin", "slots") as earlier:
        monkeypatch.setattr(telling, "SHARE", 1e-9)
        monkeypatch.setattr(telling, "LONGEST", NEVER)
        first = await linked(gateway, 44)
        held = [await linked(gateway, slot) for slot in (44, 45)]
        await settled(gateway)
        async with gateway.live("admin", "slots", since=first) as client:
            assert seqs(earlier) == [first] and seqs(client) == held
            later = [await linked(gateway, 46) for _ in range(telling.MOST)]
            async with asyncio.timeout(PATIENCE):
                while later[telling.MOST - 3] not in seqs(client):
                    await asyncio.sleep(0.01)
            assert seqs(client) == [*held, *later[:-2]]
            assert seqs(earlier) == [first, *held, *later[:-2]]
