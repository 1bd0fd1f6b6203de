"""The platform's own events get into its log once, and not without bound."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.log import noting as noting_module
from actors.log.noting import MOST, Noting
from actors.log.share import LogShare
from actors.log.writer import LogWriter
from actors.runtime.bus import ID
from bus_schemas.log import LOG_SCOPE, LogRecord, record_of
from bus_schemas.slot import SLOT_RESTARTING, SlotRestarting, SlotStatus
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.site import until


class Lab:
    """Two hosts on one bus."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(clock=SystemClock())
        self.bus = MemoryBus(self.broker)
        self.hosts = [self._host(name) for name in ("a", "b")]
        self.left_alone: dict[tuple[str, str], str] = {}

    def _host(self, name: str) -> Noting:
        bus = MemoryBus(self.broker)
        writer = LogWriter(bus=bus, ids=RandomIds(), host=name, share=LogShare(time.monotonic))
        return Noting(bus=bus, clock=SystemClock(), writer=writer)

    async def restart(self, slot: int) -> None:
        event = SlotRestarting(slot=slot, at="2026-01-01T00:00:00.000Z", status=SlotStatus.RESTARTING, by="admin")
        subject = SLOT_RESTARTING.subject_for(event)
        last = await self.bus.last(subject)
        expect = last.seq if last is not None else 0
        await self.bus.append(
            subject, msgspec.json.encode(event), {ID: RandomIds().new()}, scope=subject, expect=expect
        )

    async def said(self) -> list[LogRecord]:
        return [record_of(one.seq, "", one.data) async for one in self.bus.log.replay(LOG_SCOPE)]


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    monkeypatch.setattr(noting_module, "LOOK", 0.01)
    lab = Lab()
    for host in lab.hosts:
        await host.start()
    lab.hosts[0].watch(lambda: lab.left_alone)
    yield lab
    for host in lab.hosts:
        await host.stop()


async def test_of_two_hosts_that_hear_it_one_writes_it(lab: Lab) -> None:
    await lab.restart(44)
    await lab.restart(45)
    await until(lab.said, lambda said: len(said) == 2)
    await asyncio.sleep(0.05)
    assert [(one.message, one.sender, one.slot) for one in await lab.said()] == [
        ("Slot 44 restarted", "system", 44), ("Slot 45 restarted", "system", 45)
    ]  # fmt: skip


async def test_what_is_quarantined_is_said_when_it_begins_and_ends(lab: Lab) -> None:
    lab.left_alone["slot", "44"] = "its record cannot be read"
    await until(lab.said, lambda said: len(said) == 1)
    lab.left_alone.clear()
    first, second = await until(lab.said, lambda said: len(said) == 2)
    assert (first.severity, second.severity, first.slot) == ("error", "info", 44)
    assert first.message == "slot 44 is quarantined: its record cannot be read"


async def test_a_flood_of_one_sort_is_counted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MOST + 20):
        await lab.restart(44 + number % 2)
    await until(lab.said, lambda said: len(said) >= MOST)
    await asyncio.sleep(0.05)
    assert len(await lab.said()) == MOST
    monkeypatch.setattr(noting_module, "MINUTE", 0.0)
    *_, last = await until(lab.said, lambda said: len(said) > MOST)
    assert last.message == "20 more like this were left out: Slot 45 restarted" and last.context == {"left_out": 20}
    lab.left_alone["campaign", "c_1"] = "another sort"  # has its own bound
    await until(lab.said, lambda said: said[-1].message.startswith("campaign c_1"))
