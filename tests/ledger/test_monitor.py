"""What was measured, in the ledger, on both databases."""

from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.ledger import monitor
from actors.ledger.figures_source import source
from actors.ledger.kinds import FIGURES_PROJECTIONS
from actors.ledger.ledger import Ledger
from actors.ledger.monitor import READ_MODEL, Measured
from actors.ledger.store import JournalEntry
from actors.runtime.bus import ID
from actors.runtime.clock import utc
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.monitor import (
    HISTORY,
    MINUTE,
    MINUTES_KEPT,
    QUARTER,
    QUARTERS_KEPT,
    Figures,
    FiguresTaken,
    History,
    HistoryOf,
    Point,
    figures_subject,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.places import Place

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
IDS = RandomIds()


@pytest.fixture
async def bus(place: Place) -> AsyncIterator[MemoryBus]:
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))
    store = place.store("figures", projections=FIGURES_PROJECTIONS)
    ledger = Ledger(bus=bus, store=store, source=source(bus.figures), models=(READ_MODEL,))
    await ledger.start()
    yield bus
    await ledger.stop()


def at(minutes: float) -> str:
    return utc(BEGUN + timedelta(minutes=minutes))


def taken(minute: float, *things: Figures, step: int = MINUTE, host: str = "h") -> FiguresTaken:
    return FiguresTaken(host=host, at=at(minute), step=step, things=[*things])


def phone(temperature: float, id: str = "44") -> Figures:
    return Figures("slot", id, {"temperature": (temperature - 1, temperature, temperature + 1)})


async def write(bus: MemoryBus, entry: FiguresTaken) -> None:
    subject = figures_subject(entry.host, entry.step)
    await bus.figures.write(subject, msgspec.json.encode(entry), {ID: IDS.new()})


async def history(bus: MemoryBus, since: float, until: float, *, step: int = MINUTE, id: str = "44") -> History:
    asked = HistoryOf(kind="slot", id=id, metric="temperature", since=at(since), until=at(until), step=step)
    return await ask(bus, HISTORY, asked, Context(command_id="q", after=10_000))


async def means(bus: MemoryBus, since: float, until: float, **more: int) -> list[float]:
    return [point.mean for point in (await history(bus, since, until, **more)).points]


async def test_what_was_written_is_there_at_once_in_its_order(bus: MemoryBus) -> None:
    for minute in (2, 0, 1):
        await write(bus, taken(minute, phone(30.0 + minute), phone(50.0, "45")))
    await write(bus, taken(0, phone(99.0), step=QUARTER))
    found = await history(bus, 0, 60)
    assert (found.unit, found.step, found.points[0]) == ("C", MINUTE, Point(at=at(0), min=29.0, mean=30.0, max=31.0))
    assert await means(bus, 0, 60) == [30.0, 31.0, 32.0]
    assert await means(bus, 1, 2) == [31.0]  # `until` is not in it
    assert await means(bus, 0, 60, step=QUARTER) == [99.0]
    assert (await history(bus, 0, 60, id="46")).points == []


async def test_of_a_step_that_is_there_twice_the_first_stands(bus: MemoryBus) -> None:
    await write(bus, taken(0, phone(30.0)))
    await write(bus, taken(0, phone(40.0), phone(41.0, "45"), host="other"))
    assert await means(bus, 0, 60) == [30.0]


async def test_hubs_of_one_name_at_two_hosts_are_two(bus: MemoryBus) -> None:
    for host, online in (("h", 17.0), ("other", 4.0)):
        await write(bus, taken(0, Figures("hub", "rack-1.A", {"online": (online, online, online)}), host=host))

    async def online(host: str) -> list[float]:
        asked = HistoryOf(
            kind="hub", id="rack-1.A", host=host, metric="online", since=at(0), until=at(1), step=MINUTE
        )
        found = await ask(bus, HISTORY, asked, Context(command_id="q", after=10_000))
        return [point.mean for point in found.points]

    assert [await online(host) for host in ("h", "other", "third")] == [[17.0], [4.0], []]


async def test_a_figure_that_nobody_told_has_no_point(bus: MemoryBus) -> None:
    await write(bus, taken(0, Figures("slot", "44", {"battery": (82, 82, 82)})))
    await write(bus, taken(1, phone(30.0)))
    assert await means(bus, 0, 60) == [30.0]


async def test_an_entry_that_nobody_can_read_costs_itself_alone(bus: MemoryBus) -> None:
    await bus.figures.write("ottb.v1.fig.h.60", b"{", {ID: "a"})
    await write(bus, taken(0, phone(30.0)))
    assert await means(bus, 0, 60) == [30.0]


def _entry(seq: int, minute: float, step: int, *, stored: float) -> JournalEntry:
    measured = Measured(taken=taken(minute, phone(30.0), step=step), stored=BEGUN.timestamp() + stored)
    return JournalEntry(seq=seq, event=measured)


async def test_minutes_go_after_a_day_and_quarters_after_thirty(place: Place) -> None:
    def kept(step: int) -> int:
        span = HistoryOf(kind="slot", id="44", metric="temperature", since=at(-1), until=at(1e6), step=step)
        return len(store.read(monitor.points(span)))

    with closing(place.store("figures", projections=FIGURES_PROJECTIONS)) as store:
        store.sequence()
        store.fold([_entry(1, 0, MINUTE, stored=60), _entry(2, 0, QUARTER, stored=900)])
        # A host whose clock is a year ahead: what others have written stays.
        store.fold([_entry(3, 525_600, MINUTE, stored=120)])
        assert (kept(MINUTE), kept(QUARTER)) == (2, 1)
        store.fold([_entry(4, 2, MINUTE, stored=60 + MINUTES_KEPT)])
        assert (kept(MINUTE), kept(QUARTER)) == (3, 1)
        store.fold([_entry(5, 3, MINUTE, stored=90 + MINUTES_KEPT)])
        assert (kept(MINUTE), kept(QUARTER)) == (3, 1)
        store.fold([_entry(6, 4, MINUTE, stored=901 + QUARTERS_KEPT)])
        assert (kept(MINUTE), kept(QUARTER)) == (1, 0)


async def test_a_dropped_store_is_made_anew_from_the_stream(bus: MemoryBus, place: Place) -> None:
    for minute in range(3):
        await write(bus, taken(minute, phone(30.0 + minute)))
    store = place.store("another", projections=FIGURES_PROJECTIONS)
    ledger = Ledger(bus=MemoryBus(bus._broker), store=store, source=source(bus.figures), models=(READ_MODEL,))
    await ledger.start()
    assert await means(bus, 0, 60) == [30.0, 31.0, 32.0]
    await ledger.stop()
