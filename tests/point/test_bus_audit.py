"""Logins on the bus on the audit: the first of a kind at once, the others as one entry."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import Audit
from actors.point.bus_audit import LOGIN, BusAudit
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.audit.test_audit import chain_of
from tests.support.site import until


@pytest.fixture
async def broker() -> AsyncIterator[MemoryBroker]:
    yield MemoryBroker(clock=SystemClock())


async def test_an_entry_is_on_record_before_the_login_is_answered(broker: MemoryBroker) -> None:
    audit = Audit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    writer = BusAudit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    writing = writer.note(LOGIN, "OK", user="op1", credential="token:t1", address="10.0.0.1")
    assert writing is not None
    await writing
    ((recorded,),) = [one.entries for one in chain_of(broker)]
    assert (recorded.user, recorded.door, recorded.credential) == ("op1", "bus", "token:t1")
    assert writer.note(LOGIN, "OK", user="op1", credential="token:t1", address="10.0.0.1") is None
    await audit.stop()


async def test_what_cannot_be_written_now_is_written_later(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.wire.RETRY_FIRST", 10.0)  # one try is enough while nobody is there
    writer = BusAudit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    writing = writer.note(LOGIN, "OK", user="op1")
    assert writing is not None
    await writing
    audit = Audit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    writer.sweep()
    await until(lambda: asyncio.sleep(0, chain_of(broker)), bool)
    await audit.stop()
