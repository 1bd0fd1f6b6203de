"""The audit on a journal in memory: every action once, one chain, whoever writes and whatever fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit import audit as audit_module
from actors.audit.audit import GROUP, LARGEST, QUEUE, SCOPE, Audit
from actors.audit.chain import check
from actors.runtime.bus import BusUnavailable, Headers
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.audit import (
    INTEND_AUDIT,
    RECORD_AUDIT,
    UNKNOWN,
    WITHDRAW_AUDIT,
    AuditEntry,
    AuditRecorded,
    IntendAudit,
    RecordAudit,
    WithdrawAudit,
)
from bus_schemas.errors import ErrorCode, Refusal
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

ASKER = Context(command_id="q", user="admin")


def entry(number: int) -> AuditEntry:
    return AuditEntry(at="2026-01-01T00:00:00.000Z", user="op12", door="http", action="POST /api/call/start",
                      result="OK", subject={"slot": 44}, request_id=str(number))  # fmt: skip


def chain_of(broker: MemoryBroker) -> list[AuditRecorded]:
    return [msgspec.json.decode(one.data, type=AuditRecorded) for one in broker.entries(SCOPE)]


class Late(SystemClock):
    """One on which time has passed."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@asynccontextmanager
async def audit_on(bus: MemoryBus) -> AsyncIterator[Audit]:
    audit = Audit(bus=bus, clock=SystemClock(), ids=RandomIds())
    await audit.start()
    yield audit
    await audit.stop()


@pytest.fixture
async def broker() -> MemoryBroker:
    return MemoryBroker(clock=SystemClock())


async def test_many_at_once_are_numbered_once_each_and_written_together(broker: MemoryBroker) -> None:
    bus = MemoryBus(broker)
    async with audit_on(bus):
        asked = [ask(bus, RECORD_AUDIT, RecordAudit(entry=entry(number)), ASKER) for number in range(200)]
        numbers = [answered.number for answered in await asyncio.gather(*asked)]
    assert sorted(numbers) == list(range(1, 201))
    chain = chain_of(broker)
    assert check(chain).problems == [] and check(chain).number == 200
    assert len(chain) < 20 and max(len(one.entries) for one in chain) <= GROUP
    written = [one.request_id for recorded in chain for one in recorded.entries]
    assert [written[number - 1] for number in numbers] == [str(number) for number in range(200)]


async def test_two_hosts_write_one_chain(broker: MemoryBroker) -> None:
    async def slow(name: str) -> None:
        await asyncio.sleep(0)

    one, two = MemoryBus(broker, step=slow), MemoryBus(broker, step=slow)
    async with audit_on(one) as first, audit_on(two) as second:
        numbers: list[int] = []
        for turn in range(30):
            numbers += await asyncio.gather(*(audit.record(entry(turn)) for audit in (first, second) for _ in range(3)))
    assert sorted(numbers) == list(range(1, 181))
    assert check(chain_of(broker)).problems == [] and check(chain_of(broker)).number == 180


async def test_a_restart_goes_on(broker: MemoryBroker) -> None:
    for start in range(3):
        async with audit_on(MemoryBus(broker)) as audit:
            assert [await audit.record(entry(start)) for _ in range(2)] == [2 * start + 1, 2 * start + 2]
    assert check(chain_of(broker)).problems == []


async def test_a_lost_answer_is_refused_and_the_chain_stays_whole(broker: MemoryBroker) -> None:
    losses = iter([False, True, False, False])
    broker.lose_ack = lambda: next(losses)
    async with audit_on(MemoryBus(broker)) as audit:
        assert await audit.record(entry(1)) == 1
        with pytest.raises(Refusal) as refused:
            await audit.record(entry(2))
        assert refused.value.code is ErrorCode.UNAVAILABLE
        assert await audit.record(entry(2)) == 3  # it had been written: twice is better than not at all
    assert check(chain_of(broker)).problems == []


