"""An adb server that says more than anybody asked for: others have their turn, and little of it goes on record."""

import asyncio

import msgspec
import pytest

from actors.adapters.adb import AdbClient, AdbServerGone
from actors.adapters.adb_listing import parse_devices
from actors.adapters.adb_phone import link_of
from actors.adapters.adb_place import AdbPort
from actors.adapters.adb_tracker import Sight
from actors.runtime.clock import Moment
from actors.slot import machine
from actors.slot.record import Slot, SlotMemory
from actors.telephony.reports import WORDS, LinkChanged
from bus_schemas.slot import SlotConfig, SlotStatus
from tests.support.turns import Others

LISTS = 20_000
NOW = Moment(at="2026-01-01T00:00:00.000Z", mono=10.0, boot="b")


async def test_list_after_list_leaves_others_their_turn() -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int(await reader.readexactly(4), 16))
        writer.write(b"OKAY" + LISTS * b"0000")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    client, lists, others = AdbClient(AdbPort("127.0.0.1", server.sockets[0].getsockname()[1])), 0, Others()
    with pytest.raises(AdbServerGone):
        async for _ in client.track():
            lists += 1
    turns = others.end()
    server.close()
    print(f"{lists} lists at once: {turns} turns of others")
    assert lists == LISTS and turns >= LISTS


def test_little_of_a_state_goes_on_record() -> None:
    states = ("offline" + 60_000 * "x", "no permissions (" + 60_000 * "\x1b[2J", 60_000 * "unauthorized")
    largest = 0
    for state in states:
        [seen] = parse_devices(f"PHONE1                 {state} transport_id:1\n").values()
        link, detail = link_of(Sight(seen=seen))
        slot = Slot(config=SlotConfig(id=1, serial="PHONE1"), status=SlotStatus.ONLINE)
        changed = LinkChanged(link=link, detail=detail)
        events = machine.observe(slot, SlotMemory(), changed, NOW).events
        assert events
        largest = max(largest, *(len(msgspec.json.encode(event)) for event in events))
    print(f"{len(states)} states of 60 kB: {largest} bytes on record")
    assert largest < 7 * WORDS
