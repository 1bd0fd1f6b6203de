"""Figures on a real server: minutes go by themselves, quarters of an hour stay, and the records of both go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.adapters.nats_bus import NatsBus
from actors.ledger.figures_source import source
from actors.ledger.kinds import FIGURES_PROJECTIONS
from actors.ledger.ledger import Ledger
from actors.ledger.monitor import READ_MODEL
from actors.runtime.bus import ID
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.monitor import (
    FIGURES_SCOPE,
    HISTORY,
    MINUTE,
    QUARTER,
    Figures,
    FiguresTaken,
    HistoryOf,
    figures_subject,
    read_figures,
)
from tests.ledger.places import Place
from tests.support.own_bus import own_bus
from tests.support.site import PATIENCE

PHONE = Figures("slot", "44", {"battery": (80.0, 81.0, 82.0)})


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[NatsBus]:
    async with own_bus(tmp_path) as bus:
        yield bus


async def _write(bus: NatsBus, number: int, step: int, ttl: float | None) -> None:
    taken = FiguresTaken(host="h", at=f"2026-01-01T00:{number:02}:00.000Z", step=step, things=[PHONE])
    stored = await bus.figures.write(
        figures_subject("h", step), msgspec.json.encode(taken), {ID: f"n{number}-{step}"}, ttl=ttl
    )
    assert read_figures(stored.data) == taken


async def _points(bus: NatsBus, step: int) -> int:
    asked = HistoryOf(
        kind="slot", id="44", metric="battery", since="2026-01-01T00:00:00.000Z", until="2027", step=step
    )
    return len((await ask(bus, HISTORY, asked, Context(command_id="q"))).points)


async def test_minutes_go_and_quarters_stay(bus: NatsBus, place: Place) -> None:
    for number in range(3):
        await _write(bus, number, MINUTE, 1.0)
        await _write(bus, number, QUARTER, None)
    async with asyncio.timeout(PATIENCE):
        while (await bus.figures.size()).entries > 3:
            await asyncio.sleep(0.1)
    left = [read_figures(entry.data).step async for entry in bus.figures.replay(FIGURES_SCOPE)]
    assert left == [QUARTER] * 3
    store = place.store("figures", projections=FIGURES_PROJECTIONS)
    ledger = Ledger(bus=bus, store=store, source=source(bus.figures), models=(READ_MODEL,))
    async with asyncio.timeout(PATIENCE):
        await ledger.start()
        assert (await _points(bus, MINUTE), await _points(bus, QUARTER)) == (0, 3)
        await _write(bus, 3, MINUTE, 3600.0)
        assert (await _points(bus, MINUTE), await _points(bus, QUARTER)) == (1, 3)
    assert ledger.problems() == []
    await ledger.stop()