class _Away(MemoryBus):
    """A bus whose journal can be away, or take its time."""

    away = False
    hold: asyncio.Event | None = None

    async def append(self, subject: str, data: bytes, headers: Headers, *, scope: str, expect: int) -> int:
        if self.hold is not None:
            await self.hold.wait()
        if self.away:
            raise BusUnavailable("away")
        return await super().append(subject, data, headers, scope=scope, expect=expect)


async def test_a_journal_that_is_away_and_comes_back(broker: MemoryBroker) -> None:
    bus = _Away(broker)
    async with audit_on(bus) as audit:
        bus.away = True
        found = await asyncio.gather(*(audit.record(entry(number)) for number in range(5)), return_exceptions=True)
        assert all(isinstance(one, Refusal) and one.code is ErrorCode.UNAVAILABLE for one in found)
        bus.away = False
        assert await audit.record(entry(1)) == 1


async def test_a_full_queue_refuses_and_a_stop_leaves_nobody_waiting(broker: MemoryBroker) -> None:
    bus = _Away(broker)
    bus.hold = asyncio.Event()
    async with audit_on(bus) as audit:
        asked = [asyncio.ensure_future(audit.record(entry(0)))]
        await asyncio.sleep(0.01)  # the writer has this one and is held
        asked += [asyncio.ensure_future(audit.record(entry(number))) for number in range(QUEUE)]
        await asyncio.sleep(0.01)
        with pytest.raises(Refusal) as refused:
            await audit.record(entry(0))
        assert refused.value.code is ErrorCode.UNAVAILABLE
    async with asyncio.timeout(1):
        found = await asyncio.gather(*asked, return_exceptions=True)
    assert len(found) == QUEUE + 1 and all(isinstance(one, Refusal) for one in found)
    with pytest.raises(Refusal):
        await audit.record(entry(1))


async def test_a_full_group_of_the_largest_entries_fits_into_a_message(broker: MemoryBroker) -> None:
    room = LARGEST - len(msgspec.json.encode(entry(1)))
    large = msgspec.structs.replace(entry(1), address="x" * room)
    async with audit_on(MemoryBus(broker)) as audit:
        await asyncio.gather(*(audit.record(large) for _ in range(GROUP)))
        with pytest.raises(Refusal) as refused:
            await audit.record(msgspec.structs.replace(large, user="op12345"))
        assert refused.value.code is ErrorCode.INVALID_PARAMS
    assert max(len(one.data) for one in broker.entries(SCOPE)) < 1_000_000


@pytest.mark.parametrize("data", [b"", b"not JSON", b"{}", b"\xff", b"[" * 100_000, b'{"first": "x"}'])
@pytest.mark.parametrize("readable", [0, 3])
async def test_a_record_that_nobody_can_read_refuses_no_later_deed(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch, data: bytes, readable: int
) -> None:
    monkeypatch.setattr("actors.audit.audit.LOOK_BACK", 2)
    bus = MemoryBus(broker)
    async with audit_on(bus) as audit:
        for number in range(readable):
            await audit.record(entry(number))
        for _ in range(5):
            seq = await bus.last_seq()
            headers = {"Nats-Msg-Id": str(seq)}
            await bus.append("ottb.v1.evt.audit.chain.recorded", data, headers, scope=SCOPE, expect=seq)
        assert [await audit.record(entry(number)) for number in range(2)] == [readable + 1, readable + 2]
        problems = audit.problems()
        assert (problems[0].kind, problems[0].id) == ("audit", f"entry {readable + 5}") and len(problems) <= 5
    async with audit_on(bus) as audit:
        assert await audit.record(entry(9)) == readable + 3
    bad = {readable + place for place in range(1, 6)}
    chain = [msgspec.json.decode(one.data, type=AuditRecorded) for one in broker.entries(SCOPE) if one.seq not in bad]
    assert check(chain).problems == [] and check(chain).number == readable + 3


async def test_a_journal_that_is_away_is_named(broker: MemoryBroker) -> None:
    bus = _Away(broker)
    async with audit_on(bus) as audit:
        bus.away = True
        with pytest.raises(Refusal):
            await audit.record(entry(1))
        assert [(one.id, one.reason) for one in audit.problems()] == [("write", "BusUnavailable('away')")]
        bus.away = False
        assert await audit.record(entry(1)) == 1 and audit.problems() == []


