"""A ledger equals a fresh fold of its journal, however its entries came: in any groups, repeated, with bad ones."""

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.adapters.ledger.fresh import fold_anew, journal_entry
from actors.adapters.system_clock import SystemClock
from actors.ledger.answers import ReadModel
from actors.ledger.kinds import READ_MODELS
from actors.ledger.ledger import Ledger
from actors.ledger.slot import all_slots
from actors.ledger.store import JournalEntry
from actors.runtime.bus import Recorded
from bus_schemas.audit import AuditEntry
from bus_schemas.call import (
    CallState,
    EndReason,
    line_name,
)
from bus_schemas.campaign import CampaignAttemptEnded, CampaignDraining, CampaignSettings, StopMode
from bus_schemas.catalogue import TOPICS
from bus_schemas.lead import CampaignLeadMarked, Lead, LeadStatus
from bus_schemas.slot import (
    SlotConfig,
    SlotConfigured,
    SlotLinked,
    SlotStatus,
)
from bus_schemas.trunk import TrunkActivated, TrunkChanged, TrunkConfig, TrunkConfigured, TrunkRemoved, TrunkState
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import call, put
from tests.ledger.places import Files, Place, Schemas, tables_at
from tests.support.depth import examples

CALLS, SLOTS, TRUNKS = ("c_1", "c_2", "c_3"), (1, 2), ("a", "b")
LEADS = tuple(Lead(id=id, numbers=("+380991234567",)) for id in ("l1", "l2"))
KINDS = tuple(dict.fromkeys(event for model in READ_MODELS for each in model.projections for event in each.events))


EXAMPLES: dict[Any, st.SearchStrategy[Any]] = {int: st.integers(0, 9), float: st.just(1.0), bool: st.booleans()}


@st.composite
def _event(draw: st.DrawFn, kinds: tuple[type, ...] = KINDS) -> Any:
    """Any event of a small world, whether it makes sense there or not."""
    kind = draw(st.sampled_from(kinds))
    slot, trunk = draw(st.sampled_from(SLOTS)), draw(st.sampled_from((None, *TRUNKS)))
    at = f"2026-01-01T00:00:{draw(st.integers(0, 59)):02}.000Z"
    known: dict[str, Any] = {
        "at": at, "slot": slot, "line": line_name(slot, trunk), "call_id": draw(st.sampled_from(CALLS)), "user": "u",
        "number": "+380991234567", "mono": 0.0, "boot": "b", "command_id": draw(st.sampled_from(("k1", "k2"))),
        "ring_timeout": 60.0, "max_duration": 60.0, "ref": "r", "host": "h", "epoch": 1, "by": "u",
        "state": CallState.ENDED, "reason": draw(st.sampled_from(EndReason)), "cause": "C", "start_time": at,
        "duration": draw(st.integers(0, 9)), "ring_seconds": 1, "ring_time": at, "answer_time": at,
        "disposition": "ANSWERED", "billable_seconds": draw(st.integers(0, 9)), "detail": "",
        "status": draw(st.sampled_from(SlotStatus)), "command": "ls", "exit_code": 0, "output": "o",
        "truncated": False, "first": draw(st.integers(1, 9)), "previous": "p", "hash": "h",
        "entries": [AuditEntry(at=at, user="u", door="http", action="a", result="OK", subject={})],
        "trunk": trunk, "failed": draw(st.integers(0, 3)), "settings": CampaignSettings(),
        "campaign": draw(st.sampled_from(("a", "b"))), "lead": draw(st.sampled_from(("l1", "l2"))),
        "leads": draw(st.sampled_from((LEADS[:1], LEADS))),
        "attempt": draw(st.integers(1, 3)), "outcome": draw(st.sampled_from(("answered", "abandoned", "busy"))),
    }  # fmt: skip
    if kind in (CampaignAttemptEnded, CampaignLeadMarked):
        known["status"] = draw(st.sampled_from(LeadStatus))
    if kind is CampaignDraining:
        known["mode"] = StopMode.DRAIN
    if kind is SlotConfigured:
        known["config"] = SlotConfig(id=slot, serial=f"s{draw(st.integers(0, 3))}")
    if kind in (TrunkConfigured, TrunkRemoved, TrunkActivated, TrunkChanged):
        known["trunk"] = trunk or "a"
        known["config"] = TrunkConfig(
                name=known["trunk"], pbx="p", host="h", endpoint="e", channels=draw(st.integers(1, 9))
            )  # fmt: skip
        known["state"] = draw(st.sampled_from(TrunkState))
    unknown = [one for one in msgspec.structs.fields(kind) if one.name not in known and one.required]
    known |= {one.name: draw(EXAMPLES.get(one.type, st.sampled_from(("a", "b")))) for one in unknown}
    return kind(**{name: value for name, value in known.items() if name in kind.__struct_fields__})


def _recorded(seq: int, event: Any) -> Recorded:
    if isinstance(event, tuple):
        subject, data = event
    else:
        topic = next(topic for topic in TOPICS if topic.event is type(event))
        subject, data = topic.subject_for(event), msgspec.json.encode(event)
    return Recorded(subject=subject, data=data, headers={}, seq=seq, at=0.0)


