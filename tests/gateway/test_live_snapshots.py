"""Snapshots of rooms: what they hold is of one moment, and what happens behind it follows, once each."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.system_clock import SystemClock
from actors.ledger.ledger import Ledger
from actors.runtime.bus import ID
from actors.runtime.context import Context
from actors.runtime.wire import Page
from bus_schemas.archive import DAYS_LEAVING, DaysLeaving
from bus_schemas.call import (
    CALL,
    CALL_DIALING,
    CALL_ENDED,
    CALLS_FEED,
    CallDialing,
    CallEnded,
    CallsFeed,
    CallState,
    EndReason,
)
from bus_schemas.contract import Topic
from bus_schemas.kinds import owners_header
from bus_schemas.permissions import Action
from gateway.live import feed, snapshot
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import AT
from tests.support.door import InProcess, gateway_on, serving, token_of
from tests.support.site import PATIENCE

OWN = frozenset({Action.CALL_VIEW})
USERS = {"admin": frozenset(Action), "op12": OWN, "nobody": frozenset({Action.SLOT_VIEW})}
ROUNDS = 25


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[InProcess]:
    broker = MemoryBroker(clock=SystemClock())
    ledger = Ledger(bus=MemoryBus(broker), store=SqliteLedger(tmp_path / "l"))
    await ledger.start()
    async with serving(broker, {}, USERS), gateway_on(MemoryBus(broker)) as found:
        yield found
    await ledger.stop()


class Socket:
    """A client that notes the order in which it is told. `before`: what came before the last answer."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0
        self.before: list[Any] = []

    async def ask(self, event: str, options: Any = None) -> Any:
        self._asked += 1
        await self._socket.send_str(f"42{self._asked}{msgspec.json.encode([event, options]).decode()}")
        return await self.answer(self._asked)

    async def answer(self, number: int) -> Any:
        self.before = []
        while not (said := await self._said()).startswith(f"43{number}["):
            if said.startswith("42"):
                self.before.append(msgspec.json.decode(said[2:])[1])
        return msgspec.json.decode(said.removeprefix(f"43{number}"))[0]

    async def until(self, seq: int) -> list[Any]:
        """All that is told up to an entry of the journal."""
        found: list[Any] = []
        while not found or found[-1]["seq"] < seq:
            if (said := await self._said()).startswith("42"):
                found.append(msgspec.json.decode(said[2:])[1])
        return found

    async def _said(self) -> str:
        async with asyncio.timeout(PATIENCE):
            while (said := await self._socket.receive_str()) == "2":
                await self._socket.send_str("3")
            return said


@asynccontextmanager
async def connected(gateway: InProcess, user: str) -> AsyncIterator[Socket]:
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(gateway._url("/socket.io/?EIO=4&transport=websocket"), max_msg_size=0)
        await socket.receive_str()
        await socket.send_str(f'40{{"token":"{token_of(user)}"}}')
        assert (await socket.receive_str()).startswith("40")
        yield Socket(socket)


async def write(gateway: InProcess, topic: Topic[Any], event: Any) -> int:
    last = await gateway.bus.last_seq()
    headers = {ID: f"e{last}", **owners_header({CALL.name: (event.user,)})}
    subject = topic.subject_for(event)
    return await gateway.bus.append(subject, msgspec.json.encode(event), headers, scope="ottb.v1.evt.>", expect=last)


async def dial(gateway: InProcess, number: int, slot: int = 44, user: str = "op12") -> int:
    return await write(gateway, CALL_DIALING, CallDialing(
        call_id=f"c_{number}", line=f"slot-{slot}", slot=slot, user=user, number="+380991234567", at=AT.format(0),
        mono=0.0, boot="b", command_id=f"k{number}", ring_timeout=60, max_duration=60,
    ))  # fmt: skip


async def end(gateway: InProcess, number: int, slot: int = 44, user: str = "op12") -> int:
    return await write(gateway, CALL_ENDED, CallEnded(
        call_id=f"c_{number}", line=f"slot-{slot}", slot=slot, user=user, number="+380991234567", at=AT.format(5),
        state=CallState.ENDED, reason=EndReason.BUSY, cause="BUSY", duration=0, ring_seconds=0, start_time=AT.format(0),
        ring_time=None, answer_time=None,
    ))  # fmt: skip


def calls_in(answer: Any) -> set[str]:
    assert answer["error"] is False, answer
    return {thing["call_id"] for thing in answer["snapshot"]}


