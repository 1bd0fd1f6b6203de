"""The audit in the ledger: filters narrow exactly, and pages neither repeat nor leave out."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import SCOPE, Audit
from actors.ledger.ledger import Ledger
from actors.ledger.page import PAGE
from actors.runtime.context import Context
from actors.runtime.wire import CURSOR_HEADER, ask, ask_raw
from bus_schemas.audit import LIST_AUDIT, AuditEntry, AuditRecord, AuditRecorded, ListAudit
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.places import Place

RIGHTS = frozenset({str(Action.AUDIT_VIEW)})


def _entry(number: int, **more: Any) -> AuditEntry:
    """Entry `number`: at that second of the first minute, users and results in turn."""
    common: dict[str, Any] = {
        "at": f"2026-01-01T00:00:{number:02}.500Z",
        "user": f"op{number % 3}",
        "door": "http",
        "action": "POST /api/call/start" if number % 2 else "GET /api/slots",
        "result": "OK" if number % 5 else "SLOT_BUSY",
        "subject": {"slot": number, "number": "+380991234567"},
        "request_id": f"r{number}",
    }
    return AuditEntry(**common | more)


@pytest.fixture
async def bus() -> MemoryBus:
    return MemoryBus(MemoryBroker(clock=SystemClock()))


@pytest.fixture
async def audit(bus: MemoryBus, place: Place) -> AsyncIterator[Audit]:
    audit = Audit(bus=bus, clock=SystemClock(), ids=RandomIds())
    ledger = Ledger(bus=bus, store=place.store())
    await audit.start()
    await ledger.start()
    yield audit
    await ledger.stop()
    await audit.stop()


async def _listed(bus: MemoryBus, **wanted: Any) -> list[AuditRecord]:
    context = Context(command_id="q", actions=RIGHTS, after=await bus.last_seq())
    return await ask(bus, LIST_AUDIT, ListAudit(**wanted), context)


async def _numbers(bus: MemoryBus, **wanted: Any) -> list[int]:
    return [record.number for record in await _listed(bus, **wanted)]


async def test_a_record_is_the_entry_with_its_place(bus: MemoryBus, audit: Audit) -> None:
    entry = _entry(1, credential="t_1", address="127.0.0.1", trace_id="a" * 32)
    await audit.record(entry)
    last = await bus.last(SCOPE)
    assert last is not None
    place = {"number": 1, "hash": msgspec.json.decode(last.data, type=AuditRecorded).hash, "count": 1, "first": None}
    assert await _listed(bus) == [AuditRecord(**msgspec.structs.asdict(entry) | place)]


async def test_a_record_of_many_says_how_many_and_since_when(bus: MemoryBus, audit: Audit) -> None:
    await audit.record(_entry(5, count=7, first="2026-01-01T00:00:01.500Z"))
    [record] = await _listed(bus)
    assert (record.count, record.first, record.at) == (7, "2026-01-01T00:00:01.500Z", "2026-01-01T00:00:05.500Z")


async def test_filters_narrow_exactly(bus: MemoryBus, audit: Audit) -> None:
    for number in range(1, 21):
        await audit.record(_entry(number))
    everything = list(range(20, 0, -1))
    for wanted, expected in (
        ({}, everything),
        ({"user": "op1"}, [n for n in everything if n % 3 == 1]),
        ({"user": "op"}, []),
        ({"action": "POST /api/call"}, [n for n in everything if n % 2]),
        ({"result": "SLOT_BUSY"}, [20, 15, 10, 5]),
        ({"result": "SLOT_BUSY", "action": "POST"}, [15, 5]),
        ({"request_id": "r7"}, [7]),
        ({"since": "2026-01-01T00:00:18Z"}, [20, 19, 18]),
        ({"since": "2026-01-01T02:00:18+02:00"}, [20, 19, 18]),
        ({"since": "2026-01-01T00:00:18.500Z"}, [20, 19, 18]),
        ({"since": "2026-01-01T00:00:18.501Z"}, [20, 19]),
        ({"until": "2026-01-01T00:00:03.500Z"}, [2, 1]),
        ({"since": "2026-01-01", "until": "2026-01-02"}, everything),
        ({"until": "2026-01-01"}, []),
    ):
        assert await _numbers(bus, **wanted) == expected, wanted


async def test_a_wildcard_in_an_action_stands_for_itself(bus: MemoryBus, audit: Audit) -> None:
    for action in ("a_b", "axb", "a%b", r"a\b", "ab"):
        await audit.record(_entry(1, action=action))
    assert await _numbers(bus, action="a_") == [1]
    assert await _numbers(bus, action="a%") == [3]
    assert await _numbers(bus, action="a\\") == [4]
    assert await _numbers(bus, action="%") == []


async def _pages(bus: MemoryBus, limit: int, **wanted: Any) -> list[list[int]]:
    pages: list[list[int]] = []
    cursor: str | None = None
    while not pages or cursor is not None:
        context = Context(command_id="q", actions=RIGHTS, after=await bus.last_seq())
        answered = await ask_raw(bus, LIST_AUDIT, ListAudit(limit=limit, cursor=cursor, **wanted), context)
        assert len(answered.data) < 1_000_000
        pages.append([record.number for record in msgspec.json.decode(answered.data, type=list[AuditRecord])])
        cursor = answered.headers.get(CURSOR_HEADER)
    return pages


async def test_pages_follow_each_other(bus: MemoryBus, audit: Audit) -> None:
    for number in range(1, 11):
        await audit.record(_entry(number))
    assert await _pages(bus, 4) == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1]]
    assert await _pages(bus, 10) == [list(range(10, 0, -1))]


@pytest.mark.parametrize("user", [{}, {"user": "op1"}])
async def test_pages_of_a_span_follow_each_other_by_time(bus: MemoryBus, audit: Audit, user: dict[str, str]) -> None:
    second = {number: (number * 7 + number // 9) % 20 for number in range(1, 31)}  # as clocks of hosts that differ
    for number in second:
        await audit.record(_entry(number, at=f"2026-01-01T00:00:{second[number]:02}.000Z"))
    found = [number for number in second if 5 <= second[number] < 15 and (not user or number % 3 == 1)]
    pages = await _pages(bus, 4, since="2026-01-01T00:00:05Z", until="2026-01-01T00:00:15Z", **user)
    assert [*itertools.chain(*pages)] == sorted(found, key=lambda number: (second[number], number), reverse=True)
    assert len(pages) > 1


async def test_a_page_fits_into_a_message(bus: MemoryBus, audit: Audit) -> None:
    count = PAGE // 6000 + 20
    for number in range(count):
        await audit.record(_entry(number % 60, address="x" * 6000))
    pages = await _pages(bus, 1000)
    assert len(pages) == 2 and [*pages[0], *pages[1]] == list(range(count, 0, -1))


@pytest.mark.parametrize("wanted", [{"since": "2026-13-01"}, {"until": "2026-01-01T25:00Z"}, {"cursor": "!"}])
async def test_nonsense_is_refused(bus: MemoryBus, audit: Audit, wanted: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        await _listed(bus, **wanted)
    assert refused.value.code is ErrorCode.INVALID_PARAMS


async def test_who_may_not_see_it_does_not(bus: MemoryBus, audit: Audit) -> None:
    with pytest.raises(Refusal) as refused:
        await ask(bus, LIST_AUDIT, ListAudit(), Context(command_id="q", user="op12"))
    assert refused.value.code is ErrorCode.PERMISSION_DENIED