BAD = st.sampled_from([
    ("ottb.v1.evt.slot.1.linked", b"{"), ("ottb.v1.evt.call.c_1.dialing", b"{}"), ("ottb.v1.evt.new.x.y", b""),
    ("ottb.v1.evt.slot.1.booked", b'{"slot": 1, "at": "x", "call_id": "c_1", "user": "u"}'),
    ("ottb.v1.evt.call.slot-1.c_9.ending",
     b'{"line": "slot-1", "call_id": "\\ud800", "slot": 1, "user": "u", "at": "", "by": "", "command_id": ""}'),
    ("ottb.v1.evt.slot.1.removed", b'{"slot": 18446744073709551615, "at": "x", "by": "y"}'),
])  # fmt: skip
JOURNALS = st.lists(st.one_of(_event(), _event(), _event(), BAD), min_size=1, max_size=40)


@settings(max_examples=examples(37), deadline=None)
@given(journal=JOURNALS, data=st.data())
def test_any_way_of_folding_gives_the_same_tables(journal: list[Any], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _fold_in_any_way(Files(Path(folder)), journal, data)


@pytest.mark.parametrize("model", READ_MODELS, ids=lambda model: model.answers.__name__)
def test_any_way_of_folding_one_kind_gives_the_same_tables(model: ReadModel) -> None:
    events = {event for projection in model.projections for event in projection.events}
    journals = st.lists(_event(tuple(kind for kind in KINDS if kind in events)), min_size=1, max_size=40)

    @settings(max_examples=examples(10), deadline=None)
    @given(journal=journals, data=st.data())
    def in_any_way(journal: list[Any], data: st.DataObject) -> None:
        with tempfile.TemporaryDirectory() as folder:
            _fold_in_any_way(Files(Path(folder)), journal, data)

    in_any_way()


@pytest.mark.postgresql
def test_any_way_of_folding_gives_the_same_tables_in_postgresql(schemas: Schemas) -> None:
    @settings(max_examples=examples(10), deadline=None)
    @given(journal=JOURNALS, data=st.data())
    def in_any_way(journal: list[Any], data: st.DataObject) -> None:
        _fold_in_any_way(schemas, journal, data)

    in_any_way()


def _fold_in_any_way(place: Place, journal: list[Any], data: st.DataObject) -> None:
    entries = [_recorded(seq, event) for seq, event in enumerate(journal, start=1)]
    batch = [journal_entry(entry) for entry in entries]
    with closing(place.store()) as store, closing(place.store()) as other, closing(place.store("fresh")) as fresh:
        store.drop()
        store.sequence()
        done = 0
        while done < len(batch):
            begin = data.draw(st.integers(0, done), "again from")
            end = data.draw(st.integers(done + 1, len(batch)), "up to")
            writer = data.draw(st.sampled_from((store, other)), "by whom")  # a second one has seen other rows last
            writer.fold(batch[begin:end] + data.draw(st.sampled_from(([], batch[begin:end])), "twice"))
            done = end
            old = data.draw(st.integers(1, done), "an old group")
            store.fold(batch[:old])
        assert store.sequence() == store.entries() == len(batch)
        assert tables_at(place) == fold_anew(entries, fresh) == fold_anew(entries, fresh, group=1)


async def test_a_running_ledger_is_compared_with_its_journal(place: Place) -> None:
    broker = MemoryBroker(clock=SystemClock())
    bus = MemoryBus(broker)
    ledger = Ledger(bus=bus, store=place.store())
    await ledger.start()
    for number in range(20):
        await call(bus, number, over=number % 2 > 0)
        await put(bus, "ottb.v1.evt.slot.44.linked", b"bad")
    await ledger._following.until(await bus.last_seq(), deadline=2)
    found = tables_at(place)
    assert found == fold_anew(broker.journal, place.store("fresh"))
    assert set(found) == {"position", *(each.table.name for model in READ_MODELS for each in model.projections)}
    assert len(found["calls"]) == 20 and found["position"] == [(len(broker.journal),)]
    assert fold_anew(broker.journal[:-1], place.store("fresh")) != found
    await ledger.stop()


def test_a_second_writer_finds_what_the_first_one_wrote(place: Place) -> None:
    config = SlotConfig(id=1, serial="s")
    events = [
        SlotConfigured(slot=1, at="1", config=config, by="u"),
        SlotLinked(slot=1, at="2", status=SlotStatus.ONLINE),
        SlotConfigured(slot=1, at="3", config=config, by="u"),
    ]
    with closing(place.store()) as first, closing(place.store()) as second:
        for seq, (store, event) in enumerate(zip((first, second, first), events, strict=True), start=1):
            assert store.fold([JournalEntry(seq=seq, event=event)]) == []
        [slot] = first.read(all_slots())
        assert (slot.status, slot.last_activity) == (SlotStatus.ONLINE, "3")