async def test_a_record_that_nobody_understands_costs_that_record(broker: MemoryBroker) -> None:
    bus = MemoryBus(broker)
    async with audit_on(bus) as audit:
        await audit.record(entry(1))
        await audit.record(entry(2))
    bad = await bus.append(f"{SCOPE[:-1]}recorded", b"[]", {"Nats-Msg-Id": "bad"}, scope=SCOPE, expect=2)
    async with audit_on(bus) as audit:
        assert await audit.record(entry(3)) == 3
    good = [msgspec.json.decode(one.data, type=AuditRecorded) for one in broker.entries(SCOPE) if one.seq != bad]
    assert check(good).problems == [] and check(good).number == 3


async def test_how_it_went_is_written_once_and_also_after_nobody_knew(broker: MemoryBroker) -> None:
    bus = MemoryBus(broker)
    unknown = msgspec.structs.replace(entry(1), result=UNKNOWN)
    async with audit_on(bus) as audit:
        assert await audit.record(unknown, "i1") == 1
        for _ in range(2):
            answered = await ask(bus, RECORD_AUDIT, RecordAudit(entry=entry(1), intent="i1"), ASKER)
            assert answered.number == 2
        assert await audit.record(unknown, "i1") == 2
    assert [one.result for recorded in chain_of(broker) for one in recorded.entries] == [UNKNOWN, "OK"]


async def test_what_is_asked_again_of_another_host_is_written_once(broker: MemoryBroker) -> None:
    """Also where that one has just begun, and where the first one is not done yet."""
    request = RecordAudit(entry=entry(1), intent="i1")
    stuck = asyncio.Event()

    async def slow(name: str) -> None:
        if name.startswith("before append"):
            await stuck.wait()

    fresh = msgspec.structs.replace(ASKER, fresh=True)
    async with audit_on(MemoryBus(broker, step=slow)) as first:
        first._clock = clock = Late()
        one = asyncio.ensure_future(first._record(request, fresh))
        await asyncio.sleep(0.01)
        async with audit_on(MemoryBus(broker)) as second:
            assert (await second._record(request, ASKER)).number == 1
        clock.ahead = RECORD_AUDIT.asked_again or 0.0
        twice = [asyncio.ensure_future(first._record(request, ASKER)) for _ in range(2)]
        await asyncio.sleep(0)
        stuck.set()
        assert [found.number for found in await asyncio.gather(one, *twice)] == [1, 1, 1]
    async with audit_on(MemoryBus(broker)) as third:
        assert (await third._record(RecordAudit(entry=entry(2), intent="i2"), fresh)).number == 2
        assert (await third._record(request, ASKER)).number == 1
    assert [one.request_id for recorded in chain_of(broker) for one in recorded.entries] == ["1", "2"]


async def test_an_answer_that_was_lost_is_waited_for(broker: MemoryBroker) -> None:
    bus, losses = MemoryBus(broker), iter([True, False, False])
    broker.lose_ack = lambda: next(losses)
    async with audit_on(bus):
        assert (await ask(bus, RECORD_AUDIT, RecordAudit(entry=entry(1), intent="i1"), ASKER)).number == 1
    assert len(chain_of(broker)) == 1


async def test_a_withdrawal_that_is_heard_first_counts(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Announcements may wait in a line of their own, while many come."""
    monkeypatch.setattr(audit_module, "SWEEP", 0.05)
    monkeypatch.setattr(audit_module, "GRACE", 0.1)
    bus = MemoryBus(broker)
    async with audit_on(bus):
        said = msgspec.structs.replace(entry(1), result=UNKNOWN)
        for rpc, request in (
            (WITHDRAW_AUDIT, WithdrawAudit(intent="i")), (INTEND_AUDIT, IntendAudit(intent="i", entry=said)),
        ):  # fmt: skip
            await bus.publish(rpc.subject, msgspec.json.encode(request), Context(command_id="c").headers())
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.4)
    assert chain_of(broker) == []
