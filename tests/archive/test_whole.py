"""The records are made anew from sealed days and the journal, and are what they are without the archive."""

import gzip
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.archive import whole as whole_module
from actors.archive.whole import Whole
from actors.ledger.kinds import PROJECTIONS
from actors.ledger.ledger import Ledger
from actors.runtime.bus import BusUnavailable, Recorded, Stream
from bus_schemas.archive import DaysLeaving
from bus_schemas.call import GET_CDR, GetCdr
from simulators.bus.memory_bus import MemoryBus
from tests.archive.days import Days
from tests.ledger.journals import call, seen


@pytest.fixture
async def days(tmp_path: Path) -> Days:
    """Three sealed days with calls, and one that is not over; one call goes on over a midnight."""
    days = Days(tmp_path / "archive")
    for number in range(12):
        await call(days.bus, number, over=number != 5)
        if number % 3 == 2:
            await days.passes()
    await days.write("point.s1.opened", b'{"address":"192.0.2.1"}', **{"Nats-TTL": "60s"})
    days.clock.moment = days.clock.moment.replace(hour=0, minute=30)
    while await days.archive().seal("h1") is not None:
        pass
    assert len(days.files()) == 3
    return days


def whole(days: Days) -> Whole:
    return Whole(bus=days.bus, archive=days.archive())


def spoil_the_journal(days: Days) -> None:
    """What is sealed cannot be read there any more."""
    for entry in days.broker.journal[:20]:
        days.broker.log.entries[entry.seq - 1] = replace(entry, data=b"spoiled")


async def read(stream: Stream, scope: str = "ottb.v1.evt.>", **more: Any) -> list[Recorded]:
    return [entry async for entry in stream.replay(scope, **more)]


@pytest.mark.parametrize("after", [0, 1, 14, 15, 16, 40, 10_000])
async def test_what_is_read_is_the_journal(days: Days, after: int) -> None:
    for scope in ("ottb.v1.evt.>", "ottb.v1.evt.call.*.*.ended", "ottb.v1.evt.archive.>"):
        for since in (0.0, days.broker.journal[20].at):
            there = await read(days.bus, scope, after=after, since=since)
            found = await read(whole(days), scope, after=after, since=since)
            assert [(one.seq, one.subject, one.data, one.at) for one in found] == [
                (one.seq, one.subject, one.data, one.at) for one in there
            ]


async def test_sealed_days_are_read_from_their_files(days: Days) -> None:
    before = [entry.data for entry in await read(days.bus)]
    spoil_the_journal(days)
    assert [entry.data for entry in await read(whole(days))] == before
    found = await read(whole(days), after=7)
    assert found[0].seq == 8 and [entry.data for entry in found] == before[7:]


async def records(days: Days, file: Path, stream: Stream | None) -> AsyncIterator[Any]:
    ledger = Ledger(bus=days.bus, store=SqliteLedger(file), stream=stream)
    await ledger.start()
    yield ledger
    await ledger.stop()


