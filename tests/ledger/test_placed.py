"""What is read with its place in the journal has all up to there, and nothing behind it, while more is folded."""

import threading
import time
from contextlib import closing
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.ledger.call import feed
from actors.ledger.ledger import Ledger
from actors.ledger.store import JournalEntry
from actors.runtime.wire import ask
from bus_schemas.call import CallDialing, CallsFeed
from bus_schemas.trunk import (
    PBX_STATUS,
    TRUNK_TELEMETRY,
    GetPbxStatus,
    TrunkChanged,
    TrunkConfig,
    TrunkConfigured,
    TrunkState,
    TrunkTelemetry,
    TrunkView,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import AT, seen, write
from tests.ledger.places import Place

LAST = 200


def entry(seq: int) -> JournalEntry:
    return JournalEntry(seq=seq, event=CallDialing(
        call_id=f"c_{seq}", line="slot-44", slot=44, user="op12", number="+380991234567", at=AT.format(0), mono=0.0,
        boot="b", command_id="k", ring_timeout=60, max_duration=60,
    ))  # fmt: skip


def test_what_is_read_is_of_its_place_in_the_journal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    query = feed(CallsFeed(limit=500), before=None, user=None)
    with closing(place.store()) as store:
        store.sequence()
        position = store._position

        def slowly(*args: Any, **more: Any) -> int:
            found = position(*args, **more)
            time.sleep(0.005)  # in which more is folded
            return found

        def fold() -> None:
            for seq in range(1, LAST + 1):
                store.fold([entry(seq)])
                time.sleep(0.001)

        monkeypatch.setattr(store, "_position", slowly)

        folding = threading.Thread(target=fold)
        folding.start()
        places = set[int]()
        while folding.is_alive():
            placed = store.read_placed(query)
            assert len(placed.found) == placed.seq
            places.add(placed.seq)
        folding.join()
        placed = store.read_placed(query)
        assert placed.seq == len(placed.found) == LAST
    print(f"{len(places)} places of {LAST} were read")
    assert len(places) > 2


async def test_a_trunk_is_as_on_record_whatever_was_said_before(place: Place) -> None:
    """Its host's figures may be older than its last change, which the place of the answer says is in."""
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))
    ledger = Ledger(bus=bus, store=place.store())
    await ledger.start()
    await write(bus, TrunkConfigured(trunk="kyiv", at=AT.format(0), config=TrunkConfig(name="kyiv", endpoint="e")))
    view = TrunkView(name="kyiv", state=TrunkState.OK, failed=0, last_check=AT.format(1), calls=3)
    said = TrunkTelemetry(trunk="kyiv", at=AT.format(1), view=view)
    await bus.publish(TRUNK_TELEMETRY.subject_for(said), msgspec.json.encode(said), {})
    changed = TrunkChanged(trunk="kyiv", at=AT.format(2), state=TrunkState.WARN, reason="it fails", failed=5)
    last = await write(bus, changed)
    [found] = (await ask(bus, PBX_STATUS, GetPbxStatus(), seen(last))).trunks
    await ledger.stop()
    assert (found.state, found.reason, found.failed, found.calls) == (TrunkState.WARN, "it fails", 5, 3)