async def test_a_snapshot_holds_what_the_client_sees_and_wants(gateway: InProcess) -> None:
    for number, (slot, user) in enumerate(((44, "op12"), (45, "op12"), (44, "op13"), (46, "op12"))):
        await dial(gateway, number, slot, user)
    last = await end(gateway, 3, 46)
    async with connected(gateway, "admin") as client:
        answer = await client.ask("subscribe:calls", {"snapshot": True})
        assert calls_in(answer) == {"c_0", "c_1", "c_2"} and answer["seq"] == last
        assert {"status", "number", "user"} <= answer["snapshot"][0].keys()
        assert calls_in(await client.ask("subscribe:calls", {"snapshot": True, "slot": 44})) == {"c_0", "c_2"}
        assert calls_in(await client.ask("subscribe:calls", {"snapshot": True, "user": "op13"})) == {"c_2"}
        plain = await client.ask("subscribe:calls", {"snapshot": False})
        assert plain == {"error": False, "seq": last}
    async with connected(gateway, "op12") as client:
        assert calls_in(await client.ask("subscribe:calls", {"snapshot": True})) == {"c_0", "c_1"}
        await dial(gateway, 5, 44, "op13")
        mine = await dial(gateway, 6, 44)
        assert [one["data"]["call_id"] for one in await client.until(mine)] == ["c_6"]
    async with connected(gateway, "nobody") as client:
        assert (await client.ask("subscribe:calls", {"snapshot": True}))["code"] == "PERMISSION_DENIED"


async def test_what_follows_a_snapshot_is_neither_missed_nor_repeated(gateway: InProcess) -> None:
    """While calls begin and end without pause: each snapshot is the state at its `seq`, and all behind it comes after
    it, in order."""
    said: list[tuple[int, str, str]] = []
    over = asyncio.Event()

    async def work() -> None:
        for number in itertools.count():
            said.append((await dial(gateway, number), f"c_{number}", "dialing"))
            if number >= 3:
                said.append((await end(gateway, number - 3), f"c_{number - 3}", "ended"))
            if over.is_set():
                return
            await asyncio.sleep(0.001 if number % 5 else 0.01)

    working = asyncio.create_task(work())
    async with connected(gateway, "admin") as client:
        for _ in range(ROUNDS):
            answer = await client.ask("subscribe:calls", {"snapshot": True})
            assert not [one for one in client.before if one["seq"] > answer["seq"]]
            place = answer["seq"]
            open_then = {call for seq, call, change in said if seq <= place and change == "dialing"}
            open_then -= {call for seq, call, change in said if seq <= place and change == "ended"}
            assert calls_in(answer) == open_then
            until = place + 12
            told = await client.until(until)
            first, last = place + 1, told[-1]["seq"]
            assert [one["seq"] for one in told] == list(range(first, last + 1))
    over.set()
    await working
    print(f"{ROUNDS} snapshots while {len(said)} events were written")


async def test_the_newest_subscription_is_the_one_that_is_followed(gateway: InProcess) -> None:
    await dial(gateway, 0)
    async with connected(gateway, "admin") as client:
        for number in range(1, 4):
            await client._socket.send_str(f'42{number}["subscribe:calls",{{"snapshot":true}}]')
        client._asked = 3
        last = await client.answer(3)
        assert calls_in(last) == {"c_0"}
        later = await dial(gateway, 1)
        assert [one["seq"] for one in await client.until(later)] == [later]
        await dial(gateway, 2)
        again = await dial(gateway, 3)
        assert [one["seq"] for one in await client.until(again)] == [later + 1, again]


async def test_who_is_too_far_behind_is_shown_how_things_are(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "FARTHEST", 5)
    first = await dial(gateway, 0)
    for number in range(1, 8):
        last = await dial(gateway, number)
    async with connected(gateway, "admin") as client:
        answer = await client.ask("subscribe:calls", {"since": first, "snapshot": True})
        assert len(calls_in(answer)) == 8 and answer["seq"] == last and not client.before
        near = await client.ask("subscribe:calls", {"since": last - 2, "snapshot": True})
        assert near == {"error": False, "seq": last}
        assert [one["seq"] for one in client.before] == [last - 1, last]
        without = await client.ask("subscribe:calls", {"since": first})
        assert without == {"error": False, "seq": last, "snapshot_needed": True}


async def test_who_was_away_until_calls_left_is_not_told_that_this_was_all(tmp_path: Path) -> None:
    """The end of a call that was open when they went would be missing, and the call open for ever."""
    broker = MemoryBroker(clock=SystemClock())
    ledger = Ledger(bus=MemoryBus(broker), store=SqliteLedger(tmp_path / "l"))
    await ledger.start()
    async with serving(broker, {}, USERS):
        async with gateway_on(MemoryBus(broker)) as gateway, connected(gateway, "admin") as client:
            seen = await dial(gateway, 0)
            last = await dial(gateway, 1)
            assert "snapshot_needed" not in await client.ask("subscribe:calls", {"since": seen})
            last = await _leave(gateway, up_to=last)
            told = await client.ask("subscribe:calls", {"since": seen})
            assert told == {"error": False, "seq": last, "snapshot_needed": True}
        async with gateway_on(MemoryBus(broker)) as gateway, connected(gateway, "admin") as client:  # begun since
            told = await client.ask("subscribe:calls", {"since": seen})
            assert told == {"error": False, "seq": last, "snapshot_needed": True} and client.before == []
            shown = await client.ask("subscribe:calls", {"since": seen, "snapshot": True})
            assert calls_in(shown) == {"c_0", "c_1"}
            assert "snapshot_needed" not in await client.ask("subscribe:calls", {"since": last - 1})
    await ledger.stop()