def tables(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    with sqlite3.connect(file) as database:
        names = [one.table.name for one in PROJECTIONS]
        return {name: sorted(database.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in names}


async def test_records_are_the_same_from_either(days: Days, tmp_path: Path) -> None:
    async for _ in records(days, tmp_path / "journal", None):
        pass
    spoil_the_journal(days)
    async for ledger in records(days, tmp_path / "segments", whole(days)):
        assert ledger.problems() == []
        cdr = await ledger.answer(GET_CDR, GetCdr(call_id="c_0"), seen(await days.bus.last_seq()))
        assert cdr.talk_seconds == 3
    assert tables(tmp_path / "segments") == tables(tmp_path / "journal")
    assert len(tables(tmp_path / "journal")["calls"]) == 12


async def test_records_go_on_in_the_middle_of_a_day(tmp_path: Path) -> None:
    """A host that was away while days were sealed."""
    days = Days(tmp_path / "archive")
    await call(days.bus, 1)
    async for ledger in records(days, tmp_path / "l", whole(days)):
        assert ledger.folded == 4
    for number in range(2, 6):
        await call(days.bus, number)
        await days.passes()
    while await days.archive().seal("h1") is not None:
        pass
    spoil_the_journal(days)
    async for ledger in records(days, tmp_path / "l", whole(days)):
        assert ledger.folded == len(days.broker.journal) and ledger.problems() == []
    assert len(tables(tmp_path / "l")["calls"]) == 5


async def test_a_day_without_its_file_is_read_from_the_journal(days: Days) -> None:
    before = [(entry.seq, entry.data) for entry in await read(days.bus)]
    days.files()[1].unlink()
    assert [(entry.seq, entry.data) for entry in await read(whole(days))] == before
    days.spoil(days.files()[0].name, lambda data: data[:-9])
    assert [(entry.seq, entry.data) for entry in await read(whole(days))] == before
    days.spoil(days.files()[0].name, lambda _: gzip.compress(b"{}"))
    assert [(entry.seq, entry.data) for entry in await read(whole(days))] == before
    shutil.rmtree(days.folder)
    assert [(entry.seq, entry.data) for entry in await read(whole(days))] == before


async def test_nothing_of_a_file_that_was_written_anew_is_read(days: Days) -> None:
    before = [(entry.seq, entry.data) for entry in await read(days.bus)]
    days.spoil(days.files()[0].name, lambda data: gzip.compress(gzip.decompress(data).replace(b"op12", b"op13")))
    assert [(entry.seq, entry.data) for entry in await read(whole(days))] == before


async def test_an_entry_of_the_archive_that_nobody_can_read_costs_itself(days: Days) -> None:
    """What is behind it is read from the journal, as long as nothing of that may have left."""
    before = [(entry.seq, entry.data) for entry in await read(days.bus)]
    seq = await days.write("archive.days.sealed", b"{}")
    stream = whole(days)
    assert [(entry.seq, entry.data) for entry in await read(stream)] == [*before, (seq, b"{}")]
    [problem] = stream.problems()
    assert (problem.kind, problem.id) == ("archive", f"entry {seq}") and "cannot be read" in problem.reason
    gone = DaysLeaving(at="2026-01-01T00:00:00Z", host="a", up_to=seq)
    await days.write("archive.days.leaving", msgspec.json.encode(gone))
    with pytest.raises(BusUnavailable, match="cannot be found"):
        await read(whole(days))


async def _in_batches(self: MemoryBus, scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
    """As nats-server gives a stream: what is there by then."""
    while batch := [one for one in self._broker.entries(scope) if one.seq > after and one.at >= since][:4]:
        for entry in batch:
            yield entry
        after = batch[-1].seq


@pytest.mark.parametrize("taken", [0, 1, 9, 30, 44])
async def test_what_leaves_while_it_is_read_is_read_from_its_file(
    tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records are made anew for hours. Days that are sealed meanwhile may leave meanwhile, too, where others were slow
    to seal them, or have just begun to."""
    monkeypatch.setattr(MemoryBus, "replay", _in_batches)
    monkeypatch.setattr(whole_module, "GROUP", 5)
    days = Days(tmp_path / "archive")
    for number in range(12):
        await call(days.bus, number)
        await days.passes(1)
    before = [(entry.seq, entry.data) for entry in await read(days.bus)]
    reading = whole(days).replay("ottb.v1.evt.>")
    found = [await anext(reading) for _ in range(taken)]
    while await days.archive().seal("h1") is not None:
        pass
    book = await days.archive().book()
    await days.archive().leave(book, book.days[-2].last, "h1")
    left = [seq for seq, _ in before if seq <= book.days[-2].last]
    for seq in left:
        await days.bus.remove(seq)
    found += [entry async for entry in reading]
    print(f"{len(left)} entries left behind the first {taken}")
    assert [(entry.seq, entry.data) for entry in found][: len(before)] == before
    assert [entry.seq for entry in found] == sorted({entry.seq for entry in found})
