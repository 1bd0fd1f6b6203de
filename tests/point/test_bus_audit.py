"""Logins on the bus on the audit: the first of a kind at once, the others as one entry."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import Audit
from actors.point.bus_audit import KINDS, LOGIN, WINDOW, BusAudit, Summary
from bus_schemas.audit import AuditEntry
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.audit.test_audit import chain_of
from tests.support.site import until


def entry(result: str = "AUTH_FAIL", user: str = "", username: str = "") -> AuditEntry:
    return AuditEntry(at="2026-01-01T00:00:00.000Z", user=user, door="bus", action=LOGIN, result=result,
                      subject={"username": username} if username else {})  # fmt: skip


def test_the_first_is_written_and_the_rest_counted() -> None:
    summary = Summary()
    assert [summary.first(entry(), float(second)) for second in range(50)] == [True] + [False] * 49
    assert summary.over(WINDOW - 1) == []
    (told,) = summary.over(WINDOW)
    assert told.subject == {"times": 49}
    assert summary.over(2 * WINDOW) == [] and summary.first(entry(), 2 * WINDOW)


def test_users_and_results_are_told_apart() -> None:
    summary = Summary()
    assert all(summary.first(one, 0.0) for one in (entry("OK", "op1"), entry("OK", "op2"), entry(username="op1")))
    assert not summary.first(entry("OK", "op1"), 1.0)
    (told,) = summary.over(WINDOW)
    assert (told.user, told.subject) == ("op1", {"times": 1})


def test_many_kinds_of_refusals_become_one_and_hide_no_login() -> None:
    summary = Summary()
    written = sum(summary.first(entry(username=f"op{number}"), 0.0) for number in range(10 * KINDS))
    assert written == KINDS + 1
    assert all(summary.first(entry("OK", f"op{number}"), 0.0) for number in range(10 * KINDS))
    assert sum(int(told.subject["times"]) for told in summary.over(WINDOW)) == 9 * KINDS - 1


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
    assert writer.note(LOGIN, "OK", user="op1") is None
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
