"""The audit's chain over the seam: what has left the journal is read from the sealed days."""

from datetime import timedelta
from pathlib import Path

import pytest

from actors.adapters.random_ids import RandomIds
from actors.archive import leaving
from actors.archive.leaving import Leaving
from actors.archive.whole import Whole
from actors.audit.audit import Audit
from actors.runtime.bus import BusUnavailable, Recorded
from bus_schemas.audit import LIST_AUDIT
from cli.audit import Known, examine
from simulators.bus.memory_bus import MemoryBus
from tests.archive.days import Days, SetClock
from tests.audit.test_audit import entry
from tests.audit.test_verify import _known

KEPT = 2
CHAIN = "ottb.v1.evt.audit.>"


@pytest.fixture(autouse=True)
def _few_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "AUDIT_KEPT", KEPT)
    monkeypatch.setattr("actors.runtime.wire.RETRY_FIRST", LIST_AUDIT.timeout)


async def act(days: Days, *numbers: int) -> None:
    """A host lives for a day, and puts some actions on the audit."""
    audit = Audit(bus=MemoryBus(days.broker), clock=days.clock, ids=RandomIds())
    await audit.start()
    for number in numbers:
        await audit.record(entry(number))
    await audit.stop()
    await days.passes(1)


async def yes(*_: object) -> bool:
    return True


@pytest.fixture
async def days(tmp_path: Path) -> Days:
    """Six days with two actions each, all of them sealed."""
    days = Days(tmp_path / "archive")
    for day in range(6):
        await act(days, 2 * day, 2 * day + 1)
    while await days.archive().seal("h1") is not None:
        pass
    return days


async def leave(days: Days, after: int = 2, ahead: int = 0) -> int:
    bus, clock = MemoryBus(days.broker), SetClock()
    clock.moment = days.clock.moment + timedelta(days=ahead)
    return await Leaving(
        bus=bus, clock=clock, archive=days.archive(bus), days=after, everywhere=yes, known=yes, may=lambda: True
    ).turn("h1")


def whole(days: Days) -> Whole:
    return Whole(bus=days.bus, archive=days.archive())


async def in_journal(days: Days) -> list[Recorded]:
    return [one async for one in days.bus.replay(CHAIN)]


async def test_the_chain_is_whole_over_the_seam(days: Days) -> None:
    heads: list[Known] = [_known(record) for record in await in_journal(days)]
    assert await leave(days) == 8
    assert len(await in_journal(days)) == 4
    report = await examine(days.bus, heads, whole(days))
    assert report.problems == [] and report.verdict.number == 12 and report.heads == 12
    assert "a gap in the numbers" in (await examine(days.bus)).problems[0]  # the journal alone
    await act(days, 50, 51)
    report = await examine(days.bus, heads, whole(days))
    assert report.problems == [] and report.verdict.number == 14


async def test_the_newest_records_stay_however_old_they_are(days: Days) -> None:
    days.clock.moment = days.clock.moment.replace(year=2027)
    while await days.archive().seal("h1") is not None:
        pass
    assert await leave(days) == 12 - KEPT
    assert len(await in_journal(days)) == KEPT
    assert await leave(days) == 0
    await act(days, 50)
    report = await examine(days.bus, (), whole(days))
    assert report.problems == [] and report.verdict.number == 13


async def test_a_host_whose_clock_is_ahead_has_no_more_leave(days: Days) -> None:
    assert await leave(days, ahead=300) == 8


async def test_nothing_leaves_while_somebody_is_erased(days: Days) -> None:
    for erasure, end in (("er_1", "done"), ("er_2", "failed")):
        await days.write(f"erasure.{erasure}.begun", b"{}")
        assert await leave(days) == 0
        await days.write(f"erasure.{erasure}.{end}", b"{}")
    assert await leave(days) == 8


async def test_a_sealed_day_that_is_gone_is_no_whole_chain(days: Days) -> None:
    await leave(days)
    days.files()[1].unlink()
    with pytest.raises(BusUnavailable, match="has left the journal"):
        await examine(days.bus, (), whole(days))


async def test_no_day_is_read_from_a_journal_that_it_has_left(days: Days) -> None:
    await leave(days)
    days.spoil(days.files()[0].name, lambda data: data[:-9])
    with pytest.raises(BusUnavailable, match="has left the journal"):
        [entry async for entry in whole(days).replay("ottb.v1.evt.>")]
    later = (await days.archive().book()).days[0].last
    read = [entry.seq async for entry in whole(days).replay("ottb.v1.evt.>", after=later)]
    assert read[0] == later + 1
