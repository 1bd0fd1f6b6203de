"""`ottb audit verify` on a journal in memory: what was changed, cut off or written anew is named."""

from pathlib import Path

import click
import msgspec
import pytest

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import Audit
from actors.audit.chain import GENESIS, link
from actors.ledger.ledger import Ledger
from actors.runtime.bus import ID, Recorded
from bus_schemas.audit import LIST_AUDIT, AuditRecorded
from cli.audit import Head, Known, examine
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.audit.test_audit import entry


@pytest.fixture
async def broker() -> MemoryBroker:
    """Six records in the journal, one entry each."""
    broker = MemoryBroker(clock=SystemClock())
    audit = Audit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    for number in range(6):
        await audit.record(entry(number))
    await audit.stop()
    return broker


@pytest.fixture(autouse=True)
def _do_not_wait_for_a_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.runtime.wire.RETRY_FIRST", LIST_AUDIT.timeout)


def _records(broker: MemoryBroker) -> list[Recorded]:
    return broker.journal  # what a wide filter is answered from


def _known(recorded: Recorded) -> Known:
    event = msgspec.json.decode(recorded.data, type=AuditRecorded)
    return Known(number=event.first, hash=event.hash, by="noted")


async def test_a_whole_chain_has_every_head_it_ever_had(broker: MemoryBroker) -> None:
    for recorded in _records(broker):
        report = await examine(MemoryBus(broker), [_known(recorded)])
        assert report.problems == [] and report.verdict.number == report.verdict.records == 6
        assert report.heads == 1 and report.rows == 0 and report.away is not None


async def test_a_change_and_nonsense_are_named(broker: MemoryBroker) -> None:
    records = _records(broker)
    records[2] = msgspec.structs.replace(records[2], data=records[2].data.replace(b"op12", b"op13"))
    assert any("record 3" in problem for problem in (await examine(MemoryBus(broker))).problems)
    records[2] = msgspec.structs.replace(records[2], data=b"{}")
    assert any("entry 3" in problem for problem in (await examine(MemoryBus(broker))).problems)


async def test_a_cut_tail_is_found_by_a_noted_head(broker: MemoryBroker) -> None:
    head = _known(_records(broker)[-1])
    del _records(broker)[4:]
    assert (await examine(MemoryBus(broker))).problems == []
    report = await examine(MemoryBus(broker), [head])
    assert len(report.problems) == 1 and "cut off" in report.problems[0]


async def test_a_chain_written_anew_is_found_by_a_noted_head(broker: MemoryBroker) -> None:
    head, previous = _known(_records(broker)[-1]), GENESIS
    for place, recorded in enumerate(_records(broker)):
        forged = link(place + 1, previous, [entry(99)])
        previous = forged.hash
        _records(broker)[place] = msgspec.structs.replace(recorded, data=msgspec.json.encode(forged))
    assert (await examine(MemoryBus(broker))).problems == []
    assert "written anew" in (await examine(MemoryBus(broker), [head])).problems[0]


async def test_a_cut_tail_is_found_by_the_ledger(broker: MemoryBroker, tmp_path: Path) -> None:
    bus = MemoryBus(broker)
    ledger = Ledger(bus=bus, store=SqliteLedger(tmp_path / "l"))
    await ledger.start()
    whole = await examine(bus)
    assert (whole.problems, whole.away, whole.rows) == ([], None, 6)
    del _records(broker)[4:]
    problems = (await examine(bus)).problems
    assert len(problems) == 1 and "ledger" in problems[0] and "cut off" in problems[0]
    await ledger.stop()


def test_a_head_is_read_as_it_is_printed() -> None:
    known = Head().convert(f"12:{'A' * 64}", None, None)
    assert (known.number, known.hash) == (12, "a" * 64)
    for wrong in ("", "12", f"x:{'a' * 64}", f"0x1:{'a' * 64}", "12:abc", f"12:{'g' * 64}", f"{'9' * 30}:{'a' * 64}"):
        with pytest.raises(click.BadParameter):
            Head().convert(wrong, None, None)


async def test_an_erased_record_keeps_its_place_where_somebody_has_erased(broker: MemoryBroker) -> None:
    bus = MemoryBus(broker)
    record = _records(broker)[2]
    said = record.data.replace(b"op12", b"[erased]")
    assert said != record.data
    await bus.redact(record, said[:-1] + b',"erased":true}', {})
    found = await examine(bus)
    assert found.verdict.erased == 1 and found.verdict.number == 6
    assert [problem for problem in found.problems if "nobody has" in problem] == found.problems != []
    subject = "ottb.v1.evt.erasure.er_1.begun"
    await bus.append(subject, b"{}", {ID: "deed"}, scope=subject, expect=0)
    assert (await examine(bus)).problems == []
    await bus.redact(_records(broker)[3], _records(broker)[3].data.replace(b"op12", b"op13"), {})
    assert any("record 4" in problem for problem in (await examine(bus)).problems)  # its neighbour is held as ever