async def _leave(gateway: InProcess, up_to: int) -> int:
    said = msgspec.json.encode(DaysLeaving(at=AT, host="h1", up_to=up_to))
    return await gateway.bus.append(DAYS_LEAVING.subject, said, {ID: "leaving"}, scope=DAYS_LEAVING.subject, expect=0)


@pytest.mark.parametrize("room", ["calls", "slots", "trunks", "campaigns", "operators"])
async def test_a_snapshot_says_which_place_it_has(gateway: InProcess, room: str) -> None:
    async with connected(gateway, "admin") as client:
        assert await client.ask(f"subscribe:{room}", {"snapshot": True}) == {"error": False, "seq": 0, "snapshot": []}
        last = await dial(gateway, 0)
        answer = await client.ask(f"subscribe:{room}", {"snapshot": True})
        assert answer["seq"] == last and len(answer["snapshot"]) == (room == "calls")


async def test_rooms_without_things_have_no_snapshot(gateway: InProcess) -> None:
    async with connected(gateway, "admin") as client:
        for room in ("notes", "do_not_call", "log", "imports", "webhooks"):
            refused = await client.ask(f"subscribe:{room}", {"snapshot": True})
            assert refused["code"] == "INVALID_PARAMS" and "`since`" in refused["message"], (room, refused)
        for wrong in (1, "yes", None):
            refused = await client.ask("subscribe:calls", {"snapshot": wrong})
            assert refused["code"] == "INVALID_PARAMS" and "snapshot" in refused["message"]


class Pages:
    """Records that answer in pages, each with the place that comes next."""

    def __init__(self, *places: int, more: int = 1) -> None:
        self.places = iter(places)
        self.more = more
        self.asked = 0

    async def answer(self, request: CallsFeed, context: Context) -> Page:
        self.asked += 1
        page = int(request.cursor or 0)
        cursor = str(page + 1) if page < self.more else None
        return Page(body=[{"call_id": f"c_{page}"}], next_cursor=cursor, seq=next(self.places))


@pytest.mark.parametrize(
    ("pages", "seq", "asked"),
    [(Pages(0, 0), 0, 2), (Pages(1, 2, 2, 2), 2, 4), (Pages(*range(100)), None, 2 * snapshot.TRIES),
     (Pages(*[7] * 100, more=99), None, snapshot.MOST_PAGES)],
    ids=["of one moment", "at the second try", "never", "too many"],
)  # fmt: skip
async def test_pages_of_a_snapshot_are_of_one_moment(pages: Pages, seq: int | None, asked: int) -> None:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {CALLS_FEED: pages.answer}, USERS), gateway_on(MemoryBus(broker)) as gateway:
        for number in range(2):
            await dial(gateway, number)
        async with connected(gateway, "admin") as client:
            answer = await client.ask("subscribe:calls", {"snapshot": True})
    assert pages.asked == asked
    if seq is None:
        assert answer["code"] == "UNAVAILABLE"
    else:
        assert answer["seq"] == seq and calls_in(answer) == {"c_0", "c_1"}


@pytest.mark.parametrize("comes", [True, False])
async def test_records_that_are_ahead_of_the_feed_are_waited_for(monkeypatch: pytest.MonkeyPatch, comes: bool) -> None:
    """What is in a snapshot already is not told again when the gateway hears of it. Where that never comes the client
    is cut off: what was promised to follow does not."""
    monkeypatch.setattr(feed, "BEHIND", 3.0 if comes else 0.1)
    broker, ahead = MemoryBroker(clock=SystemClock()), Pages(3, more=0)
    async with serving(broker, {CALLS_FEED: ahead.answer}, USERS), gateway_on(MemoryBus(broker)) as gateway:
        await dial(gateway, 0)
        async with connected(gateway, "admin") as client:
            assert (await client.ask("subscribe:calls", {"snapshot": True}))["seq"] == 3
            if comes:
                for number in range(1, 4):
                    last = await dial(gateway, number)
                await asyncio.sleep(0.1)
                last = await dial(gateway, 4)
                assert [one["seq"] for one in await client.until(last)] == [last - 1, last]
            else:
                async with asyncio.timeout(PATIENCE):
                    assert (await client._socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE)
