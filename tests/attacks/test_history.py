"""Who has been away hears what they missed in pieces, over the connection on which others are answered: of the journal
no more is read than is told."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_streams import JOURNAL, to_be_stored
from actors.runtime.bus import Message, Unsubscribe
from bus_schemas.kinds import owners_header
from bus_schemas.slot import SLOT_LINKED, SlotLinked, SlotStatus
from gateway.live.events import SOURCES
from gateway.live.history import LOOKED, PASSED, PIECE, History
from gateway.metrics import Metrics
from tests.support.own_bus import own_bus

ENTRIES = 5_000


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[NatsBus]:
    async with own_bus(tmp_path) as bus:
        yield bus


async def _history(bus: NatsBus) -> tuple[History, list[bytes], Unsubscribe]:
    """Of entries of a slot, what is asked for while it is read, and what ends that."""
    linked = SlotLinked(slot=44, at="2026-01-01T00:00:00.000Z", status=SlotStatus.ONLINE)
    written, data = to_be_stored(SLOT_LINKED.subject_for(linked)), msgspec.json.encode(linked)
    for _ in range(ENTRIES):
        await bus.publish(written, data, owners_header({"slot": ["op12"]}))
    while await bus.last_seq() < ENTRIES:
        pass
    asked: list[bytes] = []

    async def hear(message: Message) -> None:
        asked.append(message.data)

    stop = await bus.subscribe(f"$JS.API.DIRECT.GET.{JOURNAL}", hear)
    history = History(bus=bus, metrics=Metrics())
    history.begin(ENTRIES, None)
    return history, asked, stop


async def test_what_a_room_says_nothing_of_is_passed_in_pieces_that_cost(bus: NatsBus) -> None:
    """None of it is sought: the server would look through all subjects of a block for each."""
    history, asked, stop = await _history(bus)
    since, costs = 0, list[int]()
    while since < ENTRIES:
        piece = await history.after("calls", since)
        assert piece.events == [] and since < piece.until <= since + LOOKED
        since = piece.until
        costs.append(piece.cost)
    await stop()
    print(f"{ENTRIES} entries of slots in {len(costs)} pieces of calls, {sum(costs)} paid: {len(asked)} questions")
    assert sum(costs) >= ENTRIES // PASSED - len(costs)
    assert {msgspec.json.decode(one)["next_by_subj"] for one in asked} == {">"}


async def test_no_more_is_read_of_the_journal_than_is_told(bus: NatsBus) -> None:
    history, asked, stop = await _history(bus)
    told, since, pieces = 0, 0, 0
    while since < ENTRIES:
        piece = await history.after("slots", since)
        told, since, pieces = told + len(piece.events), piece.until, pieces + 1
    await stop()
    read = sum(msgspec.json.decode(one)["batch"] for one in asked)
    print(f"{told} events in {pieces} pieces: {len(asked)} questions for {read} entries at most")
    assert told == ENTRIES
    assert read <= pieces * PIECE * len(SOURCES["slots"])
